import { compareBytes, compareStrings } from '../base/bytes.ts'
import type { ByteArrays } from './byte-arrays.ts'
import type { ScalarKind } from './columns.ts'
import type { LeafValue } from './LeafBuilder.ts'

/** Longer bounds of texts and bytes are cut: statistics are for skipping, and stand in the footer. */
const boundBytesMax = 64

/** parquet.thrift's Statistics, in the encoding of the column's type. */
export interface ColumnStatistics {
  readonly nullCount: number
  readonly least?: Uint8Array
  readonly greatest?: Uint8Array
  /** False when the bound was cut: nothing lies outside of it, but it need not occur. */
  readonly leastIsExact?: boolean
  readonly greatestIsExact?: boolean
}

/** Bounds of a column's values. None where there is no value or a NaN, as the order of NaN is not defined. */
export function statisticsOf(kind: ScalarKind, values: readonly LeafValue[], nullCount: number): ColumnStatistics {
  if (values.length === 0) return { nullCount }
  switch (kind) {
    case 'int':
    case 'date':
    case 'double': {
      const range = numberRange(values as readonly number[])
      if (range === undefined) return { nullCount }
      const encode = kind === 'double' ? doubleBytes : (value: number) => int64Bytes(BigInt(value))
      // The two zeros compare equal, so bounds must include both (parquet.thrift, ColumnOrder).
      const least = kind === 'double' && range.least === 0 ? -0 : range.least
      const greatest = range.greatest === 0 ? 0 : range.greatest
      return { nullCount, least: encode(least), greatest: encode(greatest), leastIsExact: true, greatestIsExact: true }
    }
    case 'bigint': {
      const { least, greatest } = bigintRange(values as readonly bigint[])
      return { nullCount, least: int64Bytes(least), greatest: int64Bytes(greatest), leastIsExact: true, greatestIsExact: true }
    }
    case 'boolean': {
      const flags = values as readonly boolean[]
      return { nullCount, least: Uint8Array.of(flags.includes(false) ? 0 : 1), greatest: Uint8Array.of(flags.includes(true) ? 1 : 0), leastIsExact: true, greatestIsExact: true }
    }
    case 'string':
    case 'bytes':
      return { nullCount }
  }
}

/** Bounds of texts or bytes; `texts` are the same values where they are texts, which are quicker to compare. */
export function byteArrayStatistics(arrays: ByteArrays, texts: readonly string[] | undefined, nullCount: number): ColumnStatistics {
  const count = arrays.offsets.length - 1
  if (count === 0) return { nullCount }
  const { least, greatest } = texts === undefined ? bytesRange(arrays) : textRange(texts, arrays)
  const low = lowerBound(valueAt(arrays, least), texts !== undefined)
  const high = upperBound(valueAt(arrays, greatest), texts !== undefined)
  return {
    nullCount,
    least: low.bytes,
    leastIsExact: low.isExact,
    ...(high !== undefined && { greatest: high.bytes, greatestIsExact: high.isExact }),
  }
}

function valueAt({ blob, offsets }: ByteArrays, index: number): Uint8Array {
  return blob.subarray(offsets[index], offsets[index + 1])
}

/** Indexes of the least and the greatest value. */
function textRange(texts: readonly string[], { blob }: ByteArrays): { least: number; greatest: number } {
  let length = 0
  for (const text of texts) length += text.length
  // ASCII orders by its units as by its bytes; V8 compares those natively.
  const isAscii = blob.length === length
  let least = 0
  let greatest = 0
  for (let index = 1; index < texts.length; index++) {
    const text = texts[index] as string
    if (isAscii ? text < (texts[least] as string) : compareStrings(text, texts[least] as string) < 0) least = index
    else if (isAscii ? text > (texts[greatest] as string) : compareStrings(text, texts[greatest] as string) > 0) greatest = index
  }
  return { least, greatest }
}

function bytesRange(arrays: ByteArrays): { least: number; greatest: number } {
  let least = 0
  let greatest = 0
  for (let index = 1; index + 1 < arrays.offsets.length; index++) {
    const value = valueAt(arrays, index)
    if (compareBytes(value, valueAt(arrays, least)) < 0) least = index
    else if (compareBytes(value, valueAt(arrays, greatest)) > 0) greatest = index
  }
  return { least, greatest }
}

function lowerBound(value: Uint8Array, isText: boolean): { bytes: Uint8Array; isExact: boolean } {
  if (value.length <= boundBytesMax) return { bytes: value.slice(), isExact: true }
  return { bytes: value.slice(0, isText ? wholeCharacters(value) : boundBytesMax), isExact: false }
}

/** The prefix with its last character (or byte) raised, so that it is above all that begins with the prefix; undefined when none can be. */
function upperBound(value: Uint8Array, isText: boolean): { bytes: Uint8Array; isExact: boolean } | undefined {
  if (value.length <= boundBytesMax) return { bytes: value.slice(), isExact: true }
  const bytes = value.slice(0, isText ? wholeCharacters(value) : boundBytesMax)
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes[index] as number
    // Of a text only ASCII is raised: the next code point of a longer sequence may not exist.
    if (isText ? byte < 0x7f : byte < 0xff) {
      bytes[index] = byte + 1
      return { bytes: bytes.slice(0, index + 1), isExact: false }
    }
  }
  return undefined
}

/** Length of the longest prefix within the limit that ends between two characters. */
function wholeCharacters(value: Uint8Array): number {
  let end = boundBytesMax
  while (end > 0 && ((value[end] as number) & 0xc0) === 0x80) end--
  return end
}

function numberRange(values: readonly number[]): { least: number; greatest: number } | undefined {
  let least = values[0] as number
  let greatest = least
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number
    if (value < least) least = value
    else if (value > greatest) greatest = value
    else if (Number.isNaN(value)) return undefined
  }
  return { least, greatest }
}

function bigintRange(values: readonly bigint[]): { least: bigint; greatest: bigint } {
  let least = values[0] as bigint
  let greatest = least
  for (const value of values) {
    if (value < least) least = value
    else if (value > greatest) greatest = value
  }
  return { least, greatest }
}

function int64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, value, true)
  return bytes
}

function doubleBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  return bytes
}
