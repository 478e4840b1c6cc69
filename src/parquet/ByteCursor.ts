import { malformed } from './malformed.ts'

/** Reads forward through bytes of a file; CORRUPT_FILE when it would pass their end. */
export class ByteCursor {
  readonly bytes: Uint8Array
  at: number
  #view: DataView | undefined

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  /** The bytes, to be read some at a time. */
  get view(): DataView {
    const { buffer, byteOffset, length } = this.bytes
    return (this.#view ??= new DataView(buffer, byteOffset, length))
  }

  byte(): number {
    const value = this.bytes[this.at++]
    if (value === undefined) throw malformed('it ends too early')
    return value
  }

  /** Little-endian. */
  uint32(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0
  }

  /** ULEB128; whole numbers up to 2^53 - 1. */
  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) break
      scale *= 128
      if (scale > 2 ** 49) throw malformed('a number is too long')
    }
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('a number is too large')
    return value
  }

  zigzag(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  take(length: number): Uint8Array {
    this.skip(length)
    return this.bytes.subarray(this.at - length, this.at)
  }

  skip(length: number): void {
    if (length > this.bytes.length - this.at) throw malformed(`${length} bytes are announced where ${this.bytes.length - this.at} are left`)
    this.at += length
  }
}
