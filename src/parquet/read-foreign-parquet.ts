import { parquetMetadataAsync, parquetReadObjects, parquetSchema, type AsyncBuffer, type ColumnMetaData, type CompressionCodec, type Compressors, type FileMetaData, type PageHeader, type RowGroup, type SchemaElement, type SchemaTree } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath, getTreePath } from 'hyparquet/src/schema.js'
import { readVarInt } from 'hyparquet/src/thrift.js'
import { checkAborted } from '../base/abort.ts'
import { isParqueDBError, messageOf, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Document } from '../model/values.ts'
import type { ByteSource } from './byte-source.ts'
import { describeType, rowConverter, withoutAnnotation } from './foreign-values.ts'
import { lz4BlocksDecompress, lz4Decompress } from './lz4.ts'
import { malformed } from './malformed.ts'
import { snappyDecompress } from './snappy.ts'

/** Decompresses a page to `size` bytes. */
export type Decompress = (bytes: Uint8Array, size: number) => Uint8Array

export interface ForeignParquetOptions {
  /** What a null in a row or an object becomes; 'absent'. A null in a list is always kept. */
  readonly nulls?: 'absent' | 'null' | undefined
  /** For codecs that need the host: those of node:zlib for GZIP and BROTLI, for example. */
  readonly decompressors?: { readonly [codec in 'GZIP' | 'BROTLI' | 'ZSTD' | 'LZO']?: Decompress } | undefined
  /** Columns that are not wanted: as if the file did not have them, whatever they hold. */
  readonly leaveOut?: ReadonlySet<string> | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ForeignParquet {
  readonly rowCount: number
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Those of `leaveOut` that the file has. */
  readonly leftOut: readonly string[]
  readonly createdBy: string | undefined
  readonly keyValues: Readonly<Record<string, string>>
  /** All rows in order, in batches; memory holds one row group. */
  rows(): AsyncGenerator<Document[]>
}

/** Rows handed on at once. */
const batchRows = 1000
/** A row group is decoded whole; one past this size, as the footer gives it, is refused. */
const rowGroupBytesMax = 1024 * 1024 * 1024
const rowGroupRowsMax = 10_000_000
/** Values of all columns together, nulls included. */
const rowGroupValuesMax = 100_000_000
const footerBytesMax = 256 * 1024 * 1024

/**
 * Opens a Parquet file that something else wrote. Values: INT64 and smaller as numbers, beyond 2^53 as bigints; texts, enums and UUIDs as strings; bytes
 * without annotation as Uint8Array; timestamps (without what is below a millisecond, which a Date cannot hold) and dates as Date; times of day as
 * the number they are stored as; decimals of up to 15 digits as the nearest number, longer ones as text; lists, maps and groups as arrays and objects.
 * UNSUPPORTED_FORMAT naming column and codec or type for what cannot be read, CORRUPT_FILE for what is damaged.
 */
export async function readForeignParquet(source: ByteSource, options: ForeignParquetOptions = {}): Promise<ForeignParquet> {
  const file = asyncBufferOf(source)
  const whole = await attempt(source, 'footer', async () => {
    await checkEnds(source)
    return parquetMetadataAsync(file, { geoparquet: false, parsers })
  })
  return attempt(source, 'schema', () => {
    const { metadata, leftOut } = withoutColumns(whole, options.leaveOut)
    const root = parquetSchema(metadata)
    checkReadable(source, { metadata, root }, options)
    const plain = { ...metadata, schema: metadata.schema.map(withoutAnnotation) }
    const convert = rowConverter(root, { nulls: options.nulls ?? 'absent' })
    return {
      rowCount: Number(metadata.num_rows),
      columns: root.children.map((child) => ({ name: child.element.name, type: describeType(child) })),
      leftOut,
      createdBy: metadata.created_by,
      keyValues: Object.fromEntries((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? ''])),
      rows: () => readRows({ source, metadata: plain, compressors: compressorsOf(options), signal: options.signal }, convert),
    }
  })
}

