import { parquetMetadata } from 'hyparquet'
import type { FileMetaData } from 'hyparquet'
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js'
import type { ErrorCode } from 'parquedb'

/** A Parquet file that somebody imports. Without `gives` it is refused, with any of the codes for files unless one is named. */
export interface HostileParquet {
  readonly name: string
  readonly bytes: Uint8Array
  readonly gives?: readonly object[]
  readonly refusal?: ErrorCode
}

const damaged: readonly ErrorCode[] = ['CORRUPT_FILE', 'UNSUPPORTED_FORMAT', 'LIMIT_EXCEEDED', 'VALIDATION_FAILED']
export const fileRefusals = damaged

const sound = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'a', data: [1, 2, 3], type: 'INT32' }, { name: 't', data: ['x', 'y', 'x'], type: 'STRING' }], codec: 'UNCOMPRESSED' }))

type Change = (metadata: FileMetaData) => void

/** The sound file with another footer. */
function withFooter(change: Change): Uint8Array {
  const metadata = parquetMetadata(sound.slice().buffer)
  const footerBytes = new DataView(sound.buffer).getUint32(sound.length - 8, true)
  for (const group of metadata.row_groups) for (const { meta_data: chunk } of group.columns) delete chunk?.statistics
  change(metadata)
  return joined(sound.subarray(4, sound.length - 8 - footerBytes), metadata)
}

function joined(pages: Uint8Array, metadata: FileMetaData): Uint8Array {
  const writer = new ByteWriter()
  writer.appendBytes(Buffer.from('PAR1'))
  writer.appendBytes(pages)
  writeMetadata(writer, metadata)
  writer.appendBytes(Buffer.from('PAR1'))
  return new Uint8Array(writer.getBuffer())
}

interface Page {
  readonly type?: number
  readonly count: number
  readonly encoding?: number
  readonly uncompressed?: number
  readonly compressed?: number
  readonly body?: readonly number[]
  readonly v2?: { readonly nulls: number; readonly rows: number; readonly definitionBytes: number }
}

/** A file of one column 'a' and one page, whose header says whatever it likes. */
function onePage(page: Page, change: Change = () => undefined): Uint8Array {
  const { type = 0, count, encoding = 0, body = [1, 0, 0, 0], v2 } = page
  const header = new ByteWriter()
  const data = { field_1: count, field_2: encoding, field_3: 3, field_4: 3 }
  const detail = v2 === undefined ? (type === 2 ? { field_7: { field_1: count, field_2: encoding } } : { field_5: data }) : { field_8: { field_1: count, field_2: v2.nulls, field_3: v2.rows, field_4: encoding, field_5: v2.definitionBytes, field_6: 0, field_7: false } }
  serializeTCompactProtocol(header, { field_1: v2 === undefined ? type : 3, field_2: page.uncompressed ?? body.length, field_3: page.compressed ?? body.length, ...detail })
  const bytes = Uint8Array.from([...new Uint8Array(header.getBuffer()), ...body])
  const metadata: FileMetaData = {
    version: 2,
    schema: [{ name: 'root', num_children: 1 }, { name: 'a', type: 'INT32', repetition_type: 'REQUIRED' }],
    num_rows: 1n,
    row_groups: [{ columns: [{ file_offset: 4n, meta_data: { type: 'INT32', encodings: ['PLAIN'], path_in_schema: ['a'], codec: 'UNCOMPRESSED', num_values: 1n, total_uncompressed_size: BigInt(bytes.length), total_compressed_size: BigInt(bytes.length), data_page_offset: 4n } }], total_byte_size: BigInt(bytes.length), num_rows: 1n }],
    metadata_length: 0,
  }
  change(metadata)
  return joined(bytes, metadata)
}

/** The rows of the footer, of its row group and of its columns. */
function rows(count: bigint): Change {
  return (metadata) => {
    metadata.num_rows = count
    for (const group of metadata.row_groups) {
      group.num_rows = count
      for (const { meta_data: chunk } of group.columns) if (chunk !== undefined) chunk.num_values = count
    }
  }
}

