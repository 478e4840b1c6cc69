import { ParqueDBError } from '../base/ParqueDBError.ts'
import { compareValues } from '../model/compare.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import { entityDocument } from '../model/entity-document.ts'
import { parseArrayIndex, type FieldPath } from '../model/path.ts'
import { systemFields } from '../model/system-fields.ts'
import { cloneValue, isObject, ownField, type Value } from '../model/values.ts'
import type { Query } from './parse-query.ts'
import { matchingStates, type QueryRun } from './run-query.ts'

/**
 * The different values at a path among the entities that a query finds, in BSON's order: of an array its elements. Values
 * that a filter takes for equal, as 1 and 1n, are one. LIMIT_EXCEEDED past `valuesMax`.
 */
export async function distinctValues(query: Query, run: QueryRun, of: { path: FieldPath; valuesMax: number }): Promise<Value[]> {
  const values = new Map<string, Value>()
  const isSystemField = systemFields.has(of.path[0] ?? '')
  for await (const states of matchingStates(query, run)) {
    for (const state of states) {
      collect(isSystemField ? entityDocument(query.ns, state) : state.document, of.path, values)
      if (values.size > of.valuesMax) throw tooManyValues(of)
    }
  }
  return [...values.values()].toSorted(compareValues).map(cloneValue)
}

function collect(value: Value | undefined, path: FieldPath, values: Map<string, Value>): void {
  const [name, ...rest] = path
  if (name === undefined) {
    if (Array.isArray(value)) for (const element of value) add(element, values)
    else if (value !== undefined) add(value, values)
    return
  }
  if (isObject(value)) return collect(ownField(value, name), rest, values)
  if (!Array.isArray(value)) return
  const index = parseArrayIndex(name)
  if (index !== undefined) collect(value[index], rest, values)
  for (const element of value) if (isObject(element)) collect(ownField(element, name), rest, values)
}

function add(value: Value, values: Map<string, Value>): void {
  const key = identity(value)
  if (!values.has(key)) values.set(key, value)
}

/** Equal for values that filters take for equal; inside of objects and arrays numbers of different types stay apart. */
function identity(value: Value): string {
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'bigint') return `n${value}`
  if (typeof value !== 'number') return `j${stringifyExtendedJson(value)}`
  return Number.isInteger(value) ? `n${BigInt(value)}` : `n${value}`
}

function tooManyValues({ path, valuesMax }: { path: FieldPath; valuesMax: number }): ParqueDBError {
  return new ParqueDBError('LIMIT_EXCEEDED', `'${path.join('.')}' has more than ${valuesMax} different values; narrow the filter, or raise distinctValuesMax.`, {
    details: { limit: 'distinctValuesMax', most: valuesMax, path: path.join('.') },
  })
}
