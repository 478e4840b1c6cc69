import type { Position } from './row-order.ts'

/** Rows beyond those that are kept which are put in order together with them. */
const unsortedMin = 16

/** The least `rowsMax` of the rows that are added. Some more than that are held, in no order, a quarter at most: most rows cost only a comparison. */
export class TopRows<Row extends Position> {
  readonly #compare: (left: Position, right: Position) => number
  readonly #rowsMax: number
  #rows: Row[] = []
  #heldMax: number
  #worst: Row | undefined

  constructor(rowsMax: number, compare: (left: Position, right: Position) => number) {
    this.#rowsMax = rowsMax
    this.#heldMax = rowsMax
    this.#compare = compare
  }

  add(row: Row): void {
    if (this.#worst !== undefined && this.#compare(row, this.#worst) >= 0) return
    this.#rows.push(row)
    if (this.#rows.length >= this.#heldMax) this.sorted()
  }

  /** How many more are kept whatever they are. */
  get room(): number {
    return Math.max(0, this.#rowsMax - this.#rows.length)
  }

  /** What the next one has to come before to be kept, or one after that; undefined while there is room. */
  get worst(): Row | undefined {
    return this.#worst
  }

  /** In order. */
  sorted(): readonly Row[] {
    this.#rows = this.#rows.toSorted(this.#compare).slice(0, this.#rowsMax)
    this.#worst = this.#rows[this.#rowsMax - 1]
    this.#heldMax = this.#rowsMax + Math.max(unsortedMin, this.#rowsMax >>> 2)
    return this.#rows
  }
}