const firstChunk = (change: (chunk: NonNullable<FileMetaData['row_groups'][number]['columns'][number]['meta_data']>) => void): Change => (metadata) => {
  const chunk = metadata.row_groups[0]?.columns[0]?.meta_data
  if (chunk !== undefined) change(chunk)
}

const optional: Change = (metadata) => {
  const [, element] = metadata.schema
  if (element !== undefined) element.repetition_type = 'OPTIONAL'
}

const both = (...changes: Change[]): Change => (metadata) => changes.forEach((change) => change(metadata))
const codec = (name: 'SNAPPY' | 'GZIP' | 'BROTLI' | 'LZ4_RAW' | 'ZSTD' | 'LZO'): Change => firstChunk((chunk) => (chunk.codec = name))
/** A run of `count` equal levels: what 50 million nulls take in a page. */
const levels = (count: number): number[] => {
  const run: number[] = []
  for (let left = count * 2; ; left = Math.floor(left / 128)) {
    run.push(left % 128 | (left >= 128 ? 0x80 : 0))
    if (left < 128) break
  }
  return [run.length + 1, 0, 0, 0, ...run, 0]
}

const int32Max = 2 ** 31 - 1
const footers: readonly (readonly [string, Change])[] = [
  ...[-1n, 4n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n].map((count) => [`${count} rows in the row group`, (metadata: FileMetaData) => metadata.row_groups.forEach((group) => (group.num_rows = count))] as const),
  ...[4n, 1_000_000_000n].map((count) => [`${count} rows everywhere`, rows(count)] as const),
  ...[-1n, 0n, 1n << 40n, 2n ** 63n - 1n].map((at) => [`a chunk at ${at}`, firstChunk((chunk) => (chunk.data_page_offset = at))] as const),
  ...[-1n, 1n << 40n, 2n ** 63n - 1n].map((size) => [`a chunk of ${size} bytes`, firstChunk((chunk) => (chunk.total_compressed_size = size))] as const),
  ['a row group of 2^60 bytes', (metadata) => metadata.row_groups.forEach((group) => (group.total_byte_size = 2n ** 60n))],
  ['a column that the schema has not', firstChunk((chunk) => (chunk.path_in_schema = ['b']))],
  ['a type that the schema has not', firstChunk((chunk) => (chunk.type = 'BYTE_ARRAY'))],
  ['a root without children', (metadata) => (metadata.schema = [{ name: 'root', num_children: 0 }])],
  ['a column __proto__', (metadata) => metadata.schema[1] !== undefined && ((metadata.schema[1].name = '__proto__'), firstChunk((chunk) => (chunk.path_in_schema = ['__proto__']))(metadata))],
  ['two columns of one name', (metadata) => metadata.schema[2] !== undefined && ((metadata.schema[2].name = 'a'), metadata.row_groups[0]?.columns[1]?.meta_data !== undefined && (metadata.row_groups[0].columns[1].meta_data.path_in_schema = ['a']))],
  ['a codec that nobody has', codec('LZO')],
  ['a decimal of a billion digits after the point', (metadata) => metadata.schema[1] !== undefined && Object.assign(metadata.schema[1], { converted_type: 'DECIMAL', scale: 1_000_000_000, precision: 9 })],
  ['a decimal of a billion zeros', (metadata) => metadata.schema[1] !== undefined && Object.assign(metadata.schema[1], { converted_type: 'DECIMAL', scale: -1_000_000_000, precision: 9 })],
]

