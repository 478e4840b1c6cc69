import { malformed } from './malformed.ts'

/** Decompresses one LZ4 block (lz4_Block_format.md; Parquet's LZ4_RAW) to exactly `size` bytes; CORRUPT_FILE otherwise. */
export function lz4Decompress(input: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size)
  let at = 0
  let to = 0
  const extend = (length: number): number => {
    let whole = length
    for (let byte = 255; byte === 255; whole += byte) {
      byte = input[at++] ?? -1
      if (byte < 0 || whole > size) throw malformed('a length in an LZ4 page runs past its end')
    }
    return whole
  }
  while (at < input.length) {
    const token = input[at++] as number
    const literals = token >>> 4 === 15 ? extend(15) : token >>> 4
    if (at + literals > input.length || to + literals > size) throw malformed('a literal runs past the end of an LZ4 page')
    out.set(input.subarray(at, at + literals), to)
    at += literals
    to += literals
    if (at === input.length) break
    const offset = (input[at++] ?? 0) | ((input[at++] ?? 0) << 8)
    const length = 4 + ((token & 15) === 15 ? extend(15) : token & 15)
    if (offset === 0 || offset > to || to + length > size || at > input.length) throw malformed('a copy reaches outside of an LZ4 page')
    for (let index = 0; index < length; index++) out[to + index] = out[to + index - offset] as number
    to += length
  }
  if (to !== size) throw malformed('an LZ4 page is cut short')
  return out
}

/** The format's older LZ4: blocks, each after its size and that of its bytes (big-endian), as Hadoop has them; or, by other writers, one block alone. */
export function lz4BlocksDecompress(bytes: Uint8Array, size: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Uint8Array(size)
  let at = 0
  let to = 0
  while (at + 8 <= bytes.length) {
    const end = at + 8 + view.getUint32(at + 4)
    const blockSize = view.getUint32(at)
    if (end > bytes.length || blockSize > size - to) return lz4Decompress(bytes, size)
    out.set(lz4Decompress(bytes.subarray(at + 8, end), blockSize), to)
    at = end
    to += blockSize
  }
  return at === bytes.length && to === size ? out : lz4Decompress(bytes, size)
}
