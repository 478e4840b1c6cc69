import { compareBytes, utf8Decode } from '../base/bytes.ts'
import { lowerBound } from '../base/lower-bound.ts'
import type { Arena } from './Arena.ts'
import type { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import { decodeDelta, encodeDelta } from './delta-binary.ts'
import { malformed } from './malformed.ts'

/** Byte arrays side by side: value `i` is `blob[offsets[i] .. offsets[i + 1])`. */
export interface ByteArrays {
  readonly blob: Uint8Array
  readonly offsets: Int32Array
}

const encoder = new TextEncoder()

/** The strings as UTF-8, encoded in one go. Well-formed strings only. */
export function byteArraysOfTexts(texts: readonly string[]): ByteArrays {
  const joined = texts.join('')
  const blob = encoder.encode(joined)
  const offsets = new Int32Array(texts.length + 1)
  const isAscii = blob.length === joined.length
  let at = 0
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index] as string
    at += isAscii ? text.length : utf8Length(text)
    offsets[index + 1] = at
  }
  return { blob, offsets }
}

export function byteArraysOfBytes(values: readonly Uint8Array[]): ByteArrays {
  const offsets = new Int32Array(values.length + 1)
  let size = 0
  for (let index = 0; index < values.length; index++) offsets[index + 1] = size += (values[index] as Uint8Array).length
  const blob = new Uint8Array(size)
  for (let index = 0; index < values.length; index++) blob.set(values[index] as Uint8Array, offsets[index])
  return { blob, offsets }
}

/** Bytes of a well-formed string in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    // A surrogate pair is two units and four bytes.
    length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return length
}

export function encodePlainByteArrays({ blob, offsets }: ByteArrays, out: ByteBuffer): void {
  for (let index = 0; index + 1 < offsets.length; index++) {
    const start = offsets[index] as number
    const end = offsets[index + 1] as number
    out.uint32(end - start)
    out.append(blob.subarray(start, end))
  }
}

export function decodePlainByteArrays(bytes: Uint8Array, count: number, memory: Arena): ByteArrays {
  const cursor = new ByteCursor(bytes)
  if (count * 4 > bytes.length) throw malformed('a page is too short for its values')
  const offsets = memory.array(Int32Array, count + 1)
  const blob = memory.array(Uint8Array, bytes.length - count * 4)
  let at = 0
  for (let index = 0; index < count; index++) {
    offsets[index] = at
    const length = cursor.uint32()
    const from = cursor.at
    if (length > bytes.length - from) throw malformed('a value runs past the end of its page')
    for (let place = 0; place < length; place++) blob[at++] = bytes[from + place] as number
    cursor.at += length
  }
  offsets[count] = at
  return { blob, offsets }
}

/** The values at `places`, in their order, which may repeat. */
export function plainByteArraysAt({ page: bytes, count }: { page: Uint8Array; count: number }, places: Uint16Array): ByteArrays {
  const cursor = new ByteCursor(bytes)
  const starts = new Int32Array(count + 1)
  for (let index = 0; index < count; index++) {
    cursor.skip(cursor.uint32())
    starts[index + 1] = cursor.at
  }
  return byteArraysOfBytes(Array.from(places, (place) => bytes.subarray((starts[place] as number) + 4, starts[place + 1])))
}

export function encodeDeltaLength({ blob, offsets }: ByteArrays, out: ByteBuffer): void {
  const count = offsets.length - 1
  const lengths = new Int32Array(count)
  for (let index = 0; index < count; index++) lengths[index] = (offsets[index + 1] as number) - (offsets[index] as number)
  encodeDelta(lengths, count, out)
  out.append(blob)
}

export function decodeDeltaLength(cursor: ByteCursor, count: number, memory: Arena): ByteArrays {
  const offsets = memory.array(Int32Array, count + 1)
  offsets[0] = 0
  const lengths = offsets.subarray(1)
  decodeDelta(cursor, lengths)
  const sizeMax = cursor.bytes.length - cursor.at
  let at = 0
  for (let index = 0; index < count; index++) {
    const length = lengths[index] as number
    at += length
    if (length < 0 || at > sizeMax) throw malformed('values are longer than their page')
    lengths[index] = at
  }
  return { blob: cursor.take(at), offsets }
}

/** DELTA_BYTE_ARRAY: what each value shares with the one before it is left out. For sorted values. */
export function encodeDeltaBytes({ blob, offsets }: ByteArrays, out: ByteBuffer): void {
  const count = offsets.length - 1
  const prefixes = new Int32Array(count)
  const suffixOffsets = new Int32Array(count + 1)
  const suffixes = new Uint8Array(blob.length)
  let at = 0
  for (let index = 0; index < count; index++) {
    const start = offsets[index] as number
    const end = offsets[index + 1] as number
    const before = index === 0 ? 0 : (offsets[index - 1] as number)
    let shared = 0
    if (index > 0) {
      const most = Math.min(end - start, start - before)
      while (shared < most && blob[before + shared] === blob[start + shared]) shared++
    }
    prefixes[index] = shared
    for (let from = start + shared; from < end; from++) suffixes[at++] = blob[from] as number
    suffixOffsets[index + 1] = at
  }
  encodeDelta(prefixes, count, out)
  encodeDeltaLength({ blob: suffixes.subarray(0, at), offsets: suffixOffsets }, out)
}