const pages: readonly (readonly [string, Page, Change?])[] = [
  ['a page of two billion values', { count: int32Max }],
  ['a page of -1 values', { count: -1 }],
  ['a page of no values', { count: 0 }],
  ['a page of -1 bytes', { count: 1, compressed: -1 }],
  ['a page of two billion bytes', { count: 1, compressed: int32Max }],
  ['a page of an unknown type', { type: 9, count: 1 }],
  ['an index page', { type: 1, count: 1 }],
  ['a dictionary of two billion values', { type: 2, count: int32Max }],
  ['a dictionary and no page', { type: 2, count: 1 }],
  ['an unknown encoding', { count: 1, encoding: 77 }],
  ['a dictionary encoding without dictionary', { count: 1, encoding: 8, body: [1, 2, 0] }],
  ['two billion values of one bit run', { count: int32Max, encoding: 8, body: [0] }, rows(50_000_000n)],
  ['50 million nulls', { count: 50_000_000, body: levels(50_000_000) }, both(optional, rows(50_000_000n))],
  ['two billion nulls', { count: int32Max, body: levels(int32Max) }, both(optional, rows(50_000_000n))],
  ['v2: two billion nulls', { count: int32Max, v2: { nulls: int32Max, rows: int32Max, definitionBytes: 4 } }, both(optional, rows(1n))],
  ['v2: fewer than no nulls', { count: 1, v2: { nulls: -int32Max, rows: 1, definitionBytes: 0 } }],
  ['v2: levels of two billion bytes', { count: 1, v2: { nulls: 0, rows: 1, definitionBytes: int32Max } }, optional],
  ['v2: levels of -1 bytes', { count: 1, v2: { nulls: 0, rows: 1, definitionBytes: -1 } }, optional],
  ...(['SNAPPY', 'GZIP', 'BROTLI', 'LZ4_RAW', 'ZSTD'] as const).flatMap((name): [string, Page, Change][] => [
    [`a ${name} page that would be two billion bytes`, { count: 1, uncompressed: int32Max, body: [0xff, 0xff, 0xff, 0xff, 7, 0] }, codec(name)],
    [`a ${name} page of -1 bytes`, { count: 1, uncompressed: -1 }, codec(name)],
    [`a ${name} page of noise`, { count: 1, uncompressed: 4, body: [4, 1, 2, 3, 250, 7, 9] }, codec(name)],
  ]),
  ['deltas in blocks of nothing', { count: 1_000, encoding: 5, body: [0, 0, 0, 0, 0, 0] }, rows(1_000n)],
  ['deltas in two billion miniblocks', { count: 1_000, encoding: 5, body: [0xff, 0xff, 0xff, 0xff, 7, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0] }, rows(1_000n)],
  ['a run of bits that ends too early', { count: 1_000, encoding: 8, body: [32, 3] }, rows(1_000n)],
]

export const hostileParquets: readonly HostileParquet[] = [
  { name: 'the sound file', bytes: sound, gives: [{ a: 1, t: 'x' }, { a: 2, t: 'y' }, { a: 3, t: 'x' }] },
  { name: 'the sound page', bytes: onePage({ count: 1 }), gives: [{ a: 1 }] },
  ...['', 'P', 'PAR1', 'PAR1PAR1', 'PAR1\0\0\0\0PAR1', 'PAR1\xff\xff\xff\x7fPAR1', 'PAR1\x01\0\0\0PARE', '{"a":1}', 'x'.repeat(100)].map((text): HostileParquet => ({ name: `the bytes ${JSON.stringify(text.slice(0, 20))}`, bytes: Buffer.from(text, 'latin1') })),
  ...footers.map(([name, change]): HostileParquet => ({ name: `a footer with ${name}`, bytes: withFooter(change) })),
  ...pages.map(([name, page, change]): HostileParquet => ({ name, bytes: onePage(page, change) })),
]

/** Every shorter file, and the file with each byte turned over: nobody can tell all of these, but none may hang, crash or take memory without bound. */
export function spoilt(): HostileParquet[] {
  const shorter = Array.from(sound, (_, length): HostileParquet => ({ name: `the first ${length} bytes`, bytes: sound.subarray(0, length) }))
  const flipped = Array.from(sound, (byte, at): HostileParquet => ({ name: `byte ${at} turned over`, bytes: sound.with(at, byte ^ 0xff) }))
  return [...shorter, ...flipped]
}
