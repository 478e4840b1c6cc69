import { isParqueDBError, messageOf, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Arena } from './Arena.ts'
import { bitWidthOf } from './bit-packing.ts'
import { decodeDeltaBytes, decodeDeltaLength, decodePlainByteArrays } from './byte-arrays.ts'
import { ByteCursor } from './ByteCursor.ts'
import { decompress, type Codec } from './codecs.ts'
import { Column, type ColumnValues } from './Column.ts'
import type { Leaf } from './columns.ts'
import { decodeDelta } from './delta-binary.ts'
import { malformed } from './malformed.ts'
import { readPageHeader, type PageHeader } from './page-header.ts'
import { decodeHybrid } from './rle-hybrid.ts'

/** One column chunk as the directory of its row group describes it. */
export interface ChunkBytes {
  readonly leaf: Leaf
  /** Rows of the row group. */
  readonly rowCount: number
  readonly bytes: Uint8Array
  /** undefined: its pages stand as they are. */
  readonly codec: Codec | undefined
}

/** A run of one value takes five bytes however long it is, so levels and codes are bounded by a count of their own. */
const entriesMax = 1 << 24
/** What sorted keys of one row group may expand to. */
export const prefixedBytesMax = 1 << 26

/** A chunk with its pages as they were before they were compressed. */
export interface OpenChunk {
  readonly page: EncodedPage
  readonly entryCount: number
  readonly valueCount: number
  readonly repetitionLevels: Uint8Array
  readonly definitionLevels: Uint8Array
}

/** Decodes a chunk, whose checksum is right, into `memory`; CORRUPT_FILE when it is not what was written. Without file and offset: see `inFile`. */
export function decodeChunk(chunk: ChunkBytes, memory: Arena): Column {
  return decodeColumn(chunk, openChunk(chunk, memory))
}

/** The checksums of its pages are for other readers: the chunk's, verified, covers them. */
export function openChunk(chunk: ChunkBytes, memory: Arena): OpenChunk {
  const cursor = new ByteCursor(chunk.bytes)
  let header = readPageHeader(cursor)
  let dictionary: PlainPage | undefined
  if (header.kind === 'dictionary') {
    dictionary = { page: expand(chunk, cursor.take(header.compressedBytes), { size: header.uncompressedBytes, memory }), count: header.valueCount }
    header = readPageHeader(cursor)
  }
  checkCounts(header, chunk)
  const page = cursor.take(header.compressedBytes)
  const levelBytes = header.repetitionBytes + header.definitionBytes
  if (cursor.at !== chunk.bytes.length || levelBytes > page.length || levelBytes > header.uncompressedBytes) throw malformed('a column chunk has another size than its pages')
  const body = expand(chunk, page.subarray(levelBytes), { size: header.uncompressedBytes - levelBytes, memory })
  return {
    page: { leaf: chunk.leaf, header, body, dictionary, memory },
    entryCount: header.valueCount,
    valueCount: header.valueCount - header.nullCount,
    repetitionLevels: page.subarray(0, header.repetitionBytes),
    definitionLevels: page.subarray(header.repetitionBytes, levelBytes),
  }
}

export function decodeColumn({ leaf, rowCount }: ChunkBytes, { page, entryCount, valueCount, repetitionLevels, definitionLevels }: OpenChunk): Column {
  const { memory } = page
  const repetitions = leaf.maxRepetition === 0 ? undefined : levels(repetitionLevels, { count: entryCount, greatest: 1, memory })
  const definitions = valueCount === entryCount ? undefined : levels(definitionLevels, { count: entryCount, greatest: leaf.maxDefinition, memory })
  return new Column({ leaf, rowCount, entryCount, valueCount, definitions, repetitions, values: decodeValues(page, valueCount) })
}

function checkCounts(header: PageHeader, { leaf, rowCount }: ChunkBytes): void {
  const isRight =
    header.kind === 'data' &&
    header.rowCount === rowCount &&
    header.nullCount <= header.valueCount &&
    (leaf.maxRepetition === 0 ? header.valueCount === rowCount : header.valueCount >= rowCount && header.valueCount <= entriesMax)
  if (!isRight) throw malformed('a page has another number of rows than its row group')
}

function expand({ codec }: ChunkBytes, bytes: Uint8Array, to: { size: number; memory: Arena }): Uint8Array {
  if (codec !== undefined) return decompress(codec, bytes, to)
  if (bytes.length !== to.size) throw malformed('an uncompressed page has another size than its header says')
  return bytes
}

function levels(bytes: Uint8Array, { count, greatest, memory }: { count: number; greatest: number; memory: Arena }): Uint8Array {
  const out = memory.array(Uint8Array, count)
  decodeHybrid(bytes, { width: bitWidthOf(greatest), greatest }, out)
  return out
}

/** PLAIN values, so many of them. */
export interface PlainPage {
  readonly page: Uint8Array
  readonly count: number
}

export interface EncodedPage {
  readonly leaf: Leaf
  readonly header: PageHeader
  readonly body: Uint8Array
  readonly dictionary: PlainPage | undefined
  readonly memory: Arena
}

