import { valuesMatchEqual } from '../compare.ts'
import { compileFilter } from '../filter/compile-filter.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { describe, isPlainObject, parseValue } from '../parse-document.ts'
import { parseFieldPath } from '../path.ts'
import { isObject } from '../values.ts'
import type { Value } from '../values.ts'
import { parseInUpdate } from './array-filters.ts'
import { invalidUpdate } from './invalid-update.ts'
import type { BitMask, ElementSort, Push } from './parsed-update.ts'

/** One value, or { $each: values } with $position, $sort and $slice. */
export function parsePush(operand: unknown, path: string): Push {
  const modifiers = modifiersOf(operand, { operator: '$push', path, known: ['$each', '$position', '$sort', '$slice'] })
  if (modifiers === undefined) return { values: [parseValue(operand, path)], position: undefined, sort: undefined, slice: undefined }
  return {
    values: listOf(modifiers['$each'], '$push with $each', path),
    position: parseWhole(modifiers, '$position', path),
    sort: parseSortOf(modifiers, path),
    slice: parseWhole(modifiers, '$slice', path),
  }
}

/** One value, or { $each: values }. */
export function parseEach(operand: unknown, operator: string, path: string): readonly Value[] {
  const modifiers = modifiersOf(operand, { operator, path, known: ['$each'] })
  return modifiers === undefined ? [parseValue(operand, path)] : listOf(modifiers['$each'], `${operator} with $each`, path)
}

export function listOf(operand: unknown, operator: string, path: string): readonly Value[] {
  if (!Array.isArray(operand)) throw invalidUpdate(operator, path, `needs an array, not ${describe(operand)}`)
  return parseValue(operand, path) as Value[]
}

/**
 * What $pull removes: elements equal to a value; elements that satisfy operators ({ $gt: 5 }, or a regular expression);
 * or, for any other object, elements that are objects and match it as a filter.
 */
export function parsePullTest(operand: unknown, path: string): ValueTest {
  if (isPlainObject(operand) && !isCondition(operand)) {
    const matches = compileFilter(parseInUpdate('$pull', path, operand))
    return (element) => isObject(element) && matches(element)
  }
  if (operand instanceof RegExp || isPlainObject(operand)) {
    const matches = compileFilter(parseInUpdate('$pull', path, { element: operand }))
    return (element) => element !== undefined && matches({ element })
  }
  const value = parseValue(operand, path)
  return (element) => valuesMatchEqual(element, value)
}

/** { and | or | xor: mask }, several in order. */
export function parseBit(operand: unknown, path: string): readonly BitMask[] {
  const names = isPlainObject(operand) ? Object.keys(operand) : []
  if (!isPlainObject(operand) || names.length === 0) throw invalidUpdate('$bit', path, 'needs an object with and, or, xor')
  return names.map((op) => {
    if (op !== 'and' && op !== 'or' && op !== 'xor') throw invalidUpdate('$bit', path, `knows and, or and xor, not '${op}'`)
    const mask = operand[op]
    if (typeof mask === 'bigint') parseValue(mask, path)
    else if (!Number.isSafeInteger(mask)) throw invalidUpdate('$bit', path, `needs a whole number for '${op}'`)
    return { op, mask: mask as number | bigint }
  })
}

const logicalOperators: ReadonlySet<string> = new Set(['$and', '$or', '$nor'])

function isCondition(operand: Record<string, unknown>): boolean {
  const [first] = Object.keys(operand)
  return first !== undefined && first.startsWith('$') && !logicalOperators.has(first)
}

/** The operand when it is an object of modifiers; undefined when it is a plain value. */
function modifiersOf(operand: unknown, { operator, path, known }: { operator: string; path: string; known: readonly string[] }): Record<string, unknown> | undefined {
  if (!isPlainObject(operand)) return undefined
  const names = Object.keys(operand)
  if (!names.some((name) => name.startsWith('$'))) return undefined
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw invalidUpdate(operator, path, `does not know '${unknown}' beside ${known.join(', ')}`)
  if (!Object.hasOwn(operand, '$each')) throw invalidUpdate(operator, path, `needs $each beside ${names.join(', ')}`)
  return operand
}

function parseWhole(modifiers: Record<string, unknown>, name: '$position' | '$slice', path: string): number | undefined {
  const given = modifiers[name]
  if (given === undefined) return undefined
  if (!Number.isSafeInteger(given)) throw invalidUpdate(`$push with ${name}`, path, `needs a whole number, not ${describe(given)}`)
  return given as number
}

function parseSortOf(modifiers: Record<string, unknown>, path: string): readonly ElementSort[] | undefined {
  const given = modifiers['$sort']
  if (given === undefined) return undefined
  if (given === 1 || given === -1) return [{ path: [], direction: given }]
  if (!isPlainObject(given) || Object.keys(given).length === 0) throw invalidUpdate('$push with $sort', path, 'needs 1, -1, or an object of fields with 1 or -1')
  return Object.keys(given).map((name) => {
    const direction = given[name]
    if (direction !== 1 && direction !== -1) throw invalidUpdate('$push with $sort', path, `needs 1 or -1 for '${name}'`)
    return { path: parseFieldPath(name, 'INVALID_UPDATE'), direction }
  })
}
