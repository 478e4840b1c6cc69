import { ParqueDBError } from '../base/ParqueDBError.ts'
import { fromExtendedJson, toExtendedJson } from './ejson.ts'
import { decodePatchPath, encodePatchPath, parseArrayIndex, type FieldPath } from './path.ts'
import { equalValues, isObject, ownField, type Document, type Value } from './values.ts'

/**
 * A resolved change. Keys are encoded paths (src/model/path.ts): segments joined by '.', with '.' and '\' inside a
 * segment escaped by '\'. A segment that is a whole number addresses an array's element where an array stands
 * there, a field elsewhere. `set` is applied in order after `unset`; missing containers become objects.
 */
export interface Patch {
  readonly set?: { readonly [path: string]: Value }
  readonly unset?: readonly string[]
}

/** A patch as it is stored: its values as Extended JSON. */
export interface PatchJson {
  readonly set?: { readonly [path: string]: unknown }
  readonly unset?: readonly string[]
}

export function patchToJson({ set, unset }: Patch): PatchJson {
  return { ...(unset && { unset }), ...(set && { set: toExtendedJson(set as Document) as PatchJson['set'] & {} }) }
}

export function patchFromJson({ set, unset }: PatchJson): Patch {
  // Paths are no field names: a value at a time, so that none is taken for a wrapper of Extended JSON.
  const values = set && Object.fromEntries(Object.entries(set).map(([path, json]) => [path, fromExtendedJson(json)]))
  return { ...(values && { set: values }), ...(unset && { unset }) }
}

export function isEmptyPatch(patch: Patch): boolean {
  return (patch.unset ?? []).length === 0 && Object.keys(patch.set ?? {}).length === 0
}

/**
 * The patch that turns `before` into `after` exactly, the order of fields included: applyPatch(before, diffDocuments(before, after))
 * equals `after`. Values that are the same reference are not looked into. The patch shares values with `after`.
 */
export function diffDocuments(before: Document, after: Document): Patch {
  const changes: Changes = { set: {}, unset: [] }
  // Field by field, unless that cannot give the order that the fields of `after` have: a patch keeps the fields that stay in their places and appends the new ones.
  const { set, unset } = diffObject({ before, after, prefix: '' }, changes) ? changes : replaceFields(before, after)
  return { ...(Object.keys(set).length > 0 && { set }), ...(unset.length > 0 && { unset }) }
}

/**
 * The document after the change. Pure: the input is not touched, what the patch does not reach is shared with it, what it sets is shared with the patch.
 * VALIDATION_FAILED when a path leads through a value that is neither object nor array, or past an array's end; unset of an element leaves null in its place.
 */
export function applyPatch(document: Document, patch: Patch): Document {
  const edit = new Edit()
  let root: Value = document
  for (const path of patch.unset ?? []) root = edit.unset(root, decodePatchPath(path))
  if (patch.set !== undefined) for (const path of Object.keys(patch.set)) root = edit.set(root, decodePatchPath(path), patch.set[path] as Value)
  return root as Document
}

/** One application: every container on the way is copied once, then changed in place. */
class Edit {
  readonly #own = new Set<object>()

  /** The container with the value at `segments`; itself when it is already this application's own. */
  set(container: Value | undefined, segments: FieldPath, value: Value): Value {
    const name = segments[0] as string
    const rest = segments.slice(1)
    if (Array.isArray(container)) {
      const index = parseArrayIndex(name)
      if (index === undefined || index > container.length) throw unreachable(segments, `an array of ${container.length} elements has no place '${name}'`)
      const copy = this.#ownCopy(container)
      copy[index] = rest.length === 0 ? value : this.set(copy[index], rest, value)
      return copy
    }
    if (container !== undefined && !isObject(container)) throw unreachable(segments, 'it leads through a value that holds no fields')
    const copy = this.#ownCopy(container ?? {})
    copy[name] = rest.length === 0 ? value : this.set(ownField(copy, name), rest, value)
    return copy
  }

  unset(container: Value, segments: FieldPath): Value {
    const name = segments[0] as string
    const rest = segments.slice(1)
    if (Array.isArray(container)) {
      const index = parseArrayIndex(name)
      const old = index === undefined ? undefined : container[index]
      if (index === undefined || old === undefined) return container
      const copy = this.#ownCopy(container)
      copy[index] = rest.length === 0 ? null : this.unset(old, rest)
      return copy
    }
    if (!isObject(container)) return container
    const old = ownField(container, name)
    if (old === undefined) return container
    if (rest.length === 0) return this.#without(container, name)
    const inside = this.unset(old, rest)
    if (inside === old) return container
    const copy = this.#ownCopy(container)
    copy[name] = inside
    return copy
  }

  /** The first removal builds a new object, which stays fast to read, where `delete` would leave a slow one. */
  #without(container: Document, name: string): Document {
    if (this.#own.has(container)) {
      delete container[name]
      return container
    }
    const copy: Document = {}
    for (const other of Object.keys(container)) if (other !== name) copy[other] = container[other] as Value
    this.#own.add(copy)
    return copy
  }

  #ownCopy<Container extends Document | Value[]>(container: Container): Container {
    if (this.#own.has(container)) return container
    const copy = (Array.isArray(container) ? container.slice() : { ...(container as Document) }) as Container
    this.#own.add(copy)
    return copy
  }
}

function unreachable(segments: FieldPath, reason: string): ParqueDBError {
  const path = segments.join('.')
  return new ParqueDBError('VALIDATION_FAILED', `The patch path ending in '${path}' cannot be set: ${reason}.`, { details: { path } })
}

/** Changes by encoded path, as a Patch holds them. */
export interface Changes {
  readonly set: { [path: string]: Value }
  readonly unset: string[]
}

/** The changes that replace every top-level field. */
function replaceFields(before: Document, after: Document): Changes {
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
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) changes.unset.push(prefix + encodePatchPath([name]))
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
  for (let index = 0; index < after.length; index++) if (index >= before.length || !equalValues(before[index], after[index])) changed.push(index)
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
