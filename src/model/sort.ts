import { ParqueDBError } from '../base/ParqueDBError.ts'
import { compareValues } from './compare.ts'
import { describe, isPlainObject } from './parse-document.ts'
import { parseArrayIndex, parseFieldPath, type FieldPath } from './path.ts'
import { isObject, ownField, type Document, type Value } from './values.ts'

export interface SortKey {
  readonly path: FieldPath
  readonly direction: 1 | -1
}

/** As many as MongoDB allows. */
const sortKeyCountMax = 32

/** { 'a.b': 1, c: -1 } or [['a.b', 1], ['c', -1]], the first key the most significant. INVALID_ARGUMENT. Nothing given sorts by nothing. */
export function parseSort(sort: unknown): readonly SortKey[] {
  if (sort === undefined) return []
  const entries = sortEntries(sort)
  if (entries.length > sortKeyCountMax) throw invalid(`has more than ${sortKeyCountMax} keys`)
  const seen = new Set<string>()
  return entries.map(([name, direction]) => {
    if (typeof name !== 'string') throw invalid(`needs the name of a field, not ${describe(name)}`)
    if (direction !== 1 && direction !== -1) throw invalid(`needs 1 (ascending) or -1 (descending) for '${name}'`, name)
    if (name.startsWith('$') && name !== '$id' && name !== '$type') throw invalid(`cannot sort by '${name}'`, name)
    if (seen.has(name)) throw invalid(`names '${name}' twice`, name)
    seen.add(name)
    return { path: parseFieldPath(name), direction }
  })
}

/**
 * Compares documents key by key, in BSON's order across types (compareValues). An array counts as its least element when ascending and as its greatest when
 * descending; an empty array comes before null; an absent field counts as null.
 */
export function compareBySort(keys: readonly SortKey[]): (left: Document, right: Document) => number {
  return (left, right) => {
    for (const key of keys) {
      const order = compareSortValues(sortValue(left, key), sortValue(right, key))
      if (order !== 0) return order * key.direction
    }
    return 0
  }
}

/** Orders what sortValue gives: undefined, an empty array, before everything. */
export function compareSortValues(left: Value | undefined, right: Value | undefined): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined)
  return compareValues(left, right)
}

/** What a document sorts by for one key: a value, null where the field is absent, undefined where it is an empty array. */
export function sortValue(document: Document, key: SortKey): Value | undefined {
  const [name, second] = key.path
  const direct = name === undefined ? undefined : ownField(document, name)
  if (second === undefined && !Array.isArray(direct)) return direct ?? null
  const best: Best = { direction: key.direction, value: undefined, isSet: false }
  gather(document, { path: key.path, at: 0 }, best)
  return best.isSet ? best.value : null
}

interface Best {
  readonly direction: 1 | -1
  value: Value | undefined
  isSet: boolean
}

/** Walks as an index would: into each element of the arrays on the way, or the one that the path names. */
function gather(container: Value | undefined, { path, at }: { path: FieldPath; at: number }, best: Best): void {
  const name = path[at]
  if (name === undefined) return offerAll(container, best)
  if (isObject(container)) return gather(ownField(container, name), { path, at: at + 1 }, best)
  if (!Array.isArray(container)) return offer(null, best)
  const index = parseArrayIndex(name)
  const element = index === undefined ? undefined : container[index]
  if (element !== undefined) return at + 1 === path.length ? offerAll(element, best) : gather(element, { path, at: at + 1 }, best)
  for (const inner of container) gather(isObject(inner) ? inner : null, { path, at }, best)
}

function offerAll(value: Value | undefined, best: Best): void {
  if (!Array.isArray(value)) return offer(value ?? null, best)
  if (value.length === 0) return offer(undefined, best)
  for (const element of value) offer(element, best)
}

function offer(value: Value | undefined, best: Best): void {
  if (best.isSet && compareSortValues(value, best.value) * best.direction >= 0) return
  best.value = value
  best.isSet = true
}

function sortEntries(sort: unknown): readonly (readonly [unknown, unknown])[] {
  if (isPlainObject(sort)) return Object.entries(sort)
  if (!Array.isArray(sort)) throw invalid(`must be an object or an array of [field, direction], not ${describe(sort)}`)
  return sort.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid('needs pairs of [field, direction]')
    return [pair[0], pair[1]]
  })
}

function invalid(problem: string, path = ''): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The sort ${problem}.`, { details: { option: 'sort', path } })
}
