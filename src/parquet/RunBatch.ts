import { copyEntity, type Entity, systemFields } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import type { FieldPath } from '../model/path.ts'
import type { Document, Value } from '../model/values.ts'
import { textAt, type ByteArrays } from './byte-arrays.ts'
import { rowsBetween, type Column } from './Column.ts'
import { byteArraysOf, numbersOf, scalarsOf } from './column-values.ts'
import { inFile } from './decode-chunk.ts'
import { numbersAt, scalarsAt } from './decode-rows.ts'
import { objectAt, type DocumentAssembler, type FieldColumn } from './DocumentAssembler.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { runColumn } from './run-columns.ts'
import type { GroupRows, Stretch } from './Stretch.ts'

/** Physical columns that hold what the database writes into entities, in the order of an entity's fields. `$id` lacks the namespace there. */
const systemColumns: ReadonlyMap<string, number> = new Map([
  ['$id', 0],
  ['version', 1],
  ['createdAt', 3],
  ['createdBy', 5],
  ['updatedAt', 4],
  ['updatedBy', 6],
  ['deletedAt', 8],
])

type Texts = readonly (string | undefined)[]

/** Row groups of a run that are read together: columns, decoded when they are asked for, and the states of the rows that are wanted. Rows are in the order of ids. */
export class RunBatch {
  readonly columns: RunBatch = this
  readonly #path: string
  readonly #stretch: Stretch
  readonly #documents: DocumentAssembler
  readonly #restColumn: number
  readonly #restsWith = new Map<string, readonly number[]>()

  constructor(stretch: Stretch, file: { path: string; documents: DocumentAssembler; restColumn: number }) {
    this.#stretch = stretch
    this.#path = file.path
    this.#documents = file.documents
    this.#restColumn = file.restColumn
  }

  get rowCount(): number {
    return this.#stretch.rowCount
  }

  get ids(): ByteArrays {
    return this.reading(() => byteArraysOf(this.column(runColumn.$id)))
  }

  get seqs(): Float64Array {
    return numbersOf(this.column(runColumn.$seq))
  }

  /** 1 for a tombstone; undefined when there is none. */
  get deleted(): Uint8Array | undefined {
    // `$deletedAt` says the same in fewer bytes where there is none.
    if (this.column(runColumn.$deletedAt).valueCount === 0) return undefined
    const { values } = this.column(runColumn.$deleted)
    if (values.kind !== 'flags') throw malformed("'$deleted' is no column of booleans")
    return values.flags
  }

  id(row: number): string {
    return textAt(this.ids, row)
  }

  column(index: number): Column {
    return this.#stretch.column(index)
  }

