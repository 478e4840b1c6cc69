import { utf8Decode } from '../base/bytes.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const equalsSign = 0x3d
const padding = 64
const invalid = 255

/** The 6 bits of each ASCII character. */
const bitsOf = makeBitsOf()

/** RFC 4648 section 4, with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  // As bytes: a text that grows by pieces would take forty times its memory until it is read.
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let to = 0
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text[to++] = alphabet.charCodeAt(word >> 18)
    text[to++] = alphabet.charCodeAt((word >> 12) & 63)
    text[to++] = left > 1 ? alphabet.charCodeAt((word >> 6) & 63) : equalsSign
    text[to++] = left > 2 ? alphabet.charCodeAt(word & 63) : equalsSign
  }
  return utf8Decode(text)
}

/** The inverse; undefined for text that encodeBase64 does not write: other characters, no padding, bits set after the last byte. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const paddingCount = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - paddingCount)
  let to = 0
  for (let at = 0; at < text.length; at += 4) {
    const isLast = at + 4 === text.length
    const word = decodeFour(text, at, isLast ? paddingCount : 0)
    if (word === undefined) return undefined
    bytes[to++] = word >> 16
    if (to < bytes.length) bytes[to++] = (word >> 8) & 255
    if (to < bytes.length) bytes[to++] = word & 255
  }
  return bytes
}

/** Three bytes in a word, or undefined; the last `paddingCount` characters must be '='. */
function decodeFour(text: string, at: number, paddingCount: number): number | undefined {
  let word = 0
  for (let offset = 0; offset < 4; offset++) {
    const code = text.charCodeAt(at + offset)
    const bits = bitsOf[code] ?? invalid
    if (bits === padding ? offset < 4 - paddingCount : bits === invalid) return undefined
    word = (word << 6) | (bits & 63)
  }
  const unused = paddingCount === 2 ? 0xffff : paddingCount === 1 ? 0xff : 0
  return (word & unused) === 0 ? word : undefined
}

function makeBitsOf(): Uint8Array {
  const table = new Uint8Array(128).fill(invalid)
  for (let bits = 0; bits < 64; bits++) table[alphabet.charCodeAt(bits)] = bits
  table[equalsSign] = padding
  return table
}
