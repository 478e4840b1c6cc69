import type { ColumnMetaData, CompressionCodec, Compressors, FileMetaData, PageHeader, RowGroup } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath } from 'hyparquet/src/schema.js'
import { readVarInt } from 'hyparquet/src/thrift.js'
import { malformed } from './malformed.ts'

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
