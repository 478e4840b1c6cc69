import { isParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'

/** The codes of each HTTP status; docs/errors.md shows the same. */
const codesOf: { readonly [status: number]: readonly ErrorCode[] } = {
  400: ['INVALID_ARGUMENT', 'CROSS_PARTITION', 'INVALID_FILTER', 'INVALID_UPDATE'],
  401: ['UNAUTHORIZED'],
  403: ['FORBIDDEN', 'READ_ONLY'],
  404: ['NOT_FOUND'],
  409: ['ALREADY_EXISTS', 'UNIQUE_VIOLATION', 'REFERENCE_VIOLATION', 'TRANSACTION_CONFLICT', 'PRECONDITION_FAILED'],
  410: ['HISTORY_UNAVAILABLE'],
  412: ['VERSION_CONFLICT'],
  413: ['LIMIT_EXCEEDED'],
  422: ['VALIDATION_FAILED'],
  500: ['CORRUPT_FILE', 'UNSUPPORTED_FORMAT'],
  503: ['WRITER_LOCKED', 'WRITER_FENCED', 'STORAGE_UNAVAILABLE', 'CLOSED'],
  504: ['ABORTED'],
}
const statusOf = new Map(Object.entries(codesOf).flatMap(([status, codes]) => codes.map((code) => [code, Number(status)])))

/** An error as RFC 9457 has it, with the code and the facts beside. What is not the caller's business, our own bugs, is not told. */
export function problemOf(error: unknown): { readonly status: number; readonly detail: string; readonly [member: string]: unknown } {
  if (!isParqueDBError(error)) return { type: 'about:blank', title: 'INTERNAL', status: 500, detail: 'The server failed; its log says why.' }
  return { type: 'about:blank', title: error.code, status: 'allow' in error.details ? 405 : (statusOf.get(error.code) ?? 500), detail: error.message, code: error.code, details: error.details }
}

export function problemResponse(error: unknown): Response {
  const problem = problemOf(error)
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  const { allow } = (problem['details'] ?? {}) as { allow?: string }
  if (allow !== undefined) headers.set('allow', allow)
  if (problem.status === 401) headers.set('www-authenticate', 'Bearer')
  if (problem.status === 503) headers.set('retry-after', '1')
  return new Response(stringifyProblem(problem), { status: problem.status, headers })
}

/** Details are plain JSON, but for what a caller may have put there. */
export function stringifyProblem(problem: object): string {
  return JSON.stringify(problem, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
