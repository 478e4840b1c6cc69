import fc from 'fast-check'
import { isObject, type Document, type Value } from '../src/model/values.ts'

// Documents and filters for comparing with mingo, and what mingo is known to do otherwise: each `differs…` is one row of docs/mongodb-differences.md
// (section 'Where the oracle is wrong'); everything else must agree.

export const scalar = fc.constantFrom<Value>(null, 0, 1, 2, 3, 1.5, -1, 'x', 'y', 'xy', '', true, false, new Date(0), new Date(1000))
export const array = fc.array(scalar, { maxLength: 3 })
export const inner = fc.record({ a: fc.oneof({ weight: 4, arbitrary: scalar }, array), b: fc.oneof({ weight: 4, arbitrary: scalar }, array) }, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Document>
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  array,
  inner,
  fc.array(fc.oneof({ weight: 3, arbitrary: inner }, scalar), { maxLength: 3 }),
  fc.array(array, { maxLength: 2 }),
)
export const document = fc.record({ a: value, b: value, c: value }, { requiredKeys: [], noNullPrototype: true })
const path = fc.constantFrom('a', 'b', 'c', 'a.a', 'a.b', 'b.a', 'b.b', 'a.0', 'a.1', 'a.0.b')
const operand: fc.Arbitrary<Value> = fc.oneof({ weight: 4, arbitrary: scalar }, fc.array(scalar, { maxLength: 2 }), inner)

/** All fields, in an ordinary object. */
export function record(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(fields, { noNullPrototype: true })
}

export type Condition = Value | Readonly<Record<string, unknown>>

const operators: fc.Arbitrary<Condition> = fc.oneof(
  record({ $eq: operand }),
  record({ $ne: operand }),
  record({ $gt: scalar }),
  record({ $gte: scalar }),
  record({ $lt: scalar }),
  record({ $lte: scalar }),
  record({ $gte: scalar, $lt: scalar }),
  record({ $in: fc.array(operand, { maxLength: 3 }) }),
  record({ $nin: fc.array(operand, { maxLength: 3 }) }),
  record({ $in: fc.array(fc.constantFrom(/^x/, /y$/, 'x', 1), { maxLength: 2 }) }),
  record({ $exists: fc.boolean() }),
  record({ $type: fc.constantFrom('number', 'string', 'array', 'object', 'bool', 'date', 'null') }),
  record({ $regex: fc.constantFrom('^x', 'y$', 'x', '^xy$', '^.y', '[xy]') }),
  record({ $regex: fc.constant('^X'), $options: fc.constant('i') }),
  record({ $all: fc.array(scalar, { minLength: 1, maxLength: 2 }) }),
  record({ $size: fc.nat(3) }),
  record({ $mod: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(2)) }),
  record({ $elemMatch: fc.oneof(record({ $gte: scalar }), record({ $gt: fc.constant(0), $lt: fc.constant(3) }), record({ $in: fc.array(scalar, { maxLength: 2 }) })) }),
  record({ $elemMatch: fc.oneof(record({ a: scalar }), record({ a: scalar, b: record({ $ne: scalar }) })) }),
)

interface Leaf {
  readonly path: string
  readonly condition: Condition
}

export interface Case {
  readonly filter: Record<string, unknown>
  readonly leaves: readonly Leaf[]
}

const leaf: fc.Arbitrary<Case> = fc
  .tuple(path, fc.oneof({ weight: 4, arbitrary: operators }, operand as fc.Arbitrary<Condition>), fc.integer({ min: 0, max: 4 }))
  .map(([at, condition, negated]) => {
    const isNegated = negated === 0 && typeof condition === 'object' && isOperators(condition)
    return { filter: { [at]: isNegated ? { $not: condition } : condition }, leaves: [{ path: at, condition }] }
  })

export const filterCase: fc.Arbitrary<Case> = fc.oneof(
  { weight: 3, arbitrary: leaf },
  fc.tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(leaf, { minLength: 1, maxLength: 3 })).map(([operator, cases]) => ({
    filter: { [operator]: cases.map((one) => one.filter) },
    leaves: cases.flatMap((one) => one.leaves),
  })),
)

