/** Slicing-by-8 tables of the IEEE polynomial: eight bytes a step, some six times a byte at a time. */
const tables = makeTables()

/** CRC-32 (IEEE, as in zlib and Parquet) of `bytes`, continuing from `crc`; unsigned. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables
  let state = ~crc
  let at = 0
  const wideEnd = bytes.length - 7
  while (at < wideEnd) {
    const low = state ^ (byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24))
    state =
      lookup(t7, low) ^
      lookup(t6, low >>> 8) ^
      lookup(t5, low >>> 16) ^
      lookup(t4, low >>> 24) ^
      lookup(t3, byteAt(bytes, at + 4)) ^
      lookup(t2, byteAt(bytes, at + 5)) ^
      lookup(t1, byteAt(bytes, at + 6)) ^
      lookup(t0, byteAt(bytes, at + 7))
    at += 8
  }
  for (; at < bytes.length; at++) state = lookup(t0, state ^ byteAt(bytes, at)) ^ (state >>> 8)
  return ~state >>> 0
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}

function lookup(table: Int32Array, value: number): number {
  return table[value & 255] as number
}

type Tables = [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]

function makeTables(): Tables {
  const made = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables
  for (let value = 0; value < 256; value++) {
    let state = value
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0xedb88320 : state >>> 1
    made[0][value] = state
  }
  for (let slice = 1; slice < 8; slice++) {
    const before = made[slice - 1] as Int32Array
    const table = made[slice] as Int32Array
    for (let value = 0; value < 256; value++) table[value] = lookup(made[0], lookup(before, value)) ^ (lookup(before, value) >>> 8)
  }
  return made
}
