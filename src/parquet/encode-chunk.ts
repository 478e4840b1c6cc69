import { crc32 } from '../base/crc32.ts'
import { bitWidthOf } from './bit-packing.ts'
import { byteArraysOfTexts, encodeDeltaBytes, encodeDeltaLength, encodePlainByteArrays, type ByteArrays } from './byte-arrays.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import type { ColumnParts } from './Column.ts'
import { deltaMagnitudeMax, encodeDelta } from './delta-binary.ts'
import type { GatheredValues } from './LeafBuilder.ts'
import { writePageHeader, type PageEncoding } from './page-header.ts'
import { encodeHybrid, encodeRun } from './rle-hybrid.ts'
import type { Compressor } from './codecs.ts'
import { statisticsOf, type ColumnStatistics } from './statistics.ts'

/** One column chunk: a dictionary page where there is one, then one data page. */
export interface EncodedChunk {
  readonly bytes: Uint8Array
  /** Where the data page's header stands; 0 without a dictionary. */
  readonly dataPageAt: number
  readonly uncompressedBytes: number
  readonly isCompressed: boolean
  readonly encoding: PageEncoding
  readonly entryCount: number
  readonly statistics: ColumnStatistics
}

/** What compression has to save to be worth undoing on every read. */
const compressionGain = 0.9

/** One physical column of a row group: what `decodeChunk` gives, or what a LeafBuilder has gathered. */
export type ColumnToEncode = Omit<ColumnParts, 'values'> & { readonly values: GatheredValues }

interface EncodedValues {
  readonly encoding: PageEncoding
  /** PLAIN values of the dictionary. */
  readonly dictionary?: { readonly bytes: Uint8Array; readonly count: number }
  readonly data: Uint8Array
  readonly statistics: ColumnStatistics
}

interface EncodeOptions {
  /** The values ascend and share beginnings, as keys do. */
  readonly isSorted: boolean
  readonly compressor: Compressor
}

/** In steps, so that others may have their turn between two: long texts of a thousand rows take several milliseconds. */
export function* encodeChunk(leaf: ColumnToEncode, options: EncodeOptions): Generator<void, EncodedChunk> {
  const levels = encodeLevels(leaf)
  const nullCount = leaf.entryCount - leaf.valueCount
  const { encoding, dictionary, data, statistics } = yield* encodeValues(leaf, { ...options, nullCount })
  yield
  const packed = yield* compress(dictionary?.bytes, data, options.compressor)
  const out = new ByteBuffer(packed.data.length + levels.bytes.length + (packed.dictionary?.length ?? 0) + 128)
  let uncompressedBytes = 0
  if (dictionary !== undefined && packed.dictionary !== undefined) {
    const crc = crc32(packed.dictionary)
    writePageHeader({ ...emptyHeader, kind: 'dictionary', uncompressedBytes: dictionary.bytes.length, compressedBytes: packed.dictionary.length, crc32: crc, valueCount: dictionary.count }, out)
    uncompressedBytes += out.length + dictionary.bytes.length
    out.append(packed.dictionary)
  }
  const dataPageAt = out.length
  writePageHeader(
    {
      kind: 'data',
      uncompressedBytes: levels.bytes.length + data.length,
      compressedBytes: levels.bytes.length + packed.data.length,
      crc32: crc32(packed.data, crc32(levels.bytes)),
      encoding,
      valueCount: leaf.entryCount,
      nullCount,
      rowCount: leaf.rowCount,
      definitionBytes: levels.definitionBytes,
      repetitionBytes: levels.bytes.length - levels.definitionBytes,
    },
    out,
  )
  uncompressedBytes += out.length - dataPageAt + levels.bytes.length + data.length
  out.append(levels.bytes)
  out.append(packed.data)
  return { bytes: out.view(), dataPageAt, uncompressedBytes, isCompressed: packed.isCompressed, encoding, entryCount: leaf.entryCount, statistics }
}

const emptyHeader = { encoding: 'PLAIN', nullCount: 0, rowCount: 0, definitionBytes: 0, repetitionBytes: 0 } as const

