import { textAt, type ByteArrays } from './byte-arrays.ts'
import type { ByteCursor } from './ByteCursor.ts'
import type { ByteBuffer } from './ByteBuffer.ts'
import { malformed } from './malformed.ts'

/** With eight bits set in one block a key: 0.5% of absent keys are not recognised. */
const bitsPerKey = 12
/** A block is eight 32-bit words; a key sets one bit in each, so that a probe touches one cache line. */
const blockWords = 8
/** Hashes that are put into a filter at a time. */
const stepHashes = 2 ** 15
/** Odd multipliers of the split block filter (Parquet's BloomFilter.md). */
const salts = Int32Array.of(0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31)

/** The hashes of keys that a filter will be made of. */
export class BloomFilterBuilder {
  /** High and low half in turn. */
  #hashes = new Uint32Array(1024)
  #length = 0
  #units = new Uint16Array(256)

  add(key: string): void {
    this.#keep(hashOf(key, key.length))
  }

  /** Adds `before` and the text at `index`, which is not made into a string where it is ASCII. */
  addText(texts: ByteArrays, index: number, before: string): void {
    const start = texts.offsets[index] as number
    const length = before.length + (texts.offsets[index + 1] as number) - start
    if (this.#units.length < length) this.#units = new Uint16Array(length * 2)
    const units = this.#units
    let bits = 0
    for (let at = 0; at < before.length; at++) units[at] = before.charCodeAt(at)
    for (let at = before.length; at < length; at++) bits |= units[at] = texts.blob[start + at - before.length] as number
    if (bits >= 0x80) return this.add(before + textAt(texts, index))
    this.#keep(hashOf(units, length))
  }

  #keep({ high, low }: { high: number; low: number }): void {
    if (this.#length === this.#hashes.length) {
      const grown = new Uint32Array(this.#length * 2)
      grown.set(this.#hashes)
      this.#hashes = grown
    }
    this.#hashes[this.#length++] = high
    this.#hashes[this.#length++] = low
  }

  /** The filter's words, some keys a step; the hashes are kept, more keys may follow. */
  *write(out: ByteBuffer): Generator<void> {
    const keyCount = this.#length / 2
    const blockCount = Math.max(1, Math.ceil((keyCount * bitsPerKey) / (blockWords * 32)))
    const words = new Uint32Array(blockCount * blockWords)
    for (let index = 0; index < this.#length; index += 2) {
      const block = blockOf(this.#hashes[index] as number, blockCount)
      const low = this.#hashes[index + 1] as number
      for (let word = 0; word < blockWords; word++) words[block + word] = (words[block + word] as number) | bitOf(low, word)
      if (index % stepHashes === 0) yield
    }
    out.varint(blockCount)
    const view = new DataView(out.reserve(words.length * 4).buffer, out.length)
    for (let index = 0; index < words.length; index++) view.setUint32(index * 4, words[index] as number, true)
    out.length += words.length * 4
  }
}

/** Tells keys that are surely absent. */
export class BloomFilter {
  readonly #words: Uint32Array

  private constructor(words: Uint32Array) {
    this.#words = words
  }

  static read(cursor: ByteCursor): BloomFilter {
    const blockCount = cursor.varint()
    const bytes = cursor.take(blockCount * blockWords * 4)
    if (blockCount === 0) throw malformed('a bloom filter is empty')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const words = new Uint32Array(blockCount * blockWords)
    for (let index = 0; index < words.length; index++) words[index] = view.getUint32(index * 4, true)
    return new BloomFilter(words)
  }

  /** False only when the key was never added. */
  mayContain(key: string): boolean {
    const { high, low } = hashOf(key, key.length)
    const block = blockOf(high, this.#words.length / blockWords)
    for (let word = 0; word < blockWords; word++) if (((this.#words[block + word] as number) & bitOf(low, word)) === 0) return false
    return true
  }
}

/** First word of the block of a hash. */
function blockOf(high: number, blockCount: number): number {
  return Math.floor((high / 2 ** 32) * blockCount) * blockWords
}

function bitOf(low: number, word: number): number {
  return 1 << (Math.imul(low, salts[word] as number) >>> 27)
}

/** 64 bits of hash over the UTF-16 units of a text (two lanes of MurmurHash3's mixing). Part of the file format. */
function hashOf(text: string | Uint16Array, length: number): { high: number; low: number } {
  let high = 0x9747b28c
  let low = 0x85ebca6b ^ length
  for (let index = 0; index < length; index++) {
    const unit = typeof text === 'string' ? text.charCodeAt(index) : (text[index] as number)
    high = Math.imul(high ^ unit, 0xcc9e2d51)
    high = (high << 15) | (high >>> 17)
    low = Math.imul(low ^ unit, 0x1b873593)
    low = (low << 13) | (low >>> 19)
  }
  return { high: mix(high ^ (low >>> 3)), low: mix(low ^ high) }
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