function withoutColumns(metadata: FileMetaData, names: ReadonlySet<string> = new Set()): { metadata: FileMetaData; leftOut: string[] } {
  const { element, children } = parquetSchema(metadata)
  const kept = children.filter(({ element: { name } }) => !names.has(name))
  const leftOut = children.filter((child) => !kept.includes(child)).map(({ element: { name } }) => name)
  // Without any column it could not be told how many rows there are.
  if (leftOut.length === 0 || kept.length === 0) return { metadata, leftOut }
  const elementsOf = (node: SchemaTree): SchemaElement[] => [node.element, ...node.children.flatMap(elementsOf)]
  const schema = [{ ...element, num_children: kept.length }, ...kept.flatMap(elementsOf)]
  const row_groups = metadata.row_groups.map((group) => ({ ...group, columns: group.columns.filter(({ meta_data: chunk }) => !names.has(chunk?.path_in_schema[0] ?? '')) }))
  return { metadata: { ...metadata, schema, row_groups }, leftOut }
}

interface RowSource {
  readonly source: ByteSource
  readonly metadata: FileMetaData
  readonly compressors: Compressors
  readonly signal: AbortSignal | undefined
}

async function* readRows(from: RowSource, convert: (row: Record<string, unknown>) => Document): AsyncGenerator<Document[]> {
  const { source, metadata, compressors, signal } = from
  let rowStart = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    checkAborted(signal)
    const rowEnd = rowStart + Number(group.num_rows)
    const place = `row group ${index}`
    if (rowEnd > rowStart) {
      const range = { rowStart, rowEnd }
      const rows = await attempt(source, place, async () => {
        const file = await rowGroupBuffer(from, group)
        return parquetReadObjects({ file, metadata, compressors, parsers, ...range, utf8: false, geoparquet: false })
      })
      if (rows.length !== rowEnd - rowStart) throw damaged(source, `${place} has ${rows.length} rows where its footer says ${rowEnd - rowStart}`)
      for (let at = 0; at < rows.length; at += batchRows) {
        checkAborted(signal)
        yield await attempt(source, place, () => rows.slice(at, at + batchRows).map(convert))
      }
    }
    rowStart = rowEnd
  }
}

/** Where hyparquet's own conversions would lose something, or build what is no Value. */
const parsers = {
  timestampFromMilliseconds: (ms: bigint | number) => new Date(Number(ms)),
  timestampFromMicroseconds: (micros: bigint | number) => dateBelow(BigInt(micros), 1000n),
  timestampFromNanoseconds: (nanos: bigint | number) => dateBelow(BigInt(nanos), 1_000_000n),
  geometryFromBytes: (bytes: Uint8Array) => bytes,
  geographyFromBytes: (bytes: Uint8Array) => bytes,
}

/** Rounds down, before 1970 too. */
function dateBelow(ticks: bigint, perMs: bigint): Date {
  const ms = ticks / perMs
  return new Date(Number(ticks % perMs < 0n ? ms - 1n : ms))
}

function compressorsOf({ decompressors = {} }: ForeignParquetOptions): Compressors {
  return { SNAPPY: decompressSnappy, LZ4_RAW: lz4Decompress, LZ4: lz4BlocksDecompress, ...decompressors }
}

/** A page without values is nothing at all in the files of some writers. */
function decompressSnappy(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.length === 0 && size === 0 ? bytes : snappyDecompress(bytes, new Uint8Array(size))
}

/**
 * The bytes of one row group, in memory before hyparquet sees them: it starts reads that it does not wait for when another fails,
 * and an answer that comes at once cannot fail unseen.
 */
