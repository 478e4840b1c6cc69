import { isParqueDBError, ParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { compareValues, valuesMatchEqual } from '../compare.ts'
import { compileFilter } from '../filter/compile-filter.ts'
import type { FilterNode } from '../filter/filter-node.ts'
import { isOfValues, parseFilter } from '../filter/parse-filter.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { describe, isPlainObject, parseValue } from '../parse-document.ts'
import { parseArrayIndex, parseFieldPath, type FieldPath } from '../path.ts'
import type { SortKey } from '../sort.ts'
import { equalValues, isObject, ownField, type Value } from '../values.ts'
import { invalidUpdate, type FieldEdit, type UpdateContext, type UpdatePath } from './apply-update.ts'

/** One operator on one field, as it was written. */
export interface FieldUse {
  readonly operator: string
  readonly operand: unknown
  readonly path: UpdatePath
}

/** What each operator does, its operand checked and copied; `pathOf` reads an operand that is a path. */
export const operators: { readonly [operator: string]: (use: FieldUse, pathOf: (text: string) => UpdatePath) => FieldEdit } = {
  $set: (use) => creating(parseOperand(use), keepEqual),
  $setOnInsert: (use) => creating(parseOperand(use), keepEqual),
  $unset: () => removing,
  $inc: (use) => creating(parseAmount(use), (old, amount) => (old === undefined ? amount : calculate(use, old, (value) => add(value, amount)))),
  $mul: (use) => creating(parseAmount(use), (old, amount) => (old === undefined ? zeroLike(amount) : calculate(use, old, (value) => multiply(value, amount)))),
  $min: (use) => creating(parseOperand(use), (old, value) => (old === undefined || compareValues(value, old) < 0 ? value : old)),
  $max: (use) => creating(parseOperand(use), (old, value) => (old === undefined || compareValues(value, old) > 0 ? value : old)),
  $rename(use, pathOf) {
    checkFieldsOnly(use, use.path)
    const to = pathOf(parseName(use))
    checkFieldsOnly(use, to)
    return { ...removing, to }
  },
  $currentDate: (use) => creating(checkDate(use), (_old, _operand, { nowMs }) => new Date(nowMs)),
  $push: (use) => creating(parsePush(use), (old, push) => keepEqual(old, pushValues(arrayAt(use, old), push))),
  $pull: (use) => shrinking(use, parsePullTest(use), removeMatching),
  $pullAll: (use) => shrinking(use, parseList(use), (array, values) => removeMatching(array, (element) => values.some((value) => compareValues(element, value) === 0))),
  $addToSet: (use) => creating(parseEach(use), (old, values) => addMissing(arrayAt(use, old), values)),
  $pop: (use) => shrinking(use, parseEnd(use), (array, end) => (array.length === 0 ? array : end === 1 ? array.slice(0, -1) : array.slice(1))),
  $bit: (use) => creating(parseBit(use), (old, masks) => applyMasks(use, old, masks)),
}

const removing: FieldEdit = { whenAbsent: 'ignore', change: () => undefined }

function creating<Operand>(operand: Operand, change: (old: Value | undefined, operand: Operand, context: UpdateContext) => Value): FieldEdit {
  return { whenAbsent: 'create', change: (old, context) => change(old, operand, context) }
}

function shrinking<Operand>(use: FieldUse, operand: Operand, shrink: (array: Value[], operand: Operand) => Value[]): FieldEdit {
  return { whenAbsent: 'skip', change: (old) => (old === undefined ? undefined : shrink(arrayAt(use, old), operand)) }
}

/** INVALID_UPDATE, of the operator with what is said `about` it. */
function wrong({ operator, path }: FieldUse, problem: string, about = ''): ParqueDBError {
  return invalidUpdate(`${operator}${about}`, path.text, problem)
}

function parseOperand(use: FieldUse): Value {
  if (use.operand === undefined) throw wrong(use, 'is undefined; use $unset to remove a field')
  return parseValue(use.operand, use.path.text)
}

function parseAmount(use: FieldUse): number | bigint {
  const { operand, path } = use
  if (typeof operand !== 'number' && typeof operand !== 'bigint') throw wrong(use, `needs a number, not ${describe(operand)}`)
  parseValue(operand, path.text)
  return operand
}

function parseName(use: FieldUse): string {
  if (typeof use.operand === 'string') return use.operand
  throw wrong(use, `needs the new name as a string, not ${describe(use.operand)}`)
}

function checkFieldsOnly({ operator }: FieldUse, path: UpdatePath): void {
  if (path.steps.some((step) => step.kind !== 'field')) throw invalidUpdate(operator, path.text, 'cannot move elements of an array')
  if (path.text === '$type') throw invalidUpdate(operator, path.text, 'cannot move $type')
}

function checkDate(use: FieldUse): void {
  const { operand } = use
  const isDate = operand === true || (isPlainObject(operand) && operand['$type'] === 'date' && Object.keys(operand).length === 1)
  if (!isDate) throw wrong(use, "needs true or { $type: 'date' }")
}

function parseEnd(use: FieldUse): 1 | -1 {
  if (use.operand === 1 || use.operand === -1) return use.operand
  throw wrong(use, 'needs 1 for the last element, or -1 for the first')
}

/** $push in its order of work: insert at `position` (from the end when negative), sort, cut. */
interface Push {
  readonly values: readonly Value[]
  readonly position?: number | undefined
  /** The empty path is the element itself. */
  readonly sort?: readonly SortKey[] | undefined
  /** Keep the first so many, or with a minus the last. */
  readonly slice?: number | undefined
}

/** One value, or { $each: values } with $position, $sort and $slice. */
function parsePush(use: FieldUse): Push {
  const modifiers = modifiersOf(use, ['$each', '$position', '$sort', '$slice'])
  if (modifiers === undefined) return { values: [parseValue(use.operand, use.path.text)] }
  return {
    values: parseList(use, modifiers),
    position: parseWhole(use, modifiers, '$position'),
    sort: parseSortOf(use, modifiers),
    slice: parseWhole(use, modifiers, '$slice'),
  }
}

/** One value, or { $each: values }. */
function parseEach(use: FieldUse): readonly Value[] {
  const modifiers = modifiersOf(use, ['$each'])
  return modifiers === undefined ? [parseValue(use.operand, use.path.text)] : parseList(use, modifiers)
}

/** The operand, or what its $each says. */
function parseList(use: FieldUse, modifiers?: Record<string, unknown>): readonly Value[] {
  const list = modifiers === undefined ? use.operand : modifiers['$each']
  if (!Array.isArray(list)) throw wrong(use, `needs an array, not ${describe(list)}`, modifiers && ' with $each')
  return parseValue(list, use.path.text) as Value[]
}

/** The operand when it is an object of modifiers; undefined when it is a plain value. */
function modifiersOf(use: FieldUse, known: readonly string[]): Record<string, unknown> | undefined {
  const { operand } = use
  if (!isPlainObject(operand)) return undefined
  const names = Object.keys(operand)
  if (!names.some((name) => name.startsWith('$'))) return undefined
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw wrong(use, `does not know '${unknown}' beside ${known.join(', ')}`)
  if (!Object.hasOwn(operand, '$each')) throw wrong(use, `needs $each beside ${names.join(', ')}`)
  return operand
}

function parseWhole(use: FieldUse, modifiers: Record<string, unknown>, name: '$position' | '$slice'): number | undefined {
  const given = modifiers[name]
  if (given === undefined || Number.isSafeInteger(given)) return given as number | undefined
  throw wrong(use, `needs a whole number, not ${describe(given)}`, ` with ${name}`)
}

function parseSortOf(use: FieldUse, modifiers: Record<string, unknown>): readonly SortKey[] | undefined {
  const given = modifiers['$sort']
  if (given === undefined) return undefined
  if (given === 1 || given === -1) return [{ path: [], direction: given }]
  if (!isPlainObject(given) || Object.keys(given).length === 0) throw wrong(use, 'needs 1, -1, or an object of fields with 1 or -1', ' with $sort')
  return Object.entries(given).map(([name, direction]) => {
    if (direction !== 1 && direction !== -1) throw wrong(use, `needs 1 or -1 for '${name}'`, ' with $sort')
    return { path: parseFieldPath(name, 'INVALID_UPDATE'), direction }
  })
}

/**
 * What $pull removes: elements equal to a value; elements that satisfy operators ({ $gt: 5 }, or a regular expression);
 * or, for any other object, elements that are objects and match it as a filter.
 */
function parsePullTest({ operator, operand, path }: FieldUse): ValueTest {
  if (isPlainObject(operand) && !isOfValues(operand)) {
    const matches = compileFilter(parseInUpdate(operator, path.text, operand))
    return (element) => isObject(element) && matches(element)
  }
  if (operand instanceof RegExp || isPlainObject(operand)) {
    const matches = compileFilter(parseInUpdate(operator, path.text, { element: operand }))
    return (element) => element !== undefined && matches({ element })
  }
  const value = parseValue(operand, path.text)
  return (element) => valuesMatchEqual(element, value)
}

/** A filter inside an update; what is wrong with it is an INVALID_UPDATE. */
export function parseInUpdate(operator: string, path: string, filter: unknown): FilterNode {
  return translated(() => parseFilter(filter), (cause) => {
    if (!isParqueDBError(cause, 'INVALID_FILTER')) return cause
    return new ParqueDBError('INVALID_UPDATE', `${operator}${path === '' ? '' : ` on '${path}'`}: ${cause.message}`, { details: { operator, path }, cause })
  })
}

interface BitMask {
  readonly op: 'and' | 'or' | 'xor'
  readonly mask: number | bigint
}

/** { and | or | xor: mask }, several in order. */
function parseBit(use: FieldUse): readonly BitMask[] {
  const { operand, path } = use
  const masks = isPlainObject(operand) ? Object.entries(operand) : []
  if (masks.length === 0) throw wrong(use, 'needs an object with and, or, xor')
  return masks.map(([op, mask]) => {
    if (op !== 'and' && op !== 'or' && op !== 'xor') throw wrong(use, `knows and, or and xor, not '${op}'`)
    if (typeof mask === 'bigint') parseValue(mask, path.text)
    else if (!Number.isSafeInteger(mask)) throw wrong(use, `needs a whole number for '${op}'`)
    return { op, mask: mask as number | bigint }
  })
}

function keepEqual(old: Value | undefined, value: Value): Value {
  return old !== undefined && equalValues(old, value) ? old : value
}

/** An empty one where nothing is. */
function arrayAt(use: FieldUse, old: Value | undefined): Value[] {
  if (old === undefined) return []
  if (!Array.isArray(old)) throw wrong(use, `needs an array, and finds ${describe(old)}`)
  return old
}

function zeroLike(amount: number | bigint): number | bigint {
  return typeof amount === 'bigint' ? 0n : 0
}

function calculate(use: FieldUse, old: Value, work: (value: number | bigint) => number | bigint | undefined): number | bigint {
  if (typeof old !== 'number' && typeof old !== 'bigint') throw wrong(use, `needs a number, and finds ${describe(old)}`)
  const result = work(old)
  if (result === undefined) throw wrong(use, 'gives a result beyond a 64-bit integer')
  return result
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
 * Two numbers calculate as JavaScript's doubles. With a bigint on either side the result is a bigint when the other is whole,
 * and a number when it is not. Undefined when the result is beyond int64.
 */
function arithmetic(ofNumbers: (left: number, right: number) => number, ofBigints: (left: bigint, right: bigint) => bigint) {
  return (left: number | bigint, right: number | bigint): number | bigint | undefined => {
    const isPlain = typeof left === 'number' && typeof right === 'number'
    if (isPlain || !isWhole(left) || !isWhole(right)) return ofNumbers(Number(left), Number(right))
    const exact = ofBigints(BigInt(left), BigInt(right))
    return BigInt.asIntN(64, exact) === exact ? exact : undefined
  }
}

const add = arithmetic((left, right) => left + right, (left, right) => left + right)
const multiply = arithmetic((left, right) => left * right, (left, right) => left * right)

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value)
}

function applyMasks(use: FieldUse, old: Value | undefined, masks: readonly BitMask[]): number | bigint {
  if (old !== undefined && typeof old !== 'bigint' && !Number.isSafeInteger(old)) throw wrong(use, `needs a whole number, and finds ${describe(old)}`)
  return masks.reduce(applyMask, (old ?? 0) as number | bigint)
}

/** Two's complement, of any width. A bigint when either is one. Both must be whole. */
function applyMask(value: number | bigint, { op, mask }: BitMask): number | bigint {
  const left = BigInt(value)
  const right = BigInt(mask)
  const result = op === 'and' ? left & right : op === 'or' ? left | right : left ^ right
  return typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result)
}
