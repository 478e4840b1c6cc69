import { compareBytes, compareStrings } from '../base/bytes.ts'
import type { Document, Value } from './values.ts'

/** BSON's order across types. Values of one rank compare with each other; filters compare within a rank only. */
export const typeRanks = { null: 0, number: 1, string: 2, object: 3, array: 4, binary: 5, boolean: 6, date: 7 } as const

export type TypeRank = (typeof typeRanks)[keyof typeof typeRanks]

/** Absent ranks with null. */
export function typeRank(value: Value | undefined): TypeRank {
  if (typeof value === 'string') return typeRanks.string
  if (typeof value === 'number' || typeof value === 'bigint') return typeRanks.number
  if (value === undefined || value === null) return typeRanks.null
  if (typeof value === 'boolean') return typeRanks.boolean
  if (Array.isArray(value)) return typeRanks.array
  if (value instanceof Date) return typeRanks.date
  return value instanceof Uint8Array ? typeRanks.binary : typeRanks.object
}

/**
 * A total order over all values, BSON's: null and absent < numbers < strings < objects < arrays < binary < boolean < date.
 * Numbers and bigints compare by exact value, NaN is the lowest number, -0 equals 0; strings by code point; objects field by field in
 * their order (type, then name, then value); arrays element by element; binary by length, then bytes.
 */
export function compareValues(left: Value | undefined, right: Value | undefined): number {
  if (typeof left === 'number' && typeof right === 'number') return compareNumbers(left, right)
  if (typeof left === 'string' && typeof right === 'string') return compareStrings(left, right)
  const rank = typeRank(left)
  const difference = rank - typeRank(right)
  return difference === 0 ? compareWithinRank(rank, left, right) : difference
}

/** The equality of filters: 1 equals 1n and -0 equals 0, null equals absent, NaN equals NaN; the order of fields matters. */
export function valuesMatchEqual(left: Value | undefined, right: Value | undefined): boolean {
  return left === right || compareValues(left, right) === 0
}

/** Of all ranks but that of strings, which compareValues knows. */
function compareWithinRank(rank: TypeRank, left: Value | undefined, right: Value | undefined): number {
  if (rank === typeRanks.null) return 0
  if (rank === typeRanks.number) return compareNumbers(left as number | bigint, right as number | bigint)
  if (rank === typeRanks.object) return compareObjects(left as Document, right as Document)
  if (rank === typeRanks.array) return compareArrays(left as Value[], right as Value[])
  if (rank === typeRanks.binary) return (left as Uint8Array).length - (right as Uint8Array).length || compareBytes(left as Uint8Array, right as Uint8Array)
  if (rank === typeRanks.boolean) return Number(left) - Number(right)
  return (left as Date).getTime() - (right as Date).getTime()
}

/** JavaScript compares a number with a bigint by exact value; only NaN needs a place. */
function compareNumbers(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1
  if (left > right) return 1
  return Number(Number.isNaN(right)) - Number(Number.isNaN(left))
}

function compareArrays(left: readonly Value[], right: readonly Value[]): number {
  const shorter = Math.min(left.length, right.length)
  for (let index = 0; index < shorter; index++) {
    const difference = compareValues(left[index], right[index])
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

function compareObjects(left: Document, right: Document): number {
  const names = Object.keys(left)
  const others = Object.keys(right)
  const shorter = Math.min(names.length, others.length)
  for (let index = 0; index < shorter; index++) {
    const name = names[index] as string
    const other = others[index] as string
    const [value, otherValue] = [left[name], right[other]]
    const difference = typeRank(value) - typeRank(otherValue) || compareStrings(name, other) || compareValues(value, otherValue)
    if (difference !== 0) return difference
  }
  return names.length - others.length
}
