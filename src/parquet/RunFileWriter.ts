import { assert } from '../base/assert.ts'
import { compareStrings, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { isWellFormed } from '../model/well-formed.ts'
import { leavesOf, type FieldSpec, type Nulls, type ScalarKind } from './columns.ts'
import { DocumentShredder } from './DocumentShredder.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import type { RowToCopy } from './RowSource.ts'
import { reservedNames, restField, runSystemFields, shapeSection } from './run-columns.ts'
import { groupDepthMax, type ElementKind, type FieldShape, type ObservedKind, type Shape } from './shape.ts'
import type { GroupOfFile } from './TableReader.ts'
import { TableWriter, type FileOptions } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

/** A state in another run. */
export type StateToCopy = RowToCopy & Pick<EntityState, 'id' | 'seq' | 'updatedAt' | 'deletedAt'>

/** Columns of another run's rows: for each of this one the other's, -1 where it has none; or `all` in their order. */
export type CopiedColumns = readonly number[] | 'all'

export interface RunFileOptions extends FileOptions {
  /** What the states' documents look like: it decides the columns. Kept in the file; any shape is right, a true one is small. */
  readonly shape: Shape
}

/** Writes a run: the newest state of each entity, in strictly ascending order of the UTF-8 bytes of id. */
export class RunFileWriter extends TableWriter {
  readonly #shape: Shape
  /** By layout. */
  readonly #columnsFrom = new Map<string, readonly number[] | undefined>()
  readonly #documents: DocumentShredder
  readonly #system: readonly LeafBuilder[]
  readonly #rest: LeafBuilder
  #lastId: string | undefined

  constructor(options: RunFileOptions) {
    const fields = columnsOfShape(options.shape, reservedNames)
    super({ ...options, kind: 'run', fields: [...runSystemFields, ...fields, restField], sortedBy: [0], prefixColumn: 0 })
    this.#shape = options.shape
    this.#system = this.leaves.slice(0, runSystemFields.length)
    this.#documents = new DocumentShredder(fields, this.leaves.slice(runSystemFields.length, -1))
    this.#rest = this.leaves[this.leaves.length - 1] as LeafBuilder
  }

  append(state: EntityState): void {
    if (this.isFull) this.flush()
    this.#checkOrder(state.id)
    this.#appendSystem(state)
    const isEmptyTombstone = state.deletedAt !== undefined && Object.keys(state.document).length === 0
    const kept = isEmptyTombstone ? this.#documents.appendNothing() : this.#documents.append(state.document)
    // A tombstone that has a document says so with a rest, if only '{}'.
    const text = kept ?? (state.deletedAt !== undefined && !isEmptyTombstone ? '{}' : undefined)
    appendOptional(this.#rest, this.pendingRows, text)
    this.endRow({ key: [state.id], seq: state.seq, ts: state.updatedAt })
  }

  /** The columns of which the states of a row group are copied; undefined where they cannot be. */
  columnsFrom(source: GroupOfFile): CopiedColumns | undefined {
    const { layout } = source
    if (layout === this.layout) return 'all'
    if (!this.#columnsFrom.has(layout)) this.#columnsFrom.set(layout, columnsWithin(layout, this.layout))
    return this.#columnsFrom.get(layout)
  }

  /** Copies states out of row groups whose `columnsFrom` is known. A few at once: the row group may grow by all of them. In steps. */
  *copyRows(states: readonly StateToCopy[]): Generator<void> {
    if (this.isFull) yield* this.encode()
    this.copyToLeaves(states)
    this.#documents.skip(states.length)
    for (const { id, seq, updatedAt } of states) {
      this.#checkOrder(id)
      this.endRow({ key: [id], seq, ts: updatedAt })
    }
  }

  /** Whether a row group of another run can, and should, be taken over as it stands. */
  override takes(source: GroupOfFile): boolean {
    return (this.#lastId === undefined || compareStrings(this.#lastId, source.group.entry.firstKey[0] ?? '') < 0) && super.takes(source)
  }

  /** Takes over a row group whose ids come after all that were appended, in steps. */
  *copy(source: GroupOfFile): Generator<void> {
    const { group } = source
    this.#checkOrder(group.entry.firstKey[0] ?? '')
    const lastKey = group.lastKey([0])
    this.#lastId = lastKey[0]
    yield* this.takeOver(source, lastKey)
  }

  override finishing(): Generator<void, WrittenFile> {
    return super.finishing({ [shapeSection]: utf8Encode(JSON.stringify(this.#shape)) })
  }

  protected override beginRowGroup(): void {
    this.#documents.endRowGroup()
  }

  #checkOrder(id: string): void {
    assert(this.#lastId === undefined || compareStrings(this.#lastId, id) < 0, 'P1: the keys of a run ascend strictly')
    this.#lastId = id
  }

  #appendSystem(state: EntityState): void {
    const [id, version, seq, createdAt, updatedAt, createdBy, updatedBy, deleted, deletedAt] = this.#system
    id?.value(state.id)
    version?.value(state.version)
    seq?.value(state.seq)
    createdAt?.value(state.createdAt)
    updatedAt?.value(state.updatedAt)
    const row = this.pendingRows
    appendOptional(createdBy, row, state.createdBy)
    appendOptional(updatedBy, row, state.updatedBy)
    deleted?.value(state.deletedAt !== undefined)
    appendOptional(deletedAt, row, state.deletedAt)
  }
}

/** For each column of a layout that of another one, which has fewer: those left out may be absent, the others are the same and stand in the same order. Undefined where that is not so. An int is a double, too. */
function columnsWithin(fewerLayout: string, layout: string): readonly number[] | undefined {
  const [fewer = [], fields = []] = [fewerLayout, layout].map((text) => (JSON.parse(text) as [readonly FieldSpec[]])[0])
  const columns: number[] = []
  let [at, next] = [0, 0]
  for (const field of fields) {
    const count = leavesOf([field]).length
    const other = fewer[at]
    const isSame = other !== undefined && (JSON.stringify(other) === JSON.stringify(field) || (field.kind === 'double' && JSON.stringify({ ...other, kind: 'double' }) === JSON.stringify(field) && other.kind === 'int'))
    if (!isSame && field.kind !== 'rest' && field.nulls !== 'absent') return undefined
    for (let leaf = 0; leaf < count; leaf++) columns.push(isSame ? next++ : -1)
    if (isSame) at++
  }
  return at === fewer.length ? columns : undefined
}

/** The value of a row, whose index among those gathered is `row`; nothing where there is none. */
export function appendOptional(leaf: LeafBuilder | undefined, row: number, value: string | number | undefined): void {
  if (value === undefined) return
  leaf?.fillTo(row)
  leaf?.value(value)
}

/** Physical columns of documents; each costs some 100 bytes a row group in the footer alone. */
const columnsMax = 200
/** A field rarer than one in this many rows has no column: the column would cost more than its values. */
const rareness = 1000

const scalarKinds: readonly ScalarKind[] = ['string', 'int', 'bigint', 'double', 'boolean', 'date', 'bytes']

/**
 * The columns that documents of this shape are best kept in. A field gets the type that most of its values have (`double`
 * when any number is not an int); `reserved` names, names that differ only in case from a commoner one (DuckDB
 * does not tell them apart) and what is rare, deep or past 200 columns get none.
 */
export function columnsOfShape(shape: Shape, reserved: readonly string[]): FieldSpec[] {
  const worthy = fieldsWorthColumns(shape)
  const taken = new Set(reserved.map((name) => name.toLowerCase()))
  return specsOf(shape.fields, { depth: 0, rows: shape.rows, taken, worthy })
}

interface Place {
  /** Groups around these fields. */
  readonly depth: number
  /** How many objects could have had these fields. */
  readonly rows: number
  /** Lower-case names that may not be used. */
  readonly taken: ReadonlySet<string>
  readonly worthy: ReadonlySet<FieldShape>
}

function specsOf(shapes: readonly FieldShape[], place: Place): FieldSpec[] {
  const shadowed = namesInTwoCases(shapes)
  return shapes.map((shape) => (place.taken.has(shape.name.toLowerCase()) || shadowed.has(shape.name) ? rest(shape) : specOf(shape, place)))
}

function specOf(shape: FieldShape, place: Place): FieldSpec {
  const { name } = shape
  const kind = commonestKind(shape)
  if (name === '' || kind === undefined || !isWellFormed(name) || (kind !== 'object' && !place.worthy.has(shape))) return rest(shape)
  const nulls = nullsOf(shape, place.rows)
  if (kind === 'list') {
    const element = commonestElement(shape)
    return element === undefined ? rest(shape) : { kind: 'list', name, nulls, element }
  }
  if (kind !== 'object') return { kind, name, nulls }
  if (place.depth >= groupDepthMax) return rest(shape)
  const fields = specsOf(shape.fields ?? [], { ...place, depth: place.depth + 1, rows: countOf(shape, 'object'), taken: new Set() })
  // A group is nothing but its columns: without one it cannot be told that an object was there.
  return fields.every((field) => field.kind === 'rest') ? rest(shape) : { kind: 'group', name, nulls, fields }
}

function rest(shape: FieldShape): FieldSpec {
  return { kind: 'rest', name: shape.name }
}

function countOf(shape: FieldShape, kind: ObservedKind): number {
  return kind === 'double' ? (shape.counts.double ?? 0) + (shape.counts.int ?? 0) : (shape.counts[kind] ?? 0)
}

function commonestKind(shape: FieldShape): ScalarKind | 'list' | 'object' | undefined {
  let best: ScalarKind | 'list' | 'object' | undefined
  for (const kind of [...scalarKinds, 'list', 'object'] as const) {
    if ((shape.counts[kind] ?? 0) === 0 || (kind === 'int' && (shape.counts.double ?? 0) > 0)) continue
    if (best === undefined || countOf(shape, kind) > countOf(shape, best)) best = kind
  }
  return best
}

/** A list that was always empty is one of strings: something has to be its type. */
function commonestElement({ elements = {} }: FieldShape): ScalarKind | undefined {
  let best: ScalarKind | undefined
  let bestCount = 0
  let fitting = elements.empty ?? 0
  for (const kind of scalarKinds) {
    const count = kind === 'double' && elements.double !== undefined ? elements.double + (elements.int ?? 0) : (elements[kind as ElementKind] ?? 0)
    if (kind === 'int' && elements.double !== undefined) continue
    if (count > bestCount) {
      best = kind
      bestCount = count
    }
  }
  fitting += bestCount
  return fitting >= (elements.mixed ?? 0) ? (best ?? 'string') : undefined
}

function nullsOf(shape: FieldShape, rows: number): Nulls {
  const explicit = shape.counts.null ?? 0
  let present = 0
  for (const count of Object.values(shape.counts)) present += count
  return explicit > rows - present ? 'null' : 'absent'
}

/** Of names that are equal without regard to case, all but the commonest. */
function namesInTwoCases(shapes: readonly FieldShape[]): Set<string> {
  const kept = new Map<string, FieldShape>()
  const shadowed = new Set<string>()
  for (const shape of shapes) {
    const folded = shape.name.toLowerCase()
    const other = kept.get(folded)
    const wins = other === undefined || presence(shape) > presence(other) || (presence(shape) === presence(other) && compareStrings(shape.name, other.name) < 0)
    if (wins) kept.set(folded, shape)
    const loser = wins ? other : shape
    if (loser !== undefined) shadowed.add(loser.name)
  }
  return shadowed
}

function presence(shape: FieldShape): number {
  let count = 0
  for (const one of Object.values(shape.counts)) count += one
  return count
}

/** The fields that are common enough for a column: the 200 commonest, of equally common ones the first. */
function fieldsWorthColumns(shape: Shape): Set<FieldShape> {
  const candidates: { field: FieldShape; count: number }[] = []
  const collect = (fields: readonly FieldShape[]): void => {
    for (const field of fields) {
      const kind = commonestKind(field)
      if (kind === 'object') collect(field.fields ?? [])
      else if (kind !== undefined && countOf(field, kind) * rareness >= shape.rows) candidates.push({ field, count: countOf(field, kind) })
    }
  }
  collect(shape.fields)
  const commonest = candidates.toSorted((left, right) => right.count - left.count).slice(0, columnsMax)
  return new Set(commonest.map(({ field }) => field))
}
