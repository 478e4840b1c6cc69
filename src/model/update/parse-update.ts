import { limitExceeded } from '../../base/ParqueDBError.ts'
import { compileFilter } from '../filter/compile-filter.ts'
import { filterFields } from '../filter/filter-node.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { describe, isPlainObject } from '../parse-document.ts'
import { parseArrayIndex, parseFieldPath } from '../path.ts'
import { systemFields } from '../entity-document.ts'
import { invalidUpdate, type ParsedUpdate, type UpdateOperation, type UpdatePath, type UpdateStep } from './apply-update.ts'
import { operators, parseInUpdate, type FieldUse } from './operators.ts'

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
      const edit = parse(use, (text) => parseUpdatePath(text, operator, filters))
      for (const path of edit.to === undefined ? [use.path] : [use.path, edit.to]) conflicts.add(path, operator)
      operations.push({ operator, path: use.path, ...edit })
      if (operations.length > operationCountMax) throw limitExceeded({ operationCountMax }, `The update has more than ${operationCountMax} operations.`)
    }
  }
  filters.checkAllUsed()
  return { operations, links }
}

/** `$type` is the one field with a '$' that users may set: to a string, or not at all. */
function checkType({ operator, operand, path }: FieldUse): void {
  if (path.text !== '$type' || operator === '$unset') return
  const sets = operator === '$set' || operator === '$setOnInsert'
  if (!sets || typeof operand !== 'string') throw invalidUpdate(operator, path.text, 'can only be set to a string, or unset')
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

/** The paths of one update. Two that are equal, or one inside the other, conflict: INVALID_UPDATE, whatever the operators. */
class PathConflicts {
  readonly #root: PathNode = { step: undefined, isEnd: false, inside: new Map() }

  add(path: UpdatePath, operator: string): void {
    let node = this.#root
    /** Where the paths stand that go the same way so far. */
    let met: PathNode[] = [node]
    for (const step of path.steps) {
      met = met.flatMap((each) => meeting(each, step))
      if (met.some(({ isEnd }) => isEnd)) throw conflict(operator, path)
      const next: PathNode = node.inside.get(stepName(step)) ?? { step, isEnd: false, inside: new Map() }
      node.inside.set(stepName(step), next)
      node = next
    }
    if (met.some(({ inside }) => inside.size > 0)) throw conflict(operator, path)
    node.isEnd = true
  }
}

interface PathNode {
  readonly step: UpdateStep | undefined
  isEnd: boolean
  readonly inside: Map<string, PathNode>
}

/** What a step has in common with those of other paths: '$[]' also meets '0' and '$[x]'. */
function meeting({ inside }: PathNode, step: UpdateStep): PathNode[] {
  if (step.kind === 'all') return [...inside.values()].filter((other) => other.step !== undefined && isElement(other.step))
  const names = isElement(step) ? [stepName(step), '$[]'] : [stepName(step)]
  return names.flatMap((name) => inside.get(name) ?? [])
}

function stepName(step: UpdateStep): string {
  if (step.kind === 'field') return step.name
  return step.kind === 'all' ? '$[]' : `$[${step.name}]`
}

function isElement(step: UpdateStep): boolean {
  return step.kind !== 'field' || step.index !== undefined
}

function conflict(operator: string, path: UpdatePath): Error {
  return invalidUpdate(operator, path.text, 'conflicts with another path of the same update, which is equal to it, inside it or around it')
}