async function rowGroupBuffer({ source, metadata, compressors }: RowSource, group: RowGroup): Promise<AsyncBuffer> {
  let first = source.sizeBytes
  let last = 0
  for (const { meta_data: chunk } of group.columns) {
    if (chunk === undefined) continue
    const start = Number(chunk.dictionary_page_offset) || Number(chunk.data_page_offset)
    const end = start + Number(chunk.total_compressed_size)
    if (!(start >= 0 && end >= start && end <= source.sizeBytes)) throw damaged(source, `its column '${chunk.path_in_schema.join('.')}' would stand at the bytes ${start} to ${end} of ${source.sizeBytes}`)
    first = Math.min(first, start)
    last = Math.max(last, end)
  }
  if (last - first > rowGroupBytesMax) throw damaged(source, `a row group is spread over ${last - first} bytes`)
  const bytes = first < last ? await source.readRange({ start: first, end: last }) : new Uint8Array(0)
  checkForeignPages(group, { metadata, compressors, slice: (start, end) => bytes.subarray(start - first, end - first) })
  return {
    byteLength: source.sizeBytes,
    slice(start, end = source.sizeBytes) {
      if (!(start >= first && end <= last && start <= end)) throw damaged(source, `it points to the bytes ${start} to ${end}, outside of the row group`)
      return bytes.buffer.slice(bytes.byteOffset + start - first, bytes.byteOffset + end - first) as ArrayBuffer
    },
  }
}

function asyncBufferOf(source: ByteSource): AsyncBuffer {
  return {
    byteLength: source.sizeBytes,
    async slice(start, end = source.sizeBytes) {
      if (!(start >= 0 && end <= source.sizeBytes && start <= end)) throw damaged(source, `it points to the bytes ${start} to ${end} of ${source.sizeBytes}`)
      const bytes = await source.readRange({ start, end })
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
    },
  }
}

const magicBytes = 4
const trailerBytes = 8

async function checkEnds(source: ByteSource): Promise<void> {
  if (source.sizeBytes < magicBytes + trailerBytes) throw damaged(source, `it has ${source.sizeBytes} bytes, fewer than an empty Parquet file`)
  const trailer = await source.readRange({ start: source.sizeBytes - trailerBytes, end: source.sizeBytes })
  const magic = String.fromCharCode(...trailer.subarray(magicBytes))
  if (magic === 'PARE') throw unsupported(source, 'its footer is encrypted; decrypt it first')
  if (magic !== 'PAR1') throw unsupported(source, "it does not end with 'PAR1', so it is no Parquet file, or is cut off")
  const footerBytes = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true)
  if (footerBytes > Math.min(footerBytesMax, source.sizeBytes - trailerBytes)) throw damaged(source, `its footer would have ${footerBytes} bytes`)
}

function checkReadable(source: ByteSource, { metadata, root }: { metadata: FileMetaData; root: SchemaTree }, options: ForeignParquetOptions): void {
  const readable = new Set(['UNCOMPRESSED', ...Object.keys(compressorsOf(options))])
  for (const element of metadata.schema) checkType(source, element)
  checkNames(source, root)
  for (const [index, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows)
    const values = group.columns.reduce((sum, { meta_data: chunk }) => sum + Math.max(Number(chunk?.num_values ?? 0), rows), 0)
    if (!(rows >= 0 && rows <= rowGroupRowsMax) || values > rowGroupValuesMax || Number(group.total_byte_size) > rowGroupBytesMax) {
      throw new ParqueDBError('LIMIT_EXCEEDED', `${source.path}: row group ${index} has ${rows} rows and ${values} values in ${group.total_byte_size} bytes, more than is decoded at once; write the file with smaller row groups.`, { details: { path: source.path, rowGroup: index } })
    }
    for (const { meta_data: chunk } of group.columns) {
      if (chunk === undefined) throw unsupported(source, 'its columns are encrypted or in other files')
      const column = chunk.path_in_schema.join('.')
      getTreePath(root, chunk.path_in_schema)
      if (!(Number(chunk.num_values) >= rows)) throw damaged(source, `its column '${column}' has ${chunk.num_values} values for ${rows} rows`)
      if (!readable.has(chunk.codec)) throw unsupported(source, `its column '${column}' is compressed with ${chunk.codec}; write it with SNAPPY, LZ4_RAW or no compression`, column)
    }
  }
}

