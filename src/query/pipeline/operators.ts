import { valuesMatchEqual } from '../../model/compare.ts'
import { compareSortValues } from '../../model/sort.ts'
import { isObject, type Value } from '../../model/values.ts'
import { pipelineError } from './pipeline-error.ts'

type Operand = Value | undefined
type At = { readonly stage: string; readonly path: string }

export interface Operator {
  readonly least: number
  readonly most: number
  readonly apply: (operands: readonly Operand[], at: At) => Value | undefined
}

const many = 1000

const one = { least: 1, most: 1 }
const two = { least: 2, most: 2 }
const some = { least: 1, most: many }

type Count = typeof one

/** Operands that are all of one type; null where any is null or missing. */
function typed<Type extends Value>(count: Count, { names, is }: { names: string; is: (operand: Operand) => operand is Type }, work: (operands: readonly Type[], at: At) => Value): Operator {
  return {
    ...count,
    apply: (operands, at) => {
      if (operands.some(isNothing)) return null
      const wrong = operands.find((operand) => !is(operand))
      if (wrong !== undefined) throw pipelineError(at, `needs ${names}, not ${nameOf(wrong)}`)
      return work(operands as readonly Type[], at)
    },
  }
}

const numbers = { names: 'numbers', is: (operand: Operand) => typeof operand === 'number' || typeof operand === 'bigint' }
const strings = { names: 'strings', is: (operand: Operand) => typeof operand === 'string' }
const arrays = { names: 'arrays', is: (operand: Operand) => Array.isArray(operand) }
const aDate = { names: 'a date', is: (operand: Operand) => operand instanceof Date }

/** Bigints stay exact as long as all operands are, and the result is one that can be stored. */
function numeric(count: Count, work: (numbers: readonly number[], at: At) => number, whole?: (numbers: readonly bigint[], at: At) => number | bigint): Operator {
  return typed(count, numbers, (operands, at) => (whole !== undefined && operands.every((operand) => typeof operand === 'bigint') ? stored(whole(operands, at)) : work(operands.map(Number), at)))
}

/** A bigint past int64 as a number, as MongoDB's long becomes a double. */
export function stored(value: number | bigint): number | bigint {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) !== value ? Number(value) : value
}

const text = (count: Count, work: (texts: readonly string[], at: At) => Value): Operator => typed(count, strings, work)
const comparison = (holds: (order: number) => boolean): Operator => ({ ...two, apply: ([left, right]) => holds(compareSortValues(left, right)) })
const datePart = (part: (date: Date) => number): Operator => typed(one, aDate, (dates) => part(dates[0] as Date))

function sum(operands: readonly Operand[], at: At, sign: 1 | -1): Value {
  if (operands.some(isNothing)) return null
  const [date, ...others] = operands.filter((operand) => operand instanceof Date)
  if (date === undefined) return (sign === 1 ? plus : minus).apply(operands, at) ?? null
  if (sign === -1 && others.length === 1) return date.getTime() - Number(others[0])
  if (others.length > 0 || (sign === -1 && operands[0] !== date)) return fail(at, sign === 1 ? 'adds numbers to one date, not to two' : 'takes a date from a date only')
  const made = new Date(date.getTime() + sign * Number(total.apply(operands.filter((operand) => operand !== date), at)))
  return Number.isNaN(made.getTime()) ? fail(at, 'gives a date beyond those that there are; add less') : made
}

const plus = numeric(some, (values) => values.reduce((left, right) => left + right), (whole) => whole.reduce((left, right) => left + right))
const minus = numeric(some, (values) => values.reduce((left, right) => left - right), (whole) => whole.reduce((left, right) => left - right))
/** Of none 0. */
const total = numeric(some, (values) => values.reduce((left, right) => left + right, 0))

/** Half to even, at a number of decimal places, as MongoDB rounds. */
function round(value: number, places: number): number {
  const scale = 10 ** places
  const scaled = value * scale
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const whole = rest === 0.5 ? (floor % 2 === 0 ? floor : floor + 1) : Math.round(scaled)
  return Number.isFinite(scaled) ? whole / scale : value
}

/** The same, of a whole number. */
function roundLong(value: bigint, places: number): bigint {
  const unit = 10n ** BigInt(Math.max(0, -places))
  const rest = ((value % unit) + unit) % unit
  const isUp = rest * 2n > unit || (rest * 2n === unit && ((value - rest) / unit) % 2n !== 0n)
  return value - rest + (isUp ? unit : 0n)
}

function power([base = 0, exponent = 1]: readonly number[], at: At): number {
  return base === 0 && exponent < 0 ? fail(at, 'cannot raise 0 to a negative power') : base ** exponent
}

