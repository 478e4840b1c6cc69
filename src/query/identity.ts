import { stringifyExtendedJson } from '../model/ejson.ts'
import type { Value } from '../model/values.ts'

/** Equal for values that filters take for equal; inside of objects and arrays numbers of different types stay apart. */
export function identityOf(value: Value): string {
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'bigint') return `n${value}`
  if (typeof value !== 'number') return `j${stringifyExtendedJson(value)}`
  return Number.isInteger(value) ? `n${BigInt(value)}` : `n${value}`
}
