import { fromExtendedJson } from '../model/ejson.ts'
import type { FieldPath } from '../model/path.ts'
import type { Document, Value } from '../model/values.ts'
import { isObject } from '../model/values.ts'
import type { Column } from './Column.ts'
import { listsOf, rowDefinitions, scalarsOf } from './column-values.ts'
import type { FieldSpec, Nulls } from './columns.ts'
import { leavesOf } from './columns.ts'
import { restAbsent, restOrder } from './DocumentShredder.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'

interface Node {
  readonly spec: FieldSpec
  /** First of its physical columns. */
  readonly column: number
  readonly children: readonly Node[]
  readonly byName: ReadonlyMap<string, Node>
  /** Of a group: definition level from which it is present. */
  readonly definition: number
}

type Parsed = { readonly [field: string]: unknown }

export interface AssemblyOptions {
  readonly rests: readonly (Value | undefined)[]
  /** Only these top-level fields; what `$rest` brings comes with them. Default: all. */
  readonly fields?: ReadonlySet<string> | undefined
  /** The object that a row's fields are added to; default: a new one. */
  readonly begin?: ((index: number) => Document) | undefined
}

/** A field's physical column. */
export interface FieldColumn {
  readonly index: number
  readonly isList: boolean
  readonly nulls: Nulls
  /** Definition level from which the object around the field is there. */
  readonly outer: number
  /** Definition level from which the field itself is there. */
  readonly definition: number
}

/** Puts documents together again from their columns and `$rest`. The inverse of DocumentShredder. */
export class DocumentAssembler {
  readonly #root: readonly Node[]
  readonly #byName: ReadonlyMap<string, Node>

  /** `firstColumn`: where in the file the first of `leavesOf(fields)` stands. */
  constructor(fields: readonly FieldSpec[], firstColumn: number) {
    this.#root = nodesOf(fields, { column: firstColumn, definition: 0 })
    this.#byName = new Map(this.#root.map((node) => [node.spec.name, node]))
  }

