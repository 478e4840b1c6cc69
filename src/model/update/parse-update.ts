import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { describe, isPlainObject, parseValue } from '../parse-document.ts'
import type { Value } from '../values.ts'
import { parseArrayFilters } from './array-filters.ts'
import type { ArrayFilters } from './array-filters.ts'
import { invalidUpdate } from './invalid-update.ts'
import { listOf, parseBit, parseEach, parsePullTest, parsePush } from './parse-array-operators.ts'
import type { ParsedUpdate, UpdateOperation, UpdatePath } from './parsed-update.ts'
import { PathConflicts, parseUpdatePath } from './update-path.ts'

export type { ParsedUpdate } from './parsed-update.ts'

/** Far more fields than a document may have; an update is checked and applied in memory. */
const operationCountMax = 10_000

/**
 * Checks a user's update wholly, and copies its values. INVALID_UPDATE names the operator and its path for whatever is unknown, of a wrong type, conflicting
 * or about a field that the database keeps; VALIDATION_FAILED for a value that cannot be stored; LIMIT_EXCEEDED past 10,000 operations.
 */
export function parseUpdate(update: unknown, options: { readonly arrayFilters?: unknown } = {}): ParsedUpdate {
  if (!isPlainObject(update)) throw invalidUpdate('the update', '', `must be an object of operators, not ${describe(update)}`)
  const names = Object.keys(update)
  const field = names.find((name) => !name.startsWith('$'))
  if (field !== undefined) throw invalidUpdate(`'${field}'`, '', `is a field, not an operator; use { $set: { ${field}: … } }, or replace() to replace the whole document`)
  if (names.length === 0) throw invalidUpdate('the update', '', 'has no operator; use one, as $set, or replace() to replace the whole document')
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
    if (parse === undefined) throw unknownOperator(operator)
    if (!isPlainObject(fields)) throw invalidUpdate(operator, '', `needs an object of fields, not ${describe(fields)}`)
    for (const name of Object.keys(fields)) {
      const use = { operator, operand: fields[name], path: parseUpdatePath(name, operator, filters) }
      checkType(use)
      const operation = parse(use, filters)
      conflicts.add(operation.path, operator)
      if (operation.kind === 'rename') conflicts.add(operation.to, operator)
      operations.push(operation)
      if (operations.length > operationCountMax) throw tooMany()
    }
  }
  filters.checkAllUsed()
  return { operations, links }
}

function unknownOperator(operator: string): ParqueDBError {
  return invalidUpdate(operator, '', `is not an update operator; there are ${Object.keys(operators).join(', ')}, $link, $unlink`)
}

function tooMany(): ParqueDBError {
  return new ParqueDBError('LIMIT_EXCEEDED', `The update has more than ${operationCountMax} operations.`, { details: { limit: 'operationCountMax', most: operationCountMax } })
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
  $currentDate(use) {
    checkDate(use)
    return { kind: 'currentDate', path: use.path }
  },
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

function checkDate({ operator, operand, path }: FieldUpdate): void {
  const isDate = operand === true || (isPlainObject(operand) && operand['$type'] === 'date' && Object.keys(operand).length === 1)
  if (!isDate) throw invalidUpdate(operator, path.text, "needs true or { $type: 'date' }")
}
