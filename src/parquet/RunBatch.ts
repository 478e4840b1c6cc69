import type { Entity } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import type { FieldPath } from '../model/path.ts'
import { systemFields } from '../model/system-fields.ts'
import type { Document, Value } from '../model/values.ts'
import { textAt } from './byte-arrays.ts'
import type { ByteArrays } from './byte-arrays.ts'
import type { Column } from './Column.ts'
import { byteArraysOf, numbersOf, scalarsOf } from './column-values.ts'
import { inFile } from './decode-chunk.ts'
import type { DocumentAssembler, FieldColumn } from './DocumentAssembler.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { TextColumn } from './TextColumn.ts'

/** Physical columns that hold what the database writes into entities. */
const systemColumns: ReadonlyMap<string, number> = new Map([
  ['version', 1],
  ['createdAt', 3],
  ['updatedAt', 4],
  ['createdBy', 5],
  ['updatedBy', 6],
  ['deletedAt', 8],
])

/** One row group of a run: columns, decoded when they are asked for, and the states of the rows that are wanted. Rows are in the order of ids. */
export class RunBatch {
  readonly columns: RunBatch = this
  readonly #path: string
  readonly #group: RowGroup
  readonly #documents: DocumentAssembler
  readonly #restColumn: number
  readonly #restsWith = new Map<string, readonly number[]>()

  constructor(group: RowGroup, file: { path: string; documents: DocumentAssembler; restColumn: number }) {
    this.#group = group
    this.#path = file.path
    this.#documents = file.documents
    this.#restColumn = file.restColumn
  }

  get rowCount(): number {
    return this.#group.rowCount
  }

  get ids(): ByteArrays {
    const column = this.#group.column(0)
    return this.reading(() => byteArraysOf(column))
  }

  get seqs(): Float64Array {
    return numbersOf(this.#group.column(2))
  }

  /** 1 for a tombstone; undefined when there is none. */
  get deleted(): Uint8Array | undefined {
    // `$deletedAt` says the same in fewer bytes where there is none.
    if (this.column(8).valueCount === 0) return undefined
    const { values } = this.column(7)
    if (values.kind !== 'flags') throw malformed("'$deleted' is no column of booleans")
    return values.flags
  }

  id(row: number): string {
    return textAt(this.ids, row)
  }

  column(index: number): Column {
    return this.#group.column(index)
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
      const texts = new TextColumn(column)
      for (let row = 0; row < this.rowCount; row++) if (texts.text(row)?.includes(needle) === true) rows.push(row)
    }
    this.#restsWith.set(name, rows)
    return rows
  }

  /** The states of some rows, which ascend. Made for the caller. */
  states(rows: Int32Array): EntityState[] {
    return this.reading(() => {
      const facts = this.#facts(rows)
      const documents = this.#documents.documents(this.#group, rows, { rests: facts.rests })
      return facts.ids.map((id, index): EntityState => {
        const row = rows[index] as number
        const deletedAt = facts.deletedAts[index]?.getTime()
        return {
          id,
          version: facts.versions[row] as number,
          seq: this.seqs[row] as number,
          createdAt: facts.createdAts[row] as number,
          createdBy: facts.createdBys[index],
          updatedAt: facts.updatedAts[row] as number,
          updatedBy: facts.updatedBys[index],
          deletedAt,
          document: isEmptyTombstone(facts, index) ? {} : (documents[index] as Document),
        }
      })
    })
  }

  /** What readers get of some rows, which ascend; `fields` are those of the top level that are wanted. Made for the caller. */
  entities<T extends object>(rows: Int32Array, { ns, fields }: { ns: string; fields: ReadonlySet<string> | undefined }): Entity<T>[] {
    return this.reading(() => {
      const facts = this.#facts(rows)
      const begin = (index: number): Document => {
        const row = rows[index] as number
        const createdBy = facts.createdBys[index]
        const updatedBy = facts.updatedBys[index]
        const deletedAt = facts.deletedAts[index]
        const entity: Document = { $id: `${ns}/${facts.ids[index] as string}`, version: facts.versions[row] as number, createdAt: new Date(facts.createdAts[row] as number) }
        if (createdBy !== undefined) entity.createdBy = createdBy
        entity.updatedAt = new Date(facts.updatedAts[row] as number)
        if (updatedBy !== undefined) entity.updatedBy = updatedBy
        if (deletedAt !== undefined) entity.deletedAt = deletedAt
        return entity
      }
      const entities = this.#documents.documents(this.#group, rows, { rests: facts.rests, fields, begin })
      for (let index = 0; index < entities.length; index++) if (isEmptyTombstone(facts, index)) entities[index] = begin(index)
      return entities as unknown as Entity<T>[]
    })
  }

  /** Says of any failure of `read` in which file it happened, as CORRUPT_FILE. */
  reading<T>(read: () => T): T {
    return inFile({ path: this.#path, offset: this.#group.entry.start }, read)
  }

  #facts(rows: Int32Array): Facts {
    const scalars = (index: number): (Value | undefined)[] => scalarsOf(this.column(index), rows)
    return {
      ids: scalars(0) as string[],
      versions: numbersOf(this.column(1)),
      createdAts: numbersOf(this.column(3)),
      updatedAts: numbersOf(this.column(4)),
      createdBys: scalars(5) as (string | undefined)[],
      updatedBys: scalars(6) as (string | undefined)[],
      deletedAts: scalars(8) as (Date | undefined)[],
      rests: scalars(this.#restColumn),
    }
  }
}

/** Where a path's values stand in an entity, system fields included: a column, nowhere ('absent'), or in documents alone (undefined). `$id` is not looked for. */
export function findColumn(documents: DocumentAssembler, path: FieldPath): FieldColumn | 'absent' | undefined {
  const found = documents.find(path)
  const [name = ''] = path
  if (!systemFields.has(name)) return found
  const index = systemColumns.get(name)
  if (index === undefined || path.length > 1 || found !== 'absent') return undefined
  return { index, isList: false, nulls: 'absent', outer: 0, definition: index < 5 ? 0 : 1 }
}

/** By row the numbers, by place in what is asked for the rest. */
interface Facts {
  readonly ids: readonly string[]
  readonly versions: Float64Array
  readonly createdAts: Float64Array
  readonly updatedAts: Float64Array
  readonly createdBys: readonly (string | undefined)[]
  readonly updatedBys: readonly (string | undefined)[]
  readonly deletedAts: readonly (Date | undefined)[]
  readonly rests: readonly (Value | undefined)[]
}

/** A tombstone's document is empty unless a `$rest` says otherwise, whatever its columns' nulls mean. */
function isEmptyTombstone({ deletedAts, rests }: Facts, index: number): boolean {
  return deletedAts[index] !== undefined && rests[index] === undefined
}
