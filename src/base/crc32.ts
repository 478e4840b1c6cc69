import { nodeZlib } from './node-zlib.ts'

/** Slicing-by-16 tables of the IEEE polynomial, one after the other: sixteen bytes a step, some ten times a byte at a time. */
const tables = makeTables()

/** Since Node.js 20.15 and 22.2. */
const native = nodeZlib?.crc32
/** Below this a call into the runtime costs as much as it saves. */
const nativeBytesMin = 256

/** CRC-32 (IEEE, as in zlib and Parquet) of `bytes`, continuing from `crc`; unsigned. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  if (native !== undefined && bytes.length >= nativeBytesMin) return native(bytes, crc)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let state = ~crc
  let at = 0
  for (const end = bytes.length - 15; at < end; at += 16) {
    const one = state ^ view.getInt32(at, true)
    state = ofWord(15, one) ^ ofWord(11, view.getInt32(at + 4, true)) ^ ofWord(7, view.getInt32(at + 8, true)) ^ ofWord(3, view.getInt32(at + 12, true))
  }
  for (; at < bytes.length; at++) state = ofByte(0, state ^ (bytes[at] as number)) ^ (state >>> 8)
  return ~state >>> 0
}

/** What four bytes add that stand in front of `slice - 3` others; of each byte its own table. */
function ofWord(slice: number, word: number): number {
  return ofByte(slice, word) ^ ofByte(slice - 1, word >>> 8) ^ ofByte(slice - 2, word >>> 16) ^ ofByte(slice - 3, word >>> 24)
}

function ofByte(slice: number, value: number): number {
  return tables[slice * 256 + (value & 255)] as number
}

function makeTables(): Int32Array {
  const made = new Int32Array(16 * 256)
  for (let value = 0; value < 256; value++) {
    let state = value
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0xedb88320 : state >>> 1
    made[value] = state
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256] as number
    made[at] = (made[before & 255] as number) ^ (before >>> 8)
  }
  return made
}