  /** See findColumn; of rows that are not among `restsWith` of the path's first field. */
  find(path: FieldPath): FieldColumn | 'absent' | undefined {
    return findColumn(this.#documents, path)
  }

  /** Rows whose `$rest` may say something of a top-level field. */
  restsWith(name: string): readonly number[] {
    const known = this.#restsWith.get(name)
    if (known !== undefined) return known
    const rows: number[] = []
    const column = this.column(this.#restColumn)
    if (column.valueCount > 0) {
      const needle = JSON.stringify(name)
      scalarsOf(column, rowsBetween(0, this.rowCount)).forEach((text, row) => {
        if ((text as string | undefined)?.includes(needle) === true) rows.push(row)
      })
    }
    this.#restsWith.set(name, rows)
    return rows
  }

  /** The states of some rows, which ascend; shared. */
  states(rows: Int32Array): EntityState[] {
    return this.#made(rows, (part) => this.#states(part))
  }

  /** What readers get of some rows, which ascend; `fields` are those of the top level that are wanted, `$id` aside. Made for the caller. */
  entities<T extends object>(rows: Int32Array, { ns, fields }: { ns: string; fields: ReadonlySet<string> | undefined }): Entity<T>[] {
    return this.#made(rows, (part) => {
      if (fields === undefined && areFew(part)) return this.#states(part).map((state) => copyEntity<T>(ns, state))
      const { group, rows: own } = part
      const at = group.columnsForRows(own)
      const scalars = (index: number): (Value | undefined)[] => scalarsAt(at(index))
      const names = [...systemColumns.keys()].filter((name) => name === '$id' || fields?.has(name) !== false)
      const columns = names.map((name) => (name === '$id' ? scalars(0).map((id) => `${ns}/${id as string}`) : scalars(systemColumns.get(name) as number)))
      const rests = scalars(this.#restColumn)
      const entities = this.#documents.documents(at, { rests, fields, lead: { names, columns } })
      scalars(8).forEach((deletedAt, index) => {
        if (isEmptyTombstone(deletedAt, rests[index])) entities[index] = objectAt({ names, columns }, index)
      })
      return entities as unknown as Entity<T>[]
    })
  }

  /** The rows, cut where a row group ends into parts of at least `rowsMin`: what is made of one part decodes no row group that others are in. */
  *cut(rows: Int32Array, rowsMin: number): Generator<Int32Array> {
    let start = 0
    let end = 0
    for (const { rows: { length } } of this.#stretch.partsOf(rows)) {
      end += length
      if (end - start < rowsMin) continue
      yield rows.subarray(start, end)
      start = end
    }
    if (start < end) yield rows.subarray(start, end)
  }

  /** Says of any failure of `read` in which file it happened, as CORRUPT_FILE. */
  reading<T>(read: () => T, { entry }: Pick<RowGroup, 'entry'> = this.#stretch.groups[0] as RowGroup): T {
    return inFile({ path: this.#path, offset: entry.start }, read)
  }

  /** What `make` gives of the rows, row group by row group. */
  #made<Item>(rows: Int32Array, make: (part: GroupRows) => Item[]): Item[] {
    let made: Item[] = []
    for (const part of this.#stretch.partsOf(rows)) {
      const items = this.reading(() => make(part), part.group)
      if (made.length === 0) made = items
      else for (const item of items) made.push(item)
    }
    return made
  }

  #states(part: GroupRows): EntityState[] {
    const { group, rows } = part
    const isWorthKeeping = areFew(part)
    const kept = isWorthKeeping ? group.keptStates(rows) : undefined
    if (kept !== undefined) return kept
    const at = group.columnsForRows(rows)
    const [ids, createdBys, updatedBys, deletedAts, rests] = [0, 5, 6, 8, this.#restColumn].map((index) => scalarsAt(at(index))) as [string[], Texts, Texts, (Date | undefined)[], Texts]
    const [versions, seqs, createdAts, updatedAts] = [1, 2, 3, 4].map((index) => numbersAt(at(index))) as [Float64Array, Float64Array, Float64Array, Float64Array]
    const documents = this.#documents.documents(at, { rests })
    const states = ids.map((id, index): EntityState => {
      const deletedAt = deletedAts[index]?.getTime()
      return {
        id,
        version: versions[index] as number,
        seq: seqs[index] as number,
        createdAt: createdAts[index] as number,
        createdBy: createdBys[index],
        updatedAt: updatedAts[index] as number,
        updatedBy: updatedBys[index],
        deletedAt,
        document: isEmptyTombstone(deletedAt, rests[index]) ? {} : (documents[index] as Document),
      }
    })
    if (isWorthKeeping) group.keepStates(rows, states)
    return states
  }
}

/** Whether rows are so few of their row group that they are kept as they are. */
function areFew({ group, rows }: GroupRows): boolean {
  return rows.length * 64 <= group.rowCount
}

/** Where a path's values stand in an entity, system fields included: a column, nowhere ('absent'), or in documents alone (undefined). `$id` is not looked for. */
export function findColumn(documents: DocumentAssembler, path: FieldPath): FieldColumn | 'absent' | undefined {
  const found = documents.find(path)
  const [name = ''] = path
  if (!systemFields.has(name)) return found
  const index = systemColumns.get(name)
  if (index === undefined || name === '$id' || path.length > 1 || found !== 'absent') return undefined
  return { index, isList: false, nulls: 'absent', outer: 0, definition: index < 5 ? 0 : 1 }
}

/** A tombstone's document is empty unless a `$rest` says otherwise, whatever its columns' nulls mean. */
function isEmptyTombstone(deletedAt: Value | undefined, rest: Value | undefined): boolean {
  return deletedAt !== undefined && rest === undefined
}