  /** The documents of some rows, which ascend; `rests` are their `$rest`, in the same order. */
  documents(group: RowGroup, rows: Int32Array, { rests, fields, begin }: AssemblyOptions): Document[] {
    const nodes = this.#root.filter(({ spec }) => spec.kind !== 'rest' && fields?.has(spec.name) !== false)
    const names = nodes.map((node) => node.spec.name)
    const columns = nodes.map((node) => valuesOf(node, group, rows))
    const documents = new Array<Document>(rows.length)
    for (let row = 0; row < documents.length; row++) {
      const document: Document = begin === undefined ? {} : begin(row)
      documents[row] = document
      const rest = rests[row]
      if (rest !== undefined) {
        Object.assign(document, this.#withRest(parseRest(rest), { names, columns, row, fields }))
        continue
      }
      for (let index = 0; index < columns.length; index++) {
        const value = (columns[index] as (Value | undefined)[])[row]
        if (value !== undefined) document[names[index] as string] = value
      }
    }
    return documents
  }

  /** Where a path's values stand for rows whose `$rest` does not name its first field: a column, nowhere ('absent'), or in documents alone (undefined). */
  find(path: FieldPath): FieldColumn | 'absent' | undefined {
    let siblings = this.#byName
    let outer = 0
    for (const [at, name] of path.entries()) {
      const node = siblings.get(name)
      if (node === undefined || node.spec.kind === 'rest') return 'absent'
      const { spec } = node
      const isLast = at === path.length - 1
      if (spec.kind === 'group') {
        if (isLast) return undefined
        siblings = node.byName
        outer = node.definition
      } else if (isLast) {
        return { index: node.column, isList: spec.kind === 'list', nulls: spec.nulls, outer, definition: node.definition }
      } else {
        return spec.kind === 'list' ? undefined : 'absent'
      }
    }
    return undefined
  }

  #withRest(rest: Parsed, at: { names: readonly string[]; columns: readonly (Value | undefined)[][]; row: number; fields: ReadonlySet<string> | undefined }): Document {
    const absent = new Set(rest[restAbsent] as string[] | undefined)
    const kept: Document = {}
    at.names.forEach((name, index) => {
      const value = at.columns[index]?.[at.row]
      if (value !== undefined && !absent.has(name)) kept[name] = value
    })
    const merged = mergeFields({ children: this.#root, byName: this.#byName }, kept, rest)
    const order = rest[restOrder] as string[] | undefined
    if (order === undefined) return merged
    const ordered: Document = {}
    for (const name of order) {
      const value = merged[name]
      if (value !== undefined) ordered[name] = value
      else if (at.fields?.has(name) !== false) throw malformed(`the order of a document names '${name}', which it does not have`)
    }
    return ordered
  }
}

function nodesOf(fields: readonly FieldSpec[], at: { column: number; definition: number }): Node[] {
  let { column } = at
  return fields.map((spec) => {
    const first = column
    column += leavesOf([spec]).length
    const definition = at.definition + (spec.kind === 'rest' || spec.nulls === 'never' ? 0 : 1)
    const children = spec.kind === 'group' ? nodesOf(spec.fields, { column: first, definition }) : []
    return { spec, column: first, children, byName: new Map(children.map((child) => [child.spec.name, child])), definition }
  })
}

/** A field's values by its columns alone; undefined where they say that it is absent. */
function valuesOf(node: Node, group: RowGroup, rows: Int32Array): (Value | undefined)[] {
  const { spec } = node
  if (spec.kind === 'rest') return []
  const values: (Value | undefined)[] = spec.kind === 'group' ? groupsOf(node, group, rows) : leafValues(spec.kind, group.column(node.column), rows)
  if (spec.nulls === 'null') for (let row = 0; row < values.length; row++) if (values[row] === undefined) values[row] = null
  return values
}

function leafValues(kind: FieldSpec['kind'], column: Column, rows: Int32Array): (Value | undefined)[] {
  return kind === 'list' ? listsOf(column, rows) : scalarsOf(column, rows)
}

function groupsOf(node: Node, group: RowGroup, rows: Int32Array): (Value | undefined)[] {
  const definitions = rowDefinitions(group.column(node.column), rows)
  const children = node.children.filter((child) => child.spec.kind !== 'rest')
  const columns = children.map((child) => valuesOf(child, group, rows))
  const objects = new Array<Value | undefined>(definitions.length)
  for (let row = 0; row < objects.length; row++) {
    if ((definitions[row] as number) < node.definition) continue
    const object: Document = {}
    for (let index = 0; index < columns.length; index++) {
      const value = (columns[index] as (Value | undefined)[])[row]
      if (value !== undefined) object[(children[index] as Node).spec.name] = value
    }
    objects[row] = object
  }
  return objects
}

function parseRest(text: Value): Parsed {
  const parsed: unknown = JSON.parse(text as string)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw malformed('a $rest is no object')
  return parsed as Parsed
}

/** Fields from the columns, and those that `rest` has instead or besides: known ones in their usual order, then the others in the order of `rest`. */
function mergeFields({ children, byName }: { children: readonly Node[]; byName: ReadonlyMap<string, Node> }, kept: Document, rest: Parsed): Document {
  const merged: Document = {}
  for (const node of children) {
    const { name } = node.spec
    const value = Object.hasOwn(kept, name) ? kept[name] : undefined
    if (Object.hasOwn(rest, name)) merged[name] = mergeValue(node, value, rest[name])
    else if (value !== undefined) merged[name] = value
  }
  for (const name of Object.keys(rest)) {
    if (!byName.has(name) && name !== restOrder && name !== restAbsent) merged[name] = fromExtendedJson(rest[name])
  }
  return merged
}

/** Where the columns hold a group, `rest` has what is missing in it; else it has the value. */
function mergeValue(node: Node, kept: Value | undefined, rest: unknown): Value {
  return node.spec.kind === 'group' && isObject(kept) ? mergeFields(node, kept, rest as Parsed) : fromExtendedJson(rest)
}
