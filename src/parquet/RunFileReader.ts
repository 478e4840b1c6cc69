import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import type { Document, Value } from '../model/values.ts'
import { firstAtOrAbove } from './byte-arrays.ts'
import type { ByteSource } from './byte-source.ts'
import { numbersOf, scalarsOf } from './column-values.ts'
import type { RowRange } from './column-values.ts'
import { inFile } from './decode-chunk.ts'
import { DocumentAssembler } from './DocumentAssembler.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { runSystemFields, shapeSection } from './run-columns.ts'
import { salvageGroups } from './salvage-groups.ts'
import type { LostRows } from './salvage-groups.ts'
import type { Shape } from './shape.ts'
import { compareKeys, lastGroupFrom } from './sparse-index.ts'
import { TableReader, type GroupOfFile } from './TableReader.ts'
import type { FileFacts } from './written-file.ts'

export interface RunScanOptions {
  /** Only ids >= this, by UTF-8 bytes. */
  readonly fromId?: string | undefined
  /** Only ids > this. */
  readonly afterId?: string | undefined
  /** Only ids < this. */
  readonly beforeId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Reads a run that RunFileWriter wrote. CORRUPT_FILE with path and offset where the bytes are not those that were written. */
export class RunFileReader {
  readonly #path: string
  readonly #table: TableReader
  readonly #documents: DocumentAssembler

  private constructor(path: string, table: TableReader) {
    this.#path = path
    this.#table = table
    this.#documents = new DocumentAssembler(table.index.fields.slice(runSystemFields.length, -1), runSystemFields.length)
  }

  /** Reads the file's own sparse index: one request, some 0.1% of the file. */
  static async open(source: ByteSource, facts: FileFacts): Promise<RunFileReader> {
    return new RunFileReader(source.path, await TableReader.open(source, facts, 'run'))
  }

  /** Size of the index, which stays in memory. */
  get indexBytes(): number {
    return this.#table.indexBytes
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#table.index.metadata
  }

  /** From memory alone: false only when the run surely does not have the id. */
  mayContain(id: string): boolean {
    return this.#groupOf(id) >= 0 && this.#table.filters?.keys.mayContain(id) !== false
  }

  /** Makes `mayContain` as sure as it can be: at most one request, and none for files of up to some 40,000 rows. */
  async loadFilters(): Promise<void> {
    await this.#table.loadFilters()
  }

  /** One request, of one row group; none when the index or the filter already says that the id is absent. */
  async get(id: string): Promise<EntityState | undefined> {
    if (!this.mayContain(id)) return undefined
    const group = await this.#table.rowGroup(this.#groupOf(id))
    const found = this.#find(group, id)
    if (found === undefined) await this.#table.noteWastedRead()
    return found
  }

  /** Those of the ids that the run has. Each row group is read once; adjacent ones share requests. */
  async getMany(sortedIds: readonly string[]): Promise<Map<string, EntityState>> {
    const wanted = new Map<number, string[]>()
    for (const id of sortedIds) {
      if (!this.mayContain(id)) continue
      const index = this.#groupOf(id)
      const ids = wanted.get(index)
      if (ids === undefined) wanted.set(index, [id])
      else ids.push(id)
    }
    const found = new Map<string, EntityState>()
    const indexes = [...wanted.keys()].toSorted((left, right) => left - right)
    for await (const group of this.#table.groups(indexes)) {
      for (const id of wanted.get(this.#table.rowGroups.indexOf(group.entry)) ?? []) {
        const state = this.#find(group, id)
        if (state !== undefined) found.set(id, state)
      }
    }
    return found
  }

  /** States in order of id, a row group at a time. */
  async *scan(options: RunScanOptions = {}): AsyncGenerator<EntityState[]> {
    const { rowGroups } = this.#table
    const from = maxId(options.fromId, options.afterId)
    const start = from === undefined ? 0 : Math.max(0, lastGroupFrom(rowGroups, [from]))
    const end = options.beforeId === undefined ? rowGroups.length : lastGroupFrom(rowGroups, [options.beforeId], { isBelow: true }) + 1
    const indexes = Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index)
    for await (const group of this.#table.groups(indexes, options.signal)) {
      const rows = this.#rowsWithin(group, options)
      if (rows.start < rows.end) yield this.#states(group, rows)
    }
  }

