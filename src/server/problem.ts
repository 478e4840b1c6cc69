import { isParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'

/** The HTTP status of each code; docs/errors.md shows the same. */
const statusOf: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  CROSS_PARTITION: 400,
  INVALID_FILTER: 400,
  INVALID_UPDATE: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  READ_ONLY: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  UNIQUE_VIOLATION: 409,
  REFERENCE_VIOLATION: 409,
  TRANSACTION_CONFLICT: 409,
  PRECONDITION_FAILED: 409,
  HISTORY_UNAVAILABLE: 410,
  VERSION_CONFLICT: 412,
  LIMIT_EXCEEDED: 413,
  VALIDATION_FAILED: 422,
  CORRUPT_FILE: 500,
  UNSUPPORTED_FORMAT: 500,
  WRITER_LOCKED: 503,
  WRITER_FENCED: 503,
  STORAGE_UNAVAILABLE: 503,
  CLOSED: 503,
  ABORTED: 504,
}

/** An error as RFC 9457 has it, with the code and the facts beside. What is not the caller's business, our own bugs, is not told. */
export function problemOf(error: unknown): { readonly status: number; readonly detail: string; readonly [member: string]: unknown } {
  if (!isParqueDBError(error)) return { type: 'about:blank', title: 'INTERNAL', status: 500, detail: 'The server failed; its log says why.' }
  return { type: 'about:blank', title: error.code, status: statusOf[error.code], detail: error.message, code: error.code, details: error.details }
}

export function problemResponse(error: unknown): Response {
  const problem = problemOf(error)
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  if (problem.status === 401) headers.set('www-authenticate', 'Bearer')
  if (problem.status === 503) headers.set('retry-after', '1')
  return new Response(stringifyProblem(problem), { status: problem.status, headers })
}

/** Details are plain JSON, but for what a caller may have put there. */
export function stringifyProblem(problem: object): string {
  return JSON.stringify(problem, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
