import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { ByteRange, PutCondition } from './storage-backend.ts'

/** Objects on a page of a listing: what R2 and S3 give at most. */
const pageLimitMax = 1000

/** Refuses (INVALID_ARGUMENT) a range that is not `0 <= start <= end` in safe integers. */
export function validateRange(path: string, { start, end }: ByteRange): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end) return
  throw new ParqueDBError('INVALID_ARGUMENT', `The range ${start}..${end} of ${path} is not 0 <= start <= end in whole bytes.`, { details: { path, start, end } })
}

/** The page size of a listing: 1,000 when none is given; INVALID_ARGUMENT outside 1..1,000. */
export function pageLimit(limit: number | undefined): number {
  if (limit === undefined) return pageLimitMax
  if (Number.isInteger(limit) && limit >= 1 && limit <= pageLimitMax) return limit
  throw new ParqueDBError('INVALID_ARGUMENT', `The limit of a listing must be a whole number from 1 to ${pageLimitMax}, not ${limit}.`, { details: { limit } })
}

/** What a put must find: nothing, one etag, or whatever is there. */
export type ParsedCondition = { readonly kind: 'absent' } | { readonly kind: 'match'; readonly etag: string } | { readonly kind: 'any' }

/** Refuses (INVALID_ARGUMENT) a condition that names both rules, or one with a wrong value. */
export function parseCondition(path: string, condition: PutCondition | undefined): ParsedCondition {
  const { ifAbsent, ifMatch, ...unknown } = { ifAbsent: undefined, ifMatch: undefined, ...condition }
  if (Object.keys(unknown).length === 0) {
    if (ifAbsent === undefined && ifMatch === undefined) return { kind: 'any' }
    if (ifAbsent === true && ifMatch === undefined) return { kind: 'absent' }
    if (ifAbsent === undefined && typeof ifMatch === 'string') return { kind: 'match', etag: ifMatch }
  }
  throw new ParqueDBError('INVALID_ARGUMENT', `The condition of the put of ${path} must be { ifAbsent: true }, { ifMatch: etag } or nothing.`, { details: { path, condition } })
}

/** PRECONDITION_FAILED unless the condition holds where `found` is the etag of what is there. */
export function assertCondition(path: string, condition: ParsedCondition, found: string | undefined): void {
  if (condition.kind !== 'any' && found !== (condition.kind === 'match' ? condition.etag : undefined)) throw preconditionFailed(path, condition, found)
}

/** The condition of a put did not hold; `found` is the etag that is there, undefined when nothing is. */
export function preconditionFailed(path: string, condition: ParsedCondition, found: string | undefined): ParqueDBError {
  const message =
    condition.kind === 'absent'
      ? `${path} exists already, so it was not created. Read it, or write to another path.`
      : `${path} is not as it was read, so it was not replaced. Read it again and decide anew.`
  return new ParqueDBError('PRECONDITION_FAILED', message, { details: { path, condition, found } })
}

export function notFound(path: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('NOT_FOUND', `There is no object ${path}.`, { details: { path }, cause })
}

/** For who takes an object that is not there for what it is. */
export function undefinedWhenAbsent(error: unknown): undefined {
  if (!isParqueDBError(error, 'NOT_FOUND')) throw error
}

/** `pid` is undefined when the holder does not answer, or is in this process. */
export function writerLocked(details: { root: string; pid?: number; since?: string }): ParqueDBError {
  const holder = details.pid === undefined ? 'by another writer' : `by process ${details.pid}`
  return new ParqueDBError('WRITER_LOCKED', `${details.root} is already open for writing ${holder}. Close it there first, or open it here with readOnly: true.`, { details })
}
