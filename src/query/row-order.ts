import { compareStrings } from '../base/bytes.ts'
import { entityDocument, systemFields } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import { compareSortValues, sortValue, type SortKey } from '../model/sort.ts'
import type { Value } from '../model/values.ts'
import { isId } from './plan.ts'

/** Where a row stands in a query's order: what each sort key sees in it, then its id. */
export interface Position {
  /** What sortValue gives for each sort key. */
  readonly values: readonly (Value | undefined)[]
  readonly id: string
}

export interface Row extends Position {
  readonly state: EntityState
}

/** The sort keys, or none when they are the order that rows come in anyway: ascending `$id`. What follows a `$id` key cannot decide anything. */
export function effectiveSort(keys: readonly SortKey[]): readonly SortKey[] {
  const idIndex = keys.findIndex((key) => isId(key.path))
  const kept = idIndex < 0 ? keys : keys.slice(0, idIndex + 1)
  const last = kept.at(-1)
  return last !== undefined && isId(last.path) && last.direction === 1 ? kept.slice(0, -1) : kept
}

/** Makes rows of states; their positions share values with the states. */
export function rowMaker(ns: string, keys: readonly SortKey[]): (state: EntityState) => Row {
  const readsSystemFields = keys.some((key) => systemFields.has(key.path[0] ?? ''))
  return (state) => {
    const document = readsSystemFields ? entityDocument(ns, state) : state.document
    return { values: keys.map((key) => sortValue(document, key)), id: state.id, state }
  }
}

/** Total: rows that the keys cannot tell apart are ordered by id, ascending by its UTF-8 bytes. */
export function comparePositions(keys: readonly SortKey[]): (left: Position, right: Position) => number {
  const directions = keys.map((key) => key.direction)
  return (left, right) => {
    for (let index = 0; index < directions.length; index++) {
      const difference = compareSortValues(left.values[index], right.values[index])
      if (difference !== 0) return directions[index] === 1 ? difference : -difference
    }
    return compareStrings(left.id, right.id)
  }
}
