import { Arena } from './Arena.ts'

/** Once it is full, one of so many newcomers gets in: what is scanned over and over stays in part, where the least recently used would go just before they are asked for again. */
const admittedOf = 8

/** What may be kept, and grow while it is. */
export interface Kept {
  /** Memory that it takes. */
  readonly bytes: number
  /** The cache that has it and counts what is decoded of it. */
  keptBy: GroupCache | undefined
  /** When it was put to the end, as the cache counts. */
  movedAt: number
}

/** Row groups of immutable files with the columns that have been decoded of them, by themselves and joined; bounded by bytes of memory. */
export class GroupCache {
  /** For what those who read row groups decode and do not keep. */
  readonly arena = new Arena()
  readonly #bytesMax: number
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  /** Times that something was put to the end. */
  #moves = 0
  #refused = 0
  readonly #counts = { hits: 0, misses: 0 }

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(name: string): Kept | undefined {
    const kept = this.#kept.get(name)
    this.#counts[kept === undefined ? 'misses' : 'hits'] += 1
    // One that was among the last quarter is not moved again: that costs several times what finding it does.
    if (kept !== undefined && this.#moves - kept.movedAt > this.#kept.size / 4) this.#put(name, kept)
    return kept
  }

  put(name: string, kept: Kept): void {
    if (this.#kept.has(name) || !this.admits(kept.bytes)) return
    this.#put(name, kept)
    kept.keptBy = this
    this.grow(kept.bytes)
  }

  #put(name: string, kept: Kept): void {
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    kept.movedAt = ++this.#moves
  }

  /** Whether so many bytes more may be kept. */
  admits(bytes: number): boolean {
    return bytes <= this.#bytesMax && (this.#bytes + bytes <= this.#bytesMax || ++this.#refused % admittedOf === 0)
  }

  stats(): { bytes: number; hits: number; misses: number } {
    return { bytes: this.#bytes, ...this.#counts }
  }

  /** Something that is kept has come to take so many bytes more: they push out what was not used for longest. */
  grow(bytes: number): void {
    this.#bytes += bytes
    for (const [name, kept] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) return
      this.#kept.delete(name)
      kept.keptBy = undefined
      this.#bytes -= kept.bytes
    }
  }
}
