import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import { approximateBytes, slotBytes, type Document, type Value } from './values.ts'
import { isWellFormed, prototypeNames } from './well-formed.ts'

/** How large a document may be. Past one of these: LIMIT_EXCEEDED, with `details.limit` naming it. */
export interface DocumentLimits {
  /** Estimated as approximateBytes does. */
  readonly documentBytesMax: number
  /** Containers inside each other; the document itself is the first. At most 200, as Extended JSON reads no deeper than 256. */
  readonly depthMax: number
  /** Fields of the document and of every object inside it, together. */
  readonly fieldCountMax: number
}

/** What is stored must fit with its wrappers into the 256 levels that Extended JSON reads. */
export const deepestDepthMax = 200

export const defaultDocumentLimits: DocumentLimits = {
  /** What MongoDB allows; a document is read and written whole, so larger things belong into files. */
  documentBytesMax: 16 * 1024 * 1024,
  /** What MongoDB allows. */
  depthMax: 100,
  fieldCountMax: 10_000,
}

export interface ParseDocumentOptions {
  /** Top-level names to leave out: system fields that the caller handles itself. */
  readonly skip?: ReadonlySet<string>
  /** Told of each name left out whose value is not undefined. */
  readonly onSkip?: (name: string) => void
}

/**
 * A valid document, deeply copied from what a user gave: own enumerable string keys only, in order. A field whose value is
 * `undefined` counts as absent. VALIDATION_FAILED with the path for: anything that is not a Value (function, symbol, an instance of a class
 * other than Date and Uint8Array, an invalid Date, undefined or a hole in an array, a bigint beyond int64), a cycle, a lone surrogate,
 * a field name that starts with '$' (only a top-level `$type` with a string is allowed) or names the prototype. NaN,
 * the infinities and -0 stay as they are. LIMIT_EXCEEDED past a limit.
 */
export function parseDocument(input: unknown, limits: DocumentLimits = defaultDocumentLimits, options: ParseDocumentOptions = {}): Document {
  return parseSizedDocument(input, limits, options).document
}

/** As parseDocument, with what approximateBytes says of the document. */
export function parseSizedDocument(input: unknown, limits: DocumentLimits, options: ParseDocumentOptions): { document: Document; bytes: number } {
  if (!isPlainObject(input)) throw new ParqueDBError('VALIDATION_FAILED', `A document must be a plain object, not ${describe(input)}.`, { details: { path: '' } })
  const walk = new Walk(limits, input)
  return { document: walk.document(input, 0, options), bytes: walk.bytes }
}

/** One valid value, deeply copied, under the rules of parseDocument; `path` is where it stands, for errors. */
export function parseValue(input: unknown, path: string, limits: DocumentLimits = defaultDocumentLimits): Value {
  return new Walk(limits, input, path).value(input, 0)
}

/** Throws LIMIT_EXCEEDED when a document, valid otherwise, is past a limit. Copies nothing. */
export function checkDocumentLimits(document: Document, limits: DocumentLimits): void {
  if (approximateBytes(document) > limits.documentBytesMax) throw exceeded('documentBytesMax', limits, '')
  if (countFields(document, limits, 1) > limits.fieldCountMax) throw exceeded('fieldCountMax', limits, '')
}

function countFields(value: Value, limits: DocumentLimits, depth: number): number {
  if (typeof value !== 'object' || value === null || isLeaf(value)) return 0
  if (depth > limits.depthMax) throw exceeded('depthMax', limits, '')
  const inside = Array.isArray(value) ? value : Object.values(value as Document)
  return inside.reduce<number>((count, each) => count + countFields(each, limits, depth + 1), Array.isArray(value) ? 0 : inside.length)
}

function exceeded(limit: keyof DocumentLimits, limits: DocumentLimits, path: string): ParqueDBError {
  const most = limits[limit]
  const where = path === '' ? '' : ` at '${path}'`
  return limitExceeded({ [limit]: most }, `The document is past ${limit} (${most})${where}; split it, or raise the limit.`, { path })
}

/** One parse: its counts, and where it stands. */
class Walk {
  readonly #limits: DocumentLimits
  readonly #root: unknown
  readonly #base: string
  /** The key at each depth on the way to the value being read; what lies beyond the current depth is stale. */
  readonly #keys: (string | number)[] = []
  /** Of what was read, as approximateBytes estimates it. */
  bytes = 0
  #fieldCount = 0

  constructor(limits: DocumentLimits, root: unknown, base = '') {
    if (limits.depthMax > deepestDepthMax) throw new ParqueDBError('INVALID_ARGUMENT', `The limit depthMax can be at most ${deepestDepthMax}, not ${limits.depthMax}.`)
    this.#limits = limits
    this.#root = root
    this.#base = base
  }