/** Compresses both pages or neither, as the codec is the chunk's. */
function* compress(dictionary: Uint8Array | undefined, data: Uint8Array, compressor: Compressor): Generator<void, { dictionary?: Uint8Array; data: Uint8Array; isCompressed: boolean }> {
  const smallData = yield* compressor.compress(data)
  const smallDictionary = dictionary && (yield* compressor.compress(dictionary))
  const before = data.length + (dictionary?.length ?? 0)
  const after = smallData.length + (smallDictionary?.length ?? 0)
  if (after > before * compressionGain) return { data, isCompressed: false, ...(dictionary && { dictionary }) }
  return { data: smallData, isCompressed: true, ...(smallDictionary && { dictionary: smallDictionary }) }
}

/** Repetition levels, then definition levels, as the second version of data pages has them. */
function encodeLevels(leaf: ColumnToEncode): { bytes: Uint8Array; definitionBytes: number } {
  const { maxDefinition, maxRepetition } = leaf.leaf
  const out = new ByteBuffer(64)
  if (maxRepetition > 0) encodeHybrid(leaf.repetitions ?? new Uint8Array(0), { count: leaf.entryCount, width: 1 }, out)
  const definitionsAt = out.length
  if (maxDefinition > 0) {
    const width = bitWidthOf(maxDefinition)
    const { definitions } = leaf
    if (definitions === undefined) encodeRun(maxDefinition, { count: leaf.entryCount, width }, out)
    else encodeHybrid(definitions, { count: leaf.entryCount, width }, out)
  }
  return { bytes: out.view(), definitionBytes: out.length - definitionsAt }
}

function* encodeValues({ leaf, values }: ColumnToEncode, options: EncodeOptions & { nullCount: number }): Generator<void, EncodedValues> {
  const statistics = (of: GatheredValues): ColumnStatistics => statisticsOf(leaf.kind, of, options)
  switch (values.kind) {
    case 'texts': {
      const distinct = options.isSorted ? undefined : findDistinct(values.texts)
      yield
      if (distinct === undefined) {
        const arrays = byteArraysOfTexts(values.texts)
        yield
        return encodeByteArrays(arrays, options, statistics)
      }
      return encodeDictionary({ dictionary: byteArraysOfTexts(distinct.values), codes: distinct.codes }, statistics)
    }
    case 'codes':
      return encodeDictionary(values, statistics)
    case 'arrays':
      return encodeByteArrays(values.arrays, options, statistics)
    case 'numbers':
      return { ...(leaf.kind === 'double' ? yield* encodeDoubles(values.numbers, options.compressor) : encodeInts(values.numbers)), statistics: statistics(values) }
    case 'bigints':
      return { encoding: 'PLAIN', data: bytesOf(values.bigints), statistics: statistics(values) }
    case 'flags':
      return { encoding: 'RLE', data: encodeFlags(values.flags), statistics: statistics(values) }
  }
}

function encodeByteArrays(arrays: ByteArrays, { isSorted }: EncodeOptions, statistics: (of: GatheredValues) => ColumnStatistics): EncodedValues {
  const shares = isSorted || sharesBeginnings(arrays)
  const data = written((out) => (shares ? encodeDeltaBytes(arrays, out) : encodeDeltaLength(arrays, out)))
  return { encoding: shares ? 'DELTA_BYTE_ARRAY' : 'DELTA_LENGTH_BYTE_ARRAY', data, statistics: statistics({ kind: 'arrays', arrays }) }
}

