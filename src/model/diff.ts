import { encodePatchPath } from './path.ts'
import { equalValues, isObject, ownField } from './values.ts'
import type { Document, Value } from './values.ts'

/** Changes by encoded path, as a Patch holds them. */
export interface Changes {
  readonly set: { [path: string]: Value }
  readonly unset: string[]
}

/**
 * The changes that turn `before` into `after` field by field, or undefined when that cannot give the order that the top-level fields
 * of `after` have: applying a patch keeps the fields that stay in their places and appends the new ones.
 */
export function diffFields(before: Document, after: Document): Changes | undefined {
  const changes: Changes = { set: {}, unset: [] }
  return diffObject({ before, after, prefix: '' }, changes) ? changes : undefined
}

/** The changes that replace every top-level field. */
export function replaceFields(before: Document, after: Document): Changes {
  const changes: Changes = { set: {}, unset: Object.keys(before).map((name) => encodePatchPath([name])) }
  for (const name of Object.keys(after)) changes.set[encodePatchPath([name])] = after[name] as Value
  return changes
}

interface Pair<V> {
  readonly before: V
  readonly after: V
  /** The encoded path of both, with the '.' that the names inside follow. */
  readonly prefix: string
}

/** False, with nothing recorded, when the order of the fields of `after` cannot be had. */
function diffObject({ before, after, prefix }: Pair<Document>, changes: Changes): boolean {
  if (!keepsOrder(before, after)) return false
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) changes.unset.push(prefix + encodePatchPath([name]))
  }
  for (const name of Object.keys(after)) {
    const old = ownField(before, name)
    const value = after[name] as Value
    if (!Object.is(old, value)) diffValue({ before: old, after: value, prefix: prefix + encodePatchPath([name]) }, changes)
  }
  return true
}

/** Here `prefix` is the value's own path. */
function diffValue({ before, after, prefix }: Pair<Value | undefined>, changes: Changes): void {
  if (after === undefined) return
  const inside = `${prefix}.`
  if (isObject(before) && isObject(after) && diffObject({ before, after, prefix: inside }, changes)) return
  if (Array.isArray(before) && Array.isArray(after) && diffArray({ before, after, prefix: inside }, changes)) return
  if (!equalValues(before, after)) changes.set[prefix] = after
}

/** False, with nothing recorded, when the array is shorter, or so much of it changed that setting it whole is cheaper. */
function diffArray({ before, after, prefix }: Pair<Value[]>, changes: Changes): boolean {
  if (after.length < before.length) return false
  const changed: number[] = []
  for (let index = 0; index < after.length; index++) {
    if (index >= before.length || !equalValues(before[index], after[index])) changed.push(index)
  }
  if (changed.length * 2 > after.length) return false
  for (const index of changed) diffValue({ before: before[index], after: after[index], prefix: `${prefix}${index}` }, changes)
  return true
}

function keepsOrder(before: Document, after: Document): boolean {
  const wanted = Object.keys(after)
  let at = 0
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) continue
    if (wanted[at] !== name) return keepsOrderOfIndexes(before, after)
    at += 1
  }
  return true
}

/** JavaScript puts names that are whole numbers first, in any object: so let an object say what the order would be. */
function keepsOrderOfIndexes(before: Document, after: Document): boolean {
  const result: Document = {}
  for (const name of Object.keys(before)) if (Object.hasOwn(after, name)) result[name] = null
  for (const name of Object.keys(after)) result[name] = null
  const order = Object.keys(result)
  return Object.keys(after).every((name, index) => name === order[index])
}
