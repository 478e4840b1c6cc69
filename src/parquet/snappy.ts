import { ByteCursor } from './ByteCursor.ts'
import { runtime } from './kernels.ts'
import { malformed } from './malformed.ts'

const blockBytes = 1 << 16
const tableBitsMax = 14
const tableBitsMin = 8
/** A match ends this far before a block's end, so that no load reaches past it. */
const marginBytes = 15

/**
 * Snappy (google/snappy, format_description.txt) in plain JavaScript: WebAssembly made from bytes is refused in Workers.
 * Keeps its hash table between calls; one compressor has one caller at a time.
 */
export class SnappyCompressor {
  readonly #table = new Uint16Array(1 << tableBitsMax)
  #out: Uint8Array = new Uint8Array(0);

  *compress(input: Uint8Array): Generator<void, Uint8Array> {
    const most = 32 + input.length + Math.ceil(input.length / 6)
    if (this.#out.length < most) this.#out = new Uint8Array(most)
    const out = this.#out
    let at = 0
    let rest = input.length
    while (rest >= 128) {
      out[at++] = (rest & 127) | 128
      rest >>>= 7
    }
    out[at++] = rest
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
    for (let start = 0; start < input.length; start += blockBytes) {
      if (start > 0) yield
      at = this.#block({ input, view, start, end: Math.min(input.length, start + blockBytes) }, out, at)
    }
    return out.slice(0, at)
  }

  #block({ input, view, start, end }: { input: Uint8Array; view: DataView; start: number; end: number }, out: Uint8Array, from: number): number {
    let to = from
    let literal = start
    const limit = end - marginBytes
    const table = this.#table
    // Clearing all of it would cost more than compressing a short page.
    const shift = Math.max(32 - tableBitsMax, Math.min(32 - tableBitsMin, Math.clz32(end - start)))
    table.fill(0, 0, 1 << (32 - shift))
    let at = start + 1
    /** Grows while nothing matches, so that incompressible bytes are passed over quickly. */
    let misses = 32
    while (at < limit) {
      const word = view.getInt32(at, true)
      const slot = Math.imul(word, 0x1e35a7bd) >>> shift
      const match = start + (table[slot] as number)
      table[slot] = at - start
      if (match >= at || view.getInt32(match, true) !== word) {
        at += misses++ >>> 5
        continue
      }
      misses = 32
      if (at > literal) to = writeLiteral({ input, start: literal, end: at }, out, to)
      const length = 4 + matchLength(view, { left: match + 4, right: at + 4, end })
      to = writeCopy({ offset: at - match, length }, out, to)
      at += length
      literal = at
      if (at >= limit) break
      table[Math.imul(view.getInt32(at - 1, true), 0x1e35a7bd) >>> shift] = at - 1 - start
    }
    return literal < end ? writeLiteral({ input, start: literal, end }, out, to) : to
  }
}

function matchLength(view: DataView, { left, right, end }: { left: number; right: number; end: number }): number {
  let length = 0
  while (right + length + 4 <= end && view.getInt32(left + length, true) === view.getInt32(right + length, true)) length += 4
  while (right + length < end && view.getUint8(left + length) === view.getUint8(right + length)) length++
  return length
}

/** At most one block long. */
function writeLiteral({ input, start, end }: { input: Uint8Array; start: number; end: number }, out: Uint8Array, at: number): number {
  const count = end - start - 1
  let to = at
  if (count < 60) {
    out[to++] = count << 2
  } else if (count < 256) {
    out[to++] = 60 << 2
    out[to++] = count
  } else {
    out[to++] = 61 << 2
    out[to++] = count
    out[to++] = count >>> 8
  }
  // A view of the bytes costs more than copying a few of them one by one.
  if (count >= 48) out.set(input.subarray(start, end), to)
  else for (let index = start; index < end; index++) out[to + index - start] = input[index] as number
  return to + end - start
}

function writeCopy({ offset, length }: { offset: number; length: number }, out: Uint8Array, at: number): number {
  let to = at
  let rest = length
  // Never leaves fewer than four bytes for the last copy, the least that the short form can say.
  while (rest >= 68) {
    to = writeLongCopy(offset, 64, { out, at: to })
    rest -= 64
  }
  if (rest > 64) {
    to = writeLongCopy(offset, 60, { out, at: to })
    rest -= 60
  }
  if (rest >= 12 || offset >= 2048) return writeLongCopy(offset, rest, { out, at: to })
  out[to++] = 1 | ((rest - 4) << 2) | ((offset >>> 8) << 5)
  out[to++] = offset
  return to
}

function writeLongCopy(offset: number, length: number, { out, at }: { out: Uint8Array; at: number }): number {
  out[at] = 2 | ((length - 1) << 2)
  out[at + 1] = offset
  out[at + 2] = offset >>> 8
  return at + 3
}

/** A literal that is longer is copied by the runtime: a call costs as much as some words. */
const byWordsMax = 64
const kernelBytesMin = 256

/** Fills `out` with the decompressed bytes, which must be as many; CORRUPT_FILE otherwise. */
export function snappyDecompress(input: Uint8Array, out: Uint8Array): Uint8Array {
  const size = out.length
  const cursor = new ByteCursor(input)
  if (cursor.varint() !== size) throw malformed('a compressed page has another size than its header says')
  // Below this copying costs more than it saves. What the kernel refuses is read again for the reason.
  if (size >= kernelBytesMin && runtime.kernels?.expandSnappy(input, cursor.at, out)) return out
  const from = cursor.view
  const view = new DataView(out.buffer, out.byteOffset, size)
  // Four bytes are copied at once, also some past a part's end where the next part will overwrite them.
  const wordsEnd = size - 3
  let at = cursor.at
  let to = 0
  while (at < input.length) {
    const tag = input[at++] as number
    const kind = tag & 3
    let length = (tag >>> 2) + 1
    if (kind === 0) {
      if (length > 60) {
        const extra = length - 60
        length = 1 + littleEndian(input, at, extra)
        at += extra
      }
      const stop = at + length
      const end = to + length
      if (stop > input.length || end > size) throw malformed('a literal runs past the end of a compressed page')
      if (length > byWordsMax) out.set(input.subarray(at, stop), to)
      else if (end <= wordsEnd && stop <= input.length - 3) for (; to < end; to += 4, at += 4) view.setUint32(to, from.getUint32(at, true), true)
      else while (to < end) out[to++] = input[at++] as number
      at = stop
      to = end
      continue
    }
    let offset: number
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | (input[at++] as number)
    } else if (kind === 2) {
      offset = (input[at] as number) | ((input[at + 1] as number) << 8)
      at += 2
    } else {
      offset = littleEndian(input, at, 4)
      at += 4
    }
    const end = to + length
    if (offset === 0 || offset > to || end > size || at > input.length) throw malformed('a copy reaches outside of a compressed page')
    let back = to - offset
    if (offset >= 4 && end <= wordsEnd) for (; to < end; to += 4, back += 4) view.setUint32(to, view.getUint32(back, true), true)
    else while (to < end) out[to++] = out[back++] as number
    to = end
  }
  if (to !== size) throw malformed('a compressed page is cut short')
  return out
}

function littleEndian(input: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let index = width - 1; index >= 0; index--) value = value * 256 + (input[at + index] ?? 0)
  return value
}