/** Every value of the dictionary occurs. */
function encodeDictionary({ dictionary, codes }: { dictionary: ByteArrays; codes: Uint16Array }, statistics: (of: GatheredValues) => ColumnStatistics): EncodedValues {
  const count = dictionary.offsets.length - 1
  const bytes = written((out) => encodePlainByteArrays(dictionary, out))
  return { encoding: 'RLE_DICTIONARY', dictionary: { bytes, count }, data: encodeCodes(codes, count), statistics: statistics({ kind: 'arrays', arrays: dictionary }) }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Whether neighbours have most of their bytes in common from the first one on, as ids that were made one after another: told from the first of them. */
function sharesBeginnings({ blob, offsets }: ByteArrays): boolean {
  const count = Math.min(probeCount, offsets.length - 1)
  let shared = 0
  for (let index = 1; index < count; index++) {
    const [before, start, end] = [offsets[index - 1], offsets[index], offsets[index + 1]] as [number, number, number]
    const most = Math.min(start - before, end - start)
    for (let at = 0; at < most && blob[before + at] === blob[start + at]; at++) shared += 1
  }
  return blob.length <= sharingBytesMax && shared > (offsets[count] as number) * sharedShareMin
}

function encodeInts(values: Float64Array): Omit<EncodedValues, 'statistics'> {
  if (values.every((value) => Math.abs(value) <= deltaMagnitudeMax)) return { encoding: 'DELTA_BINARY_PACKED', data: written((out) => encodeDelta(values, values.length, out)) }
  return { encoding: 'PLAIN', data: bytesOf(BigInt64Array.from(values, BigInt)) }
}

function* encodeDoubles(values: Float64Array, compressor: Compressor): Generator<void, Omit<EncodedValues, 'statistics'>> {
  // A Map does not tell the two zeros apart.
  const distinct = values.some((value) => value === 0 && Object.is(value, -0)) ? undefined : findDistinct(values)
  if (distinct === undefined) {
    const data = bytesOf(values)
    // Beginnings tell as much as the whole, which is compressed once more.
    const sample = data.subarray(0, sampledDoubles * 8)
    const packed = yield* compressor.compress(sample)
    const split = yield* compressor.compress(splitBytes(sample))
    const isSplitSmaller = split.length < Math.min(sample.length, packed.length) * compressionGain
    return isSplitSmaller ? { encoding: 'BYTE_STREAM_SPLIT', data: splitBytes(data) } : { encoding: 'PLAIN', data }
  }
  const dictionary = { bytes: bytesOf(Float64Array.from(distinct.values)), count: distinct.values.length }
  return { encoding: 'RLE_DICTIONARY', dictionary, data: encodeCodes(distinct.codes, dictionary.count) }
}

/** Of a column of doubles, to see which way it is smaller. */
const sampledDoubles = 512

/** The first bytes of all values of eight bytes, then their second ones, and so on: measured values share their signs and exponents. */
function splitBytes(plain: Uint8Array): Uint8Array {
  const count = plain.length / 8
  const split = new Uint8Array(plain.length)
  for (let index = 0; index < count; index++) for (let byte = 0; byte < 8; byte++) split[byte * count + index] = plain[index * 8 + byte] as number
  return split
}

/** RLE with its length before it, which booleans have where levels have none. */
function encodeFlags(flags: Uint8Array): Uint8Array {
  return written((out) => {
    out.uint32(0)
    encodeHybrid(flags, { count: flags.length, width: 1 }, out)
    new DataView(out.bytes.buffer).setUint32(0, out.length - 4, true)
  })
}

interface Distinct<T> {
  readonly values: readonly T[]
  readonly codes: Uint16Array
}

/** A dictionary pays when it has fewer values than this share of the column. */
const distinctShareMax = 0.5
/** What neighbours have to share of their bytes: only then is taking it out quicker than compressing it. */
const sharedShareMin = 0.75
/** Far below what a reader lets shared beginnings expand to. */
const sharingBytesMax = 1024 * 1024
/** After this many values a column that has hardly repeated itself is given up. */
const probeCount = 200

/** The distinct values in order of appearance and each value's place among them; undefined where a dictionary does not pay. */
function findDistinct<T extends string | number>(values: ArrayLike<T>): Distinct<T> | undefined {
  if (values.length < 4) return undefined
  const places = new Map<T, number>()
  const codes = new Uint16Array(values.length)
  const most = Math.min(0xffff, values.length * distinctShareMax)
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as T
    let code = places.get(value)
    if (code === undefined) {
      code = places.size
      if (code >= most || (index === probeCount && code > probeCount * 0.95)) return undefined
      places.set(value, code)
    }
    codes[index] = code
  }
  return { values: [...places.keys()], codes }
}

function encodeCodes(codes: Uint16Array, valueCount: number): Uint8Array {
  const width = Math.max(1, bitWidthOf(valueCount - 1))
  return written((out) => {
    out.byte(width)
    encodeHybrid(codes, { count: codes.length, width }, out)
  })
}

function written(write: (out: ByteBuffer) => void): Uint8Array {
  const out = new ByteBuffer(4096)
  write(out)
  return out.view()
}
