import { isParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'

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

/** Of the codes that have one of their own; every other failure is 'failed'. */
const exitCodesOf: { readonly [Code in ErrorCode]?: ExitCode } = {
  ...codes(exitCodes.invalid, 'INVALID_ARGUMENT', 'CROSS_PARTITION', 'INVALID_FILTER', 'INVALID_UPDATE', 'VALIDATION_FAILED'),
  ...codes(exitCodes.notFound, 'NOT_FOUND'),
  ...codes(exitCodes.conflict, 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'UNIQUE_VIOLATION', 'REFERENCE_VIOLATION', 'TRANSACTION_CONFLICT', 'PRECONDITION_FAILED'),
  ...codes(exitCodes.locked, 'WRITER_LOCKED', 'WRITER_FENCED'),
  ...codes(exitCodes.damaged, 'CORRUPT_FILE'),
}

function codes(exitCode: ExitCode, ...of: readonly ErrorCode[]): { [code: string]: ExitCode } {
  return Object.fromEntries(of.map((code) => [code, exitCode]))
}

/** The exit code for whatever ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  return (isParqueDBError(error) ? exitCodesOf[error.code] : undefined) ?? exitCodes.failed
}
