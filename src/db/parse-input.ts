import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkName } from '../model/check-options.ts'
import type { VersionedOptions } from '../model/database-options.ts'
import type { ExpectedVersion } from '../model/decide.ts'
import { formatEntityId, parseEntityId, type EntityKey } from '../model/entity.ts'
import { parseLinkFields, type Link } from '../model/links.ts'
import { parseDocument, parseSizedDocument, parseValue } from '../model/parse-document.ts'
import { systemFields } from '../model/entity-document.ts'
import type { Document } from '../model/values.ts'
import type { Session } from './session.ts'

/** What a new document cannot have as its own fields. */
const besideFields: ReadonlySet<string> = new Set([...systemFields, '$link'])

export type NewEntity = Readonly<ReturnType<typeof parseNewDocument>>

/** A document to create: its `$id` or a new ULID, its own fields, and in `$link` its edges. System fields are refused: the database writes them itself. */
export function parseNewDocument(session: Session, ns: string, input: unknown) {
  /** `bytes`: what the document takes, as approximateBytes has it. */
  const { document, bytes } = parseSizedDocument(input, session.limits, newDocumentRules)
  const { $id, $link } = input as Record<string, unknown>
  const key = { ns, id: $id === undefined ? session.ids.next() : parseEntityId($id, ns) }
  return { key, document, bytes, links: $link === undefined ? noLinks : parseLinkFields(session.relations, { near: key, kind: 'link', fields: $link, limits: session.limits }) }
}

const noLinks: readonly Link[] = []

const newDocumentRules = {
  skip: besideFields,
  onSkip(name: string): void {
    if (name === '$id' || name === '$link') return
    throw new ParqueDBError('VALIDATION_FAILED', `'${name}' is written by the database and cannot be given to a new document; leave it out or rename it.`, { details: { path: name } })
  },
}

/**
 * A document to put in place of another. An entity that was read and changed may be given as it is: its `$id` must be the one that is
 * replaced, its `version` becomes the expected one, and the other system fields must be the current ones.
 */
export function parseReplacement(session: Session, key: EntityKey, replace: { input: unknown; expectedVersion: ExpectedVersion | undefined }) {
  const { input } = replace
  const document = parseDocument(input, session.limits, { skip: systemFields })
  /** System fields that came along, `$id` and `version` aside. */
  const fields: Document = {}
  let expectedVersion = replace.expectedVersion
  const source = input as Record<string, unknown>
  for (const name of systemFields) {
    const value = Object.hasOwn(source, name) ? source[name] : undefined
    if (value === undefined) continue
    if (name === '$id') checkSameId(key, value)
    else if (name === 'version') expectedVersion = agreedVersion(parseExpectedVersion(value), expectedVersion)
    else fields[name] = parseValue(value, name, session.limits)
  }
  return { document, fields, expectedVersion }
}

function checkSameId(key: EntityKey, value: unknown): void {
  if (parseEntityId(value, key.ns) === key.id) return
  const $id = formatEntityId(key)
  throw new ParqueDBError('VALIDATION_FAILED', `The document that is to replace ${$id} has another $id, ${String(value).slice(0, 80)}; an entity keeps its id.`, { details: { $id, path: '$id' } })
}

function agreedVersion(ofDocument: ExpectedVersion | undefined, ofOptions: ExpectedVersion | undefined): ExpectedVersion | undefined {
  if (ofOptions === undefined || ofDocument === ofOptions) return ofDocument
  throw new ParqueDBError('INVALID_ARGUMENT', `The document says version ${ofDocument}, expectedVersion says ${ofOptions}; give one of them.`, { details: { option: 'expectedVersion' } })
}

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

function parseExpectedVersion(value: unknown): ExpectedVersion | undefined {
  if (value === undefined || value === 'absent') return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new ParqueDBError('INVALID_ARGUMENT', "The option 'expectedVersion' must be a version, a whole number from 1 on, or 'absent'.", { details: { option: 'expectedVersion' } })
}
