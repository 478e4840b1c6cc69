import { malformed } from './malformed.ts'

/** Numbers in any of the arrays that columns keep them in. */
export type NumberArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

export interface BitRun {
  /** Of the first value. */
  readonly start: number
  readonly count: number
  /** Bits a value, 0 to 53. */
  readonly width: number
}

/** Bits that one step shifts: with up to seven left over from the step before they stay a 31-bit integer. */
const stepBits = 24

/** Bits that the greatest of whole numbers >= 0 needs. */
export function bitWidthOf(greatest: number): number {
  return greatest < 2 ** 32 ? 32 - Math.clz32(greatest) : 64 - Math.clz32(Math.floor(greatest / 2 ** 32))
}

/** Writes values least significant bit first, at `at` of `bytes`; gives the offset after them. `count * width` is a multiple of 8. */
export function packBits(values: NumberArray, run: BitRun, to: { bytes: Uint8Array; at: number }): number {
  if (run.width > stepBits) return packWide(values, run, to)
  const { bytes } = to
  const { width, start } = run
  const end = start + run.count
  let at = to.at
  let held = 0
  let bits = 0
  for (let index = start; index < end; index++) {
    held |= (values[index] as number) << bits
    bits += width
    while (bits >= 8) {
      bytes[at++] = held
      held >>>= 8
      bits -= 8
    }
  }
  return at
}

function packWide(values: NumberArray, { start, count, width }: BitRun, { bytes, at: from }: { bytes: Uint8Array; at: number }): number {
  let at = from
  let held = 0
  let bits = 0
  for (let index = start; index < start + count; index++) {
    let rest = values[index] as number
    for (let left = width; left > 0; left -= stepBits) {
      const step = Math.min(left, stepBits)
      held |= rest % 2 ** step << bits
      rest = Math.floor(rest / 2 ** step)
      bits += step
      while (bits >= 8) {
        bytes[at++] = held
        held >>>= 8
        bits -= 8
      }
    }
  }
  return at
}

/** Bits of a value that the four bytes have in which it begins, wherever in the first of them. */
export const wordWidthMax = 25

/** Reads values back into `out[start..start + count)`. CORRUPT_FILE when the bytes end before the values do. */
export function unpackBits(from: { bytes: Uint8Array; view: DataView; at: number }, run: BitRun, out: NumberArray): void {
  const { width, start, count } = run
  const { bytes, view, at } = from
  if (at + Math.ceil((count * width) / 8) > bytes.length) throw malformed('packed values run past the end of the page')
  if (width > wordWidthMax) return unpackWide(from, run, out)
  if (width === 0) return void out.fill(0, start, start + count)
  const mask = (1 << width) - 1
  const end = start + count
  /** Up to here the four bytes are all there. */
  const wordsEnd = Math.min(end, start + Math.max(0, Math.ceil(((bytes.length - 3 - at) * 8) / width)))
  let index = start
  let bit = 0
  for (; index < wordsEnd; bit += width) out[index++] = (view.getInt32(at + (bit >>> 3), true) >>> (bit & 7)) & mask
  for (; index < end; bit += width) {
    let word = 0
    for (let byte = 3; byte >= 0; byte--) word = (word << 8) | (bytes[at + (bit >>> 3) + byte] ?? 0)
    out[index++] = (word >>> (bit & 7)) & mask
  }
}

function unpackWide({ bytes, at: from }: { bytes: Uint8Array; at: number }, { start, count, width }: BitRun, out: NumberArray): void {
  let at = from
  let held = 0
  let bits = 0
  for (let index = start; index < start + count; index++) {
    let value = 0
    let scale = 1
    for (let left = width; left > 0; left -= stepBits) {
      const step = Math.min(left, stepBits)
      while (bits < step) {
        held |= (bytes[at++] as number) << bits
        bits += 8
      }
      value += (held & (2 ** step - 1)) * scale
      held >>>= step
      bits -= step
      scale *= 2 ** step
    }
    out[index] = value
  }
}
