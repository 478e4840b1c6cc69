import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import { decodeBase64, encodeBase64 } from '../model/base64.ts'
import { parseExtendedJson, stringifyExtendedJson } from '../model/ejson.ts'
import type { Value } from '../model/values.ts'
import type { Position } from './row-order.ts'

/** A cursor holds the sort values of one row and its id: longer ones would be data in disguise. Characters. */
const cursorLengthMax = 1024 * 1024

const formatVersion = 1

/** What a cursor belongs to, as text: equal for equal queries. */
export function fingerprintOf(parts: readonly unknown[]): number {
  return crc32(utf8Encode(JSON.stringify(parts, plainJson)))
}

/** An opaque text that names a position in the order of one query; safe in a URL. LIMIT_EXCEEDED where the row's sort values are too long for it. */
export function encodeCursor(position: Position, fingerprint: number): string {
  const values = position.values.map((value) => (value === undefined ? [] : [value]))
  const payload = utf8Encode(stringifyExtendedJson([formatVersion, fingerprint, position.id, values]))
  const text = encodeBase64(utf8Encode(`${crc32(payload)}:${utf8Decode(payload)}`))
  if (text.length > cursorLengthMax) throw limitExceeded({ cursorLengthMax }, `The values that the query sorts by are too long for a cursor of ${cursorLengthMax} characters; sort by a shorter field.`)
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The position. INVALID_ARGUMENT for a text that encodeCursor did not make, or that it made for another query. */
export function decodeCursor(cursor: unknown, query: { fingerprint: number; keyCount: number }): Position {
  const [version, fingerprint, id, values] = readPayload(cursor)
  if (version !== formatVersion) throw damaged('it is of another version of ParqueDB')
  if (fingerprint !== query.fingerprint) throw damaged('it belongs to another query; give the filter, sort, skip, asOf and includeDeleted with which the first page was read')
  if (typeof id !== 'string' || !Array.isArray(values) || values.length !== query.keyCount) throw damaged('it is incomplete')
  return { id, values: values.map((wrapped) => (Array.isArray(wrapped) ? wrapped[0] : undefined)) }
}

function readPayload(cursor: unknown): readonly Value[] {
  if (typeof cursor !== 'string' || cursor === '' || cursor.length > cursorLengthMax) throw damaged('it is not the text that page() gave')
  const bytes = decodeBase64(cursor.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (cursor.length % 4)) % 4))
  const text = bytes === undefined ? '' : new TextDecoder().decode(bytes)
  const colon = text.indexOf(':')
  const payload = text.slice(colon + 1)
  if (colon < 1 || text.slice(0, colon) !== String(crc32(utf8Encode(payload)))) throw damaged('it is damaged')
  const parts = parseExtendedJson(payload)
  if (!Array.isArray(parts)) throw damaged('it is damaged')
  return parts
}

function damaged(problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The cursor cannot be used: ${problem}.`, { details: { option: 'cursor' } })
}

function plainJson(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (typeof value === 'number' && !Number.isFinite(value)) return { number: String(value) }
  if (value instanceof Set) return [...value]
  if (value instanceof Uint8Array) return { bytes: encodeBase64(value) }
  return value
}
