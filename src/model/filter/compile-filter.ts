import { compareValues, typeRank, typeRanks, valuesMatchEqual } from '../compare.ts'
import type { FieldPath } from '../path.ts'
import { isObject, type Document, type Value } from '../values.ts'
import type { CompareOp, FilterNode, NodeOf, TypeName } from './filter-node.ts'
import { someAtPath, someWholeAtPath, type ValueTest } from './path-values.ts'
import { textTests } from './pattern.ts'

/** The filter as a function, made of closures that are specialised for their operands. Pure; it reads own fields only. */
export const compileFilter: (node: FilterNode) => (document: Document) => boolean = compileTest

/** The same of one value where every path of the node is empty: a column's. */
export function compileTest(node: FilterNode): ValueTest {
  return (compilers[node.kind] as (node: never) => ValueTest)(node as never)
}

const compilers: { readonly [Kind in FilterNode['kind']]: (node: NodeOf<Kind>) => ValueTest } = {
  and: ({ nodes }) => all(nodes.map(compileTest)),
  or: ({ nodes }) => some(nodes.map(compileTest)),
  nor: ({ nodes }) => negate(some(nodes.map(compileTest))),
  not: ({ node }) => negate(compileTest(node)),
  compare: ({ path, op, value }) => someAtPath(path, op === 'eq' ? equalTest(value) : orderTest(op, value)),
  in: compileIn,
  exists: ({ path }) => someWholeAtPath(path, (value) => value !== undefined),
  type: ({ path, types }) => someAtPath(path, typeTest(types)),
  regex: ({ path, pattern }) => someAtPath(path, (value) => typeof value === 'string' && pattern.test(value)),
  startsWith: ({ path, text }) => someAtPath(path, textTests.startsWith(text)),
  endsWith: ({ path, text }) => someAtPath(path, textTests.endsWith(text)),
  contains: ({ path, text }) => someAtPath(path, textTests.contains(text)),
  size: ({ path, size }) => someWholeAtPath(path, (value) => Array.isArray(value) && value.length === size),
  mod: ({ path, divisor, remainder }) => someAtPath(path, modTest(divisor, remainder)),
  elemMatch: ({ path, node }) => someElement(path, objectTest(compileTest(node))),
  elemMatchValue: ({ path, node }) => someElement(path, compileTest(node)),
}

function all(tests: readonly ValueTest[]): ValueTest {
  const [first, second] = tests
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (tests.length === 2) return (root) => first(root) && second(root)
  return (root) => {
    for (const test of tests) if (!test(root)) return false
    return true
  }
}

function some(tests: readonly ValueTest[]): ValueTest {
  return (root) => {
    for (const test of tests) if (test(root)) return true
    return false
  }
}

function negate(test: ValueTest): ValueTest {
  return (root) => !test(root)
}

function someElement(path: FieldPath, test: ValueTest): ValueTest {
  return someWholeAtPath(path, (value) => Array.isArray(value) && value.some(test))
}

/** To $elemMatch an array inside an array is an object whose fields are its indexes, as it is in BSON. */
function objectTest(matches: ValueTest): ValueTest {
  return (element) => (Array.isArray(element) ? matches(Object.fromEntries(element.entries())) : isObject(element) && matches(element))
}

function equalTest(wanted: Value): ValueTest {
  if (typeof wanted === 'string' || typeof wanted === 'boolean') return (value) => value === wanted
  if (wanted === null) return (value) => value === null || value === undefined
  if (typeof wanted !== 'number') return (value) => valuesMatchEqual(value, wanted)
  if (Number.isNaN(wanted)) return Number.isNaN
  return (value) => value === wanted || (typeof value === 'bigint' && valuesMatchEqual(value, wanted))
}

/** $gt and its like see values of the operand's own type only; with NaN nothing is ordered, though NaN equals itself. */
function orderTest(op: Exclude<CompareOp, 'eq'>, wanted: Value): ValueTest {
  const holds = orderHolds[op]
  if (typeof wanted === 'number' && !Number.isNaN(wanted)) return (value) => (typeof value === 'number' ? !Number.isNaN(value) : typeof value === 'bigint') && holds(compareValues(value, wanted))
  if (Number.isNaN(wanted)) return holds(0) ? (value) => Number.isNaN(value) : () => false
  const rank = typeRank(wanted)
  return (value) => typeRank(value) === rank && !Number.isNaN(value) && holds(compareValues(value, wanted))
}

/** What the order of a value and the operand has to be. */
export const orderHolds = { gt: (order: number) => order > 0, gte: (order: number) => order >= 0, lt: (order: number) => order < 0, lte: (order: number) => order <= 0 }

/** Values that a set finds by identity are looked up in one; a list is searched for the rest. */
function compileIn({ path, values, patterns }: NodeOf<'in'>): ValueTest {
  const keys = new Set<unknown>()
  const rest: Value[] = []
  for (const value of values) {
    const key = setKey(value)
    if (key === undefined) rest.push(value)
    else keys.add(key)
  }
  return someAtPath(path, (value) => {
    const key = setKey(value ?? null)
    if (key !== undefined) return keys.has(key) || (typeof value === 'string' && patterns.some((pattern) => pattern.test(value)))
    return rest.some((wanted) => valuesMatchEqual(value, wanted))
  })
}

/** Equal values have the same key, for all that are no objects: a bigint that a number can hold exactly has that number. */
function setKey(value: Value): unknown {
  if (typeof value === 'bigint') return BigInt(Number(value)) === value ? Number(value) : value
  return typeof value === 'object' && value !== null ? undefined : value
}

/** Numbers are truncated to whole ones, as MongoDB does; the sign of the remainder is that of the value. */
function modTest(divisor: bigint, remainder: bigint): ValueTest {
  return (value) => {
    if (typeof value === 'bigint') return value % divisor === remainder
    if (typeof value !== 'number' || !Number.isFinite(value)) return false
    return BigInt(Math.trunc(value)) % divisor === remainder
  }
}

function typeTest(types: ReadonlySet<TypeName>): ValueTest {
  const tests = [...types].map((type) => typeTests[type])
  return (value) => value !== undefined && tests.some((test) => test(value))
}

const int32Max = 2 ** 31

/** JavaScript has one number: a whole one within 32 bits counts as int, a bigint as long, every other as double. */
const typeTests: Readonly<Record<TypeName, (value: Value) => boolean>> = {
  number: (value) => typeof value === 'number' || typeof value === 'bigint',
  double: (value) => typeof value === 'number' && !isInt32(value),
  int: isInt32,
  long: (value) => typeof value === 'bigint',
  string: (value) => typeof value === 'string',
  object: isObject,
  array: Array.isArray,
  binData: (value) => value instanceof Uint8Array,
  bool: (value) => typeof value === 'boolean',
  date: (value) => value instanceof Date,
  null: (value) => typeRank(value) === typeRanks.null,
}

function isInt32(value: Value): boolean {
  return Number.isInteger(value) && (value as number) >= -int32Max && (value as number) < int32Max && !Object.is(value, -0)
}
