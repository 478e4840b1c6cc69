import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { VersionedOptions } from '../model/database-options.ts'
import type { ExpectedVersion } from '../model/decide.ts'
import { parseDocument } from '../model/parse-document.ts'
import type { Document } from '../model/values.ts'
import { checkName } from '../model/check-options.ts'
import type { Session } from './session.ts'

const stampNames = ['reason', 'correlationId', 'causationId'] as const
export const writeOptionNames = ['actor', 'metadata', ...stampNames, 'signal'] as const
export const idempotentOptionNames = [...writeOptionNames, 'txId'] as const
export const versionedOptionNames = [...idempotentOptionNames, 'expectedVersion'] as const

export type ParsedWrite = Readonly<ReturnType<typeof parseWrite>>

/** The values of write options whose names have been checked. */
export function parseWrite(session: Session, options: VersionedOptions) {
  const txId = checkName(options.txId, 'txId')
  if (txId !== undefined && session.isTransaction) throw new ParqueDBError('INVALID_ARGUMENT', 'Inside a transaction a write has no txId of its own; give it to transaction().', { details: { option: 'txId' } })
  return {
    actor: checkName(options.actor, 'actor'),
    metadata: metadataOf(session, options),
    txId,
    signal: options.signal,
    expectedVersion: parseExpectedVersion(options.expectedVersion),
  }
}

/** The event's metadata, with why and whence where the options tell. */
function metadataOf(session: Session, options: VersionedOptions): Document | undefined {
  const metadata = options.metadata === undefined ? undefined : parseDocument(options.metadata, session.limits)
  const stamps = stampNames.flatMap((name): [string, string][] => {
    const value = checkName(options[name], name)
    if (value !== undefined && metadata?.[name] !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' is given as an option and in the metadata; give it once.`, { details: { option: name } })
    return value === undefined ? [] : [[name, value]]
  })
  return stamps.length === 0 ? metadata : { ...metadata, ...Object.fromEntries(stamps) }
}

export function parseExpectedVersion(value: unknown): ExpectedVersion | undefined {
  if (value === undefined || value === 'absent') return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new ParqueDBError('INVALID_ARGUMENT', "The option 'expectedVersion' must be a version, a whole number from 1 on, or 'absent'.", { details: { option: 'expectedVersion' } })
}
