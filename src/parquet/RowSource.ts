import { bytesAt, textsOf } from './byte-arrays.ts'
import type { Column, ColumnValues } from './Column.ts'
import type { LeafValue } from './columns.ts'
import type { RowGroup } from './RowGroup.ts'

/** A column whose values are copied one by one. */
export class ColumnToCopy {
  readonly column: Column
  /** As the column's. */
  readonly definitions: Uint8Array | undefined
  readonly places: Int32Array | undefined
  readonly #numbers: Float64Array | undefined
  readonly #codes: Uint16Array | undefined
  /** Of a dictionary where there are codes, else by place. */
  readonly #texts: readonly string[] | undefined

  constructor(column: Column) {
    const { values, valueCount, leaf } = column
    this.column = column
    this.definitions = column.definitions
    this.places = column.places
    this.#numbers = values.kind === 'numbers' ? values.numbers : undefined
    this.#codes = values.kind === 'codes' ? values.codes : undefined
    if (values.kind === 'codes') this.#texts = column.dictionary
    else this.#texts = values.kind === 'arrays' && leaf.kind === 'string' ? textsOf(values.arrays, 0, valueCount) : undefined
  }

  /** The value at one of its places, as a LeafBuilder takes it. */
  valueAt(place: number): LeafValue {
    if (this.#numbers !== undefined) return this.#numbers[place] as number
    if (this.#texts !== undefined) return this.#texts[this.#codes === undefined ? place : (this.#codes[place] as number)] as string
    const { values } = this.column
    if (values.kind === 'flags') return values.flags[place] === 1
    if (values.kind === 'bigints') return values.bigints[place] as bigint
    return bytesAt((values as Extract<ColumnValues, { kind: 'arrays' }>).arrays, place)
  }

  /** What a row has, of a column that is no list; undefined where it has nothing. */
  valueOf(row: number): LeafValue | undefined {
    const place = this.places === undefined ? row : (this.places[row] as number)
    return place < 0 ? undefined : this.valueAt(place)
  }
}

/** A row of a row group that goes into another file. */
export interface RowToCopy {
  readonly source: RowSource
  readonly row: number
  /** For each column of that file the row group's, -1 where it has none; undefined: they have the same. */
  readonly columns?: readonly number[] | undefined
}

/** A row group whose rows are copied one by one: each column is decoded when its first one is. */
export class RowSource {
  readonly #group: RowGroup
  readonly #columns: (ColumnToCopy | undefined)[] = []

  constructor(group: RowGroup) {
    this.#group = group
  }

  column(index: number): ColumnToCopy {
    return (this.#columns[index] ??= new ColumnToCopy(this.#group.column(index)))
  }
}
