import { assert } from '../base/assert.ts'
import { toExtendedJson, type Json } from '../model/ejson.ts'
import { isObject, ownField, type Document, type Value } from '../model/values.ts'
import type { FieldSpec, LeafValue, ScalarKind } from './columns.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import { isInt } from './shape.ts'

/** Names in `$rest` that are not fields. No document has them: field names do not begin with '$', `$type` excepted. */
export const restOrder = '$order'
export const restAbsent = '$absent'

interface Node {
  readonly spec: FieldSpec
  /** Place in the order of its siblings. */
  readonly index: number
  /** Own columns: of a group all those inside it. */
  readonly leaves: readonly LeafBuilder[]
  /** Of a group; empty otherwise. */
  readonly children: readonly Node[]
  readonly byName: ReadonlyMap<string, Node>
  /** Definition level when the field is there, but nothing inside it. */
  readonly definition: number
  /** Row in which a document last had the field. */
  lastRow: number
}

/**
 * Takes documents apart into columns. What has no column, or does not fit its column, is returned for `$rest`:
 * a field's value there stands instead of its columns; an object there, where the columns say that the group is
 * present, holds the fields that are missing in the columns.
 */
export class DocumentShredder {
  readonly #nodes: readonly Node[]
  readonly #byName: ReadonlyMap<string, Node>
  /** Fields whose Parquet null means null, so that their absence has to be told. */
  readonly #nullNodes: readonly Node[]
  #row = -1

  /** `leaves` in the order of `leavesOf(fields)`. */
  constructor(fields: readonly FieldSpec[], leaves: readonly LeafBuilder[]) {
    const queue = [...leaves]
    this.#nodes = nodesOf(fields, { definition: 0, queue })
    assert(queue.length === 0, 'a shredder gets exactly the columns of its fields')
    this.#byName = new Map(this.#nodes.map((node) => [node.spec.name, node]))
    this.#nullNodes = this.#nodes.filter(({ spec }) => spec.kind !== 'rest' && spec.nulls === 'null')
  }

