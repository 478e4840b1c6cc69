import { isParqueDBError, limitExceeded, ParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { describe, isPlainObject, parseValue } from '../parse-document.ts'
import { parseFieldPath, type FieldPath } from '../path.ts'
import type { CompareOp, FilterNode, TypeName } from './filter-node.ts'
import type { Value } from '../values.ts'
import { compilePattern, type Pattern } from './pattern.ts'

/**
 * Checks a user's filter wholly and gives its parsed form. INVALID_FILTER names the operator and its path for whatever is unknown, misplaced
 * or has an operand of a wrong type; nothing is ignored. LIMIT_EXCEEDED past 100 levels, 10,000 conditions or 100,000 values of one $in.
 */
export function parseFilter(filter: unknown): FilterNode {
  return parseObjectFilter(filter, '', new FilterParse())
}

/** Bounds of one filter. Past one: LIMIT_EXCEEDED. */
const filterLimits = {
  /** Filters inside filters; the walks over them recurse. */
  depthMax: 100,
  /** Conditions, all together. */
  nodeCountMax: 10_000,
  /** Values of one $in, $nin or $all. */
  valueCountMax: 100_000,
} as const

/** One parse of a filter: it counts against the limits and says where it is when something is wrong. */
class FilterParse {
  #depth = 0
  #nodeCount = 0

  /** Runs `parse` one level deeper. */
  deeper<T>(path: string, parse: () => T): T {
    this.#depth += 1
    if (this.#depth > filterLimits.depthMax) throw exceeded('depthMax', path)
    const result = parse()
    this.#depth -= 1
    return result
  }

  countNode(path: string): void {
    this.#nodeCount += 1
    if (this.#nodeCount > filterLimits.nodeCountMax) throw exceeded('nodeCountMax', path)
  }

  /** A value to compare with, copied. `undefined` is refused: it is a mistake that would otherwise match every document without the field. */
  value(input: unknown, operator: string, path: string): Value {
    if (input === undefined) throw invalidFilter(operator, path, 'is undefined; use null or { $exists: false } for an absent field')
    return translated(() => parseValue(input, path), (cause) => {
      if (!isParqueDBError(cause, 'VALIDATION_FAILED')) return cause
      return new ParqueDBError('INVALID_FILTER', `${operator} on '${path}': ${cause.message}`, { details: { operator, path }, cause })
    })
  }
}

/** "In the filter, `operator` on 'path' `problem`.", or without both "The filter `problem`." */
function invalidFilter(operator: string, path: string, problem: string): ParqueDBError {
  const where = operator === '' ? 'The filter' : `In the filter, ${operator}${path === '' ? '' : ` on '${path}'`}`
  return new ParqueDBError('INVALID_FILTER', `${where} ${problem}.`, { details: { operator, path } })
}

function exceeded(limit: keyof typeof filterLimits, path: string): ParqueDBError {
  const most = filterLimits[limit]
  return limitExceeded({ [limit]: most }, `The filter is past ${limit} (${most})${path === '' ? '' : ` at '${path}'`}.`, { path })
}

/** A filter over one object: { path: condition, $and: […], … }. `operator` is what holds it, for errors. */
function parseObjectFilter(filter: unknown, operator: string, parse: FilterParse): FilterNode {
  if (!isPlainObject(filter)) throw invalidFilter(operator, '', `must be an object, not ${describe(filter)}`)
  const nodes: FilterNode[] = []
  for (const name of Object.keys(filter)) {
    const isPath = !name.startsWith('$') || name === '$id' || name === '$type'
    nodes.push(isPath ? parseCondition(filter[name], parseFilterPath(name), parse) : parseLogical(name, filter[name], parse))
  }
  return allOf(nodes)
}

/** What one path must satisfy: a value to equal, a regular expression, or an object of operators. The empty path is an element of an array. */
function parseCondition(condition: unknown, path: FieldPath, parse: FilterParse): FilterNode {
  const text = path.join('.')
  parse.countNode(text)
  if (condition instanceof RegExp) return { kind: 'regex', path, pattern: compilePattern(condition.source, condition.flags, text) }
  if (!isOperatorObject(condition, text)) return { kind: 'compare', path, op: 'eq', value: parse.value(condition, 'Equality', text) }
  return parse.deeper(text, () => {
    const nodes: FilterNode[] = []
    for (const operator of Object.keys(condition)) {
      parse.countNode(text)
      const node = parseOperator({ operator, operand: condition[operator], path, text, siblings: condition }, parse)
      if (node !== undefined) nodes.push(node)
    }
    return allOf(nodes)
  })
}

/** True for { $gt: … }. INVALID_FILTER when operators and fields are mixed: which of the two was meant cannot be known. */
function isOperatorObject(condition: unknown, path: string): condition is Record<string, unknown> {
  if (!isPlainObject(condition)) return false
  const names = Object.keys(condition)
  const operator = names.find((name) => name.startsWith('$'))
  if (operator === undefined) return false
  const field = names.find((name) => !name.startsWith('$'))
  if (field !== undefined) throw invalidFilter(operator, path, `stands beside the field '${field}'; an object holds either operators or fields`)
  return true
}

/** `and` of these, without one around a single node. */
function allOf(nodes: readonly FilterNode[]): FilterNode {
  const [only] = nodes
  return nodes.length === 1 && only !== undefined ? only : { kind: 'and', nodes }
}

const logicalKinds: { readonly [operator: string]: 'and' | 'or' | 'nor' } = { $and: 'and', $or: 'or', $nor: 'nor' }
const misplaced: { readonly [operator: string]: string } = { $not: 'belongs to a field: { field: { $not: … } }; use $nor for whole filters', $text: 'is not available yet' }

function parseLogical(operator: string, operand: unknown, parse: FilterParse): FilterNode {
  const kind = Object.hasOwn(logicalKinds, operator) ? logicalKinds[operator] : undefined
  if (kind === undefined) throw invalidFilter(operator, '', (Object.hasOwn(misplaced, operator) ? misplaced[operator] : undefined) ?? 'is not an operator that can stand here')
  if (!Array.isArray(operand) || operand.length === 0) throw invalidFilter(operator, '', `needs an array of at least one filter, not ${Array.isArray(operand) ? 'an empty one' : describe(operand)}`)
  const nodes = operand.map((inner: unknown) => {
    parse.countNode('')
    return parse.deeper('', () => parseObjectFilter(inner, operator, parse))
  })
  return { kind, nodes }
}

function parseFilterPath(name: string): FieldPath {
  const path = parseFieldPath(name, 'INVALID_FILTER')
  const operator = path.find((segment, index) => index > 0 && segment.startsWith('$'))
  if (operator !== undefined) throw invalidFilter(operator, name, 'cannot be part of a path')
  return path
}

/** One operator of a condition, as { $regex: 'a', $options: 'i' } has two. */
interface OperatorUse {
  readonly operator: string
  readonly operand: unknown
  readonly path: FieldPath
  /** The path as it was written. */
  readonly text: string
  /** The object that it stands in. */
  readonly siblings: Readonly<Record<string, unknown>>
}

/** The node of one operator; undefined for $options, which belongs to its $regex. */
function parseOperator(use: OperatorUse, parse: FilterParse): FilterNode | undefined {
  const read = Object.hasOwn(fieldOperators, use.operator) ? fieldOperators[use.operator] : undefined
  if (read === undefined) throw wrong(use, use.operator === '$near' ? 'is not available yet' : 'is not an operator of a field')
  return read(use, parse)
}

const fieldOperators: { readonly [operator: string]: (use: OperatorUse, parse: FilterParse) => FilterNode | undefined } = {
  $eq: (use, parse) => compare(use, 'eq', parse),
  $gt: (use, parse) => compare(use, 'gt', parse),
  $gte: (use, parse) => compare(use, 'gte', parse),
  $lt: (use, parse) => compare(use, 'lt', parse),
  $lte: (use, parse) => compare(use, 'lte', parse),
  $ne: (use, parse) => ({ kind: 'not', node: compare(use, 'eq', parse) }),
  $in: parseIn,
  $nin: (use, parse) => ({ kind: 'not', node: parseIn(use, parse) }),
  $exists: parseExists,
  $type: (use) => ({ kind: 'type', path: use.path, types: parseTypes(use) }),
  $regex: (use) => ({ kind: 'regex', path: use.path, pattern: parseRegex(use) }),
  $options(use) {
    if (!Object.hasOwn(use.siblings, '$regex')) throw wrong(use, 'needs a $regex beside it')
    return undefined
  },
  $all: parseAll,
  $elemMatch: parseElemMatch,
  $size: (use) => ({ kind: 'size', path: use.path, size: parseSize(use) }),
  $mod: parseMod,
  $not: (use, parse) => ({ kind: 'not', node: parseNot(use, parse) }),
  $startsWith: (use) => ({ kind: 'startsWith', path: use.path, text: parseText(use) }),
  $endsWith: (use) => ({ kind: 'endsWith', path: use.path, text: parseText(use) }),
  $contains: (use) => ({ kind: 'contains', path: use.path, text: parseText(use) }),
}

function compare(use: OperatorUse, op: CompareOp, parse: FilterParse): FilterNode {
  if (use.operand instanceof RegExp) throw wrong(use, 'cannot take a regular expression; use $regex, or $not with one')
  return { kind: 'compare', path: use.path, op, value: parse.value(use.operand, use.operator, use.text) }
}

function parseIn(use: OperatorUse, parse: FilterParse): FilterNode {
  const operands = listOf(use)
  const patterns: Pattern[] = []
  const values = []
  for (const operand of operands) {
    if (operand instanceof RegExp) patterns.push(compilePattern(operand.source, operand.flags, use.text))
    else values.push(parse.value(operand, use.operator, use.text))
  }
  return { kind: 'in', path: use.path, values, patterns }
}

/** Like MongoDB, $exists takes anything for true or false; unlike it, only what is certainly meant so. */
function parseExists(use: OperatorUse): FilterNode {
  const node: FilterNode = { kind: 'exists', path: use.path }
  if (use.operand === true || use.operand === 1) return node
  if (use.operand === false || use.operand === 0) return { kind: 'not', node }
  throw wrong(use, `needs true or false, not ${describe(use.operand)}`)
}

/** BSON's numbers of the types; 'number' is any of three. */
const typeNumbers: { readonly [Name in Exclude<TypeName, 'number'>]: number } = { double: 1, string: 2, object: 3, array: 4, binData: 5, bool: 8, date: 9, null: 10, int: 16, long: 18 }
const typesByName = new Map<unknown, TypeName>([['number', 'number'], ...Object.entries(typeNumbers).flatMap(([name, number]) => [[name, name], [number, name]] as [unknown, TypeName][])])

function parseTypes(use: OperatorUse): ReadonlySet<TypeName> {
  const names: readonly unknown[] = Array.isArray(use.operand) ? use.operand : [use.operand]
  if (names.length === 0) throw wrong(use, 'needs at least one type')
  return new Set(
    names.map((name) => {
      const type = typesByName.get(name)
      if (type === undefined) {
        const given = typeof name === 'string' || typeof name === 'number' ? `'${name}'` : describe(name)
        throw wrong(use, `does not know the type ${given}; it takes double, string, object, array, binData, bool, date, null, int, long, number, or their BSON numbers`)
      }
      return type
    }),
  )
}

function parseRegex(use: OperatorUse): Pattern {
  const { operand, siblings, text } = use
  const options = siblings['$options']
  if (options !== undefined && typeof options !== 'string') throw invalidFilter('$options', text, `needs a string, not ${describe(options)}`)
  if (operand instanceof RegExp) {
    if (options !== undefined && operand.flags !== '') throw invalidFilter('$options', text, 'stands beside a regular expression that has flags of its own')
    return compilePattern(operand.source, options ?? operand.flags, text)
  }
  if (typeof operand !== 'string') throw wrong(use, `needs a string or a regular expression, not ${describe(operand)}`)
  return compilePattern(operand, options ?? '', text)
}

function parseAll(use: OperatorUse, parse: FilterParse): FilterNode {
  const operands = listOf(use)
  if (operands.length === 0) return { kind: 'or', nodes: [] }
  const nodes = operands.map((operand): FilterNode => {
    if (isPlainObject(operand) && Object.hasOwn(operand, '$elemMatch')) {
      if (Object.keys(operand).length !== 1) throw wrong(use, 'takes values, or objects with $elemMatch alone')
      parse.countNode(use.text)
      return parseElemMatch({ ...use, operator: '$elemMatch', operand: operand['$elemMatch'], siblings: operand }, parse)
    }
    if (isOperatorObject(operand, use.text)) throw wrong(use, `takes values or $elemMatch, not ${Object.keys(operand).join(', ')}`)
    return operand instanceof RegExp ? parseCondition(operand, use.path, parse) : compare({ ...use, operand }, 'eq', parse)
  })
  return allOf(nodes)
}

function parseElemMatch(use: OperatorUse, parse: FilterParse): FilterNode {
  const { operand, path, text } = use
  if (!isPlainObject(operand)) throw wrong(use, `needs an object, not ${describe(operand)}`)
  return parse.deeper(text, () =>
    isOfValues(operand)
      ? { kind: 'elemMatchValue', path, node: parseCondition(operand, [], parse) }
      : { kind: 'elemMatch', path, node: parseObjectFilter(operand, `$elemMatch on '${text}'`, parse) },
  )
}

/** Whether what stands in an $elemMatch or a $pull is about the elements themselves: operators, and not fields of theirs. */
export function isOfValues(filter: Readonly<Record<string, unknown>>): boolean {
  const [first] = Object.keys(filter)
  return first !== undefined && first.startsWith('$') && !Object.hasOwn(logicalKinds, first)
}

function parseSize(use: OperatorUse): number {
  const { operand } = use
  const size = typeof operand === 'bigint' ? Number(operand) : operand
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw wrong(use, 'needs a whole number of 0 or more')
  return size
}

function parseMod(use: OperatorUse): FilterNode {
  const { operand, path } = use
  if (!Array.isArray(operand) || operand.length !== 2) throw wrong(use, 'needs [divisor, remainder]')
  const [divisor, remainder] = operand.map((part: unknown) => {
    if (typeof part === 'bigint') return part
    if (typeof part === 'number' && Number.isFinite(part)) return BigInt(Math.trunc(part))
    throw wrong(use, `needs two numbers, not ${describe(part)}`)
  })
  if (divisor === undefined || remainder === undefined || divisor === 0n) throw wrong(use, 'needs a divisor other than 0')
  return { kind: 'mod', path, divisor, remainder }
}

function parseNot(use: OperatorUse, parse: FilterParse): FilterNode {
  const { operand, path } = use
  if (!(operand instanceof RegExp) && !isOperatorObject(operand, use.text)) throw wrong(use, `needs an object of operators or a regular expression, not ${describe(operand)}; use $ne for a value`)
  return parseCondition(operand, path, parse)
}

function parseText(use: OperatorUse): string {
  if (typeof use.operand !== 'string') throw wrong(use, `needs a string, not ${describe(use.operand)}`)
  return use.operand
}

function listOf(use: OperatorUse): readonly unknown[] {
  if (!Array.isArray(use.operand)) throw wrong(use, `needs an array, not ${describe(use.operand)}`)
  if (use.operand.length > filterLimits.valueCountMax) throw exceeded('valueCountMax', use.text)
  return use.operand
}

function wrong(use: OperatorUse, problem: string): Error {
  return invalidFilter(use.operator, use.text, problem)
}
