import type { Difference } from '../model/database-options.ts'
import { cloneValue, equalValues, isObject, ownField, type Document, type Value } from '../model/values.ts'
import { encodePatchPath } from '../model/path.ts'

/** Where `after` differs from `before`, in the order of fields, as deep as both sides have the same shape. Arrays of one length are compared by element. */
export function documentDifferences(before: Document, after: Document): Difference[] {
  const differences: Difference[] = []
  compareFields({ before, after }, [], differences)
  return differences
}

function compareFields(sides: { before: Document; after: Document }, path: readonly string[], differences: Difference[]): void {
  const names = new Set([...Object.keys(sides.before), ...Object.keys(sides.after)])
  for (const name of names) compareSides({ before: ownField(sides.before, name), after: ownField(sides.after, name) }, [...path, name], differences)
}

function compareSides({ before, after }: { before: Value | undefined; after: Value | undefined }, path: readonly string[], differences: Difference[]): void {
  if (equalValues(before, after)) return
  const count = differences.length
  if (isObject(before) && isObject(after)) compareFields({ before, after }, path, differences)
  else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [index, element] of after.entries()) compareSides({ before: before[index], after: element }, [...path, String(index)], differences)
  }
  // Also where only the order of fields differs, which no field shows.
  if (differences.length > count) return
  differences.push({
    path: encodePatchPath(path),
    ...(before !== undefined && { before: cloneValue(before) }),
    ...(after !== undefined && { after: cloneValue(after) }),
  })
}
