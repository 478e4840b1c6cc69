import { limitExceeded, ParqueDBError, translated } from '../base/ParqueDBError.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { describe, isPlainObject } from './parse-document.ts'
import type { Document, Value } from './values.ts'
import { isWellFormed, prototypeNames } from './well-formed.ts'

/** What JSON.stringify writes without loss. */
export type Json = null | boolean | number | string | Json[] | { [field: string]: Json }

export interface ExtendedJsonOptions {
  /** Where the input stands, for errors. */
  readonly path?: string
  /**
   * True keeps objects with '$' names that are not one of the wrappers, as filters and updates have them:
   * {"age": {"$gte": {"$numberLong": "5"}}}, and reads {"$regularExpression": …} and {"$undefined": true}. By default such names are refused, except `$id` and `$type` of the outermost object.
   */
  readonly keepOperators?: boolean
  /** True reads what `textTypes` has as text. By default it is refused: it would come back as something else. */
  readonly asText?: boolean
}

/** Types of MongoDB's that no value here has, and whose wrapper holds a text. */
export const textTypes: readonly string[] = ['$oid', '$numberDecimal', '$uuid', '$symbol']

/** Deeper than any valid document with what wraps it, and far from the end of the stack. */
const depthMax = 256
/** Dates outside these have no four-digit year. */
const firstIsoMs = new Date('0000-01-01T00:00:00.000Z').getTime()
const lastIsoMs = new Date('9999-12-31T23:59:59.999Z').getTime()

/**
 * The value as JSON in the shapes of MongoDB's relaxed Extended JSON v2: {"$date": …}, {"$numberLong": …} for a bigint,
 * {"$binary": …}, {"$numberDouble": …} for NaN, the infinities and -0. Copy on write: the same reference when nothing inside needs a wrapper.
 */
export function toExtendedJson(value: Value): Json {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return numberToJson(value)
  if (typeof value === 'bigint') return { $numberLong: String(value) }
  if (Array.isArray(value)) return wrapArray(value)
  if (value instanceof Date) return { $date: dateToJson(value.getTime()) }
  if (value instanceof Uint8Array) return { $binary: { base64: encodeBase64(value), subType: '00' } }
  return wrapObject(value)
}

/**
 * The value that Extended JSON stands for: plain JSON and the wrappers that toExtendedJson writes, and {"$numberInt": …}. Copies only what
 * holds a wrapper. VALIDATION_FAILED with the path for an unknown '$' name, a malformed wrapper, a name of the prototype, a
 * lone surrogate; LIMIT_EXCEEDED past 256 levels.
 */
export function fromExtendedJson(json: unknown, options: ExtendedJsonOptions = {}): Value {
  return new Unwrap(options).value(json, 0)
}

/** One line of Extended JSON. */
export function stringifyExtendedJson(value: Value): string {
  return JSON.stringify(toExtendedJson(value))
}

/** The inverse of stringifyExtendedJson, and of any relaxed or canonical Extended JSON of these types. VALIDATION_FAILED also for text that is not JSON. */
export function parseExtendedJson(text: string, options: ExtendedJsonOptions = {}): Value {
  const notJson = (cause: unknown): ParqueDBError => new ParqueDBError('VALIDATION_FAILED', `This is not JSON: ${(cause as Error).message}`, { cause, details: { path: options.path ?? '' } })
  return fromExtendedJson(translated(() => JSON.parse(text) as unknown, notJson), options)
}

function wrapArray(value: Value[]): Json {
  let copy: Json[] | undefined
  for (let index = 0; index < value.length; index++) {
    const element = value[index] as Value
    const json = toExtendedJson(element)
    if (json !== element && copy === undefined) copy = value.slice(0, index) as Json[]
    copy?.push(json)
  }
  return copy ?? (value as Json[])
}

