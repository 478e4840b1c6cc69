import { isParqueDBError } from '../base/ParqueDBError.ts'
import type { ErrorCode } from '../base/ParqueDBError.ts'

/** What a process answers to its shell; docs/guides/command-line.md says the same to users. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  invalid: 2,
  notFound: 3,
  conflict: 4,
  locked: 5,
  damaged: 6,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** The exit code for whatever ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  return isParqueDBError(error) ? exitCodeOfError(error.code) : exitCodes.failed
}

function exitCodeOfError(code: ErrorCode): ExitCode {
  switch (code) {
    case 'INVALID_ARGUMENT':
    case 'INVALID_FILTER':
    case 'INVALID_UPDATE':
    case 'VALIDATION_FAILED':
      return exitCodes.invalid
    case 'NOT_FOUND':
      return exitCodes.notFound
    case 'ALREADY_EXISTS':
    case 'VERSION_CONFLICT':
    case 'UNIQUE_VIOLATION':
    case 'REFERENCE_VIOLATION':
    case 'TRANSACTION_CONFLICT':
    case 'PRECONDITION_FAILED':
      return exitCodes.conflict
    case 'WRITER_LOCKED':
    case 'WRITER_FENCED':
      return exitCodes.locked
    case 'CORRUPT_FILE':
      return exitCodes.damaged
    case 'LIMIT_EXCEEDED':
    case 'UNSUPPORTED_FORMAT':
    case 'HISTORY_UNAVAILABLE':
    case 'STORAGE_UNAVAILABLE':
    case 'READ_ONLY':
    case 'ABORTED':
    case 'CLOSED':
    case 'UNAUTHORIZED':
    case 'FORBIDDEN':
      return exitCodes.failed
  }
}