/** `sizeMax` bounds what the values may expand to, as a shared prefix costs next to nothing in the file. */
export function decodeDeltaBytes(cursor: ByteCursor, count: number, { sizeMax, memory }: { sizeMax: number; memory: Arena }): ByteArrays {
  const prefixes = memory.array(Int32Array, count)
  decodeDelta(cursor, prefixes)
  const { blob: source, offsets: starts } = decodeDeltaLength(cursor, count, memory)
  const offsets = memory.array(Int32Array, count + 1)
  offsets[0] = 0
  let size = 0
  let before = 0
  for (let index = 0; index < count; index++) {
    const shared = prefixes[index] as number
    if (shared < 0 || shared > before) throw malformed('a shared prefix is longer than the value before it')
    before = shared + (starts[index + 1] as number) - (starts[index] as number)
    size += before
    if (size > sizeMax) throw malformed('values expand to more than their page may hold')
    offsets[index + 1] = size
  }
  const blob = memory.array(Uint8Array, size)
  let to = 0
  let from = 0
  let last = 0
  for (let index = 0; index < count; index++) {
    const start = to
    for (const shared = start + (prefixes[index] as number); to < shared; ) blob[to++] = blob[last++] as number
    for (const end = offsets[index + 1] as number; to < end; ) blob[to++] = source[from++] as number
    last = start
  }
  return { blob, offsets }
}

/** As decodeDeltaBytes, of the values at `rows` alone, which ascend: what one shares is looked for in the values before it, backwards to the one that has its beginning. */
export function decodeDeltaBytesAt(cursor: ByteCursor, { count, rows, sizeMax, memory }: { count: number; rows: Int32Array; sizeMax: number; memory: Arena }): ByteArrays {
  const prefixes = memory.array(Int32Array, count)
  decodeDelta(cursor, prefixes)
  const { blob: source, offsets: starts } = decodeDeltaLength(cursor, count, memory)
  const offsets = new Int32Array(rows.length + 1)
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] as number
    offsets[at + 1] = (offsets[at] as number) + (prefixes[row] as number) + (starts[row + 1] as number) - (starts[row] as number)
    if ((prefixes[row] as number) < 0 || (offsets[at + 1] as number) > sizeMax) throw malformed('values expand to more than their page may hold')
  }
  const blob = new Uint8Array(offsets[rows.length] as number)
  for (let at = 0; at < rows.length; at++) {
    const to = offsets[at] as number
    const before = at === 0 ? -1 : (rows[at - 1] as number)
    let needed = (offsets[at + 1] as number) - to
    for (let row = rows[at] as number; needed > 0; row--) {
      // The one before this one has what all in between share.
      const isBefore = row === before
      const prefix = isBefore ? 0 : (prefixes[row] as number)
      if (prefix >= needed) continue
      const [bytes, from, end] = (isBefore ? [blob, offsets[at - 1], to] : [source, starts[row], starts[row + 1]]) as [Uint8Array, number, number]
      if (row < 0 || prefix < 0 || needed - prefix > end - from) throw malformed('a shared prefix is longer than the value before it')
      for (let byte = prefix; byte < needed; byte++) blob[to + byte] = bytes[from + byte - prefix] as number
      needed = prefix
    }
  }
  return { blob, offsets }
}

/** Below this, decoding value by value is as fast, and the strings do not hold on to a page's whole text. */
const oneByOneMax = 8

/** Values `start` to `end` as strings. Many at once are slices of one text, so each of them keeps that text alive. */
export function textsOf(arrays: ByteArrays, start: number, end: number): string[] {
  const { blob, offsets } = arrays
  const texts = new Array<string>(end - start)
  if (end - start <= oneByOneMax) {
    for (let index = start; index < end; index++) texts[index - start] = textAt(arrays, index)
    return texts
  }
  const first = offsets[start] as number
  const last = offsets[end] as number
  const whole = utf8Decode(blob.subarray(first, last))
  if (whole.length === last - first) {
    for (let index = start; index < end; index++) texts[index - start] = whole.substring((offsets[index] as number) - first, (offsets[index + 1] as number) - first)
    return texts
  }
  let at = 0
  for (let index = start; index < end; index++) {
    const to = at + utf16Length(blob, offsets[index] as number, offsets[index + 1] as number)
    texts[index - start] = whole.substring(at, to)
    at = to
  }
  return texts
}

/** A string of its own: nothing else is kept alive by it. */
export function textAt(arrays: ByteArrays, index: number): string {
  return utf8Decode(bytesAt(arrays, index))
}

/** A view of one value. */
export function bytesAt({ blob, offsets }: ByteArrays, index: number): Uint8Array {
  return blob.subarray(offsets[index], offsets[index + 1])
}

/** UTF-16 units of the UTF-8 text `bytes[start..end)`. */
function utf16Length(bytes: Uint8Array, start: number, end: number): number {
  let length = end - start
  for (let index = start; index < end; index++) {
    const byte = bytes[index] as number
    if (byte < 0x80) continue
    if ((byte & 0xc0) === 0x80) length -= 1
    else if (byte >= 0xf0) length += 1
  }
  return length
}

/** Of ascending values, the index of the first that is at least `key`; their count when all are below. */
export function firstAtOrAbove(arrays: ByteArrays, key: Uint8Array): number {
  return lowerBound({ length: arrays.offsets.length - 1 }, (_, index) => compareBytes(bytesAt(arrays, index), key) < 0)
}
