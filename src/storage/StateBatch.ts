import type { EntityState } from '../model/entity.ts'
import { byteArraysOfTexts, type ByteArrays } from '../parquet/byte-arrays.ts'
import type { RowBatch } from './view.ts'

/** Rows that exist as states: those of the overlay, of the past, and of a transaction. */
export class StateBatch implements RowBatch {
  readonly columns = undefined
  readonly #states: readonly EntityState[]
  #ids: ByteArrays | undefined

  /** In the order of ids. */
  constructor(states: readonly EntityState[]) {
    this.#states = states
  }

  get rowCount(): number {
    return this.#states.length
  }

  get ids(): ByteArrays {
    return (this.#ids ??= byteArraysOfTexts(this.#states.map(({ id }) => id)))
  }

  get seqs(): Float64Array {
    return Float64Array.from(this.#states, ({ seq }) => seq)
  }

  get deleted(): Uint8Array {
    return Uint8Array.from(this.#states, ({ deletedAt }) => (deletedAt === undefined ? 0 : 1))
  }

  id(row: number): string {
    return (this.#states[row] as EntityState).id
  }

  *cut(rows: Int32Array, rowsMin: number): Generator<Int32Array> {
    for (let at = 0; at < rows.length; at += rowsMin) yield rows.subarray(at, at + rowsMin)
  }

  states(rows: Int32Array): EntityState[] {
    return rows.length === this.rowCount ? [...this.#states] : Array.from(rows, (row) => this.#states[row] as EntityState)
  }
}
