import type { Json } from './ejson.ts'

/** The value, or why a text is not strict JSON ('loss': only that JSON.parse would give something else for it), and where; `line` and `column` count from 1, `line` from the `firstLine` that was given. */
export type JsonResult =
  | { readonly kind: 'value'; readonly value: Json }
  | { readonly kind: 'problem' | 'loss'; readonly problem: { readonly reason: string; readonly line: number; readonly column: number } }

export interface ParseJsonOptions {
  /** Keeps an integer past ±(2^53 - 1) as `{ "$numberLong": "…" }`; false where whoever asks could choose that. Otherwise it stands for a double where JSON.stringify would write the double so, and is refused where not. */
  readonly bigint?: boolean
  /** The line on which the text begins in its file. Default 1. */
  readonly firstLine?: number
  /** Default 104: documents nest to 100 levels, and Extended JSON wraps a value in at most two more. */
  readonly depthMax?: number
}

const int64Max = 2n ** 63n - 1n
const int64Min = -(2n ** 63n)
const numberPattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const escapePattern = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/**
 * Strict JSON (RFC 8259), and nothing lost on the way: where `JSON.parse` rounds a large integer, overflows to Infinity,
 * keeps the last of two equal keys or trips over `__proto__`, this is a problem that names its line.
 */
export function parseJson(text: string, options: ParseJsonOptions = {}): JsonResult {
  try {
    return { kind: 'value', value: new JsonParser(text, options).whole() }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const before = text.slice(0, error.at)
    const lineStart = before.lastIndexOf('\n') + 1
    const line = (options.firstLine ?? 1) + before.split('\n').length - 1
    return { kind: error instanceof Loss ? 'loss' : 'problem', problem: { reason: error.message, line, column: error.at - lineStart + 1 } }
  }
}

/** Leaves the recursion; never leaves `parseJson`. */
class Refusal extends Error {
  readonly at: number
  constructor(reason: string, at: number) {
    super(reason)
    this.at = at
  }
}

class Loss extends Refusal {}

class JsonParser {
  readonly #text: string
  readonly #options: ParseJsonOptions
  #at = 0
  #depth = 0

  constructor(text: string, options: ParseJsonOptions) {
    this.#text = text
    this.#options = options
  }

  whole(): Json {
    const value = this.#value()
    this.#skipSpace()
    if (this.#at < this.#text.length) throw new Refusal(`expected the end, found ${this.#found()}`, this.#at)
    return value
  }

  #value(): Json {
    this.#skipSpace()
    const unit = this.#text.charCodeAt(this.#at)
    if (unit === 0x22) return this.#string()
    if (unit === 0x7b) return this.#object()
    if (unit === 0x5b) return this.#array()
    if (unit === 0x2d || (unit >= 0x30 && unit <= 0x39)) return this.#number()
    for (const [word, value] of [['true', true], ['false', false], ['null', null]] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    throw new Refusal(`expected a value, found ${this.#found()}`, this.#at)
  }

  /** What stands up to a closing bracket, part by part. */
  #nested(close: number, readPart: () => void): void {
    const { depthMax = 104 } = this.#options
    if (this.#depth === depthMax) throw new Refusal(`nested deeper than ${depthMax} levels`, this.#at)
    this.#depth++
    this.#at++
    this.#skipSpace()
    for (let isFirst = true; !this.#take(close); isFirst = false) {
      if (!isFirst && !this.#take(0x2c)) throw new Refusal(`expected ',' or '${String.fromCharCode(close)}', found ${this.#found()}`, this.#at)
      readPart()
      this.#skipSpace()
    }
    this.#depth--
  }

  #object(): Json {
    const object: { [field: string]: Json } = {}
    this.#nested(0x7d, () => {
      this.#skipSpace()
      const keyAt = this.#at
      if (this.#text.charCodeAt(keyAt) !== 0x22) throw new Refusal(`expected a field name in double quotes, found ${this.#found()}`, keyAt)
      const key = this.#string()
      if (key === '__proto__') throw new Refusal(`the field name "__proto__" is not allowed`, keyAt)
      if (Object.hasOwn(object, key)) throw new Loss(`the field ${JSON.stringify(key)} is there twice in one object`, keyAt)
      this.#skipSpace()
      if (!this.#take(0x3a)) throw new Refusal(`expected ':' after the field name, found ${this.#found()}`, this.#at)
      object[key] = this.#value()
    })
    return object
  }

  #array(): Json {
    const array: Json[] = []
    this.#nested(0x5d, () => array.push(this.#value()))
    return array
  }

  #number(): Json {
    const start = this.#at
    numberPattern.lastIndex = start
    const match = numberPattern.exec(this.#text)
    if (match === null) throw new Refusal('not a number', start)
    const literal = match[0]
    if (/[-+.\deE]/.test(this.#text.charAt(start + literal.length))) throw new Refusal('not a number as JSON writes it', start)
    this.#at += literal.length
    const value = Number(literal)
    const isInteger = match[1] === undefined && match[2] === undefined
    if (isInteger && !Number.isSafeInteger(value) && (this.#options.bigint === true || String(value) !== literal)) return this.#largeInteger(literal, start)
    if (!Number.isFinite(value)) throw new Loss(`the number ${literal} is too large for a double`, start)
    if (value === 0 && /^[^eE]*[1-9]/.test(literal)) throw new Loss(`the number ${literal} is too small for a double`, start)
    return value
  }

  #largeInteger(literal: string, start: number): Json {
    const exact = BigInt(literal)
    if (exact > int64Max || exact < int64Min) throw new Loss(`the integer ${shorten(literal)} does not fit in 64 bits; write it as a string`, start)
    if (this.#options.bigint !== true) throw new Loss(`the integer ${literal} is past 2^53 and would be rounded; write {"$numberLong":"${literal}"} or a string${this.#options.bigint === undefined ? '' : ' (--bigint keeps it exactly)'}`, start)
    return { $numberLong: literal }
  }

  #string(): string {
    const text = this.#text
    const start = this.#at++
    let isPlain = true
    for (let unit = text.charCodeAt(this.#at); unit !== 0x22; unit = text.charCodeAt(this.#at)) {
      if (Number.isNaN(unit)) throw new Refusal('a string is not closed', start)
      if (unit < 0x20) throw new Refusal('a control character in a string must be escaped', this.#at)
      if (unit === 0x5c) {
        isPlain = false
        escapePattern.lastIndex = this.#at
        if (!escapePattern.test(text)) throw new Refusal('not an escape that JSON knows', this.#at)
        this.#at = escapePattern.lastIndex
      } else this.#at++
    }
    return isPlain ? text.slice(start + 1, this.#at++) : (JSON.parse(text.slice(start, ++this.#at)) as string)
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at)
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
      this.#at++
    }
  }

  #take(unit: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== unit) return false
    this.#at++
    return true
  }

  #found(): string {
    const point = this.#text.codePointAt(this.#at)
    return point === undefined ? 'the end' : JSON.stringify(String.fromCodePoint(point))
  }
}

function shorten(literal: string): string {
  return literal.length <= 40 ? literal : `${literal.slice(0, 40)}… (${literal.length} digits)`
}
