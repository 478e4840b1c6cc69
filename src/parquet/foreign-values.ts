import type { SchemaElement, SchemaTree } from 'hyparquet'
import { utf8Decode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import { prototypeNames } from '../model/well-formed.ts'
import type { Document, Value } from '../model/values.ts'
import { malformed } from './malformed.ts'

export interface ConvertOptions {
  /** What a null in a row or an object becomes. A null in a list is always kept. */
  readonly nulls: 'absent' | 'null'
}

/** Turns what hyparquet gives for a column into a Value; undefined for null. */
type Convert = (value: unknown) => Value | undefined

/** A JavaScript number keeps this many decimal digits; decimals of more become texts. */
const numberDigitsMax = 15
/** Far past what any writer makes; each digit is a character of every value. */
const scaleMax = 1000

/** How a row of a foreign file becomes a document. `root` is the schema as the file has it, decimals included. */
export function rowConverter(root: SchemaTree, options: ConvertOptions): (row: Readonly<Record<string, unknown>>) => Document {
  const convert = objectConverter(root.children, options)
  return (row) => convert(row) as Document
}

/** The element without what makes hyparquet read a decimal as an inexact float, and a map as an object, where `__proto__` and the first of two equal keys vanish. */
export function withoutAnnotation(element: SchemaElement): SchemaElement {
  if (!isA('DECIMAL', element) && !isMap(element)) return element
  const { converted_type: _converted, logical_type: _logical, ...plain } = element
  return plain
}

/** A column's type in words, for messages and listings. */
export function describeType({ element, children }: SchemaTree): string {
  const annotation = element.logical_type?.type ?? element.converted_type
  if (children.length > 0) return annotation?.toLowerCase() ?? 'group'
  return annotation === undefined ? (element.type ?? 'unknown').toLowerCase() : `${annotation.toLowerCase()} (${(element.type ?? 'unknown').toLowerCase()})`
}

function converterOf(node: SchemaTree, options: ConvertOptions): Convert {
  const { element, children } = node
  if (element.logical_type?.type === 'VARIANT') return anyValue
  const one = children.length > 0 ? nestedConverter(node, options) : scalarConverter(element)
  // A repeated field outside of a list is a list of its own.
  return element.repetition_type === 'REPEATED' ? listConverter(one) : one
}

function nestedConverter(node: SchemaTree, options: ConvertOptions): Convert {
  const [child] = node.children
  if (isA('LIST', node.element) && child !== undefined) {
    // Three levels: list -> repeated group -> element. Two: list -> repeated element.
    const [inner] = child.children
    const element = child.children.length === 1 && inner !== undefined ? inner : child
    return listConverter(element === child && child.children.length === 0 ? scalarConverter(child.element) : converterWithin(element, options))
  }
  if (isMap(node.element) && child?.children.length === 2 && child.element.repetition_type === 'REPEATED') return mapConverter(child, options)
  return objectConverter(node.children, options)
}

/** The converter of a list's element, whose own repetition the list has used up. */
function converterWithin(node: SchemaTree, options: ConvertOptions): Convert {
  return converterOf(node.element.repetition_type === 'REPEATED' ? { ...node, element: { ...node.element, repetition_type: 'REQUIRED' } } : node, options)
}

/** Whether an element has the annotation, in its older form or its newer one. */
function isA(annotation: 'LIST' | 'MAP' | 'DECIMAL' | 'ENUM', { converted_type, logical_type }: SchemaElement): boolean {
  return converted_type === annotation || logical_type?.type === annotation
}

function isMap(element: SchemaElement): boolean {
  return isA('MAP', element) || element.converted_type === 'MAP_KEY_VALUE'
}

function listConverter(convert: Convert): Convert {
  return (value) => {
    if (value === null || value === undefined) return undefined
    if (!isArrayLike(value)) return [convert(value) ?? null]
    return Array.from(value, (element) => convert(element) ?? null)
  }
}

function mapConverter({ element, children, path }: SchemaTree, options: ConvertOptions): Convert {
  const [key, value] = children.map((node) => ({ name: node.element.name, convert: converterOf(node, options) })) as [{ name: string; convert: Convert }, { name: string; convert: Convert }]
  return (given) => {
    if (given === null || given === undefined) return undefined
    const map: Document = {}
    const entries = ((given as Readonly<Record<string, unknown>>)[element.name] ?? []) as readonly Readonly<Record<string, unknown>>[]
    for (const entry of entries) {
      const one = key.convert(entry[key.name])
      const name = typeof one === 'string' || typeof one === 'bigint' ? String(one) : one instanceof Date ? one.toISOString() : stringifyExtendedJson(one ?? null)
      if (prototypeNames.has(name) || Object.hasOwn(map, name)) {
        const problem = prototypeNames.has(name) ? 'a field of a document cannot have' : 'stands twice in one map'
        throw new ParqueDBError('UNSUPPORTED_FORMAT', `its column '${path[0]}' is a map with the key '${name.slice(0, 80)}', which ${problem}`)
      }
      map[name] = value.convert(entry[value.name]) ?? null
    }
    return map
  }
}

function objectConverter(children: readonly SchemaTree[], options: ConvertOptions): Convert {
  const fields = children.map((child) => ({ name: child.element.name, convert: converterOf(child, options) }))
  return (value) => {
    if (value === null || value === undefined) return undefined
    const object: Document = {}
    for (const { name, convert } of fields) {
      const one = convert((value as Readonly<Record<string, unknown>>)[name])
      if (one !== undefined) object[name] = one
      else if (options.nulls === 'null') object[name] = null
    }
    return object
  }
}

function scalarConverter(element: SchemaElement): Convert {
  if (isA('DECIMAL', element)) return decimalConverter(element)
  if (isA('ENUM', element)) return (value) => (value instanceof Uint8Array ? utf8Decode(value) : anyValue(value))
  return anyValue
}

function decimalConverter(element: SchemaElement): Convert {
  const logical = element.logical_type?.type === 'DECIMAL' ? element.logical_type : undefined
  const scale = logical?.scale ?? element.scale ?? 0
  const precision = logical?.precision ?? element.precision ?? 0
  if (Math.abs(scale) > scaleMax) throw malformed(`a decimal has the scale ${scale}`)
  return (value) => {
    if (value === null || value === undefined) return undefined
    const text = decimalText(unscaledOf(value), scale)
    return precision <= numberDigitsMax ? Number(text) : text
  }
}

function unscaledOf(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return BigInt(value)
  if (!(value instanceof Uint8Array)) throw malformed('a decimal is neither a number nor bytes')
  let unscaled = 0n
  for (const byte of value) unscaled = (unscaled << 8n) | BigInt(byte)
  return BigInt.asIntN(value.length * 8, unscaled)
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return String(unscaled * 10n ** BigInt(-scale))
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** A value whose JavaScript type says enough. */
function anyValue(value: unknown): Value | undefined {
  switch (typeof value) {
    case 'undefined':
      return undefined
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
    case 'string':
    case 'number':
    case 'boolean':
      return value
    case 'object':
      return objectValue(value)
    case 'function':
    case 'symbol':
      throw malformed(`a value is a ${typeof value}`)
  }
}

function objectValue(value: object | null): Value | undefined {
  if (value === null) return undefined
  if (value instanceof Date || value instanceof Uint8Array) return value
  if (isArrayLike(value)) return Array.from(value, (element) => anyValue(element) ?? null)
  const object: Document = {}
  for (const [name, one] of Object.entries(value)) object[name] = anyValue(one) ?? null
  return object
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof Uint8Array) && !(value instanceof DataView))
}