function wrapObject(value: Document): Json {
  let copy: { [field: string]: Json } | undefined
  for (const name of Object.keys(value)) {
    const inside = value[name] as Value
    const json = toExtendedJson(inside)
    if (json === inside) continue
    copy ??= { ...(value as { [field: string]: Json }) }
    copy[name] = json
  }
  return copy ?? (value as { [field: string]: Json })
}

/** JSON has neither NaN nor the infinities, and JSON.stringify drops the sign of -0. */
function numberToJson(value: number): Json {
  if (Object.is(value, -0)) return { $numberDouble: '-0.0' }
  return Number.isFinite(value) ? value : { $numberDouble: String(value) }
}

function dateToJson(ms: number): Json {
  return ms >= firstIsoMs && ms <= lastIsoMs ? new Date(ms).toISOString() : { $numberLong: String(ms) }
}

/** One parse: its options, and where it stands. */
class Unwrap {
  readonly #options: ExtendedJsonOptions
  readonly #keys: (string | number)[] = []

  constructor(options: ExtendedJsonOptions) {
    this.#options = options
  }

  value(json: unknown, depth: number): Value {
    if (typeof json === 'number' || typeof json === 'boolean' || json === null) return json
    if (typeof json === 'string' && isWellFormed(json)) return json
    if (typeof json === 'string') throw this.#error(depth, 'holds a lone surrogate')
    if (typeof json === 'object' && depth >= depthMax) throw limitExceeded({ depthMax }, `The JSON is nested more than ${depthMax} levels deep.`, { path: this.#path(depth) })
    if (Array.isArray(json)) return this.#array(json, depth)
    if (isPlainObject(json)) return this.#object(json, depth)
    throw this.#error(depth, `holds ${describe(json)}, which is not JSON`)
  }

  #array(json: readonly unknown[], depth: number): Value[] {
    let copy: Value[] | undefined
    for (let index = 0; index < json.length; index++) {
      this.#keys[depth] = index
      const value = this.value(json[index], depth + 1)
      if (value !== json[index] && copy === undefined) copy = json.slice(0, index) as Value[]
      copy?.push(value)
    }
    return copy ?? (json as Value[])
  }

  #object(json: Record<string, unknown>, depth: number): Value {
    let copy: Document | undefined
    for (const name of Object.keys(json)) {
      if (name.charCodeAt(0) === 0x24) {
        const value = this.#wrapper(json, depth)
        if (value !== json) return value as Value
        this.#checkDollarName(name, json[name], depth)
      }
      if (prototypeNames.has(name)) throw this.#error(depth, `has a field '${name}', which would reach the prototype`)
      if (!isWellFormed(name)) throw this.#error(depth, 'has a field whose name holds a lone surrogate')
      this.#keys[depth] = name
      const value = this.value(json[name], depth + 1)
      if (value === json[name]) continue
      copy ??= { ...(json as Document) }
      copy[name] = value
    }
    return copy ?? (json as Document)
  }

  #checkDollarName(name: string, value: unknown, depth: number): void {
    if (this.#options.keepOperators === true) return
    const isSystem = depth === 0 && (name === '$id' || name === '$type')
    if (isSystem && typeof value === 'string') return
    throw this.#error(depth, isSystem ? `has a '${name}' that is ${describe(value)}; it must be text` : `has '${name}', which is neither a field nor a type of Extended JSON that can be stored`)
  }

