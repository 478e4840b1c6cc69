import { stringifyExtendedJson } from '../model/ejson.ts'
import { cloneValue, isObject, type Value } from '../model/values.ts'

/**
 * Values, numbered from 0 as they come; those that filters take for equal are one. What stands for it is a copy with 0 for -0, and with numbers for
 * bigints as soon as it came with both: whatever the order in which they come.
 */
export class Alike {
  readonly values: Value[] = []
  /** By what tells types apart, which is quick to make; and of those whose text that is not, by what does not. */
  readonly #ids = new Map<string, number>()
  readonly #ofOthers = new Map<string, number>()

  /** `holding` is told of each value that is unlike those before it. */
  idOf(value: Value, holding?: { readonly add: (count: number) => void }): number {
    const exact = exactOf(value)
    let id = this.#ids.get(exact)
    if (id !== undefined) return id
    const plain = likened(value, numberOf)
    const identity = exactOf(plain)
    const copy = likened(value, (long) => long)
    id = this.#ids.get(identity) ?? this.#ofOthers.get(identity)
    if (id === undefined) {
      holding?.add(1)
      id = this.values.push(copy) - 1
    } else if (exactOf(copy) !== exactOf(this.values[id] as Value)) this.values[id] = plain
    if (exact !== identity) this.#ofOthers.set(identity, id)
    this.#ids.set(exact, id)
    return id
  }
}

/** The same text for values that filters take for equal. */
export const identityOf = (value: Value): string => exactOf(likened(value, numberOf))

/** Another text for 1n than for 1. */
export function exactOf(value: Value): string {
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'bigint' ? `${type}${value as string}` : stringifyExtendedJson(value)
}

/** A copy, with 0 for -0. */
function likened(value: Value, ofLong: (long: bigint) => Value): Value {
  if (typeof value === 'number') return value + 0
  if (typeof value === 'bigint') return ofLong(value)
  if (Array.isArray(value)) return value.map((element) => likened(element, ofLong))
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, likened(inside, ofLong)])) : cloneValue(value)
}

const numberOf = (long: bigint): Value => (BigInt(Number(long)) === long ? Number(long) : long)