  /** Appends one row and gives the text of its `$rest`, undefined when there is nothing to tell. */
  append(document: Document): string | undefined {
    const row = (this.#row += 1)
    const names = Object.keys(document)
    let rest: { [field: string]: Json } | undefined
    let last = -1
    let isOrdered = true
    for (const name of names) {
      // Most documents have their fields in the order of the columns.
      const expected = this.#nodes[last + 1]
      const node = expected?.spec.name === name ? expected : this.#byName.get(name)
      const value = document[name] as Value
      const index = node?.index ?? this.#nodes.length
      if (index < last) isOrdered = false
      last = index
      const left = node === undefined ? toExtendedJson(value) : shred(node, value, row)
      if (left === undefined) continue
      rest ??= {}
      rest[name] = left
    }
    const absent = this.#absentNames(row)
    if (rest === undefined && isOrdered && absent === undefined) return undefined
    return JSON.stringify({ ...(isOrdered ? {} : { [restOrder]: names }), ...(absent && { [restAbsent]: absent }), ...rest })
  }

  /** Rows were put into its columns by others. */
  skip(rows: number): void {
    this.#row += rows
  }

  /** Begins a row group. */
  endRowGroup(): void {
    for (const node of this.#nodes) node.lastRow = -1
    this.#row = -1
  }

  /** A tombstone's row: no columns, nothing in `$rest`. */
  appendNothing(): undefined {
    this.#row += 1
  }

  #absentNames(row: number): string[] | undefined {
    let names: string[] | undefined
    for (const node of this.#nullNodes) {
      if (node.lastRow === row) continue
      names ??= []
      names.push(node.spec.name)
    }
    return names
  }
}

function nodesOf(fields: readonly FieldSpec[], at: { definition: number; queue: LeafBuilder[] }): Node[] {
  return fields.map((spec, index) => {
    const definition = at.definition + (spec.kind === 'rest' || spec.nulls === 'never' ? 0 : 1)
    const children = spec.kind === 'group' ? nodesOf(spec.fields, { definition, queue: at.queue }) : []
    const leaves = spec.kind === 'group' ? children.flatMap((child) => child.leaves) : at.queue.splice(0, spec.kind === 'rest' ? 0 : 1)
    return { spec, index, leaves, children, byName: new Map(children.map((child) => [child.spec.name, child])), definition, lastRow: -1 }
  })
}

/** Puts a top-level value into its columns; gives what has to go to `$rest` instead. */
function shred(node: Node, value: Value, row: number): Json | undefined {
  node.lastRow = row
  const { spec } = node
  if (spec.kind === 'rest') return toExtendedJson(value)
  if (value === null) return spec.nulls === 'null' ? undefined : null
  for (const leaf of node.leaves) leaf.fillTo(row)
  return shredInto(node, value)
}

/**
 * Adds a row to every leaf and gives what is missing there; or leaves them as they are and gives the whole value.
 * Whoever reads sees from the columns which of the two it is.
 */
function shredInto(node: Node, value: Value): Json | undefined {
  const { spec } = node
  const leaf = node.leaves[0] as LeafBuilder
  if (spec.kind === 'group') return isObject(value) && accepts(node, value) ? shredGroup(node, value) : toExtendedJson(value)
  if (spec.kind === 'list') {
    const list = listValues(spec.element, value)
    if (list === undefined) return toExtendedJson(value)
    leaf.list(list, node.definition)
    return undefined
  }
  const kept = spec.kind === 'rest' ? undefined : leafValue(spec.kind, value)
  if (kept === undefined) return toExtendedJson(value)
  leaf.value(kept)
  return undefined
}

/** An object can be split between columns and `$rest` when its fields are in order, and none is absent whose null would mean null. */
function accepts(node: Node, object: Document): boolean {
  let last = -1
  for (const name of Object.keys(object)) {
    const index = node.byName.get(name)?.index ?? node.children.length
    if (index < last) return false
    last = index
  }
  return node.children.every(({ spec }) => spec.kind === 'rest' || spec.nulls !== 'null' || Object.hasOwn(object, spec.name))
}

function shredGroup(node: Node, object: Document): Json | undefined {
  let rest: { [field: string]: Json } | undefined
  const rowCount = (node.leaves[0] as LeafBuilder).rowCount + 1
  for (const child of node.children) {
    const { spec } = child
    if (spec.kind === 'rest') continue
    const value = ownField(object, spec.name)
    let left: Json | undefined
    if (value === null) left = spec.nulls === 'null' ? undefined : null
    else if (value !== undefined) left = shredInto(child, value)
    for (const leaf of child.leaves) leaf.fillTo(rowCount, node.definition)
    if (left === undefined) continue
    rest ??= {}
    rest[spec.name] = left
  }
  for (const name of Object.keys(object)) {
    const child = node.byName.get(name)
    if (child !== undefined && child.spec.kind !== 'rest') continue
    rest ??= {}
    rest[name] = toExtendedJson(object[name] as Value)
  }
  return rest
}

/** What a column of this kind keeps of the value; undefined when it cannot keep it exactly. */
function leafValue(kind: ScalarKind, value: Value): LeafValue | undefined {
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? value : undefined
    case 'int':
      return typeof value === 'number' && isInt(value) ? value : undefined
    case 'double':
      return typeof value === 'number' ? value : undefined
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'bigint':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : undefined
    case 'date':
      return value instanceof Date && !Number.isNaN(value.getTime()) ? value.getTime() : undefined
    case 'bytes':
      return value instanceof Uint8Array ? value : undefined
  }
}

function listValues(kind: ScalarKind, value: Value): LeafValue[] | undefined {
  if (!Array.isArray(value)) return undefined
  const kept: LeafValue[] = []
  for (const element of value) {
    const one = leafValue(kind, element)
    if (one === undefined) return undefined
    kept.push(one)
  }
  return kept
}
