/** Every way in which the caller or the world can fail, documented in docs/errors.md with what to do about each. */
export type ErrorCode =
  | 'NOT_FOUND' | 'ALREADY_EXISTS' | 'VERSION_CONFLICT' | 'UNIQUE_VIOLATION' | 'REFERENCE_VIOLATION' | 'TRANSACTION_CONFLICT' | 'PRECONDITION_FAILED'
  | 'VALIDATION_FAILED' | 'INVALID_FILTER' | 'INVALID_UPDATE' | 'INVALID_ARGUMENT' | 'CROSS_PARTITION' | 'LIMIT_EXCEEDED'
  | 'WRITER_LOCKED' | 'WRITER_FENCED' | 'READ_ONLY' | 'ABORTED' | 'CLOSED' | 'UNAUTHORIZED' | 'FORBIDDEN'
  | 'CORRUPT_FILE' | 'UNSUPPORTED_FORMAT' | 'HISTORY_UNAVAILABLE' | 'STORAGE_UNAVAILABLE'

/** Facts of a failure that survive a trip through JSON: which entity, file, field, offset, limit. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** What an error of any kind says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * The one error class. `message` is for the person who meets it: what happened, to what, and what to do.
 * `code` is for programs; branch on it, never on the message.
 */
export class ParqueDBError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ParqueDBError'
    this.code = code
    this.details = options.details ?? {}
  }

  toJSON(): { code: ErrorCode; message: string; details: ErrorDetails } {
    return { code: this.code, message: this.message, details: this.details }
  }

  static fromJSON(json: { code: ErrorCode; message: string; details?: ErrorDetails }): ParqueDBError {
    return new ParqueDBError(json.code, json.message, json.details === undefined ? {} : { details: json.details })
  }
}

/** True for a ParqueDBError, of this code when one is given; also for one that crossed a package copy or a realm. */
export function isParqueDBError(error: unknown, code?: ErrorCode): error is ParqueDBError {
  return error instanceof Error && error.name === 'ParqueDBError' && (code === undefined || (error as ParqueDBError).code === code)
}

/** A failure with more facts, and with what `tell` makes of its message; what is none of ours as it is. */
export function retold(error: unknown, facts: ErrorDetails, tell = (message: string): string => message): unknown {
  if (!isParqueDBError(error)) return error
  return new ParqueDBError(error.code, tell(error.message), { details: { ...error.details, ...facts }, cause: error })
}

/** That a limit would be passed. `limit` is its name, and the most that it allows: `{ depthMax: 100 }`. */
export function limitExceeded(limit: { readonly [name: string]: number }, message: string, more?: ErrorDetails): ParqueDBError {
  const [[name, most] = []] = Object.entries(limit)
  return new ParqueDBError('LIMIT_EXCEEDED', message, { details: { limit: name, most, ...more } })
}

/** What `work` gives; what it throws becomes the error that `toError` makes of it. */
export function translated<Result>(work: () => Result, toError: (cause: unknown) => unknown): Result {
  try {
    return work()
  } catch (cause) {
    throw toError(cause)
  }
}
