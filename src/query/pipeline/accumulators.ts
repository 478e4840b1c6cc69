import { compareValues } from '../../model/compare.ts'
import type { Value } from '../../model/values.ts'
import { identityOf } from '../identity.ts'
import type { Holding } from './pipeline-error.ts'

/** One accumulator over all groups, which are numbered from 0. */
export interface Accumulator {
  /** A document's value, undefined where it has none. */
  add(group: number, value: Value | undefined): void
  /** The same for many numbers at once: `numbers[at]` belongs to `groups[at]`. Where it is absent, values come one by one. */
  addNumbers?(groups: Int32Array, numbers: Float64Array): void
  result(group: number): Value | undefined
}

/** Makes the accumulator of this name; undefined for an unknown one. */
export function makeAccumulator(name: string, holding: Holding): Accumulator | undefined {
  switch (name) {
    case '$sum':
    case '$count':
      return new Sum()
    case '$avg':
      return new Moments((count, sum) => (count === 0 ? null : sum / count))
    case '$stdDevPop':
      return new Moments((count, sum, squares) => (count === 0 ? null : Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))))
    case '$min':
      return new Extreme(-1)
    case '$max':
      return new Extreme(1)
    case '$first':
      return new Kept((present) => present)
    case '$last':
      return new Kept((_, next) => next)
    case '$push':
      return new Gathered(holding, false)
    case '$addToSet':
      return new Gathered(holding, true)
  }
  return undefined
}

/** Bigints are added exactly; with a number among them the sum is a number. */
class Sum implements Accumulator {
  /** undefined where there was no number. */
  readonly #sums: (number | undefined)[] = []
  readonly #bigints: (bigint | undefined)[] = []

  add(group: number, value: Value | undefined): void {
    if (typeof value === 'bigint') this.#bigints[group] = (this.#bigints[group] ?? 0n) + value
    else if (typeof value === 'number') this.#sums[group] = (this.#sums[group] ?? 0) + value
  }

  addNumbers(groups: Int32Array, numbers: Float64Array): void {
    const sums = this.#sums
    for (let at = 0; at < groups.length; at++) {
      const group = groups[at] as number
      sums[group] = (sums[group] ?? 0) + (numbers[at] as number)
    }
  }

  result(group: number): Value {
    const exact = this.#bigints[group]
    const sum = this.#sums[group]
    if (exact === undefined) return sum ?? 0
    return sum === undefined ? exact : Number(exact) + sum
  }
}

class Moments implements Accumulator {
  readonly #counts: number[] = []
  readonly #sums: number[] = []
  readonly #squares: number[] = []
  /** A value near all others: squares of differences from it keep their digits. */
  readonly #bases: number[] = []
  readonly #of: (count: number, sum: number, squares: number) => number | null

  /** `of` gets the count, the sum, and for the deviation sum and squares around the first value. */
  constructor(of: (count: number, sum: number, squares: number) => number | null) {
    this.#of = of
  }

  add(group: number, value: Value | undefined): void {
    if (typeof value !== 'number' && typeof value !== 'bigint') return
    const base = (this.#bases[group] ??= this.#of.length === 3 ? Number(value) : 0)
    const difference = Number(value) - base
    this.#counts[group] = (this.#counts[group] ?? 0) + 1
    this.#sums[group] = (this.#sums[group] ?? 0) + difference
    this.#squares[group] = (this.#squares[group] ?? 0) + difference * difference
  }

  addNumbers(groups: Int32Array, numbers: Float64Array): void {
    for (let at = 0; at < groups.length; at++) this.add(groups[at] as number, numbers[at])
  }

  result(group: number): Value {
    return this.#of(this.#counts[group] ?? 0, this.#sums[group] ?? 0, this.#squares[group] ?? 0)
  }
}

class Extreme implements Accumulator {
  readonly #values: (Value | undefined)[] = []
  readonly #sign: 1 | -1

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  add(group: number, value: Value | undefined): void {
    if (value === undefined || value === null) return
    const present = this.#values[group]
    if (present === undefined || compareValues(value, present) * this.#sign > 0) this.#values[group] = value
  }

  addNumbers(groups: Int32Array, numbers: Float64Array): void {
    for (let at = 0; at < groups.length; at++) {
      const present = this.#values[groups[at] as number]
      const value = numbers[at] as number
      if (typeof present !== 'number' || Number.isNaN(value) || Number.isNaN(present)) this.add(groups[at] as number, value)
      else if (this.#sign === 1 ? value > present : value < present) this.#values[groups[at] as number] = value
    }
  }

  result(group: number): Value {
    return this.#values[group] ?? null
  }
}

class Kept implements Accumulator {
  readonly #values: { readonly value: Value | undefined }[] = []
  readonly #choose: <T>(present: T, next: T) => T

  constructor(choose: <T>(present: T, next: T) => T) {
    this.#choose = choose
  }

  add(group: number, value: Value | undefined): void {
    const present = this.#values[group]
    this.#values[group] = present === undefined ? { value } : this.#choose(present, { value })
  }

  result(group: number): Value {
    return this.#values[group]?.value ?? null
  }
}

class Gathered implements Accumulator {
  readonly #lists: Value[][] = []
  readonly #seen: Set<string>[] = []
  readonly #holding: Holding
  readonly #isSet: boolean

  constructor(holding: Holding, isSet: boolean) {
    this.#holding = holding
    this.#isSet = isSet
  }

  add(group: number, value: Value | undefined): void {
    if (value === undefined) return
    if (this.#isSet) {
      const seen = (this.#seen[group] ??= new Set())
      const key = identityOf(value)
      if (seen.has(key)) return
      seen.add(key)
    }
    this.#holding.add(1)
    const list = (this.#lists[group] ??= [])
    list.push(value)
  }

  result(group: number): Value {
    return this.#lists[group] ?? []
  }
}
