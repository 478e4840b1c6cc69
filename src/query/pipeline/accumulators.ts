import { compareValues } from '../../model/compare.ts'
import type { Value } from '../../model/values.ts'
import { Alike } from '../Alike.ts'
import { stored } from './operators.ts'
import type { Holding } from './pipeline-error.ts'

/** The groups of rows: of the row at a place `groupOf[codes[at]]`; -1 where no row has the code. No two codes are of one group. */
export interface RowGroups {
  readonly codes: Uint16Array | Int32Array
  readonly groupOf: Int32Array
}

/** `areWhole`: all are whole numbers, none beyond what is exact. */
export interface Numbers {
  readonly numbers: Float64Array
  readonly areWhole: boolean
}

/** One accumulator over all groups, which are numbered from 0. */
export interface Accumulator {
  /** A document's value, undefined where it has none. */
  add(group: number, value: Value | undefined): void
  /** The same for many numbers at once, one a row; all groups are below `groupCount`. Where it is absent, values come one by one. */
  addNumbers?(groups: RowGroups, of: Numbers, groupCount: number): void
  result(group: number): Value | undefined
}

/** With a number among bigints, or past int64, the sum is a number. */
const exactSum = (): Accumulator => new Totals('exact', ({ count, sum: total, exact }) => (exact === undefined ? total : count === 0 ? stored(exact) : Number(exact) + total))

const makers: { readonly [name: string]: (holding: Holding) => Accumulator } = {
  $sum: exactSum,
  $count: exactSum,
  $avg: () => new Totals('plain', ({ count, sum: total }) => (count === 0 ? null : total / count)),
  $stdDevPop: () => new Totals('around a base', ({ count, sum: total, squares }) => (count === 0 ? null : Math.sqrt(Math.max(0, squares / count - (total / count) ** 2)))),
  $min: () => extreme(-1),
  $max: () => extreme(1),
  $first: () => kept((present) => present),
  $last: () => kept((_, next) => next),
  $push: (holding) => gathered(({ values }, value) => [holding.add(1), values.push(value)]),
  $addToSet: (holding) => gathered((list, value) => list.idOf(value, holding)),
}

/** Makes the accumulator of this name; undefined for an unknown one. */
export function makeAccumulator(name: string, holding: Holding): Accumulator | undefined {
  return Object.hasOwn(makers, name) ? makers[name]?.(holding) : undefined
}

type TotalsKind = 'exact' | 'plain' | 'around a base'
type Sums = { readonly count: number; readonly sum: number; readonly squares: number; readonly exact: bigint | undefined }

/**
 * How many numbers there were, and their sum: with what its additions round off, so that the order in which documents lie in files does not show. With a base also
 * the squares of their differences from it, which keep their digits near it.
 */
class Totals implements Accumulator {
  /** Of each group count, sum, and then what was rounded off, or the squares and the base, its first number. */
  #totals = new Float64Array(64)
  /** Bigints are added exactly. */
  readonly #bigints: (bigint | undefined)[] = []
  readonly #result: (totals: Sums) => Value
  readonly #kind: TotalsKind

  constructor(kind: TotalsKind, result: (totals: Sums) => Value) {
    this.#kind = kind
    this.#result = result
  }

  add(group: number, value: Value | undefined): void {
    if (typeof value === 'bigint' && this.#kind === 'exact') this.#bigints[group] = (this.#bigints[group] ?? 0n) + value
    else if (typeof value === 'number' || typeof value === 'bigint') {
      this.#reserve(group + 1)
      this.#add(group * 4, Number(value))
    }
  }

  addNumbers(groups: RowGroups, { numbers, areWhole }: Numbers, groupCount: number): void {
    this.#reserve(groupCount)
    const { codes, groupOf } = groups
    if (areWhole && this.#kind !== 'around a base' && groupOf.length <= codes.length) this.#addByCode(groups, numbers)
    else for (let at = 0; at < codes.length; at++) this.#add((groupOf[codes[at] as number] as number) * 4, numbers[at] as number)
  }

  /** Whole numbers of a batch, which round nothing off below 2^53: with what a code has come to in arrays by code. */
  #addByCode({ codes, groupOf }: RowGroups, numbers: Float64Array): void {
    const counts = new Int32Array(groupOf.length)
    const sums = new Float64Array(groupOf.length)
    const count = (at: number): void => {
      const code = codes[at] as number
      counts[code] = (counts[code] as number) + 1
      sums[code] = (sums[code] as number) + (numbers[at] as number)
    }
    // Four a step take a third less than one.
    let at = 0
    for (const end = codes.length - 3; at < end; at += 4) {
      count(at)
      count(at + 1)
      count(at + 2)
      count(at + 3)
    }
    for (; at < codes.length; at++) count(at)
    for (let code = 0; code < groupOf.length; code++) if (counts[code] !== 0) this.#add((groupOf[code] as number) * 4, sums[code] as number, counts[code])
  }

  #add(place: number, number: number, count = 1): void {
    const totals = this.#totals
    const before = totals[place + 1] as number
    if (this.#kind === 'around a base') {
      if (totals[place] === 0) totals[place + 3] = number
      const value = number - (totals[place + 3] as number)
      totals[place + 2] = (totals[place + 2] as number) + value * value
      totals[place + 1] = before + value
    } else {
      const sum = before + number
      totals[place + 1] = sum
      totals[place + 2] = (totals[place + 2] as number) + (Math.abs(before) >= Math.abs(number) ? before - sum + number : number - sum + before)
    }
    totals[place] = (totals[place] as number) + count
  }

  #reserve(groupCount: number): void {
    if (groupCount * 4 <= this.#totals.length) return
    const before = this.#totals
    this.#totals = new Float64Array(groupCount * 8)
    this.#totals.set(before)
  }

  result(group: number): Value {
    const [count = 0, plain = 0, third = 0] = this.#totals.subarray(group * 4)
    // What an infinity rounds off is no number.
    const sum = this.#kind === 'around a base' || !Number.isFinite(third) ? plain : plain + third
    return this.#result({ count, sum, squares: third, exact: this.#bigints[group] })
  }
}

function extreme(sign: 1 | -1): Accumulator {
  const values: (Value | undefined)[] = []
  const add = (group: number, value: Value | undefined): void => {
    if (value === undefined || value === null) return
    const present = values[group]
    if (present === undefined || compareValues(value, present) * sign > 0) values[group] = value
  }
  return {
    add,
    addNumbers({ codes, groupOf }, { numbers }) {
      for (let at = 0; at < codes.length; at++) {
        const group = groupOf[codes[at] as number] as number
        const present = values[group]
        const value = numbers[at] as number
        if (typeof present !== 'number' || Number.isNaN(value) || Number.isNaN(present)) add(group, value)
        else if (sign === 1 ? value > present : value < present) values[group] = value
      }
    },
    result: (group) => values[group] ?? null,
  }
}

function kept(choose: <T>(present: T, next: T) => T): Accumulator {
  const values: { readonly value: Value | undefined }[] = []
  return {
    add(group, value) {
      const present = values[group]
      values[group] = present === undefined ? { value } : choose(present, { value })
    },
    result: (group) => values[group]?.value ?? null,
  }
}

function gathered(put: (list: Alike, value: Value) => unknown): Accumulator {
  const lists: Alike[] = []
  return {
    add: (group, value) => value !== undefined && put((lists[group] ??= new Alike()), value),
    result: (group) => lists[group]?.values ?? [],
  }
}
