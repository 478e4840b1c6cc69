import { bitWidthOf, packBits, unpackBits, wordWidthMax } from './bit-packing.ts'
import type { ByteBuffer } from './ByteBuffer.ts'
import type { ByteCursor } from './ByteCursor.ts'
import { runtime } from './kernels.ts'
import { malformed } from './malformed.ts'

const blockValues = 128
const miniblocks = 4
const miniblockValues = blockValues / miniblocks

/** The greatest magnitude of values whose deltas, and deltas of deltas in zigzag, are exact in doubles: all stay under 2^53. */
export const deltaMagnitudeMax = 2 ** 50

/** DELTA_BINARY_PACKED of whole numbers of at most `deltaMagnitudeMax` in magnitude. */
export function encodeDelta(values: Int32Array | Float64Array | readonly number[], count: number, out: ByteBuffer): void {
  out.varint(blockValues)
  out.varint(miniblocks)
  out.varint(count)
  out.zigzag(count > 0 ? (values[0] as number) : 0)
  const deltas = new Float64Array(blockValues)
  for (let start = 1; start < count; start += blockValues) {
    const length = Math.min(blockValues, count - start)
    let least = Infinity
    for (let index = 0; index < length; index++) {
      const delta = (values[start + index] as number) - (values[start + index - 1] as number)
      deltas[index] = delta
      if (delta < least) least = delta
    }
    for (let index = 0; index < length; index++) deltas[index] = (deltas[index] as number) - least
    deltas.fill(0, length)
    out.zigzag(least)
    writeMiniblocks(deltas, length, out)
  }
}

function writeMiniblocks(deltas: Float64Array, length: number, out: ByteBuffer): void {
  const bytes = out.reserve(miniblocks + blockValues * 8)
  const widthsAt = out.length
  let at = widthsAt + miniblocks
  for (let block = 0; block < miniblocks; block++) {
    const start = block * miniblockValues
    let greatest = 0
    for (let index = start; index < start + miniblockValues; index++) {
      const delta = deltas[index] as number
      if (delta > greatest) greatest = delta
    }
    const width = start < length ? bitWidthOf(greatest) : 0
    bytes[widthsAt + block] = width
    if (width > 0) at = packBits(deltas, { start, count: miniblockValues, width }, { bytes, at })
  }
  out.length = at
}

/** Below this copying costs more than it saves. */
const kernelValuesMin = 256

/** Decodes exactly `out.length` values at the cursor and moves it past them. */
export function decodeDelta(cursor: ByteCursor, out: Int32Array | Float64Array): void {
  const count = out.length
  let value = firstValue(cursor, count)
  if (count > 0) out[0] = value
  const blocksEnd = count >= kernelValuesMin && runtime.kernels?.expandDelta(cursor.bytes, { at: cursor.at, value }, out.subarray(1))
  // What the kernel refuses, as 0, is read again for the reason.
  if (blocksEnd) return void (cursor.at = blocksEnd)
  const { bytes, view } = cursor
  let index = 1
  while (index < count) {
    const least = cursor.zigzag()
    const widthsAt = cursor.at
    cursor.skip(miniblocks)
    for (let block = 0; block < miniblocks && index < count; block++) {
      const width = bytes[widthsAt + block] as number
      if (width > 53) throw malformed('a delta is too wide')
      const end = Math.min(count, index + miniblockValues)
      const at = cursor.at
      cursor.skip((width * miniblockValues) / 8)
      if (width === 0) {
        for (; index < end; index++) out[index] = value += least
      } else if (width <= wordWidthMax && cursor.at + 3 < bytes.length) {
        const mask = (1 << width) - 1
        for (let bit = 0; index < end; bit += width) out[index++] = value += least + ((view.getInt32(at + (bit >>> 3), true) >>> (bit & 7)) & mask)
      } else {
        unpackBits({ bytes, view, at }, { start: index, count: end - index, width }, out)
        for (; index < end; index++) out[index] = value += least + (out[index] as number)
      }
    }
  }
}

/** The first of `count` values; the cursor moves to their first block. */
function firstValue(cursor: ByteCursor, expected: number): number {
  const perBlock = cursor.varint()
  const blocks = cursor.varint()
  const count = cursor.varint()
  if (perBlock !== blockValues || blocks !== miniblocks) throw malformed('a delta block has an unknown size')
  if (count !== expected) throw malformed(`${count} delta values stand where ${expected} belong`)
  return cursor.zigzag()
}

/** As decodeDelta, of the values at `rows` alone, which ascend: those between are added up, and where they all differ by the same that is one step. */
export function decodeDeltaAt(cursor: ByteCursor, { count, rows }: { count: number; rows: Int32Array }, out: Float64Array): void {
  let value = firstValue(cursor, count)
  // Where most values differ by the same from the one before, stepping over them is quicker.
  const isPacked = cursor.bytes.length - cursor.at > count / 8
  if (isPacked && count >= kernelValuesMin && runtime.kernels?.expandDeltaAt(cursor.bytes, { at: cursor.at, value, count, rows }, out)) return
  const { bytes, view } = cursor
  const deltas = new Float64Array(miniblockValues)
  let at = 0
  if (rows[0] === 0) out[at++] = value
  let [least, widthsAt] = [0, 0]
  for (let index = 1, block = 0; index < count && at < rows.length; block = (block + 1) % miniblocks) {
    if (block === 0) {
      least = cursor.zigzag()
      widthsAt = cursor.at
      cursor.skip(miniblocks)
    }
    const width = bytes[widthsAt + block] as number
    if (width > 53) throw malformed('a delta is too wide')
    const from = cursor.at
    cursor.skip((width * miniblockValues) / 8)
    const start = index
    index = Math.min(count, start + miniblockValues)
    if (width === 0) {
      for (; (rows[at] as number) < index; at++) out[at] = value + least * ((rows[at] as number) - start + 1)
      value += least * (index - start)
    } else if ((rows[at] as number) >= index && width <= wordWidthMax && cursor.at + 3 < bytes.length) {
      const mask = (1 << width) - 1
      let sum = 0
      for (let bit = 0, end = (index - start) * width; bit < end; bit += width) sum += (view.getInt32(from + (bit >>> 3), true) >>> (bit & 7)) & mask
      value += least * (index - start) + sum
    } else {
      unpackBits({ bytes, view, at: from }, { start: 0, count: index - start, width }, deltas)
      for (let row = start; row < index; row++) {
        value += least + (deltas[row - start] as number)
        if (row === rows[at]) out[at++] = value
      }
    }
  }
}