function checkType(source: ByteSource, element: SchemaElement): void {
  if (element.name === '__proto__') throw unsupported(source, 'it has a column named __proto__, which would reach the prototype of an object; rename it', element.name)
  const type = element.converted_type
  if (type === 'BSON' || type === 'INTERVAL') throw unsupported(source, `its column '${element.name}' has the type ${type}, which no value of a document can hold`, element.name)
}

function checkNames(source: ByteSource, { children }: SchemaTree): void {
  const names = new Set<string>()
  for (const child of children) {
    const { name } = child.element
    if (names.has(name)) throw unsupported(source, `two of its columns are named '${name}'; rename one`, name)
    names.add(name)
    checkNames(source, child)
  }
}

function unsupported(source: ByteSource, problem: string, column?: string): ParqueDBError {
  return new ParqueDBError('UNSUPPORTED_FORMAT', `${source.path} cannot be read: ${problem}.`, { details: { path: source.path, ...(column !== undefined && { column }) } })
}

function damaged(source: ByteSource, problem: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `${source.path} is damaged: ${problem}. Get the file again from where it came.`, { details: { path: source.path }, cause })
}

/** hyparquet says with plain errors of many kinds that it could not make sense of the bytes. */
async function attempt<T>(source: ByteSource, place: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (isParqueDBError(cause) && cause.details['path'] !== undefined) throw cause
    if (isParqueDBError(cause, 'UNSUPPORTED_FORMAT')) throw unsupported(source, cause.message)
    throw damaged(source, `${place}: ${messageOf(cause)}`, cause)
  }
}

/** A page is decompressed whole; writers make them of 1 MiB. */
const pageBytesMax = 256 * 1024 * 1024
/** All columns of a row group are decoded at once. */
const rowGroupPagesBytesMax = 1024 * 1024 * 1024
/** The most that a compressed byte can stand for; without a bound by the format, pageBytesMax alone counts. */
const ratioMax: { readonly [codec in CompressionCodec]?: number } = { UNCOMPRESSED: 1, SNAPPY: 64, LZ4_RAW: 256, LZ4: 256, GZIP: 1040 }
const ratioSlackBytes = 1024

export interface ForeignPages {
  readonly metadata: FileMetaData
  readonly compressors: Compressors
  readonly slice: (start: number, end: number) => Uint8Array
}

/**
 * Walks the page headers of a row group before hyparquet decodes it, which believes them: what announces more values than its column has, or
 * more bytes than it can hold, is refused before anything is allocated for it. `slice` gives the bytes of a range. Throws 'malformed'.
 */
export function checkForeignPages(group: RowGroup, file: ForeignPages): void {
  let bytes = 0
  for (const { meta_data: chunk } of group.columns) {
    if (chunk === undefined) continue
    const start = Number(chunk.dictionary_page_offset) || Number(chunk.data_page_offset)
    const view = viewOf(file.slice(start, start + Number(chunk.total_compressed_size)))
    const reader = { view, offset: 0 }
    const valueCount = Number(chunk.num_values)
    let count = 0
    let hasDictionary = false
    // A last single byte is left over by some writers.
    while (count < valueCount && reader.offset < view.byteLength - 1) {
      const header = parquetHeader(reader)
      bytes += checkSizes(header, { codec: chunk.codec, leftBytes: view.byteLength - reader.offset })
      if (bytes > rowGroupPagesBytesMax) throw malformed(`its pages would be more than ${rowGroupPagesBytesMax} bytes`)
      count += checkCounts(header)
      hasDictionary ||= header.dictionary_page_header !== undefined
      const encoding = (header.data_page_header ?? header.data_page_header_v2)?.encoding
      if (encoding?.endsWith('_DICTIONARY') === true && !hasDictionary) throw malformed('a page refers to a dictionary that is not there')
      if (encoding === 'DELTA_BYTE_ARRAY') bytes += expandedBytes({ header, chunk, page: new Uint8Array(view.buffer, view.byteOffset + reader.offset, header.compressed_page_size) }, file)
      if (count > valueCount) throw malformed(`the pages of '${chunk.path_in_schema.join('.')}' announce more than its ${valueCount} values`)
      reader.offset += header.compressed_page_size
    }
    if (count < valueCount) throw malformed(`the pages of '${chunk.path_in_schema.join('.')}' hold ${count} of its ${valueCount} values`)
  }
}

