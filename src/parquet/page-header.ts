import { malformed } from './malformed.ts'
import { ThriftWriter, thriftStop, thriftTypes } from './ThriftWriter.ts'
import type { ByteCursor } from './ByteCursor.ts'
import type { ByteBuffer } from './ByteBuffer.ts'

/** Parquet's own numbers (parquet.thrift, Encoding). */
export const encodingCodes = { PLAIN: 0, RLE: 3, DELTA_BINARY_PACKED: 5, DELTA_LENGTH_BYTE_ARRAY: 6, DELTA_BYTE_ARRAY: 7, RLE_DICTIONARY: 8, BYTE_STREAM_SPLIT: 9 } as const

export type PageEncoding = keyof typeof encodingCodes

const encodingNames = Object.keys(encodingCodes) as PageEncoding[]

/** The facts of a dictionary page, or of a data page in the format's second version. Sizes in bytes. */
export interface PageHeader {
  readonly kind: 'dictionary' | 'data'
  readonly uncompressedBytes: number
  readonly compressedBytes: number
  /** Of the compressed bytes after the header. */
  readonly crc32: number
  readonly encoding: PageEncoding
  readonly valueCount: number
  /** The rest are of a data page; 0 in a dictionary page. */
  readonly nullCount: number
  readonly rowCount: number
  readonly definitionBytes: number
  readonly repetitionBytes: number
}

const dataPageV2 = 3
const dictionaryPage = 2

/** Writes parquet.thrift's PageHeader. */
export function writePageHeader(header: PageHeader, out: ByteBuffer): void {
  const thrift = new ThriftWriter(out)
  const encoding = encodingCodes[header.encoding]
  thrift.element(() => {
    thrift.i32(1, header.kind === 'data' ? dataPageV2 : dictionaryPage)
    thrift.i32(2, header.uncompressedBytes)
    thrift.i32(3, header.compressedBytes)
    // The format's i32: the checksum's bits, read as signed.
    thrift.i32(4, header.crc32 | 0)
    if (header.kind === 'dictionary') {
      thrift.struct(7, () => {
        thrift.i32(1, header.valueCount)
        thrift.i32(2, encoding)
      })
    } else {
      thrift.struct(8, () => {
        thrift.i32(1, header.valueCount)
        thrift.i32(2, header.nullCount)
        thrift.i32(3, header.rowCount)
        thrift.i32(4, encoding)
        thrift.i32(5, header.definitionBytes)
        thrift.i32(6, header.repetitionBytes)
      })
    }
  })
}

/** Reads a header that `writePageHeader` wrote and leaves the cursor after it; anything else is CORRUPT_FILE. */
export function readPageHeader(cursor: ByteCursor): PageHeader {
  const type = readField(cursor)
  const uncompressedBytes = readField(cursor)
  const compressedBytes = readField(cursor)
  const crc32 = readField(cursor) >>> 0
  const isData = type === dataPageV2
  if (cursor.byte() !== (((isData ? 4 : 3) << 4) | thriftTypes.struct) || (!isData && type !== dictionaryPage)) throw malformed('a page header is not one of ours')
  const valueCount = readField(cursor)
  const nullCount = isData ? readField(cursor) : 0
  const rowCount = isData ? readField(cursor) : 0
  const encoding = encodingOf(readField(cursor))
  const definitionBytes = isData ? readField(cursor) : 0
  const repetitionBytes = isData ? readField(cursor) : 0
  if (cursor.byte() !== thriftStop || cursor.byte() !== thriftStop) throw malformed('a page header is not one of ours')
  if (Math.min(uncompressedBytes, compressedBytes, valueCount, nullCount, rowCount, definitionBytes, repetitionBytes) < 0) throw malformed('a page header holds a negative size')
  return { kind: isData ? 'data' : 'dictionary', uncompressedBytes, compressedBytes, crc32, encoding, valueCount, nullCount, rowCount, definitionBytes, repetitionBytes }
}

function readField(cursor: ByteCursor): number {
  if (cursor.byte() !== ((1 << 4) | thriftTypes.i32)) throw malformed('a page header is not one of ours')
  return cursor.zigzag()
}

function encodingOf(code: number): PageEncoding {
  const found = encodingNames.find((name) => encodingCodes[name] === code)
  if (found === undefined) throw malformed(`a page has the unknown encoding ${code}`)
  return found
}
