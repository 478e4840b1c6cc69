import type { Position } from './row-order.ts'

/**
 * The least `rowsMax` of the rows that are added, in a heap whose root is the greatest one kept: adding costs the logarithm of
 * what is kept, and most rows only a comparison.
 */
export class TopRows<Row extends Position> {
  readonly #compare: (left: Position, right: Position) => number
  readonly #rowsMax: number
  readonly #heap: Row[] = []

  constructor(rowsMax: number, compare: (left: Position, right: Position) => number) {
    this.#rowsMax = rowsMax
    this.#compare = compare
  }

  add(row: Row): void {
    const heap = this.#heap
    if (heap.length < this.#rowsMax) {
      heap.push(row)
      this.#rise(heap.length - 1)
    } else if (this.#compare(row, heap[0] as Row) < 0) {
      heap[0] = row
      this.#sink()
    }
  }

  /** How many more are kept whatever they are. */
  get room(): number {
    return this.#rowsMax - this.#heap.length
  }

  /** What the next one has to come before to be kept; undefined while there is room. */
  get worst(): Row | undefined {
    return this.room > 0 ? undefined : this.#heap[0]
  }

  /** In order. */
  sorted(): Row[] {
    return this.#heap.toSorted(this.#compare)
  }

  #rise(from: number): void {
    const heap = this.#heap
    let index = from
    const row = heap[index] as Row
    while (index > 0) {
      const parent = (index - 1) >>> 1
      const above = heap[parent] as Row
      if (this.#compare(row, above) <= 0) break
      heap[index] = above
      index = parent
    }
    heap[index] = row
  }

  #sink(): void {
    const heap = this.#heap
    const row = heap[0] as Row
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#compare(heap[child + 1] as Row, heap[child] as Row) > 0) child += 1
      if (this.#compare(row, heap[child] as Row) >= 0) break
      heap[index] = heap[child] as Row
      index = child
    }
    heap[index] = row
  }
}
