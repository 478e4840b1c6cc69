import type { Document, Value } from '../model/values.ts'
import type { ScalarKind } from './columns.ts'

/** What a value is, as far as choosing a column goes. `mixed` is a list whose elements have no one scalar type. */
export type ObservedKind = ScalarKind | 'null' | 'list' | 'object'

/** How often a field was seen holding what. JSON-safe. */
export interface FieldShape {
  readonly name: string
  readonly counts: { readonly [kind in ObservedKind]?: number }
  /** Lists by the type that all of their elements share; `empty` and `mixed` otherwise. */
  readonly elements?: { readonly [kind in ElementKind]?: number }
  /** Fields of the objects that it held. */
  readonly fields?: readonly FieldShape[]
}

export type ElementKind = ScalarKind | 'empty' | 'mixed'

/** What documents look like: which fields they have, in which order, of which types. JSON-safe and bounded. */
export interface Shape {
  readonly rows: number
  readonly fields: readonly FieldShape[]
}

/** Fields that are told apart in all; later ones are not counted, and so have no column. */
const fieldsMax = 1000
/** Objects inside objects that are looked into. */
export const groupDepthMax = 4

type Counts<Kind extends string> = { [kind in Kind]?: number }

interface FieldCount {
  readonly name: string
  /** Among those of its object. */
  readonly index: number
  readonly counts: Counts<ObservedKind>
  readonly elements: Counts<ElementKind>
  readonly fields: FieldCounts
}

interface FieldCounts {
  readonly byName: Map<string, FieldCount>
  /** In the order in which they were first seen, which most documents have. */
  readonly inOrder: FieldCount[]
}

/** Observes documents, or shapes observed before. */
export class ShapeBuilder {
  #rows = 0
  #fieldCount = 0
  readonly #fields: FieldCounts = { byName: new Map(), inOrder: [] }

  add(document: Document): void {
    this.#rows += 1
    this.#addFields(document, this.#fields, 0)
  }

  merge(shape: Shape): void {
    this.#rows += shape.rows
    this.#mergeFields(shape.fields, this.#fields)
  }

  build(): Shape {
    return { rows: this.#rows, fields: fieldShapes(this.#fields) }
  }

  #addFields(document: Document, fields: FieldCounts, depth: number): void {
    let at = 0
    for (const name of Object.keys(document)) {
      const expected = fields.inOrder[at]
      const field = expected?.name === name ? expected : this.#field(fields, name)
      if (field === undefined) continue
      at = field.index + 1
      const value = document[name] as Value
      const kind = observe(value)
      increase(field.counts, kind, 1)
      if (kind === 'list') increase(field.elements, elementKind(value as Value[]), 1)
      else if (kind === 'object' && depth < groupDepthMax) this.#addFields(value as Document, field.fields, depth + 1)
    }
  }

  #mergeFields(shapes: readonly FieldShape[], fields: FieldCounts): void {
    for (const shape of shapes) {
      const field = this.#field(fields, shape.name)
      if (field === undefined) continue
      for (const [kind, count] of Object.entries(shape.counts)) increase(field.counts, kind as ObservedKind, count)
      for (const [kind, count] of Object.entries(shape.elements ?? {})) increase(field.elements, kind as ElementKind, count)
      this.#mergeFields(shape.fields ?? [], field.fields)
    }
  }

  #field(fields: FieldCounts, name: string): FieldCount | undefined {
    const present = fields.byName.get(name)
    if (present !== undefined || this.#fieldCount >= fieldsMax) return present
    this.#fieldCount += 1
    const made: FieldCount = { name, index: fields.inOrder.length, counts: {}, elements: {}, fields: { byName: new Map(), inOrder: [] } }
    fields.byName.set(name, made)
    fields.inOrder.push(made)
    return made
  }
}

function fieldShapes({ inOrder }: FieldCounts): FieldShape[] {
  return inOrder.map(({ name, counts, elements, fields }) => ({
    name,
    counts,
    ...(Object.keys(elements).length > 0 && { elements }),
    ...(fields.inOrder.length > 0 && { fields: fieldShapes(fields) }),
  }))
}

function increase<Kind extends string>(counts: Counts<Kind>, kind: Kind, by: number): void {
  counts[kind] = (counts[kind] ?? 0) + by
}

function observe(value: Value): ObservedKind {
  if (typeof value === 'number') return isInt(value) ? 'int' : 'double'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'bigint') return 'bigint'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Date) return 'date'
  return value instanceof Uint8Array ? 'bytes' : 'object'
}

/** -0 is no int: an INT64 column has one zero. */
export function isInt(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0)
}

function elementKind(list: readonly Value[]): ElementKind {
  let common: ElementKind = 'empty'
  for (const element of list) {
    const kind = observe(element)
    if (kind === common) continue
    if (kind === 'null' || kind === 'list' || kind === 'object') return 'mixed'
    if (common === 'empty') common = kind
    else if (kind === 'double' && common === 'int') common = 'double'
    else if (kind !== 'int' || common !== 'double') return 'mixed'
  }
  return common
}
