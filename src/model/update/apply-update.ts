import { assert } from '../../base/assert.ts'
import { limitExceeded, ParqueDBError } from '../../base/ParqueDBError.ts'
import { compareValues, valuesMatchEqual } from '../compare.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { checkDocumentLimits, defaultDocumentLimits, describe, type DocumentLimits } from '../parse-document.ts'
import { parseArrayIndex, type FieldPath } from '../path.ts'
import type { SortKey } from '../sort.ts'
import { equalValues, isObject, ownField, type Document, type Value } from '../values.ts'

/** A checked update: applyUpdate runs its operations in order; no two of them touch the same or one inside the other's path. */
export interface ParsedUpdate {
  readonly operations: readonly UpdateOperation[]
  /** `$link` and `$unlink`, as they were written: what they mean depends on the entity. */
  readonly links: readonly { readonly kind: 'link' | 'unlink'; readonly fields: unknown }[]
}

export type UpdateOperation =
  | { readonly kind: 'set' | 'setOnInsert' | 'min' | 'max'; readonly path: UpdatePath; readonly value: Value }
  | { readonly kind: 'unset' | 'currentDate'; readonly path: UpdatePath }
  | { readonly kind: 'inc' | 'mul'; readonly path: UpdatePath; readonly amount: number | bigint }
  | { readonly kind: 'rename'; readonly path: UpdatePath; readonly to: UpdatePath }
  | { readonly kind: 'bit'; readonly path: UpdatePath; readonly masks: readonly BitMask[] }
  | { readonly kind: 'push'; readonly path: UpdatePath; readonly push: Push }
  | { readonly kind: 'addToSet' | 'pullAll'; readonly path: UpdatePath; readonly values: readonly Value[] }
  | { readonly kind: 'pull'; readonly path: UpdatePath; readonly matches: ValueTest }
  | { readonly kind: 'pop'; readonly path: UpdatePath; readonly end: 'first' | 'last' }

export interface UpdatePath {
  /** As the user wrote it. */
  readonly text: string
  readonly steps: readonly UpdateStep[]
}

export type UpdateStep =
  /** A field of an object; of an array the element at `index`. */
  | { readonly kind: 'field'; readonly name: string; readonly index: number | undefined }
  /** `$[]`: every element. */
  | { readonly kind: 'all' }
  /** `$[name]`: every element that its array filter matches. */
  | { readonly kind: 'matching'; readonly name: string; readonly matches: ValueTest }

/** $push in its order of work: insert at `position` (from the end when negative), sort, cut. */
export interface Push {
  readonly values: readonly Value[]
  readonly position: number | undefined
  /** The empty path is the element itself. */
  readonly sort: readonly SortKey[] | undefined
  /** Keep the first so many, or with a minus the last. */
  readonly slice: number | undefined
}

export interface BitMask {
  readonly op: 'and' | 'or' | 'xor'
  readonly mask: number | bigint
}

export interface UpdateContext {
  /** What $currentDate sets. Milliseconds since 1970. */
  readonly nowMs: number
  /** True when the document is being made by an upsert: $setOnInsert applies. */
  readonly isInsert: boolean
  readonly limits?: DocumentLimits
}

/**
 * The document after the update. Pure and copy on write: what no operation changes keeps its reference, the document itself when nothing
 * does; what is set is shared with the update. INVALID_UPDATE where a value at a path has a type that the operator cannot change, or a result is beyond int64; LIMIT_EXCEEDED when the
 * result is too large. Operations run in the order in which they were written, which is the order of new fields.
 */
export function applyUpdate(document: Document, update: ParsedUpdate, context: UpdateContext): Document {
  let result = document
  for (const operation of update.operations) {
    if (operation.kind === 'setOnInsert' && !context.isInsert) continue
    result = operation.kind === 'rename' ? rename(result, operation) : editAtPath(result, operation.path, (edits[operation.kind] as Edit<never>)(operation as never, context))
  }
  if (result !== document) checkDocumentLimits(result, context.limits ?? defaultDocumentLimits)
  return result
}

