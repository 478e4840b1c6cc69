import { limitExceeded } from '../base/ParqueDBError.ts'
import { compareValues } from '../model/compare.ts'
import { entityDocument, systemFields } from '../model/entity-document.ts'
import { parseArrayIndex, type FieldPath } from '../model/path.ts'
import { isObject, ownField, type Value } from '../model/values.ts'
import { listsOf, rowDefinitions, scalarsOf } from '../parquet/column-values.ts'
import type { Column } from '../parquet/Column.ts'
import type { FieldColumn } from '../parquet/DocumentAssembler.ts'
import type { ScanSlice } from '../storage/view.ts'
import { Alike } from './Alike.ts'
import type { Query } from './parse-query.ts'
import { selectRows, type QueryRun } from './select-rows.ts'

type Add = (value: Value) => unknown

/**
 * The different values at a path among the entities that a query finds, in BSON's order: of an array its elements. Values
 * that a filter takes for equal are one, as Alike has them. LIMIT_EXCEEDED past `valuesMax`.
 */
export async function distinctValues(query: Query, run: QueryRun, of: { path: FieldPath; valuesMax: number }): Promise<Value[]> {
  const found = new Alike()
  const add = (value: Value): unknown => found.idOf(value)
  const isSystemField = systemFields.has(of.path[0] ?? '')
  for await (const strip of selectRows(query, run.view, run.trace)) {
    for (const slice of strip) {
      const open = addColumn(slice, of.path, add)
      for (const state of slice.batch.states(open)) collectValues(isSystemField ? entityDocument(query.ns, state) : state.document, of.path, add)
      if (found.values.length <= of.valuesMax) continue
      const path = of.path.join('.')
      throw limitExceeded({ distinctValuesMax: of.valuesMax }, `'${path}' has more than ${of.valuesMax} different values; narrow the filter, or raise distinctValuesMax.`, { path })
    }
  }
  return found.values.toSorted(compareValues)
}

/** Adds what a column tells, and gives the rows that it does not tell of. */
function addColumn({ batch, rows }: ScanSlice, path: FieldPath, add: Add): Int32Array {
  const { columns } = batch
  const found = columns?.find(path)
  // The columns of a tombstone say nothing.
  if (columns === undefined || found === undefined || path[0] === '$id' || columns.deleted !== undefined) return rows
  const open = new Set(columns.restsWith(path[0] ?? ''))
  const told = open.size === 0 ? rows : rows.filter((row) => !open.has(row))
  if (found !== 'absent') columns.reading(() => addScalars(columns.column(found.index), { found, rows: told }, add))
  return rows.filter((row) => open.has(row))
}

function addScalars(column: Column, { found, rows }: { found: FieldColumn; rows: Int32Array }, add: Add): void {
  const lists = found.isList ? listsOf(column, rows) : undefined
  if (found.nulls === 'null' && rowDefinitions(column, rows).some((definition) => definition >= found.outer && definition < found.definition)) add(null)
  if (lists !== undefined) for (const list of lists) for (const value of list ?? []) add(value)
  else for (const value of new Set(scalarsOf(column, rows))) if (value !== undefined) add(value)
}

/** Tells what stands at a path, of arrays their elements. */
export function collectValues(value: Value | undefined, path: FieldPath, add: Add): void {
  const [name, ...rest] = path
  if (name === undefined) {
    if (Array.isArray(value)) for (const element of value) add(element)
    else if (value !== undefined) add(value)
    return
  }
  if (isObject(value)) return collectValues(ownField(value, name), rest, add)
  if (!Array.isArray(value)) return
  const index = parseArrayIndex(name)
  if (index !== undefined) collectValues(value[index], rest, add)
  for (const element of value) if (isObject(element)) collectValues(ownField(element, name), rest, add)
}
