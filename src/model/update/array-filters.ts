import { ParqueDBError, isParqueDBError } from '../../base/ParqueDBError.ts'
import { compileFilter } from '../filter/compile-filter.ts'
import { filterFields } from '../filter/filter-fields.ts'
import type { FilterNode } from '../filter/filter-node.ts'
import { parseFilter } from '../filter/parse-filter.ts'
import type { ValueTest } from '../filter/path-values.ts'
import { describe } from '../parse-document.ts'
import { invalidUpdate } from './invalid-update.ts'

export type ArrayFilters = ReturnType<typeof parseArrayFilters>

/** `arrayFilters: [{ 'item.price': { $gt: 5 } }]`: each filter names one element, and has the conditions that it must satisfy. */
export function parseArrayFilters(input: unknown) {
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
export function parseInUpdate(operator: string, path: string, filter: unknown): FilterNode {
  try {
    return parseFilter(filter)
  } catch (cause) {
    if (!isParqueDBError(cause, 'INVALID_FILTER')) throw cause
    throw new ParqueDBError('INVALID_UPDATE', `${operator}${path === '' ? '' : ` on '${path}'`}: ${cause.message}`, { details: { operator, path }, cause })
  }
}