/** The operation of a kind, which some have in common. */
type Of<Kind, Operation = UpdateOperation> = Operation extends { readonly kind: infer Kinds } ? (Kind extends Kinds ? Operation : never) : never
type Edit<Operation> = (operation: Operation, context: UpdateContext) => FieldEdit

const edits: { readonly [Kind in Exclude<UpdateOperation['kind'], 'rename'>]: Edit<Of<Kind>> } = {
  set: ({ value }) => creating('$set', (old) => keepEqual(old, value)),
  setOnInsert: ({ value }) => creating('$setOnInsert', (old) => keepEqual(old, value)),
  unset: () => ({ operator: '$unset', whenAbsent: 'ignore', change: () => undefined }),
  inc: ({ path, amount }) => creating('$inc', (old) => (old === undefined ? amount : calculate({ operator: '$inc', old, path }, (value) => addNumbers(value, amount)))),
  mul: ({ path, amount }) => creating('$mul', (old) => (old === undefined ? zeroLike(amount) : calculate({ operator: '$mul', old, path }, (value) => multiplyNumbers(value, amount)))),
  min: ({ value }) => creating('$min', (old) => (old === undefined || compareValues(value, old) < 0 ? value : old)),
  max: ({ value }) => creating('$max', (old) => (old === undefined || compareValues(value, old) > 0 ? value : old)),
  currentDate: (_, { nowMs }) => creating('$currentDate', () => new Date(nowMs)),
  bit: ({ path, masks }) => creating('$bit', (old) => applyMasks({ operator: '$bit', old: old === undefined ? 0 : old, path }, masks)),
  push: ({ path, push }) => creating('$push', (old) => keepEqual(old, pushValues(old === undefined ? [] : arrayAt('$push', old, path), push))),
  addToSet: ({ path, values }) => creating('$addToSet', (old) => addMissing(old === undefined ? [] : arrayAt('$addToSet', old, path), values)),
  pull: ({ path, matches }) => shrinking('$pull', path, (array) => removeMatching(array, matches)),
  pullAll: ({ path, values }) => shrinking('$pullAll', path, (array) => removeMatching(array, (element) => values.some((value) => compareValues(element, value) === 0))),
  pop: ({ path, end }) => shrinking('$pop', path, (array) => (array.length === 0 ? array : end === 'first' ? array.slice(1) : array.slice(0, -1))),
}

function creating(operator: string, change: FieldEdit['change']): FieldEdit {
  return { operator, whenAbsent: 'create', change }
}

function shrinking(operator: string, path: UpdatePath, shrink: (array: Value[]) => Value[]): FieldEdit {
  return { operator, whenAbsent: 'skip', change: (old) => (old === undefined ? undefined : shrink(arrayAt(operator, old, path))) }
}

function keepEqual(old: Value | undefined, value: Value): Value {
  return old !== undefined && equalValues(old, value) ? old : value
}

function arrayAt(operator: string, old: Value, path: UpdatePath): Value[] {
  if (!Array.isArray(old)) throw invalidUpdate(operator, path.text, `needs an array, and finds ${describe(old)}`)
  return old
}

function zeroLike(amount: number | bigint): number | bigint {
  return typeof amount === 'bigint' ? 0n : 0
}

interface FieldUse {
  readonly operator: string
  readonly old: Value
  readonly path: UpdatePath
}

function calculate({ operator, old, path }: FieldUse, work: (value: number | bigint) => number | bigint | undefined): number | bigint {
  if (typeof old !== 'number' && typeof old !== 'bigint') throw invalidUpdate(operator, path.text, `needs a number, and finds ${describe(old)}`)
  const result = work(old)
  if (result === undefined) throw invalidUpdate(operator, path.text, 'gives a result beyond a 64-bit integer')
  return result
}

function applyMasks({ operator, old, path }: FieldUse, masks: readonly BitMask[]): number | bigint {
  if (typeof old !== 'bigint' && !Number.isSafeInteger(old)) throw invalidUpdate(operator, path.text, `needs a whole number, and finds ${describe(old)}`)
  return masks.reduce(applyMask, old as number | bigint)
}

