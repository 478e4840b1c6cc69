import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { parseValue } from '../parse-document.ts'
import type { Value } from '../values.ts'

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
export class FilterParse {
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

  checkValueCount(count: number, path: string): void {
    if (count > filterLimits.valueCountMax) throw exceeded('valueCountMax', path)
  }

  /** A value to compare with, copied. `undefined` is refused: it is a mistake that would otherwise match every document without the field. */
  value(input: unknown, operator: string, path: string): Value {
    if (input === undefined) throw invalidFilter(operator, path, 'is undefined; use null or { $exists: false } for an absent field')
    try {
      return parseValue(input, path)
    } catch (cause) {
      if (!(cause instanceof ParqueDBError) || cause.code !== 'VALIDATION_FAILED') throw cause
      throw new ParqueDBError('INVALID_FILTER', `${operator} on '${path}': ${cause.message}`, { details: { operator, path }, cause })
    }
  }
}

/** "`operator` on 'path' `problem`." */
export function invalidFilter(operator: string, path: string, problem: string): ParqueDBError {
  const where = path === '' ? operator : `${operator} on '${path}'`
  return new ParqueDBError('INVALID_FILTER', `In the filter, ${where} ${problem}.`, { details: { operator, path } })
}

function exceeded(limit: keyof typeof filterLimits, path: string): ParqueDBError {
  const most = filterLimits[limit]
  return new ParqueDBError('LIMIT_EXCEEDED', `The filter is past ${limit} (${most})${path === '' ? '' : ` at '${path}'`}.`, { details: { limit, most, path } })
}
