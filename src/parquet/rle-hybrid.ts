import { bitWidthOf, packBits, unpackBits, type NumberArray } from './bit-packing.ts'
import type { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import { runtime } from './kernels.ts'
import { malformed } from './malformed.ts'

/** Repeats from which a run of its own is shorter than packing, whatever the width. */
const runMin = 16

/** Parquet's RLE / bit-packing hybrid (Encodings.md, RLE = 3) of `values[0..count)`, without a length before it. */
export function encodeHybrid(values: Uint8Array | Uint16Array | Uint32Array, { count, width }: { count: number; width: number }, out: ByteBuffer): void {
  let index = 0
  while (index < count) {
    const run = runLength(values, index, count)
    if (run >= runMin || index + run === count) {
      encodeRun(values[index] as number, { count: run, width }, out)
      index += run
    } else {
      const end = packedEnd(values, index, count)
      writePacked(values, { start: index, count: end - index, width }, out)
      index = end
    }
  }
}

/** One value `count` times. */
export function encodeRun(value: number, { count, width }: { count: number; width: number }, out: ByteBuffer): void {
  if (count === 0) return
  out.varint(count * 2)
  for (let shift = 0; shift < width; shift += 8) out.byte((value >>> shift) & 255)
}

function runLength(values: NumberArray, start: number, count: number): number {
  const value = values[start]
  let end = start + 1
  while (end < count && values[end] === value) end++
  return end - start
}

/** Where packing should stop: at a multiple of eight values from `start`, before a long run or at the end. */
function packedEnd(values: NumberArray, start: number, count: number): number {
  let end = start
  while (end < count) {
    end += 8
    if (end >= count) return count
    let repeats = 1
    while (repeats < runMin && end + repeats < count && values[end + repeats] === values[end]) repeats++
    if (repeats === runMin) return end
  }
  return count
}

function writePacked(values: Uint8Array | Uint16Array | Uint32Array, run: { start: number; count: number; width: number }, out: ByteBuffer): void {
  const groups = Math.ceil(run.count / 8)
  const whole = run.count - (run.count % 8)
  out.varint(groups * 2 + 1)
  const bytes = out.reserve(groups * run.width)
  out.length = packBits(values, { ...run, count: whole }, { bytes, at: out.length })
  if (whole === run.count) return
  const last = new Uint32Array(8)
  last.set(values.subarray(run.start + whole, run.start + run.count))
  out.length = packBits(last, { start: 0, count: 8, width: run.width }, { bytes, at: out.length })
}

/** Below this copying costs more than it saves. */
const kernelValuesMin = 256

/** Decodes `out.length` values from all of `bytes`; values past `greatest` are CORRUPT_FILE. */
export function decodeHybrid(bytes: Uint8Array, { width, greatest }: { width: number; greatest: number }, out: Uint8Array | Uint16Array): void {
  const count = out.length
  // What the kernel refuses is read again for the reason.
  if (count >= kernelValuesMin && runtime.kernels?.expandHybrid(bytes, { width, greatest }, out)) return
  const cursor = new ByteCursor(bytes)
  let index = 0
  while (index < count) {
    const header = cursor.varint()
    const length = Math.floor(header / 2)
    if (length === 0) throw malformed('a run has no values')
    if (header % 2 === 0) {
      const end = Math.min(count, index + length)
      out.fill(runValue(cursor, width), index, end)
      index = end
    } else {
      const part = Math.min(count - index, length * 8)
      unpackBits(cursor, { start: index, count: part, width }, out)
      cursor.at += length * width
      index += part
    }
  }
  if (bitWidthOf(greatest) === width && greatest === 2 ** width - 1) return
  for (let at = 0; at < count; at++) if ((out[at] as number) > greatest) throw malformed(`a level or code is over ${greatest}`)
}

/** As decodeHybrid, of the values at `rows` alone, which ascend. */
export function decodeHybridAt(bytes: Uint8Array, { width, greatest, rows }: { width: number; greatest: number; rows: Int32Array }, out: Uint16Array): void {
  const cursor = new ByteCursor(bytes)
  let end = 0
  for (let at = 0; at < rows.length; ) {
    const start = end
    const header = cursor.varint()
    const length = Math.floor(header / 2)
    if (length === 0) throw malformed('a run has no values')
    end += header % 2 === 0 ? length : length * 8
    const packedAt = cursor.at
    const value = header % 2 === 0 ? runValue(cursor, width) : undefined
    if (value === undefined) cursor.skip(length * width)
    for (; at < rows.length && (rows[at] as number) < end; at++) {
      const bit = ((rows[at] as number) - start) * width
      out[at] = value ?? (wordAt(bytes, packedAt + (bit >>> 3)) >>> (bit & 7)) & ((1 << width) - 1)
      if ((out[at] as number) > greatest) throw malformed(`a level or code is over ${greatest}`)
    }
  }
}

/** Three bytes, as far as they are there: what a code of up to 16 bits lies in. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
}

function runValue(cursor: ByteCursor, width: number): number {
  let value = 0
  for (let shift = 0; shift < width; shift += 8) value |= cursor.byte() << shift
  return value >>> 0
}
