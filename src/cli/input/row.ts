import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { Document } from '../../model/values.ts'

/** One document on its way in, as its file gives it: not yet checked against the rules of documents. */
export interface Row {
  /** Where it begins in its file, from 1; for files without lines, its number. */
  readonly line: number
  readonly document: Document
  /** About how much of the file it took. Tells where a batch ends, so it depends on the file alone. */
  readonly bytes: number
}

/** Rows in the order of the file, in groups of any size, with memory bounded by a group. */
export type Rows = AsyncIterable<readonly Row[]>

/** The data is not what its format promises. `where` is the source's name; `line` counts from 1. */
export function inputError(where: string, line: number, reason: string): ParqueDBError {
  return new ParqueDBError('VALIDATION_FAILED', `${where}, line ${line}: ${reason}`, { details: { file: where, line } })
}