  /** The value of an object that is a wrapper; any other object itself. */
  #wrapper(json: Record<string, unknown>, depth: number): unknown {
    const names = Object.keys(json)
    const name = names[0]
    if (names.length !== 1 || name === undefined) return json
    const inside = json[name]
    if (name === '$date') return this.#date(inside, depth)
    if (name === '$numberLong') return this.#integer(inside, { bits: 64, name, depth })
    if (name === '$numberInt') return Number(this.#integer(inside, { bits: 32, name, depth }))
    if (name === '$numberDouble') return this.#double(inside, depth)
    if (name === '$binary') return this.#binary(inside, depth)
    if (this.#options.asText === true && textTypes.includes(name) && typeof inside === 'string') return this.value(inside, depth)
    // No document holds one of these, but a filter may, if only to be refused.
    if (this.#options.keepOperators !== true) return json
    if (name === '$undefined') return undefined
    return name === '$regularExpression' ? this.#regExp(inside, depth) : json
  }

  #regExp(inside: unknown, depth: number): RegExp {
    const { pattern, options } = isPlainObject(inside) ? inside : {}
    if (typeof pattern !== 'string' || typeof options !== 'string') throw this.#malformed('$regularExpression', inside, depth)
    return translated(() => new RegExp(pattern, options), () => this.#malformed('$regularExpression', pattern, depth))
  }

  #date(inside: unknown, depth: number): Date {
    const date = new Date(typeof inside === 'string' ? parseIsoDate(inside) : this.#msInside(inside, depth))
    if (Number.isNaN(date.getTime())) throw this.#malformed('$date', inside, depth)
    return date
  }

  #msInside(inside: unknown, depth: number): number {
    if (!isPlainObject(inside) || Object.keys(inside).length !== 1) throw this.#malformed('$date', inside, depth)
    return Number(this.#integer(inside['$numberLong'], { bits: 64, name: '$numberLong', depth }))
  }

  #integer(inside: unknown, { bits, name, depth }: { bits: number; name: string; depth: number }): bigint {
    if (typeof inside !== 'string' || !/^-?\d{1,20}$/.test(inside)) throw this.#malformed(name, inside, depth)
    const integer = BigInt(inside)
    if (BigInt.asIntN(bits, integer) !== integer) throw this.#malformed(name, inside, depth)
    return integer
  }

  #double(inside: unknown, depth: number): number {
    const isNumber = typeof inside === 'string' && /^(?:NaN|-?Infinity|-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)$/.test(inside)
    if (!isNumber) throw this.#malformed('$numberDouble', inside, depth)
    return Number(inside)
  }

  #binary(inside: unknown, depth: number): Uint8Array {
    const isBinary = isPlainObject(inside) && typeof inside['base64'] === 'string' && typeof inside['subType'] === 'string'
    if (!isBinary || Object.keys(inside).length !== 2) throw this.#malformed('$binary', inside, depth)
    // The other subtypes (a UUID, an MD5) would come back as plain bytes: refuse what we cannot keep.
    if (inside['subType'] !== '00' && inside['subType'] !== '0') throw this.#error(depth, `has binary of the subtype '${String(inside['subType'])}'; only '00' can be stored`)
    const bytes = decodeBase64(inside['base64'] as string)
    if (bytes === undefined) throw this.#malformed('$binary', inside, depth)
    return bytes
  }

  #malformed(name: string, inside: unknown, depth: number): ParqueDBError {
    return this.#error(depth, `has a malformed ${name}: ${typeof inside === 'string' ? JSON.stringify(inside.slice(0, 80)) : describe(inside)}`)
  }

  #error(depth: number, problem: string): ParqueDBError {
    const path = this.#path(depth)
    return new ParqueDBError('VALIDATION_FAILED', path === '' ? `The JSON ${problem}.` : `'${path}' ${problem}.`, { details: { path } })
  }

  #path(depth: number): string {
    const keys = this.#keys.slice(0, depth)
    const base = this.#options.path ?? ''
    return (base === '' ? keys : [base, ...keys]).join('.')
  }
}

/** ISO 8601 with a time zone, as toISOString and MongoDB's tools write it; NaN for anything else, dates that do not exist included. */
function parseIsoDate(text: string): number {
  const match = /^(\d{4}|[-+]\d{6})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[-+]\d\d:?\d\d)$/.exec(text)
  if (match === null) return Number.NaN
  // Date.parse takes the 30th of February for a day in March.
  const midnight = new Date(`${match[1]}-${match[2]}-${match[3]}T00:00:00Z`)
  return midnight.getUTCDate() === Number(match[3]) ? Date.parse(text.replace(/([-+]\d\d)(\d\d)$/, '$1:$2')) : Number.NaN
}
