import { ByteBuffer } from './ByteBuffer.ts'
import type { ByteCursor } from './ByteCursor.ts'

/** With eight bits set in one block a key: 0.5% of absent keys are not recognised. */
const bitsPerKey = 12
/** A block is eight 32-bit words; a key sets one bit in each, so that a probe touches one cache line. */
const blockWords = 8
/** Odd multipliers of the split block filter (Parquet's BloomFilter.md). */
const salts = Int32Array.of(0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31)

/** Filters of row groups, one after the other: each is over what was added since the one before it ended. */
export class BloomFiltersBuilder {
  /** High and low half in turn. */
  readonly #hashes: number[] = []
  readonly #blockCounts: number[] = []
  readonly #words = new ByteBuffer(1024)

  add(key: string): void {
    const { high, low } = hashOf(key)
    this.#hashes.push(high, low)
  }

  endGroup(): void {
    const blockCount = Math.ceil(((this.#hashes.length / 2) * bitsPerKey) / (blockWords * 32))
    const words = new Uint32Array(blockCount * blockWords)
    for (let index = 0; index < this.#hashes.length; index += 2) {
      const block = blockOf(this.#hashes[index] as number, blockCount)
      const low = this.#hashes[index + 1] as number
      for (let word = 0; word < blockWords; word++) words[block + word] = (words[block + word] as number) | bitOf(low, word)
    }
    this.#hashes.length = 0
    this.#append(words)
  }

  /** Ends with the filter that a row group has in another file. */
  copy(filters: BloomFilters, group: number): void {
    this.#append(filters.wordsOf(group))
  }

  #append(words: Uint32Array): void {
    this.#blockCounts.push(words.length / blockWords)
    const view = new DataView(this.#words.reserve(words.length * 4).buffer, this.#words.length)
    for (let index = 0; index < words.length; index++) view.setUint32(index * 4, words[index] as number, true)
    this.#words.length += words.length * 4
  }

  /** Of every row group how many blocks its filter has, then the words of all. */
  write(out: ByteBuffer): void {
    for (const count of this.#blockCounts) out.varint(count)
    out.append(this.#words.view())
  }
}

/** Tells keys that a row group surely does not have. */
export class BloomFilters {
  readonly #words: Uint32Array
  /** The first word of each row group's filter, and the end of the last one. */
  readonly #starts: Float64Array
  readonly #groupCount: number

  private constructor(words: Uint32Array, starts: Float64Array, groupCount: number) {
    this.#words = words
    this.#starts = starts
    this.#groupCount = groupCount
  }

  /** `isShared`: there is one filter, over all row groups. */
  static read(cursor: ByteCursor, { groupCount, isShared }: { groupCount: number; isShared: boolean }): BloomFilters {
    const starts = new Float64Array((isShared ? 1 : groupCount) + 1)
    for (let index = 1; index < starts.length; index++) starts[index] = (starts[index - 1] as number) + cursor.varint() * blockWords
    const bytes = cursor.take((starts.at(-1) as number) * 4)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const words = new Uint32Array(bytes.length / 4)
    for (let index = 0; index < words.length; index++) words[index] = view.getUint32(index * 4, true)
    return new BloomFilters(words, starts, groupCount)
  }

  /** False only when the key was never added to the row group. */
  mayContain(group: number, key: string): boolean {
    return this.#mayContain(group, hashOf(key))
  }

  /** The row groups to which the key may have been added, ascending. */
  groupsOf(key: string): number[] {
    const hash = hashOf(key)
    const groups: number[] = []
    for (let group = 0; group < this.#groupCount; group++) if (this.#mayContain(group, hash)) groups.push(group)
    return groups
  }

  /** The filter of a row group, of those that are not shared. */
  wordsOf(group: number): Uint32Array {
    return this.#words.subarray(this.#starts[group], this.#starts[group + 1])
  }

  #mayContain(group: number, { high, low }: ReturnType<typeof hashOf>): boolean {
    const at = Math.min(group, this.#starts.length - 2)
    const start = this.#starts[at] as number
    const blockCount = ((this.#starts[at + 1] as number) - start) / blockWords
    if (blockCount === 0) return false
    const block = start + blockOf(high, blockCount)
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
export function hashOf(text: string): { high: number; low: number } {
  let high = 0x9747b28c
  let low = 0x85ebca6b ^ text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
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
