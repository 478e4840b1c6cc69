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

/** Those that have one of their own; every other failure is 'failed'. */
const codesOf: { readonly [Name in keyof typeof exitCodes]?: readonly ErrorCode[] } = {
  invalid: ['INVALID_ARGUMENT', 'CROSS_PARTITION', 'INVALID_FILTER', 'INVALID_UPDATE', 'VALIDATION_FAILED'],
  notFound: ['NOT_FOUND'],
  conflict: ['ALREADY_EXISTS', 'VERSION_CONFLICT', 'UNIQUE_VIOLATION', 'REFERENCE_VIOLATION', 'TRANSACTION_CONFLICT', 'PRECONDITION_FAILED'],
  locked: ['WRITER_LOCKED', 'WRITER_FENCED'],
  damaged: ['CORRUPT_FILE'],
}

/** The exit code for whatever ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  const [name = 'failed'] = (Object.keys(codesOf) as (keyof typeof codesOf)[]).filter((each) => codesOf[each]?.some((code) => isParqueDBError(error, code)))
  return exitCodes[name]
}
