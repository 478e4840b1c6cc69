/** Bytes that grow at the end. Hot loops take `reserve(most)`, write from `length` on, and set `length` to where they stopped. */
export class ByteBuffer {
  bytes: Uint8Array
  length = 0

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity)
  }

  /** The backing array, with room for at least `most` bytes after `length`. An earlier backing array is stale afterwards. */
  reserve(most: number): Uint8Array {
    const needed = this.length + most
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    return this.bytes
  }

  byte(value: number): void {
    this.reserve(1)[this.length++] = value
  }

  /** Little-endian. */
  uint32(value: number): void {
    const bytes = this.reserve(4)
    bytes[this.length] = value
    bytes[this.length + 1] = value >>> 8
    bytes[this.length + 2] = value >>> 16
    bytes[this.length + 3] = value >>> 24
    this.length += 4
  }

  /** ULEB128 of a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    const bytes = this.reserve(8)
    let rest = value
    while (rest >= 128) {
      bytes[this.length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    bytes[this.length++] = rest
  }

  /** Zigzag ULEB128 of a whole number whose magnitude is at most 2^52. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length).set(bytes, this.length)
    this.length += bytes.length
  }

  /** A view of what was written; valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}
