import { ParqueDBError } from '../../base/ParqueDBError.ts'

/** The data is not what its format promises. `where` is the source's name; `line` counts from 1. */
export function inputError(where: string, line: number, reason: string): ParqueDBError {
  return new ParqueDBError('VALIDATION_FAILED', `${where}, line ${line}: ${reason}`, { details: { file: where, line } })
}