/** Takes the value out and sets it under the other name; a source that is absent means no change. */
function rename(document: Document, { path, to }: Extract<UpdateOperation, { kind: 'rename' }>): Document {
  const value = fieldAt(document, path, 'cannot move elements of an array')
  if (value === undefined) return document
  const without = editAtPath(document, path, { operator: '$rename', whenAbsent: 'ignore', change: () => undefined })
  fieldAt(without, to, 'cannot move into an array')
  return editAtPath(without, to, creating('$rename', () => value))
}

/** What stands at a path of $rename; an array on the way is refused. */
function fieldAt(document: Document, path: UpdatePath, problem: string): Value | undefined {
  let value: Value | undefined = document
  for (const step of path.steps) {
    assert(step.kind === 'field', 'M1: $rename has field steps only')
    if (Array.isArray(value)) throw invalidUpdate('$rename', path.text, problem)
    value = isObject(value) ? ownField(value, step.name) : undefined
  }
  return value
}

/** The array after a $push: insert, sort, cut, in this order. */
function pushValues(array: readonly Value[], { values, position, sort, slice }: Push): Value[] {
  const at = position === undefined ? array.length : position < 0 ? Math.max(0, array.length + position) : position
  const result = array.slice(0, at).concat(values, array.slice(at))
  if (sort !== undefined) result.sort((left, right) => compareElements(left, right, sort))
  if (slice === undefined) return result
  return slice < 0 ? result.slice(slice) : result.slice(0, slice)
}

/** The array with each value that it does not hold yet, or the same array. */
function addMissing(array: Value[], values: readonly Value[]): Value[] {
  const result = array.slice()
  for (const value of values) if (!result.some((element) => valuesMatchEqual(element, value))) result.push(value)
  return result.length === array.length ? array : result
}

/** The array without the elements that match, or the same array. */
function removeMatching(array: Value[], matches: (element: Value) => boolean): Value[] {
  const result = array.filter((element) => !matches(element))
  return result.length === array.length ? array : result
}

function compareElements(left: Value, right: Value, sort: readonly SortKey[]): number {
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

/**
 * The sum. Two numbers add as JavaScript's doubles. With a bigint on either side the result is a bigint when the other is whole,
 * and a number when it is not. Undefined when the result is beyond int64.
 */
function addNumbers(left: number | bigint, right: number | bigint): number | bigint | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left + right
  const whole = bothWhole(left, right)
  return whole === undefined ? Number(left) + Number(right) : inInt64(whole[0] + whole[1])
}

/** The product, under the rules of addNumbers. */
function multiplyNumbers(left: number | bigint, right: number | bigint): number | bigint | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left * right
  const whole = bothWhole(left, right)
  return whole === undefined ? Number(left) * Number(right) : inInt64(whole[0] * whole[1])
}

/** Two's complement, of any width. A bigint when either is one. Both must be whole. */
function applyMask(value: number | bigint, { op, mask }: BitMask): number | bigint {
  const left = BigInt(value)
  const right = BigInt(mask)
  const result = op === 'and' ? left & right : op === 'or' ? left | right : left ^ right
  return typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result)
}

function bothWhole(left: number | bigint, right: number | bigint): [bigint, bigint] | undefined {
  if (typeof left === 'number' && !Number.isInteger(left)) return undefined
  if (typeof right === 'number' && !Number.isInteger(right)) return undefined
  return [BigInt(left), BigInt(right)]
}

function inInt64(value: bigint): bigint | undefined {
  return BigInt.asIntN(64, value) === value ? value : undefined
}

/** What is done at the end of a path. */
export interface FieldEdit {
  readonly operator: string
  /**
   * What a path that does not exist means: 'create' makes the objects on the way; 'skip' does nothing, but fails where the path could
   * not be made, as through a string; 'ignore' never fails.
   */
  readonly whenAbsent: 'create' | 'skip' | 'ignore'
  /** The new value; undefined removes the field (in an array it leaves null). The same reference means no change. */
  change(old: Value | undefined): Value | undefined
}

/** '$set: { "a.5000": 1 }' on an empty array would store 5,000 nulls: stop where it is surely a mistake. */
const paddingCountMax = 10_000