export function isOperators(condition: Condition): condition is Readonly<Record<string, unknown>> {
  return typeof condition === 'object' && condition !== null && Object.keys(condition).some((name) => name.startsWith('$'))
}

/** mingo reads the values gathered along a path through arrays as if they were one array, empty when there are none; it also opens arrays inside arrays. */
function differsInArraysOnTheWay(leaf: Leaf, subject: Document): boolean {
  const [top = '', ...rest] = leaf.path.split('.')
  const start = subject[top]
  if (Array.isArray(start) && start.some(Array.isArray)) return true
  if (rest.length === 0 || !Array.isArray(start)) return false
  const wantsWhole = isOperators(leaf.condition)
    ? ['$size', '$type', '$all', '$elemMatch'].some((name) => name in (leaf.condition as object)) || Object.entries(leaf.condition).some(([name, given]) => (name === '$in' || name === '$nin' ? holdsArray(given as unknown[]) : Array.isArray(given)))
    : Array.isArray(leaf.condition)
  const opensElement = start.some((element) => isObject(element) && Object.values(element).some(Array.isArray))
  return wantsWhole || opensElement
}

function holdsArray(values: readonly unknown[]): boolean {
  return values.some(Array.isArray)
}

/** Along a path through arrays mingo overlooks elements without the field, which null matches, and takes an index past an array's end for an absent field. */
function differsForNullThroughArrays(leaf: Leaf, subject: Document): boolean {
  const [top = '', ...rest] = leaf.path.split('.')
  return rest.length > 0 && Array.isArray(subject[top]) && JSON.stringify(leaf.condition).includes('null')
}

/**
 * mingo: $gte and $lte null do not match an absent field, $all only looks at arrays, $mod does not cut fractions off and turns booleans, dates and strings into numbers, $type does not look into arrays,
 * $elemMatch takes an element that is no object for each of its fields, and $in does not find arrays.
 */
function differsByOperator(leaf: Leaf, subject: Document): boolean {
  if (!isOperators(leaf.condition)) return false
  const { $gte, $lte, $all, $mod, $type, $in, $nin, $elemMatch } = leaf.condition
  if ($gte === null || $lte === null) return true
  const found = valueAt(subject, leaf.path)
  if ($all !== undefined || $mod !== undefined) return !hasOnly(found, $all === undefined)
  if ($type !== undefined) return Array.isArray(found) && $type !== 'array'
  if ($elemMatch !== undefined) return !isOperators($elemMatch as Condition) && Array.isArray(found) && !found.every(isObject)
  return holdsArray(($in ?? $nin ?? []) as unknown[])
}

/** The value at a path through objects; where an array stands on the way, that array. */
export function valueAt(subject: Document, at: string): Value | undefined {
  let found: Value | undefined = subject
  for (const name of at.split('.')) {
    if (Array.isArray(found)) return found
    found = isObject(found) ? found[name] : undefined
  }
  return found
}

/** Whether mingo's $mod (true), or its $all, agrees on this value: whole numbers, or arrays. */
function hasOnly(found: Value | undefined, numbers: boolean): boolean {
  if (!numbers) return Array.isArray(found)
  return found === undefined || Number.isInteger(found) || (Array.isArray(found) && found.every(Number.isInteger))
}

/** Unlike MongoDB, mingo finds objects equal whatever the order of their fields. */
function differsByFieldOrder(one: Case, subject: Document): boolean {
  const text = JSON.stringify([one.filter, subject])
  return text.includes('{"b":') && /\{"b":[^{}]*"a":/.test(text)
}

/** Whether mingo is known to judge this document otherwise. */
export function isKnownDifference(one: Case, subject: Document): boolean {
  return one.leaves.some((leaf) => differsInArraysOnTheWay(leaf, subject) || differsForNullThroughArrays(leaf, subject) || differsByOperator(leaf, subject)) || differsByFieldOrder(one, subject)
}
