import { ParqueDBError } from '../base/ParqueDBError.ts'

/** Where a reader gets a file's bytes from. */
export interface ByteSource {
  readonly path: string
  readonly sizeBytes: number
  /** Half-open; always whole: a short read is CORRUPT_FILE. */
  readRange(range: { start: number; end: number }): Promise<Uint8Array>
}

/** A file that is in memory whole. */
export function sourceOfBytes(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    sizeBytes: bytes.length,
    readRange: async ({ start, end }) => {
      if (end > bytes.length) {
        throw new ParqueDBError('CORRUPT_FILE', `${path} has ${bytes.length} bytes, and its bytes ${start} to ${end} are asked for.`, { details: { path, offset: start } })
      }
      return bytes.slice(start, end)
    },
  }
}