/** The document with the edit at every place that the path names; what it does not reach keeps its reference, the whole document when nothing changes. */
function editAtPath(document: Document, path: UpdatePath, edit: FieldEdit): Document {
  return new EditWalk(path, edit).inside(document, 0) as Document
}

class EditWalk {
  readonly #path: UpdatePath
  readonly #edit: FieldEdit

  constructor(path: UpdatePath, edit: FieldEdit) {
    this.#path = path
    this.#edit = edit
  }

  /** The container after the edit of what step `at` names in it. */
  inside(container: Value, at: number): Value {
    const step = this.#path.steps[at] as UpdateStep
    switch (step.kind) {
      case 'field':
        if (isObject(container)) return this.#field(container, step.name, at)
        if (Array.isArray(container)) return this.#index(container, step.index, at)
        if (this.#edit.whenAbsent === 'ignore') return container
        throw this.#error(`cannot make the field '${step.name}' inside a value that is no object`)
      case 'all':
        return this.#elements(container, () => true, at)
      case 'matching':
        return this.#elements(container, step.matches, at)
    }
  }

  #field(object: Document, name: string, at: number): Document {
    const old = ownField(object, name)
    const value = this.#value(old, at)
    if (Object.is(value, old)) return object
    if (value !== undefined) return { ...object, [name]: value }
    const copy: Document = {}
    for (const other of Object.keys(object)) if (other !== name) copy[other] = object[other] as Value
    return copy
  }

  #index(array: Value[], index: number | undefined, at: number): Value[] {
    if (index === undefined) {
      if (this.#edit.whenAbsent === 'ignore') return array
      throw this.#error('needs the index of an element, $[] or $[name] where an array stands')
    }
    const old = array[index]
    const value = this.#value(old, at)
    if (Object.is(value, old)) return array
    if (index - array.length > paddingCountMax) throw this.#tooFar(array.length)
    const copy = array.slice()
    while (copy.length < index) copy.push(null)
    copy[index] = value ?? null
    return copy
  }

  #elements(array: Value, matches: (element: Value) => boolean, at: number): Value {
    if (!Array.isArray(array)) throw this.#error('needs an array where $[] or $[name] stands')
    let copy: Value[] | undefined
    for (let index = 0; index < array.length; index++) {
      const old = array[index] as Value
      if (!matches(old)) continue
      const value = this.#value(old, at) ?? null
      if (Object.is(value, old)) continue
      copy ??= array.slice()
      copy[index] = value
    }
    return copy ?? array
  }

  /** What stands at step `at` after the edit. */
  #value(old: Value | undefined, at: number): Value | undefined {
    if (at + 1 === this.#path.steps.length) return this.#edit.change(old)
    return old === undefined ? this.#absent(at + 1) : this.inside(old, at + 1)
  }

  /** The value to create from step `at` on, where nothing is. */
  #absent(at: number): Value | undefined {
    const names = this.#path.steps.slice(at).map((step) => {
      if (step.kind !== 'field') throw this.#error('needs an array where $[] or $[name] stands, and there is nothing')
      return step.name
    })
    if (this.#edit.whenAbsent !== 'create') return undefined
    const value = this.#edit.change(undefined)
    return value === undefined ? undefined : names.reduceRight<Value>((inner, name) => ({ [name]: inner }), value)
  }

  #error(problem: string): ParqueDBError {
    return invalidUpdate(this.#edit.operator, this.#path.text, problem)
  }

  #tooFar(length: number): ParqueDBError {
    const { text: path } = this.#path
    return limitExceeded({ paddingCountMax }, `${this.#edit.operator} on '${path}' is more than ${paddingCountMax} places past the end of an array of ${length} elements.`, { path })
  }
}

/** "In the update, $inc on 'path' `problem`.", or without both "The update `problem`." */
export function invalidUpdate(operator: string, path: string, problem: string): ParqueDBError {
  const where = operator === '' ? 'The update' : `In the update, ${operator}${path === '' ? '' : ` on '${path}'`}`
  return new ParqueDBError('INVALID_UPDATE', `${where} ${problem}.`, { details: { operator, path } })
}
