import { bytesAt, textsOf } from './byte-arrays.ts'
import type { Column } from './Column.ts'
import type { LeafValue } from './columns.ts'
import type { RowGroup } from './RowGroup.ts'

/** A column whose values are copied one by one. */
export interface ColumnToCopy {
  readonly column: Column
  /** The value at one of its places, as a LeafBuilder takes it. */
  readonly valueAt: (place: number) => LeafValue
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
    return (this.#columns[index] ??= columnToCopy(this.#group.column(index)))
  }

  /** What a row has in a column that is no list; undefined where it has nothing. */
  valueAt(index: number, row: number): LeafValue | undefined {
    const { column, valueAt } = this.column(index)
    const place = column.places === undefined ? row : (column.places[row] as number)
    return place < 0 ? undefined : valueAt(place)
  }
}

function columnToCopy(column: Column): ColumnToCopy {
  const { values, valueCount } = column
  switch (values.kind) {
    case 'numbers':
      return { column, valueAt: (place) => values.numbers[place] as number }
    case 'bigints':
      return { column, valueAt: (place) => values.bigints[place] as bigint }
    case 'flags':
      return { column, valueAt: (place) => values.flags[place] === 1 }
    case 'arrays': {
      if (column.leaf.kind !== 'string') return { column, valueAt: (place) => bytesAt(values.arrays, place) }
      const texts = textsOf(values.arrays, 0, valueCount)
      return { column, valueAt: (place) => texts[place] as string }
    }
    case 'codes': {
      const texts = column.dictionary
      return { column, valueAt: (place) => texts[values.codes[place] as number] as string }
    }
  }
}
