import { ParqueDBError } from '../base/ParqueDBError.ts'

/** Bytes that no writer of ours makes. Whoever knows the file, column and offset adds them: see `inColumn` of decode-chunk.ts. */
export function malformed(problem: string): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `The Parquet data is damaged: ${problem}.`)
}
