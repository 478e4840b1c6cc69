import { textAt } from './byte-arrays.ts'
import type { ByteArrays } from './byte-arrays.ts'
import type { Column } from './Column.ts'
import { malformed } from './malformed.ts'

const nothing = new Uint8Array(0)

/** Random access to a column of texts, by row, without decoding the others. */
export class TextColumn {
  readonly #column: Column
  readonly #arrays: ByteArrays
  readonly #codes: Uint16Array | undefined
  /** Place of each row's value; undefined when every row has one. */
  readonly #places: Int32Array | undefined

  constructor(column: Column) {
    const { values, leaf } = column
    if (values.kind !== 'arrays' && values.kind !== 'codes') throw malformed(`'${leaf.path.join('.')}' is no column of texts`)
    this.#column = column
    this.#arrays = values.kind === 'arrays' ? values.arrays : values.dictionary
    this.#codes = values.kind === 'codes' ? values.codes : undefined
    this.#places = column.places
  }

  has(row: number): boolean {
    return row < this.#column.rowCount && (this.#places === undefined || (this.#places[row] as number) >= 0)
  }

  /** A view of the value's bytes; empty where there is none. */
  bytes(row: number): Uint8Array {
    const index = this.#index(row)
    return index === undefined ? nothing : this.#arrays.blob.subarray(this.#arrays.offsets[index], this.#arrays.offsets[index + 1])
  }

  text(row: number): string | undefined {
    const index = this.#index(row)
    return index === undefined ? undefined : textAt(this.#arrays, index)
  }

  equals(row: number, wanted: Uint8Array): boolean {
    const index = this.#index(row)
    if (index === undefined) return false
    const { blob, offsets } = this.#arrays
    const start = offsets[index] as number
    if ((offsets[index + 1] as number) - start !== wanted.length) return false
    for (let at = 0; at < wanted.length; at++) if (blob[start + at] !== wanted[at]) return false
    return true
  }

  #index(row: number): number | undefined {
    if (!this.has(row)) return undefined
    const place = this.#places === undefined ? row : (this.#places[row] as number)
    return this.#codes === undefined ? place : this.#codes[place]
  }
}
