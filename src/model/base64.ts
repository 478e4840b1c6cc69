import { utf8Decode } from '../base/bytes.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const equalsSign = 0x3d

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
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const characters = atob(text)
  const bytes = new Uint8Array(characters.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at)
  return encodeBase64(bytes.subarray(bytes.length - (bytes.length % 3 || 3))) === text.slice(-4) ? bytes : undefined
}