function decodeValues(page: EncodedPage, count: number): ColumnValues {
  switch (page.leaf.kind) {
    case 'string':
    case 'bytes':
      return decodeByteArrays(page, count)
    case 'int':
    case 'date':
      return { kind: 'numbers', numbers: decodeInts(page, count) }
    case 'double':
      return { kind: 'numbers', numbers: decodeDoubles(page, count) }
    case 'bigint':
      if (page.header.encoding !== 'PLAIN') throw unexpectedEncoding(page)
      return { kind: 'bigints', bigints: bigintsOf(page, count) }
    case 'boolean':
      if (page.header.encoding !== 'RLE') throw unexpectedEncoding(page)
      return { kind: 'flags', flags: decodeFlags(page, count) }
  }
}

function decodeByteArrays(page: EncodedPage, count: number): ColumnValues {
  const cursor = new ByteCursor(page.body)
  const { encoding } = page.header
  if (encoding === 'DELTA_LENGTH_BYTE_ARRAY') return { kind: 'arrays', arrays: decodeDeltaLength(cursor, count, page.memory) }
  if (encoding === 'DELTA_BYTE_ARRAY') return { kind: 'arrays', arrays: decodeDeltaBytes(cursor, count, { sizeMax: prefixedBytesMax, memory: page.memory }) }
  if (encoding !== 'RLE_DICTIONARY') throw unexpectedEncoding(page)
  const dictionary = dictionaryOf(page)
  return { kind: 'codes', codes: decodeCodes(page, count), dictionary: decodePlainByteArrays(dictionary.page, dictionary.count, page.memory) }
}

function decodeInts(page: EncodedPage, count: number): Float64Array {
  if (page.header.encoding === 'PLAIN') return Float64Array.from(bigintsOf(page, count), Number)
  if (page.header.encoding !== 'DELTA_BINARY_PACKED') throw unexpectedEncoding(page)
  const numbers = page.memory.array(Float64Array, count)
  decodeDelta(new ByteCursor(page.body), numbers)
  return numbers
}

function decodeDoubles(page: EncodedPage, count: number): Float64Array {
  const { body, memory } = page
  const numbers = memory.array(Float64Array, count)
  if (page.header.encoding === 'PLAIN') copyPlain(body, numbers)
  else if (page.header.encoding === 'BYTE_STREAM_SPLIT') joinBytes(body, numbers)
  else if (page.header.encoding === 'RLE_DICTIONARY') {
    const dictionary = dictionaryOf(page)
    const values = memory.array(Float64Array, dictionary.count)
    copyPlain(dictionary.page, values)
    const codes = decodeCodes(page, count)
    for (let index = 0; index < count; index++) numbers[index] = values[codes[index] as number] as number
  } else throw unexpectedEncoding(page)
  return numbers
}

function bigintsOf({ body }: EncodedPage, count: number): BigInt64Array {
  const bigints = new BigInt64Array(count)
  copyPlain(body, bigints)
  return bigints
}

/** Values of eight bytes, one after the other. */
function copyPlain(body: Uint8Array, out: Float64Array | BigInt64Array): void {
  checkPlain(body, out.length)
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(body)
}

/** The inverse of BYTE_STREAM_SPLIT, which keeps the first bytes of all values, then their second ones, and so on. */
function joinBytes(split: Uint8Array, numbers: Float64Array): void {
  const count = numbers.length
  checkPlain(split, count)
  const plain = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  for (let byte = 0; byte < 8; byte++) for (let from = byte * count, to = byte, end = from + count; from < end; to += 8) plain[to] = split[from++] as number
}

export function checkPlain(body: Uint8Array, count: number): void {
  if (body.length !== count * 8) throw malformed('a page has another size than its values')
}

function decodeFlags({ body, memory }: EncodedPage, count: number): Uint8Array {
  const cursor = new ByteCursor(body)
  const out = memory.array(Uint8Array, count)
  decodeHybrid(cursor.take(cursor.uint32()), { width: 1, greatest: 1 }, out)
  return out
}

export function dictionaryOf(page: EncodedPage): PlainPage {
  if (page.dictionary === undefined || page.dictionary.count > 0xffff) throw malformed('a page of codes has no dictionary, or one that is too large')
  return page.dictionary
}

function decodeCodes(page: EncodedPage, count: number): Uint16Array {
  const codes = page.memory.array(Uint16Array, count)
  if (count > 0) decodeHybrid(page.body.subarray(1), { width: codeWidth(page), greatest: dictionaryOf(page).count - 1 }, codes)
  return codes
}

/** Bits a code, which stand before the codes. */
export function codeWidth({ body }: EncodedPage): number {
  const [width = 0] = body
  if (width > 16) throw malformed('codes are wider than any dictionary')
  return width
}

function unexpectedEncoding({ leaf, header }: EncodedPage): ParqueDBError {
  return malformed(`a column of the type ${leaf.kind} has the encoding ${header.encoding}`)
}

/** Runs `decode` and says of any failure where in which file it happened, as CORRUPT_FILE. */
export function inFile<T>(place: { path: string; offset: number; column?: string }, decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    // The innermost place says most.
    if (isParqueDBError(cause, 'UNSUPPORTED_FORMAT') || (isParqueDBError(cause) && cause.details['path'] !== undefined)) throw cause
    // Whatever a decoder throws (a text that is not UTF-8, JSON that is none) comes from bytes that no writer of ours makes.
    const reason = messageOf(cause).replace('The Parquet data is damaged: ', '')
    const column = place.column === undefined ? '' : `, column '${place.column}'`
    throw new ParqueDBError('CORRUPT_FILE', `${place.path} is damaged at byte ${place.offset}${column}: ${reason} Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: place, cause })
  }
}