  /** The object at `depth` keys below the root; `top` where it is the document itself, which may have a `$type`. */
  document(input: Readonly<Record<string, unknown>>, depth: number, top?: ParseDocumentOptions): Document {
    const copy: Document = {}
    if (top !== undefined) this.#count(slotBytes, depth)
    for (const name of Object.keys(input)) {
      const value = input[name]
      if (value === undefined) continue
      if (top?.skip?.has(name)) {
        top.onSkip?.(name)
        continue
      }
      this.#keys[depth] = name
      if (top === undefined || name !== '$type') this.#checkName(name, depth + 1)
      else if (typeof value !== 'string') this.#fail(depth + 1, `must be text, not ${describe(value)}`)
      this.#countField(name, depth + 1)
      copy[name] = this.value(value, depth + 1)
    }
    return copy
  }

  /** The value at `depth` keys below the root. */
  value(input: unknown, depth: number): Value {
    this.#count(slotBytes, depth)
    switch (typeof input) {
      case 'string':
        if (!isWellFormed(input)) this.#fail(depth, 'holds a lone surrogate, which UTF-8 cannot store')
        this.#count(input.length, depth)
        return input
      case 'number':
      case 'boolean':
        return input
      case 'bigint':
        if (BigInt.asIntN(64, input) !== input) this.#fail(depth, `holds ${input}, which is beyond a 64-bit integer`)
        return input
      case 'object':
        return input === null ? null : this.#object(input, depth)
      case 'undefined':
      case 'function':
      case 'symbol':
        return this.#fail(depth, `holds ${describe(input)}, which cannot be stored`)
    }
  }

  #object(input: object, depth: number): Value {
    if (depth >= this.#limits.depthMax && !isLeaf(input)) this.#exceed('depthMax', depth)
    if (Array.isArray(input)) return this.#array(input, depth)
    if (input instanceof Date) {
      const ms = input.getTime()
      if (Number.isNaN(ms)) this.#fail(depth, 'holds an invalid Date')
      return new Date(ms)
    }
    if (input instanceof Uint8Array) {
      this.#count(input.length, depth)
      return new Uint8Array(input)
    }
    if (!isPlainObject(input)) this.#fail(depth, `holds ${describe(input)}, which cannot be stored`)
    return this.document(input, depth)
  }

  #array(input: readonly unknown[], depth: number): Value[] {
    const copy: Value[] = []
    for (let index = 0; index < input.length; index++) {
      this.#keys[depth] = index
      copy.push(this.value(input[index], depth + 1))
    }
    return copy
  }

  #checkName(name: string, depth: number): void {
    if (name.charCodeAt(0) === 0x24) this.#fail(depth, "is a field whose name starts with '$', which is kept for operators; rename it")
    if (prototypeNames.has(name)) this.#fail(depth, 'is a field name that would reach the prototype; rename it')
    if (!isWellFormed(name)) this.#fail(depth, 'is a field whose name holds a lone surrogate, which UTF-8 cannot store')
  }

  #countField(name: string, depth: number): void {
    this.#fieldCount += 1
    if (this.#fieldCount > this.#limits.fieldCountMax) this.#exceed('fieldCountMax', depth)
    this.bytes += name.length
  }

  #count(bytes: number, depth: number): void {
    this.bytes += bytes
    if (this.bytes > this.#limits.documentBytesMax) this.#exceed('documentBytesMax', depth)
  }

  #path(depth: number): string {
    const keys = this.#keys.slice(0, depth)
    return (this.#base === '' ? keys : [this.#base, ...keys]).join('.')
  }

  #fail(depth: number, problem: string): never {
    const path = this.#path(depth)
    throw new ParqueDBError('VALIDATION_FAILED', `'${path}' ${problem}.`, { details: { path } })
  }

  #exceed(limit: keyof DocumentLimits, depth: number): never {
    if (this.#isInCycle(depth)) this.#fail(depth, 'contains itself')
    throw exceeded(limit, this.#limits, this.#path(depth))
  }

  /** A cycle always ends at a limit, so it is looked for there alone and costs valid documents nothing. */
  #isInCycle(depth: number): boolean {
    const seen = new Set<unknown>()
    let at: unknown = this.#root
    for (const key of this.#keys.slice(0, depth)) {
      if (typeof at !== 'object' || at === null) return false
      if (seen.has(at)) return true
      seen.add(at)
      at = (at as Record<string, unknown>)[key]
    }
    return seen.has(at)
  }
}

function isLeaf(input: object): boolean {
  return input instanceof Date || input instanceof Uint8Array
}

/** An object literal, or one without a prototype, also from another realm. */
export function isPlainObject(input: unknown): input is Record<string, unknown> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false
  const prototype: unknown = Object.getPrototypeOf(input)
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'hasOwnProperty')
}

/** What something is, for error messages. */
export function describe(input: unknown): string {
  if (input === undefined || input === null) return String(input)
  if (typeof input !== 'object') return `a ${typeof input}`
  if (Array.isArray(input)) return 'an array'
  if (isPlainObject(input)) return 'an object'
  const name: unknown = (Object.getPrototypeOf(input) as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== '' ? `a ${name}` : 'an object of a class'
}