/** What the values of a DELTA_BYTE_ARRAY page are together, of which each may repeat the one before it for the price of a few bits. */
function expandedBytes({ header, chunk, page }: { header: PageHeader; chunk: ColumnMetaData; page: Uint8Array }, { metadata, compressors }: ForeignPages): number {
  const { data_page_header_v2: v2, uncompressed_page_size: size } = header
  const levelBytes = v2 === undefined ? 0 : v2.definition_levels_byte_length + v2.repetition_levels_byte_length
  const isPlain = chunk.codec === 'UNCOMPRESSED' || v2?.is_compressed === false
  const body = isPlain ? page.subarray(levelBytes) : compressors[chunk.codec]?.(page.subarray(levelBytes), size - levelBytes)
  if (body === undefined) throw malformed(`a page is compressed with ${chunk.codec}`)
  const reader = { view: viewOf(body), offset: 0 }
  if (v2 === undefined) {
    const path = getSchemaPath(metadata.schema, chunk.path_in_schema)
    for (const levels of [getMaxRepetitionLevel(path), getMaxDefinitionLevel(path)]) if (levels > 0) reader.offset += 4 + reader.view.getUint32(reader.offset, true)
  }
  const counts = { view: reader.view, offset: reader.offset }
  const count = [0, 1, 2].map(() => readVarInt(counts))[2] ?? 0
  if (!(count >= 0 && count <= ((v2 ?? header.data_page_header)?.num_values ?? 0))) throw malformed(`a page has ${count} values`)
  const [shared, own] = [new Int32Array(count), new Int32Array(count)]
  for (const lengths of [shared, own]) deltaBinaryUnpack(reader, count, lengths)
  let bytes = 0
  let before = 0
  for (let index = 0; index < count; index++) {
    const [prefix, suffix] = [shared[index] as number, own[index] as number]
    if (prefix < 0 || suffix < 0 || prefix > before) throw malformed('a shared prefix is longer than the value before it')
    bytes += before = prefix + suffix
    if (bytes > pageBytesMax) throw malformed(`the values of a page would be more than ${pageBytesMax} bytes`)
  }
  return bytes
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Bytes of the page when it is decompressed. */
function checkSizes(header: PageHeader, { codec, leftBytes }: { codec: CompressionCodec; leftBytes: number }): number {
  const { compressed_page_size: compressed, uncompressed_page_size: uncompressed } = header
  if (!(compressed >= 0 && compressed <= leftBytes)) throw malformed(`a page of ${compressed} bytes stands where ${leftBytes} are left`)
  const most = Math.min(pageBytesMax, compressed * (ratioMax[codec] ?? Number.POSITIVE_INFINITY) + ratioSlackBytes)
  if (!(uncompressed >= 0 && uncompressed <= most)) throw malformed(`a page of ${compressed} bytes (${codec}) would be ${uncompressed} bytes`)
  return uncompressed
}

/** Values of a data page. */
function checkCounts({ data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary, uncompressed_page_size: bytes }: PageHeader): number {
  if (dictionary !== undefined && !(dictionary.num_values >= 0 && dictionary.num_values <= bytes)) throw malformed(`a dictionary of ${dictionary.num_values} values is in ${bytes} bytes`)
  const { num_values: count } = v1 ?? v2 ?? { num_values: 0 }
  if (!(count >= 0)) throw malformed(`a page has ${count} values`)
  if (v2 === undefined) return count
  const levelBytes = v2.definition_levels_byte_length + v2.repetition_levels_byte_length
  const areLevelsInside = v2.definition_levels_byte_length >= 0 && v2.repetition_levels_byte_length >= 0 && levelBytes <= bytes
  if (!areLevelsInside || !(v2.num_nulls >= 0 && v2.num_nulls <= count) || !(v2.num_rows >= 0 && v2.num_rows <= count)) throw malformed('the counts of a page contradict each other')
  return count
}
