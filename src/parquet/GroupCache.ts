import type { RowGroup } from './RowGroup.ts'

/** Once it is full, one of so many newcomers gets in: what is scanned over and over stays in part, where the least recently used would go just before they are asked for again. */
const admittedOf = 8

/** Row groups of immutable files with the columns that have been decoded of them, bounded by bytes of memory. */
export class GroupCache {
  readonly #bytesMax: number
  readonly #groups = new Map<string, RowGroup>()
  #bytes = 0
  #refused = 0
  #hits = 0
  #misses = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(name: string): RowGroup | undefined {
    const group = this.#groups.get(name)
    if (group === undefined) {
      this.#misses += 1
      return undefined
    }
    this.#hits += 1
    this.#groups.delete(name)
    this.#groups.set(name, group)
    return group
  }

  put(name: string, group: RowGroup): void {
    const isFull = this.#bytes + group.bytes > this.#bytesMax
    if (this.#groups.has(name) || group.bytes > this.#bytesMax || (isFull && ++this.#refused % admittedOf !== 0)) return
    this.#groups.set(name, group)
    group.onDecode = (bytes) => this.#grow(bytes)
    this.#grow(group.bytes)
  }

  stats(): { bytes: number; hits: number; misses: number } {
    return { bytes: this.#bytes, hits: this.#hits, misses: this.#misses }
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    for (const [name, group] of this.#groups) {
      if (this.#bytes <= this.#bytesMax) return
      this.#groups.delete(name)
      group.onDecode = undefined
      this.#bytes -= group.bytes
    }
  }
}