  /** Its row groups for a merge. */
  groupsToMerge(options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupOfFile> {
    return this.#table.groupsToMerge(options)
  }

  /** Every state of a row group of this file. */
  statesOf(group: RowGroup): EntityState[] {
    return this.#states(group, { start: 0, end: group.rowCount })
  }

  /** The states of every row group that is sound. */
  salvage(onLost: (lost: LostRows) => void): AsyncGenerator<EntityState[]> {
    return salvageGroups(this.#table, (group) => this.statesOf(group), onLost)
  }

  /** What the documents looked like when the run was written. */
  async shape(): Promise<Shape> {
    const bytes = await this.#table.section(shapeSection)
    return inFile({ path: this.#path, offset: this.#table.index.sections[shapeSection]?.start ?? 0 }, () => {
      if (bytes === undefined) throw malformed('it has no shape')
      return JSON.parse(utf8Decode(bytes)) as Shape
    })
  }

  /** Reads and checks every byte of the file; CORRUPT_FILE at the first that is wrong. */
  async verify(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const filters = await this.#table.loadFilters()
    let last: string | undefined
    const check = (group: RowGroup): void => {
      for (const { id } of this.statesOf(group)) {
        if (last !== undefined && compareKeys([last], [id]) >= 0) throw malformed(`the id '${id}' is out of order`)
        if (!filters.keys.mayContain(id)) throw malformed(`the id '${id}' is missing in the filter`)
        last = id
      }
    }
    await this.#table.verify(check, options.signal)
    await this.shape()
  }

  /** The row group that holds the id if any does; -1 when none can. */
  #groupOf(id: string): number {
    const { lastKey } = this.#table.index
    return compareKeys([id], lastKey) > 0 ? -1 : lastGroupFrom(this.#table.rowGroups, [id])
  }

  #find(group: RowGroup, id: string): EntityState | undefined {
    const key = utf8Encode(id)
    const row = this.#firstRow(group, key)
    if (row === group.rowCount) return undefined
    const [state] = this.#states(group, { start: row, end: row + 1 })
    return state?.id === id ? state : undefined
  }

  #rowsWithin(group: RowGroup, { fromId, afterId, beforeId }: RunScanOptions): RowRange {
    let start = 0
    if (fromId !== undefined) start = this.#firstRow(group, utf8Encode(fromId))
    // No id stands between an id and the same with a NUL at its end.
    if (afterId !== undefined) start = Math.max(start, this.#firstRow(group, utf8Encode(`${afterId}\0`)))
    const end = beforeId === undefined ? group.rowCount : this.#firstRow(group, utf8Encode(beforeId))
    return { start, end }
  }

  /** The first row whose id is at least `key`. */
  #firstRow(group: RowGroup, key: Uint8Array): number {
    const { values } = group.column(0)
    return inFile({ path: this.#path, offset: group.entry.start, column: '$id' }, () => {
      if (values.kind !== 'arrays') throw malformed('the ids are no column of texts')
      return firstAtOrAbove(values.arrays, key)
    })
  }

  #states(group: RowGroup, rows: RowRange): EntityState[] {
    return inFile({ path: this.#path, offset: group.entry.start }, () => {
      const ids = scalarsOf(group.column(0), rows) as string[]
      const versions = numbersOf(group.column(1), rows)
      const seqs = numbersOf(group.column(2), rows)
      const createdAts = numbersOf(group.column(3), rows)
      const updatedAts = numbersOf(group.column(4), rows)
      const createdBys = scalarsOf(group.column(5), rows) as (string | undefined)[]
      const updatedBys = scalarsOf(group.column(6), rows) as (string | undefined)[]
      const deletedAts = scalarsOf(group.column(8), rows) as (Date | undefined)[]
      const rests = scalarsOf(group.column(this.#table.leaves.length - 1), rows)
      const documents = this.#documents.documents(group, rows, rests)
      return ids.map((id, row): EntityState => {
        const deletedAt = deletedAts[row]?.getTime()
        return {
          id,
          version: versions[row] as number,
          seq: seqs[row] as number,
          createdAt: createdAts[row] as number,
          createdBy: createdBys[row],
          updatedAt: updatedAts[row] as number,
          updatedBy: updatedBys[row],
          deletedAt,
          document: documentOf({ deletedAt, rest: rests[row] }, documents[row] as Document),
        }
      })
    })
  }
}

/** A tombstone's document is empty unless a `$rest` says otherwise, whatever its columns' nulls mean. */
function documentOf({ deletedAt, rest }: { deletedAt: number | undefined; rest: Value | undefined }, document: Document): Document {
  return deletedAt !== undefined && rest === undefined ? {} : document
}

function maxId(left: string | undefined, right: string | undefined): string | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return compareKeys([left], [right]) > 0 ? left : right
}

