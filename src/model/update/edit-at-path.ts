import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { isObject, ownField } from '../values.ts'
import type { Document, Value } from '../values.ts'
import { invalidUpdate } from './invalid-update.ts'
import type { UpdatePath, UpdateStep } from './parsed-update.ts'

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
export function editAtPath(document: Document, path: UpdatePath, edit: FieldEdit): Document {
  const walk = new EditWalk(path, edit)
  return walk.inside(document, 0) as Document
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
    const step = this.#step(at)
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
    if (value === undefined) return undefined
    return names.reduceRight<Value>((inner, name) => ({ [name]: inner }), value)
  }

  #step(at: number): UpdateStep {
    return this.#path.steps[at] as UpdateStep
  }

  #error(problem: string): ParqueDBError {
    return invalidUpdate(this.#edit.operator, this.#path.text, problem)
  }

  #tooFar(length: number): ParqueDBError {
    const message = `${this.#edit.operator} on '${this.#path.text}' is more than ${paddingCountMax} places past the end of an array of ${length} elements.`
    return new ParqueDBError('LIMIT_EXCEEDED', message, { details: { limit: 'paddingCountMax', most: paddingCountMax, path: this.#path.text } })
  }
}