/** The functions of values that expressions know, by name. Bounded on purpose: docs/guides/queries.md lists them. */
export const operators: Readonly<Record<string, Operator>> = {
  $add: { ...some, apply: (operands, at) => sum(operands, at, 1) },
  $subtract: { ...two, apply: (operands, at) => sum(operands, at, -1) },
  $multiply: numeric(some, (values) => values.reduce((left, right) => left * right), (whole) => whole.reduce((left, right) => left * right)),
  $divide: numeric(two, ([left = 0, right = 0], at) => left / notZero(right, at)),
  $mod: numeric(two, ([left = 0, right = 0], at) => left % notZero(right, at), ([left = 0n, right = 0n], at) => left % notZero(right, at)),
  $abs: numeric(one, ([value = 0]) => Math.abs(value), ([value = 0n]) => (value < 0n ? -value : value)),
  $ceil: numeric(one, ([value = 0]) => Math.ceil(value), ([value = 0n]) => value),
  $floor: numeric(one, ([value = 0]) => Math.floor(value), ([value = 0n]) => value),
  $round: typed({ least: 1, most: 2 }, numbers, ([value = 0, places = 0], at) => {
    if (!Number.isInteger(Number(places)) || places < -20 || places > 100) return fail(at, 'needs a whole number of places from -20 to 100')
    return typeof value === 'bigint' ? stored(roundLong(value, Number(places))) : round(value, Number(places))
  }),
  $sqrt: numeric(one, ([value = 0], at) => (value < 0 ? fail(at, 'needs a number from 0 on') : Math.sqrt(value))),
  $pow: numeric(two, power, ([base = 0n, exponent = 1n], at) => {
    const near = power([Number(base), Number(exponent)], at)
    return exponent >= 0n && Math.abs(near) < 2 ** 64 ? base ** exponent : near
  }),
  $eq: comparison((order) => order === 0),
  $ne: comparison((order) => order !== 0),
  $gt: comparison((order) => order > 0),
  $gte: comparison((order) => order >= 0),
  $lt: comparison((order) => order < 0),
  $lte: comparison((order) => order <= 0),
  $cmp: { ...two, apply: ([left, right]) => Math.sign(compareSortValues(left, right)) },
  $not: { ...one, apply: ([value]) => !isTrue(value) },
  $concat: text(some, (texts) => texts.join('')),
  $toLower: { ...one, apply: ([value], at) => (isNothing(value) ? '' : (text(one, ([of = '']) => of.toLowerCase()).apply([value], at) ?? '')) },
  $toUpper: { ...one, apply: ([value], at) => (isNothing(value) ? '' : (text(one, ([of = '']) => of.toUpperCase()).apply([value], at) ?? '')) },
  $strLenCP: { ...one, apply: ([of], at) => (typeof of === 'string' ? Array.from(of).length : fail(at, `needs a string, not ${nameOf(of)}`)) },
  $split: text(two, ([of = '', by = ''], at) => (by === '' ? fail(at, 'needs a separator that is not empty') : of.split(by))),
  $substrCP: { least: 3, most: 3, apply: ([of, start, length], at) => (isNothing(of) ? '' : typeof of === 'string' && isIndex(start) && isIndex(length) && start >= 0 && length >= 0 ? Array.from(of).slice(start, start + length).join('') : fail(at, 'needs a string and two whole numbers from 0 on')) },
  $toString: { ...one, apply: ([value], at) => (isNothing(value) ? null : value instanceof Date ? value.toISOString() : typeof value === 'object' ? fail(at, `cannot make a string of ${nameOf(value)}`) : String(value)) },
  $size: { ...one, apply: ([value], at) => (Array.isArray(value) ? value.length : fail(at, `needs an array, not ${nameOf(value)}`)) },
  $isArray: { ...one, apply: ([value]) => Array.isArray(value) },
  $arrayElemAt: { ...two, apply: ([of, index], at) => (isNothing(of) || isNothing(index) ? null : Array.isArray(of) && isIndex(index) ? of.at(index) : fail(at, 'needs an array and a whole number')) },
  $concatArrays: typed(some, arrays, (lists) => lists.flat()),
  $in: { ...two, apply: ([value, of], at) => (Array.isArray(of) ? of.some((element) => valuesMatchEqual(element, value ?? null)) : fail(at, `needs an array, not ${nameOf(of)}`)) },
  $mergeObjects: { ...some, apply: (operands, at) => Object.assign({}, ...operands.map((operand) => (isNothing(operand) ? {} : isObject(operand) ? operand : fail(at, `needs objects, not ${nameOf(operand)}`)))) as Value },
  $year: datePart((date) => date.getUTCFullYear()),
  $month: datePart((date) => date.getUTCMonth() + 1),
  $dayOfMonth: datePart((date) => date.getUTCDate()),
  $dayOfWeek: datePart((date) => date.getUTCDay() + 1),
  $hour: datePart((date) => date.getUTCHours()),
  $minute: datePart((date) => date.getUTCMinutes()),
  $second: datePart((date) => date.getUTCSeconds()),
  $dateToString: { ...two, apply: ([date, format], at) => (isNothing(date) ? null : date instanceof Date ? formatDate(date, format as string) : fail(at, `needs a date, not ${nameOf(date)}`)) },
}

const notZero = <Amount extends number | bigint>(value: Amount, at: At): Amount => (Number(value) === 0 ? fail(at, 'cannot divide by zero') : value)

function formatDate(date: Date, format: string): string {
  const [day = '', time = ''] = date.toISOString().split('T')
  const parts: Readonly<Record<string, string>> = { '%Y': day.slice(0, -6), '%m': day.slice(-5, -3), '%d': day.slice(-2), '%H': time.slice(0, 2), '%M': time.slice(3, 5), '%S': time.slice(6, 8), '%L': time.slice(9, 12), '%%': '%' }
  return format.replaceAll(/%[YmdHMSL%]/g, (part) => parts[part] ?? part)
}

/** MongoDB's truth: everything but false, null, missing and zero. */
export function isTrue(value: Operand): boolean {
  return !isNothing(value) && value !== false && value !== 0 && value !== 0n
}

const isIndex = (value: Operand): value is number => Number.isInteger(value)

const isNothing = (value: Operand): value is null | undefined => value === undefined || value === null

function nameOf(value: Operand): string {
  if (isNothing(value)) return value === null ? 'null' : 'nothing'
  if (Array.isArray(value)) return 'an array'
  return value instanceof Date ? 'a date' : `a value of the type ${typeof value}`
}

function fail(at: At, problem: string): never {
  throw pipelineError(at, problem)
}
