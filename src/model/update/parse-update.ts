import { isParqueDBError, limitExceeded, ParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { valuesMatchEqual } from '../compare.ts'
import { compileFilter } from '../filter/compile-filter.ts'
import { filterFields, type FilterNode } from '../filter/filter-node.ts'
import { isOfValues, parseFilter } from '../filter/parse-filter.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { describe, isPlainObject, parseValue } from '../parse-document.ts'
import { parseArrayIndex, parseFieldPath } from '../path.ts'
import type { SortKey } from '../sort.ts'
import { systemFields } from '../entity-document.ts'
import { isObject, type Value } from '../values.ts'
import { invalidUpdate, type BitMask, type ParsedUpdate, type Push, type UpdateOperation, type UpdatePath, type UpdateStep } from './apply-update.ts'

/** Far more fields than a document may have; an update is checked and applied in memory. */
const operationCountMax = 10_000

/**
 * Checks a user's update wholly, and copies its values. INVALID_UPDATE names the operator and its path for whatever is unknown, of a wrong type, conflicting
 * or about a field that the database keeps; VALIDATION_FAILED for a value that cannot be stored; LIMIT_EXCEEDED past 10,000 operations.
 */
export function parseUpdate(update: unknown, options: { readonly arrayFilters?: unknown } = {}): ParsedUpdate {
  if (!isPlainObject(update)) throw invalidUpdate('', '', `must be an object of operators, not ${describe(update)}`)
  const names = Object.keys(update)
  const field = names.find((name) => !name.startsWith('$'))
  if (field !== undefined) throw invalidUpdate(`'${field}'`, '', `is a field, not an operator; use { $set: { ${field}: … } }, or replace() to replace the whole document`)
  if (names.length === 0) throw invalidUpdate('', '', 'has no operator; use one, as $set, or replace() to replace the whole document')
  const filters = parseArrayFilters(options.arrayFilters)
  const conflicts = new PathConflicts()
  const operations: UpdateOperation[] = []
  const links: { kind: 'link' | 'unlink'; fields: unknown }[] = []
  for (const operator of names) {
    const fields = update[operator]
    if (operator === '$link' || operator === '$unlink') {
      links.push({ kind: operator === '$link' ? 'link' : 'unlink', fields })
      continue
    }
    const parse = Object.hasOwn(operators, operator) ? operators[operator] : undefined
    if (parse === undefined) throw invalidUpdate(operator, '', `is not an update operator; there are ${Object.keys(operators).join(', ')}, $link, $unlink`)
    if (!isPlainObject(fields)) throw invalidUpdate(operator, '', `needs an object of fields, not ${describe(fields)}`)
    for (const name of Object.keys(fields)) {
      const use = { operator, operand: fields[name], path: parseUpdatePath(name, operator, filters) }
      checkType(use)
      const operation = parse(use, filters)
      conflicts.add(operation.path, operator)
      if (operation.kind === 'rename') conflicts.add(operation.to, operator)
      operations.push(operation)
      if (operations.length > operationCountMax) throw limitExceeded({ operationCountMax }, `The update has more than ${operationCountMax} operations.`)
    }
  }
  filters.checkAllUsed()
  return { operations, links }
}

interface FieldUpdate {
  readonly operator: string
  readonly operand: unknown
  readonly path: UpdatePath
}

const operators: { readonly [operator: string]: (use: FieldUpdate, filters: ArrayFilters) => UpdateOperation } = {
  $set: (use) => ({ kind: 'set', path: use.path, value: operandValue(use) }),
  $setOnInsert: (use) => ({ kind: 'setOnInsert', path: use.path, value: operandValue(use) }),
  $unset: ({ path }) => ({ kind: 'unset', path }),
  $inc: (use) => ({ kind: 'inc', path: use.path, amount: parseAmount(use) }),
  $mul: (use) => ({ kind: 'mul', path: use.path, amount: parseAmount(use) }),
  $min: (use) => ({ kind: 'min', path: use.path, value: operandValue(use) }),
  $max: (use) => ({ kind: 'max', path: use.path, value: operandValue(use) }),
  $rename: (use, filters) => ({ kind: 'rename', path: fieldsOnly(use, use.path), to: fieldsOnly(use, parseTarget(use, filters)) }),
  $currentDate: (use) => ({ kind: 'currentDate', path: dateOnly(use) }),
  $push: ({ operand, path }) => ({ kind: 'push', path, push: parsePush(operand, path.text) }),
  $pull: ({ operand, path }) => ({ kind: 'pull', path, matches: parsePullTest(operand, path.text) }),
  $pullAll: ({ operator, operand, path }) => ({ kind: 'pullAll', path, values: listOf(operand, operator, path.text) }),
  $addToSet: ({ operator, operand, path }) => ({ kind: 'addToSet', path, values: parseEach(operand, operator, path.text) }),
  $pop({ operator, operand, path }) {
    if (operand !== 1 && operand !== -1) throw invalidUpdate(operator, path.text, 'needs 1 for the last element, or -1 for the first')
    return { kind: 'pop', path, end: operand === 1 ? 'last' : 'first' }
  },
  $bit: ({ operand, path }) => ({ kind: 'bit', path, masks: parseBit(operand, path.text) }),
}

/** `$type` is the one field with a '$' that users may set: to a string, or not at all. */
function checkType({ operator, operand, path }: FieldUpdate): void {
  if (path.text !== '$type' || operator === '$unset') return
  const sets = operator === '$set' || operator === '$setOnInsert'
  if (!sets || typeof operand !== 'string') throw invalidUpdate(operator, path.text, 'can only be set to a string, or unset')
}

function operandValue({ operator, operand, path }: FieldUpdate): Value {
  if (operand === undefined) throw invalidUpdate(operator, path.text, 'is undefined; use $unset to remove a field')
  return parseValue(operand, path.text)
}

function parseAmount({ operator, operand, path }: FieldUpdate): number | bigint {
  if (typeof operand !== 'number' && typeof operand !== 'bigint') throw invalidUpdate(operator, path.text, `needs a number, not ${describe(operand)}`)
  parseValue(operand, path.text)
  return operand
}

function parseTarget({ operator, operand, path }: FieldUpdate, filters: ArrayFilters): UpdatePath {
  if (typeof operand !== 'string') throw invalidUpdate(operator, path.text, `needs the new name as a string, not ${describe(operand)}`)
  return parseUpdatePath(operand, operator, filters)
}

function fieldsOnly({ operator }: FieldUpdate, path: UpdatePath): UpdatePath {
  if (path.steps.some((step) => step.kind !== 'field')) throw invalidUpdate(operator, path.text, 'cannot move elements of an array')
  if (path.text === '$type') throw invalidUpdate(operator, path.text, 'cannot move $type')
  return path
}

function dateOnly({ operator, operand, path }: FieldUpdate): UpdatePath {
  const isDate = operand === true || (isPlainObject(operand) && operand['$type'] === 'date' && Object.keys(operand).length === 1)
  if (!isDate) throw invalidUpdate(operator, path.text, "needs true or { $type: 'date' }")
  return path
}

/** One value, or { $each: values } with $position, $sort and $slice. */
function parsePush(operand: unknown, path: string): Push {
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
function parseEach(operand: unknown, operator: string, path: string): readonly Value[] {
  const modifiers = modifiersOf(operand, { operator, path, known: ['$each'] })
  return modifiers === undefined ? [parseValue(operand, path)] : listOf(modifiers['$each'], `${operator} with $each`, path)
}

function listOf(operand: unknown, operator: string, path: string): readonly Value[] {
  if (!Array.isArray(operand)) throw invalidUpdate(operator, path, `needs an array, not ${describe(operand)}`)
  return parseValue(operand, path) as Value[]
}

/**
 * What $pull removes: elements equal to a value; elements that satisfy operators ({ $gt: 5 }, or a regular expression);
 * or, for any other object, elements that are objects and match it as a filter.
 */
function parsePullTest(operand: unknown, path: string): ValueTest {
  if (isPlainObject(operand) && !isOfValues(operand)) {
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
function parseBit(operand: unknown, path: string): readonly BitMask[] {
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

function parseSortOf(modifiers: Record<string, unknown>, path: string): readonly SortKey[] | undefined {
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

/** A dotted path with `$[]` and `$[name]`. INVALID_UPDATE for a field that the database keeps, a bare `$`, or any other '$' name but a top-level `$type`. */
function parseUpdatePath(text: string, operator: string, filters: ArrayFilters): UpdatePath {
  const segments = parseFieldPath(text, 'INVALID_UPDATE')
  const [top = ''] = segments
  if (systemFields.has(top)) throw invalidUpdate(operator, text, `cannot change '${top}', which the database itself keeps`)
  const steps = segments.map((segment, index): UpdateStep => {
    if (!segment.startsWith('$') || (segment === '$type' && segments.length === 1)) return { kind: 'field', name: segment, index: parseArrayIndex(segment) }
    if (index === 0) throw invalidUpdate(operator, text, `cannot start with '${segment}'`)
    if (segment === '$[]') return { kind: 'all' }
    const named = /^\$\[(.+)\]$/.exec(segment)
    if (named?.[1] !== undefined) return { kind: 'matching', name: named[1], matches: filters.use(named[1], text) }
    if (segment === '$') throw invalidUpdate(operator, text, "uses the positional '$', which does not exist here; use $[name] with arrayFilters, or $[] for all elements")
    throw invalidUpdate(operator, text, `has '${segment}', which cannot be a field's name`)
  })
  return { text, steps }
}

type ArrayFilters = ReturnType<typeof parseArrayFilters>

/** `arrayFilters: [{ 'item.price': { $gt: 5 } }]`: each filter names one element, and has the conditions that it must satisfy. */
function parseArrayFilters(input: unknown) {
  const tests = new Map<string, ValueTest>()
  const unused = new Set<string>()
  if (input !== undefined && !Array.isArray(input)) throw invalidUpdate('arrayFilters', '', `must be an array, not ${describe(input)}`)
  for (const filter of (input ?? []) as unknown[]) {
    const node = parseInUpdate('arrayFilters', '', filter)
    const [name, ...others] = filterFields(node)
    if (name === undefined || others.length > 0) throw invalidUpdate('arrayFilters', '', 'must each be about one named element, as in { "item.price": { $gt: 5 } }')
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) throw invalidUpdate('arrayFilters', name, 'must name the element by letters and digits, a small letter first')
    if (tests.has(name)) throw invalidUpdate('arrayFilters', name, 'is given twice; join the conditions with $and')
    const matches = compileFilter(node)
    tests.set(name, (element) => element !== undefined && matches({ [name]: element }))
    unused.add(name)
  }
  return {
    /** The test that `$[name]` stands for. INVALID_UPDATE when there is none. */
    use(name: string, path: string): ValueTest {
      const test = tests.get(name)
      if (test === undefined) throw invalidUpdate(`$[${name}]`, path, `has no filter in arrayFilters; add { ${name}: … }`)
      unused.delete(name)
      return test
    },
    /** INVALID_UPDATE when a filter was given that no path uses: one of the two is misspelled. */
    checkAllUsed(): void {
      const [name] = unused
      if (name !== undefined) throw invalidUpdate('arrayFilters', name, `is used by no path; write $[${name}] where it belongs`)
    },
  }
}

/** A filter inside an update; what is wrong with it is an INVALID_UPDATE. */
function parseInUpdate(operator: string, path: string, filter: unknown): FilterNode {
  return translated(() => parseFilter(filter), (cause) => {
    if (!isParqueDBError(cause, 'INVALID_FILTER')) return cause
    return new ParqueDBError('INVALID_UPDATE', `${operator}${path === '' ? '' : ` on '${path}'`}: ${cause.message}`, { details: { operator, path }, cause })
  })
}

/** The paths of one update. Two that are equal, or one inside the other, conflict: INVALID_UPDATE, whatever the operators. */
class PathConflicts {
  readonly #root: PathNode = { isEnd: false, inside: new Map() }
  readonly #paths: UpdatePath[] = []

  add(path: UpdatePath, operator: string): void {
    let node = this.#root
    for (const step of path.steps) {
      if (node.isEnd) throw conflict(operator, path)
      const name = stepName(step)
      const next: PathNode = node.inside.get(name) ?? { isEnd: false, inside: new Map() }
      node.inside.set(name, next)
      node = next
    }
    if (node.isEnd || node.inside.size > 0) throw conflict(operator, path)
    node.isEnd = true
    // 'a.$[]' also meets 'a.0' and 'a.$[x]', under other names.
    const isWide = hasAll(path)
    for (const other of this.#paths) if ((isWide || hasAll(other)) && overlap(path, other)) throw conflict(operator, path)
    this.#paths.push(path)
  }
}

interface PathNode {
  isEnd: boolean
  readonly inside: Map<string, PathNode>
}

function stepName(step: UpdateStep): string {
  if (step.kind === 'field') return step.name
  return step.kind === 'all' ? '$[]' : `$[${step.name}]`
}

function hasAll(path: UpdatePath): boolean {
  return path.steps.some((step) => step.kind === 'all')
}

function overlap(left: UpdatePath, right: UpdatePath): boolean {
  const shorter = Math.min(left.steps.length, right.steps.length)
  return left.steps.slice(0, shorter).every((step, index) => {
    const other = right.steps[index]
    return other !== undefined && (stepName(step) === stepName(other) || (step.kind === 'all' && isElement(other)) || (other.kind === 'all' && isElement(step)))
  })
}

function isElement(step: UpdateStep): boolean {
  return step.kind !== 'field' || step.index !== undefined
}

function conflict(operator: string, path: UpdatePath): Error {
  return invalidUpdate(operator, path.text, 'conflicts with another path of the same update, which is equal to it, inside it or around it')
}
