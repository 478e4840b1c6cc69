import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { ExpectedVersion } from '../model/decide.ts'
import { formatEntityId, parseEntityId, type EntityKey } from '../model/entity.ts'
import { parseLinkFields, type Link } from '../model/links.ts'
import { parseDocument, parseSizedDocument, parseValue } from '../model/parse-document.ts'
import { systemFields } from '../model/entity-document.ts'
import type { Document } from '../model/values.ts'
import type { Session } from './session.ts'
import { parseExpectedVersion } from './write-options.ts'

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

