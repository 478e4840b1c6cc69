import { assert } from '../../base/assert.ts'
import { limitExceeded, ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { checkDocumentLimits, defaultDocumentLimits, type DocumentLimits } from '../parse-document.ts'
import { isObject, ownField, type Document, type Value } from '../values.ts'

/** A checked update: applyUpdate runs its operations in order; no two of them touch the same or one inside the other's path. */
export interface ParsedUpdate {
  readonly operations: readonly UpdateOperation[]
  /** `$link` and `$unlink`, as they were written: what they mean depends on the entity. */
  readonly links: readonly { readonly kind: 'link' | 'unlink'; readonly fields: unknown }[]
}

/** One operator at one path. */
export interface UpdateOperation extends FieldEdit {
  readonly operator: string
  readonly path: UpdatePath
}

/** What is done at the end of a path. */
export interface FieldEdit {
  /**
   * What a path that does not exist means: 'create' makes the objects on the way; 'skip' does nothing, but fails where the path could
   * not be made, as through a string; 'ignore' never fails.
   */
  readonly whenAbsent: 'create' | 'skip' | 'ignore'
  /** The new value; undefined removes the field (in an array it leaves null). The same reference means no change. */
  change(old: Value | undefined, context: UpdateContext): Value | undefined
  /** Of $rename: where the value that was at the path is put. */
  readonly to?: UpdatePath
}

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
    if (operation.operator === '$setOnInsert' && !context.isInsert) continue
    result = operation.to === undefined ? editAtPath(result, operation, context) : rename(result, { ...operation, to: operation.to }, context)
  }
  if (result !== document) checkDocumentLimits(result, context.limits ?? defaultDocumentLimits)
  return result
}

/** Takes the value out and sets it under the other name; a source that is absent means no change. */
function rename(document: Document, operation: UpdateOperation & { to: UpdatePath }, context: UpdateContext): Document {
  const { operator, path, to } = operation
  const value = fieldAt(document, path, 'cannot move elements of an array')
  if (value === undefined) return document
  const without = editAtPath(document, operation, context)
  fieldAt(without, to, 'cannot move into an array')
  return editAtPath(without, { operator, path: to, whenAbsent: 'create', change: () => value }, context)
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

/** '$set: { "a.5000": 1 }' on an empty array would store 5,000 nulls: stop where it is surely a mistake. */
const paddingCountMax = 10_000

/** The document with the edit at every place that the path names; what it does not reach keeps its reference, the whole document when nothing changes. */
function editAtPath(document: Document, operation: UpdateOperation, context: UpdateContext): Document {
  return new EditWalk(operation, context).inside(document, 0) as Document
}

class EditWalk {
  readonly #operation: UpdateOperation
  readonly #context: UpdateContext

  constructor(operation: UpdateOperation, context: UpdateContext) {
    this.#operation = operation
    this.#context = context
  }

  /** The container after the edit of what step `at` names in it. */
  inside(container: Value, at: number): Value {
    const step = this.#operation.path.steps[at] as UpdateStep
    switch (step.kind) {
      case 'field':
        if (isObject(container)) return this.#field(container, step.name, at)
        if (Array.isArray(container)) return this.#index(container, step.index, at)
        if (this.#operation.whenAbsent === 'ignore') return container
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
      if (this.#operation.whenAbsent === 'ignore') return array
      throw this.#error('needs the index of an element, $[] or $[name] where an array stands')
    }
    const old = array[index]
    const value = this.#value(old, at)
    if (Object.is(value, old)) return array
    if (index - array.length > paddingCountMax) {
      const { operator, path: { text: path } } = this.#operation
      throw limitExceeded({ paddingCountMax }, `${operator} on '${path}' is more than ${paddingCountMax} places past the end of an array of ${array.length} elements.`, { path })
    }
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
    if (at + 1 === this.#operation.path.steps.length) return this.#operation.change(old, this.#context)
    return old === undefined ? this.#absent(at + 1) : this.inside(old, at + 1)
  }

  /** The value to create from step `at` on, where nothing is. */
  #absent(at: number): Value | undefined {
    const names = this.#operation.path.steps.slice(at).map((step) => {
      if (step.kind !== 'field') throw this.#error('needs an array where $[] or $[name] stands, and there is nothing')
      return step.name
    })
    if (this.#operation.whenAbsent !== 'create') return undefined
    const value = this.#operation.change(undefined, this.#context)
    return value === undefined ? undefined : names.reduceRight<Value>((inner, name) => ({ [name]: inner }), value)
  }

  #error(problem: string): ParqueDBError {
    return invalidUpdate(this.#operation.operator, this.#operation.path.text, problem)
  }
}

/** "In the update, $inc on 'path' `problem`.", or without both "The update `problem`." */
export function invalidUpdate(operator: string, path: string, problem: string): ParqueDBError {
  const where = operator === '' ? 'The update' : `In the update, ${operator}${path === '' ? '' : ` on '${path}'`}`
  return new ParqueDBError('INVALID_UPDATE', `${where} ${problem}.`, { details: { operator, path } })
}
