import { assert } from '../../base/assert.ts'
import { compareValues } from '../compare.ts'
import { checkDocumentLimits, defaultDocumentLimits, describe } from '../parse-document.ts'
import type { DocumentLimits } from '../parse-document.ts'
import { equalValues, isObject, ownField } from '../values.ts'
import type { Document, Value } from '../values.ts'
import { addMissing, pushValues, removeMatching } from './change-array.ts'
import { addNumbers, applyMask, multiplyNumbers } from './change-number.ts'
import { editAtPath } from './edit-at-path.ts'
import type { FieldEdit } from './edit-at-path.ts'
import { invalidUpdate } from './invalid-update.ts'
import type { BitMask, ParsedUpdate, UpdateOperation, UpdatePath } from './parsed-update.ts'

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
    result = operation.kind === 'rename' ? rename(result, operation) : editAtPath(result, operation.path, fieldEdit(operation, context))
  }
  if (result !== document) checkDocumentLimits(result, context.limits ?? defaultDocumentLimits)
  return result
}

type EditOperation = Exclude<UpdateOperation, { kind: 'rename' }>

function fieldEdit(operation: EditOperation, context: UpdateContext): FieldEdit {
  const { path } = operation
  switch (operation.kind) {
    case 'set':
    case 'setOnInsert':
      return creating(`$${operation.kind}`, (old) => keepEqual(old, operation.value))
    case 'unset':
      return { operator: '$unset', whenAbsent: 'ignore', change: () => undefined }
    case 'inc':
      return creating('$inc', (old) => (old === undefined ? operation.amount : calculate({ operator: '$inc', old, path }, (value) => addNumbers(value, operation.amount))))
    case 'mul':
      return creating('$mul', (old) => (old === undefined ? zeroLike(operation.amount) : calculate({ operator: '$mul', old, path }, (value) => multiplyNumbers(value, operation.amount))))
    case 'min':
      return creating('$min', (old) => (old === undefined || compareValues(operation.value, old) < 0 ? operation.value : old))
    case 'max':
      return creating('$max', (old) => (old === undefined || compareValues(operation.value, old) > 0 ? operation.value : old))
    case 'currentDate':
      return creating('$currentDate', () => new Date(context.nowMs))
    case 'bit':
      return creating('$bit', (old) => applyMasks({ operator: '$bit', old: old === undefined ? 0 : old, path }, operation.masks))
    case 'push':
      return creating('$push', (old) => keepEqual(old, pushValues(old === undefined ? [] : arrayAt('$push', old, path), operation.push)))
    case 'addToSet':
      return creating('$addToSet', (old) => addMissing(old === undefined ? [] : arrayAt('$addToSet', old, path), operation.values))
    case 'pull':
      return shrinking('$pull', path, (array) => removeMatching(array, operation.matches))
    case 'pullAll':
      return shrinking('$pullAll', path, (array) => removeMatching(array, (element) => operation.values.some((value) => compareValues(element, value) === 0)))
    case 'pop':
      return shrinking('$pop', path, (array) => (array.length === 0 ? array : operation.end === 'first' ? array.slice(1) : array.slice(0, -1)))
  }
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
  let value: Value | undefined = document
  for (const step of path.steps) {
    assert(step.kind === 'field', 'M1: $rename has field steps only')
    if (Array.isArray(value)) throw invalidUpdate('$rename', path.text, 'cannot move elements of an array')
    value = isObject(value) ? ownField(value, step.name) : undefined
  }
  if (value === undefined) return document
  const moved = value
  const without = editAtPath(document, path, { operator: '$rename', whenAbsent: 'ignore', change: () => undefined })
  checkNoArray(without, to)
  return editAtPath(without, to, creating('$rename', () => moved))
}

function checkNoArray(document: Document, to: UpdatePath): void {
  let value: Value | undefined = document
  for (const step of to.steps) {
    if (Array.isArray(value)) throw invalidUpdate('$rename', to.text, 'cannot move into an array')
    value = isObject(value) && step.kind === 'field' ? ownField(value, step.name) : undefined
  }
}
