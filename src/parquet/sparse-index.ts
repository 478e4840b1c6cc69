import { compareStrings, utf8Decode, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { BloomFilters } from './BloomFilters.ts'
import type { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import type { FieldSpec } from './columns.ts'
import { IdHashes } from './IdHashes.ts'
import { malformed } from './malformed.ts'

/** A part of a file, with its checksum. */
export interface Section {
  readonly start: number
  readonly end: number
  readonly crc32: number
}

/** What the index says about one row group. */
export interface RowGroupEntry {
  /** As many parts as the file's keys have. */
  readonly firstKey: readonly string[]
  readonly rows: number
  /** The directory and, after it, the column chunks; back to back with the next row group. */
  readonly start: number
  readonly end: number
  /** At `start`: each chunk's length and checksum (see TableWriter). */
  readonly directoryBytes: number
  readonly directoryCrc32: number
  /** Inclusive, over its rows. */
  readonly minSeq: number
  readonly maxSeq: number
  readonly minTs: number
  readonly maxTs: number
  /** Of its first row. */
  readonly firstSeq: number
  readonly firstTs: number
}

/** The part of the index that is JSON: small, and the same however many rows there are. */
export interface IndexHeader {
  readonly format: number
  readonly kind: 'run' | 'segment'
  readonly fields: readonly FieldSpec[]
  readonly metadata: Readonly<Record<string, string>>
  /** Of its compressed pages; snappy where it says nothing. */
  readonly codec?: 'gzip'
  /** Blocks that are read when they are needed. */
  readonly sections: { readonly [name: string]: Section }
  /** True when the filters over keys and ids follow in the index; else they are the section 'filters'. */
  readonly hasFilters: boolean
}

/** A file's own sparse index: all that a reader needs to go straight to a row, without the Thrift footer. */
export interface SparseIndex extends IndexHeader {
  readonly rowGroups: readonly RowGroupEntry[]
  readonly lastKey: readonly string[]
  readonly filters: Filters | undefined
}

/** Of each row group: over keys; over ids of events and transactions (none in runs). Of files of a format before 4 over all row groups together, and both Bloom filters. */
export interface Filters {
  readonly keys: BloomFilters
  readonly ids: IdHashes | BloomFilters
}

/**
 * Raised by every change that an older reader could not read. 2: a CREATE in a segment is its own snapshot; doubles may be split by bytes. 3: pages may be gzip.
 * 4: each row group has a filter and hashes of ids, where there was a filter for all and one of ids.
 */
export const indexFormat = 4
/** 'PQDX' */
const magic = 0x58445150

/** Where a row group ends is where the next begins, so only lengths are kept. */
export function writeIndex(index: Omit<SparseIndex, 'filters'>, out: ByteBuffer): void {
  const { rowGroups, lastKey, ...header } = index
  out.uint32(magic)
  writeText(JSON.stringify(header), out)
  out.varint(rowGroups.length)
  out.varint(lastKey.length)
  out.varint(rowGroups[0]?.start ?? 0)
  let key: readonly string[] = []
  for (const group of rowGroups) {
    writeKey(group.firstKey, key, out)
    key = group.firstKey
    out.varint(group.rows)
    out.varint(group.end - group.start)
    out.varint(group.directoryBytes)
    out.uint32(group.directoryCrc32)
    out.varint(group.minSeq)
    out.varint(group.maxSeq - group.minSeq)
    out.varint(group.firstSeq - group.minSeq)
    out.zigzag(group.minTs)
    out.varint(group.maxTs - group.minTs)
    out.varint(group.firstTs - group.minTs)
  }
  for (const part of lastKey) writeText(part, out)
}

/** Reads an index whose checksum has been verified. */
export function readIndex(bytes: Uint8Array): SparseIndex {
  const cursor = new ByteCursor(bytes)
  if (cursor.uint32() !== magic) throw malformed('the index does not begin as one')
  const header = JSON.parse(readText(cursor)) as IndexHeader
  if (!Number.isInteger(header.format) || header.format < 1 || header.format > indexFormat) {
    throw new ParqueDBError('UNSUPPORTED_FORMAT', `The file has the format ${String(header.format)}, and this version of ParqueDB reads up to ${indexFormat}; use the version that wrote it, or a newer one.`)
  }
  const groupCount = cursor.varint()
  const keyParts = cursor.varint()
  if (groupCount > bytes.length || keyParts > 2) throw malformed('the index announces more than it can hold')
  let start = cursor.varint()
  let firstKey: readonly string[] = []
  const rowGroups: RowGroupEntry[] = []
  for (let index = 0; index < groupCount; index++) {
    firstKey = readKey(cursor, { parts: keyParts, before: firstKey })
    const group = readGroup(cursor, { firstKey, start })
    rowGroups.push(group)
    start = group.end
  }
  const lastKey = Array.from({ length: keyParts }, () => readText(cursor))
  return { ...header, rowGroups, lastKey, filters: header.hasFilters ? readFilters(cursor, { format: header.format, rowGroups }) : undefined }
}

function readGroup(cursor: ByteCursor, { firstKey, start }: { firstKey: readonly string[]; start: number }): RowGroupEntry {
  const rows = cursor.varint()
  const end = start + cursor.varint()
  const directoryBytes = cursor.varint()
  const directoryCrc32 = cursor.uint32()
  const minSeq = cursor.varint()
  const maxSeq = minSeq + cursor.varint()
  const firstSeq = minSeq + cursor.varint()
  const minTs = cursor.zigzag()
  const maxTs = minTs + cursor.varint()
  const firstTs = minTs + cursor.varint()
  return { firstKey, rows, start, end, directoryBytes, directoryCrc32, minSeq, maxSeq, minTs, maxTs, firstSeq, firstTs }
}

/** What an index of this format, over these row groups, has. */
export function readFilters(cursor: ByteCursor, { format, rowGroups }: Pick<SparseIndex, 'format' | 'rowGroups'>): Filters {
  const layout = { groupCount: rowGroups.length, isShared: format < 4 }
  return { keys: BloomFilters.read(cursor, layout), ids: layout.isShared ? BloomFilters.read(cursor, layout) : IdHashes.read(cursor, rowGroups.map(({ rows }) => rows)) }
}

/** Each part without the beginning it shares with the same part of the key before it. */
function writeKey(key: readonly string[], before: readonly string[], out: ByteBuffer): void {
  key.forEach((part, index) => {
    const other = before[index] ?? ''
    let shared = 0
    while (shared < part.length && shared < other.length && part.charCodeAt(shared) === other.charCodeAt(shared)) shared++
    // Half of a surrogate pair is no text.
    if (shared > 0 && isHighSurrogate(part.charCodeAt(shared - 1))) shared--
    out.varint(shared)
    writeText(part.slice(shared), out)
  })
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function readKey(cursor: ByteCursor, { parts, before }: { parts: number; before: readonly string[] }): string[] {
  const key: string[] = []
  for (let index = 0; index < parts; index++) {
    const shared = cursor.varint()
    key.push((before[index] ?? '').slice(0, shared) + readText(cursor))
  }
  return key
}

function writeText(text: string, out: ByteBuffer): void {
  const bytes = utf8Encode(text)
  out.varint(bytes.length)
  out.append(bytes)
}

function readText(cursor: ByteCursor): string {
  return utf8Decode(cursor.take(cursor.varint()))
}

/** Orders keys part by part, each by its UTF-8 bytes. */
export function compareKeys(left: readonly string[], right: readonly string[]): number {
  for (let index = 0; index < left.length && index < right.length; index++) {
    const order = compareStrings(left[index] as string, right[index] as string)
    if (order !== 0) return order
  }
  return left.length - right.length
}

/** Index of the last row group whose first key is at most `key` (below it, with `isBelow`); -1 when there is none. */
export function lastGroupFrom(rowGroups: readonly RowGroupEntry[], key: readonly string[], { isBelow = false } = {}): number {
  let low = 0
  let high = rowGroups.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareKeys((rowGroups[middle] as RowGroupEntry).firstKey, key)
    if (isBelow ? order < 0 : order <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** One string for a key, for filters. No part but the last may hold a NUL. */
export function joinKey(key: readonly string[]): string {
  const [first = '', second] = key
  // A join costs several times what two concatenations do.
  return key.length === 2 ? `${first}\0${second}` : key.join('\0')
}
