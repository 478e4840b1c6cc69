import { bytesAt, type ByteArrays } from './byte-arrays.ts'
import type { ScalarKind } from './columns.ts'
import type { GatheredValues } from './LeafBuilder.ts'

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

/** Bounds of a column's values; texts as byte arrays. None where there is no value or a NaN, as the order of NaN is not defined. */
export function statisticsOf(kind: ScalarKind, values: GatheredValues, { nullCount, isSorted }: { nullCount: number; isSorted: boolean }): ColumnStatistics {
  switch (values.kind) {
    case 'numbers':
      if (values.numbers.some(Number.isNaN)) return { nullCount }
      return exactly(values.numbers, nullCount, kind === 'double' ? doubleBound : (value) => int64Bytes(BigInt(value)))
    case 'bigints':
      return exactly(values.bigints, nullCount, int64Bytes)
    case 'flags':
      return exactly(values.flags, nullCount, (value) => Uint8Array.of(value))
    case 'arrays':
      return byteArrayStatistics(values.arrays, { nullCount, isSorted, isText: kind === 'string' })
    case 'texts':
    case 'codes':
      return { nullCount }
  }
}

function exactly<T extends number | bigint>(values: ArrayLike<T>, nullCount: number, encode: (value: T, end: 'least' | 'greatest') => Uint8Array): ColumnStatistics {
  if (values.length === 0) return { nullCount }
  let least = values[0] as T
  let greatest = least
  for (let index = 1; index < values.length; index++) {
    const value = values[index] as T
    if (value < least) least = value
    else if (value > greatest) greatest = value
  }
  return { nullCount, least: encode(least, 'least'), greatest: encode(greatest, 'greatest'), leastIsExact: true, greatestIsExact: true }
}

function int64Bytes(value: bigint): Uint8Array {
  return new Uint8Array(BigInt64Array.of(value).buffer)
}

/** The two zeros compare equal, so bounds must include both (parquet.thrift, ColumnOrder). */
function doubleBound(value: number, end: 'least' | 'greatest'): Uint8Array {
  const bound = value === 0 ? (end === 'least' ? -0 : 0) : value
  return new Uint8Array(Float64Array.of(bound).buffer)
}

function byteArrayStatistics(arrays: ByteArrays, { nullCount, isSorted, isText }: { nullCount: number; isSorted: boolean; isText: boolean }): ColumnStatistics {
  const count = arrays.offsets.length - 1
  if (count === 0) return { nullCount }
  const { least, greatest } = isSorted ? { least: 0, greatest: count - 1 } : bytesRange(arrays)
  const [low, high] = [bytesAt(arrays, least), bytesAt(arrays, greatest)]
  const [leastIsExact, greatestIsExact] = [low.length <= boundBytesMax, high.length <= boundBytesMax]
  const upper = greatestIsExact ? high.slice() : raised(beginning(high, isText), isText)
  return { nullCount, least: beginning(low, isText), leastIsExact, ...(upper !== undefined && { greatest: upper, greatestIsExact }) }
}

/** Indexes of the least and the greatest value: UTF-8 orders as its code points do. */
function bytesRange(arrays: ByteArrays): { least: number; greatest: number } {
  let least = 0
  let greatest = 0
  for (let index = 1; index + 1 < arrays.offsets.length; index++) {
    if (isBelow(arrays, index, least)) least = index
    else if (isBelow(arrays, greatest, index)) greatest = index
  }
  return { least, greatest }
}

function isBelow({ blob, offsets }: ByteArrays, left: number, right: number): boolean {
  let at = offsets[left] as number
  let other = offsets[right] as number
  const end = offsets[left + 1] as number
  const otherEnd = offsets[right + 1] as number
  while (at < end && other < otherEnd) {
    const difference = (blob[at++] as number) - (blob[other++] as number)
    if (difference !== 0) return difference < 0
  }
  return at === end && other < otherEnd
}

/** The value, cut to what a bound may have; of a text between two characters. */
function beginning(value: Uint8Array, isText: boolean): Uint8Array {
  let end = Math.min(value.length, boundBytesMax)
  if (isText) while (end > 0 && ((value[end] ?? 0) & 0xc0) === 0x80) end--
  return value.slice(0, end)
}

/** The bytes with the last character (or byte) raised, so that they are above all that begins with them; undefined when none can be. */
function raised(bytes: Uint8Array, isText: boolean): Uint8Array | undefined {
  // Of a text only ASCII is raised: the next code point of a longer sequence may not exist.
  const end = bytes.findLastIndex((byte) => byte < (isText ? 0x7f : 0xff)) + 1
  if (end === 0) return undefined
  bytes[end - 1] = (bytes[end - 1] as number) + 1
  return bytes.subarray(0, end)
}
