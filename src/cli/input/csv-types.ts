import type { Value } from '../../model/values.ts'

export const columnTypes = ['string', 'number', 'boolean', 'date', 'bigint'] as const
/** What the values of a CSV column are read as. */
export type ColumnType = (typeof columnTypes)[number]

/** One field of a record: null when nothing stands there, '' only when that was quoted. */
export type Cell = string | null

const numberPattern = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/
const datePattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})0*)?)?(Z|[+-]\d\d:\d\d)?)?$/
const booleans: Readonly<Record<string, boolean>> = { true: true, True: true, TRUE: true, false: false, False: false, FALSE: false }

/** The type that every value of the sample has; 'string' when they differ or there is none. Never 'bigint', which is only asked for. */
export function guessType(sample: readonly Cell[]): ColumnType {
  const texts = sample.filter((cell): cell is string => cell !== null && cell !== '')
  if (texts.length === 0) return 'string'
  const guesses = ['number', 'boolean', 'date'] as const
  return guesses.find((type) => texts.every((text) => readCell(text, type) !== undefined)) ?? 'string'
}

/** The value of a text under a type; undefined when it does not say such a value exactly. */
export function readCell(text: string, type: ColumnType): Value | undefined {
  switch (type) {
    case 'string':
      return text
    case 'number':
      return readNumber(text)
    case 'boolean':
      return Object.hasOwn(booleans, text) ? booleans[text] : undefined
    case 'date':
      return readDate(text)
    case 'bigint':
      return readBigint(text)
  }
}

/** A number only where the double says what the text says: '007', 2^53 + 1 and a decimal of 20 digits are none. */
function readNumber(text: string): number | undefined {
  if (!numberPattern.test(text)) return undefined
  const value = Number(text)
  if (!Number.isFinite(value)) return undefined
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(value) ? value : undefined
  const digits = significantDigits(text)
  if (value === 0) return digits === '' ? value : undefined
  // 15 digits always survive a double; of longer ones, those that come back as they went in.
  return digits.length <= 15 || digits === significantDigits(String(value)) ? value : undefined
}

function significantDigits(text: string): string {
  const [mantissa = ''] = text.split(/[eE]/)
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')
}

function readBigint(text: string): bigint | undefined {
  if (!/^-?(?:0|[1-9]\d{0,18})$/.test(text)) return undefined
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

/** ISO 8601: a date (midnight UTC) or a date and time; without a zone it is UTC. The day must exist; no finer than milliseconds. */
function readDate(text: string): Date | undefined {
  const match = datePattern.exec(text)
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match
  const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`)
  if (Number.isNaN(midnight.getTime()) || midnight.getUTCDate() !== Number(day)) return undefined
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}${zone}`)
  return Number.isNaN(date.getTime()) ? undefined : date
}
