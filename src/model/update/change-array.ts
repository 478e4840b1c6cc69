import { compareValues, valuesMatchEqual } from '../compare.ts'
import { parseArrayIndex } from '../path.ts'
import type { FieldPath } from '../path.ts'
import { isObject, ownField } from '../values.ts'
import type { Value } from '../values.ts'
import type { ElementSort, Push } from './parsed-update.ts'

/** The array after a $push: insert, sort, cut, in this order. */
export function pushValues(array: readonly Value[], { values, position, sort, slice }: Push): Value[] {
  const at = position === undefined ? array.length : position < 0 ? Math.max(0, array.length + position) : position
  const result = array.slice(0, at).concat(values, array.slice(at))
  if (sort !== undefined) result.sort((left, right) => compareElements(left, right, sort))
  if (slice === undefined) return result
  return slice < 0 ? result.slice(slice) : result.slice(0, slice)
}

/** The array with each value that it does not hold yet, or the same array. */
export function addMissing(array: Value[], values: readonly Value[]): Value[] {
  const result = array.slice()
  for (const value of values) {
    if (!result.some((element) => valuesMatchEqual(element, value))) result.push(value)
  }
  return result.length === array.length ? array : result
}

/** The array without the elements that match, or the same array. */
export function removeMatching(array: Value[], matches: (element: Value) => boolean): Value[] {
  const result = array.filter((element) => !matches(element))
  return result.length === array.length ? array : result
}

function compareElements(left: Value, right: Value, sort: readonly ElementSort[]): number {
  for (const { path, direction } of sort) {
    const order = compareValues(valueInside(left, path), valueInside(right, path))
    if (order !== 0) return order * direction
  }
  return 0
}

function valueInside(element: Value, path: FieldPath): Value | undefined {
  let value: Value | undefined = element
  for (const name of path) {
    if (Array.isArray(value)) value = value[parseArrayIndex(name) ?? -1]
    else if (isObject(value)) value = ownField(value, name)
    else return undefined
  }
  return value
}
