import { compareValues, typeRank, typeRanks, valuesMatchEqual } from '../compare.ts'
import { isObject } from '../values.ts'
import type { Document, Value } from '../values.ts'
import type { CompareNode, FilterNode, InNode, TypeName } from './filter-node.ts'
import { someAtPath, someWholeAtPath } from './path-values.ts'
import type { ValueTest } from './path-values.ts'

/** The filter as a function, made of closures that are specialised for their operands. Pure; it reads own fields only. */
export function compileFilter(node: FilterNode): (document: Document) => boolean {
  return compileTest(node)
}

/** The same of one value where every path of the node is empty: a column's. */
export function compileTest(node: FilterNode): ValueTest {
  return compile(node)
}

function compile(node: FilterNode): ValueTest {
  switch (node.kind) {
    case 'and':
      return all(node.nodes.map(compile))
    case 'or':
      return some(node.nodes.map(compile))
    case 'nor':
      return negate(some(node.nodes.map(compile)))
    case 'not':
      return negate(compile(node.node))
    case 'compare':
      return compileCompare(node)
    case 'in':
      return compileIn(node)
    case 'exists':
      return someWholeAtPath(node.path, (value) => value !== undefined)
    case 'type':
      return someAtPath(node.path, typeTest(node.types))
    case 'regex':
      return someAtPath(node.path, (value) => typeof value === 'string' && node.pattern.test(value))
    case 'startsWith':
    case 'endsWith':
    case 'contains':
      return someAtPath(node.path, textTest(node.kind, node.text))
    case 'size':
      return someWholeAtPath(node.path, (value) => Array.isArray(value) && value.length === node.size)
    case 'mod':
      return someAtPath(node.path, modTest(node.divisor, node.remainder))
    case 'elemMatch': {
      const matches = compile(node.node)
      return someWholeAtPath(node.path, (value) => Array.isArray(value) && value.some((element) => matchesElement(element, matches)))
    }
    case 'elemMatchValue': {
      const matches = compile(node.node)
      return someWholeAtPath(node.path, (value) => Array.isArray(value) && value.some(matches))
    }
  }
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

/** To $elemMatch an array inside an array is an object whose fields are its indexes, as it is in BSON. */
function matchesElement(element: Value, matches: ValueTest): boolean {
  if (isObject(element)) return matches(element)
  return Array.isArray(element) && matches(Object.fromEntries(element.entries()))
}

function compileCompare({ path, op, value }: CompareNode): ValueTest {
  return someAtPath(path, op === 'eq' ? equalTest(value) : orderTest(op, value))
}

function equalTest(wanted: Value): ValueTest {
  if (typeof wanted === 'string' || typeof wanted === 'boolean') return (value) => value === wanted
  if (wanted === null) return (value) => value === null || value === undefined
  if (typeof wanted !== 'number') return (value) => valuesMatchEqual(value, wanted)
  if (Number.isNaN(wanted)) return Number.isNaN
  return (value) => value === wanted || (typeof value === 'bigint' && valuesMatchEqual(value, wanted))
}

/** $gt and its like see values of the operand's own type only; with NaN nothing is ordered, though NaN equals itself. */
function orderTest(op: Exclude<CompareNode['op'], 'eq'>, wanted: Value): ValueTest {
  const holds = orderHolds[op]
  if (typeof wanted === 'number' && !Number.isNaN(wanted)) {
    return (value) => (typeof value === 'number' ? !Number.isNaN(value) : typeof value === 'bigint') && holds(compareValues(value, wanted))
  }
  if (Number.isNaN(wanted)) return holds(0) ? (value) => Number.isNaN(value) : () => false
  const rank = typeRank(wanted)
  return (value) => typeRank(value) === rank && !Number.isNaN(value) && holds(compareValues(value, wanted))
}

const orderHolds = { gt: (order: number) => order > 0, gte: (order: number) => order >= 0, lt: (order: number) => order < 0, lte: (order: number) => order <= 0 }

/** Values that a set finds by identity are looked up in one; a list is searched for the rest. */
function compileIn({ path, values, patterns }: InNode): ValueTest {
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
  if (typeof value === 'bigint') {
    const asNumber = Number(value)
    return BigInt(asNumber) === value ? asNumber : value
  }
  return typeof value === 'object' && value !== null ? undefined : value
}

function textTest(kind: 'startsWith' | 'endsWith' | 'contains', text: string): ValueTest {
  switch (kind) {
    case 'startsWith':
      return (value) => typeof value === 'string' && value.startsWith(text)
    case 'endsWith':
      return (value) => typeof value === 'string' && value.endsWith(text)
    case 'contains':
      return (value) => typeof value === 'string' && value.includes(text)
  }
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
