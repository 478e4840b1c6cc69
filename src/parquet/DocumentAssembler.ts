import { fromExtendedJson } from '../model/ejson.ts'
import type { FieldPath } from '../model/path.ts'
import { isObject, type Document, type Value } from '../model/values.ts'
import { listsOf, rowDefinitions, scalarsOf } from './column-values.ts'
import { leavesOf, type FieldSpec, type Nulls } from './columns.ts'
import type { RowsOfColumn } from './decode-rows.ts'
import { restAbsent, restOrder } from './DocumentShredder.ts'
import { malformed } from './malformed.ts'

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

/** Some rows of a row group, in each of its physical columns. */
export type RowsOfGroup = (index: number) => RowsOfColumn

/** Fields of some rows, in order: of each its name, and its values by row, undefined where it is absent. */
export interface FieldValues {
  readonly names: readonly string[]
  readonly columns: readonly (readonly (Value | undefined)[])[]
}

export interface AssemblyOptions {
  readonly rests: readonly (Value | undefined)[]
  /** Only these top-level fields; what `$rest` brings comes with them. Default: all. */
  readonly fields?: ReadonlySet<string> | undefined
  /** What stands before a document's own fields. */
  readonly lead?: FieldValues | undefined
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

  /** The documents of some rows; `rests` are their `$rest`, in the same order. */
  documents(at: RowsOfGroup, { rests, fields, lead = noFields }: AssemblyOptions): Document[] {
    const nodes = this.#root.filter(({ spec }) => spec.kind !== 'rest' && fields?.has(spec.name) !== false)
    const own = { names: nodes.map((node) => node.spec.name), columns: nodes.map((node) => valuesOf(node, at)) }
    const documents = objectsOf({ names: [...lead.names, ...own.names], columns: [...lead.columns, ...own.columns] }, rests.length)
    for (let row = 0; row < rests.length; row++) {
      const rest = rests[row]
      if (rest !== undefined) documents[row] = Object.assign(objectAt(lead, row), this.#withRest(parseRest(rest), { own, row, fields }))
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

  #withRest(rest: Parsed, { own, row, fields }: { own: FieldValues; row: number; fields: ReadonlySet<string> | undefined }): Document {
    const kept = objectAt(own, row)
    for (const name of (rest[restAbsent] as string[] | undefined) ?? []) delete kept[name]
    const merged = mergeFields({ children: this.#root, byName: this.#byName }, kept, rest)
    const order = rest[restOrder] as string[] | undefined
    if (order === undefined) return merged
    const ordered: Document = {}
    for (const name of order) {
      const value = merged[name]
      if (value !== undefined) ordered[name] = value
      else if (fields?.has(name) !== false) throw malformed(`the order of a document names '${name}', which it does not have`)
    }
    return ordered
  }
}

const noFields: FieldValues = { names: [], columns: [] }
/** Fewer rows are not worth a template. */
const templateRowsMin = 8

/** An object of one row. `template`: what it is a copy of at first, with fields that the row has, in their order. */
export function objectAt({ names, columns }: FieldValues, row: number, template: Document = {}): Document {
  const object: Document = { ...template }
  for (let index = 0; index < columns.length; index++) {
    const value = (columns[index] as readonly (Value | undefined)[])[row]
    if (value !== undefined) object[names[index] as string] = value
  }
  return object
}

/** An object for each row. Where no field is absent each is a copy of one that has them all: objects that grow are dear. */
function objectsOf(all: FieldValues, rowCount: number): Document[] {
  const present = all.columns.flatMap((column, index) => (column.some((value) => value !== undefined) ? [index] : []))
  const fields = { names: present.map((index) => all.names[index] as string), columns: present.map((index) => all.columns[index] as readonly (Value | undefined)[]) }
  const isWorthOne = rowCount >= templateRowsMin && fields.columns.every((column) => !column.includes(undefined))
  const template = isWorthOne ? (JSON.parse(JSON.stringify(Object.fromEntries(fields.names.map((name) => [name, null])))) as Document) : {}
  return Array.from({ length: rowCount }, (_, row) => objectAt(fields, row, template))
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
function valuesOf(node: Node, at: RowsOfGroup): (Value | undefined)[] {
  const { spec } = node
  if (spec.kind === 'rest') return []
  const values: (Value | undefined)[] = spec.kind === 'group' ? groupsOf(node, at) : leafValues(spec.kind, at(node.column))
  if (spec.nulls === 'null') for (let row = 0; row < values.length; row++) if (values[row] === undefined) values[row] = null
  return values
}

function leafValues(kind: FieldSpec['kind'], { column, rows }: RowsOfColumn): (Value | undefined)[] {
  return kind === 'list' ? listsOf(column, rows) : scalarsOf(column, rows)
}

function groupsOf(node: Node, at: RowsOfGroup): (Value | undefined)[] {
  const { column, rows } = at(node.column)
  const definitions = rowDefinitions(column, rows)
  const children = node.children.filter((child) => child.spec.kind !== 'rest')
  const fields = { names: children.map(({ spec }) => spec.name), columns: children.map((child) => valuesOf(child, at)) }
  return Array.from(definitions, (definition, row) => (definition < node.definition ? undefined : objectAt(fields, row)))
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
