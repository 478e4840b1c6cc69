import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { firstAtOrAbove } from './byte-arrays.ts'
import type { ByteSource } from './byte-source.ts'
import { rowsBetween } from './Column.ts'
import type { Leaf } from './columns.ts'
import { inFile } from './decode-chunk.ts'
import { DocumentAssembler } from './DocumentAssembler.ts'
import type { GroupCache } from './GroupCache.ts'
import { statisticsSection } from './GroupStatistics.ts'
import type { GroupFilter, GroupStatistics } from './GroupStatistics.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { runSystemFields, shapeSection } from './run-columns.ts'
import { findColumn, RunBatch } from './RunBatch.ts'
import { salvageGroups } from './salvage-groups.ts'
import type { LostRows } from './salvage-groups.ts'
import type { Shape } from './shape.ts'
import { compareKeys, lastGroupFrom } from './sparse-index.ts'
import type { RowGroupEntry } from './sparse-index.ts'
import { rangesByGroup, TableReader, type GroupOfFile, type ScanTrace } from './TableReader.ts'
import type { FileFacts } from './written-file.ts'

/** Rows `start` to `end` of a row group. */
export interface RunSlice {
  readonly batch: RunBatch
  readonly start: number
  readonly end: number
}

export interface RunScanOptions {
  /** Only ids >= this, by UTF-8 bytes. */
  readonly fromId?: string | undefined
  /** Only ids > this. */
  readonly afterId?: string | undefined
  /** Only ids < this. */
  readonly beforeId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface BatchOptions extends RunScanOptions {
  readonly trace?: ScanTrace | undefined
  /** Whether a row group has to be read, by what the index says of it. */
  readonly wants?: ((entry: RowGroupEntry, index: number) => boolean) | undefined
}

/** Ids asked for at once from which on the filters are read first. */
const filterWorthIds = 16

/** Reads a run that RunFileWriter wrote. CORRUPT_FILE with path and offset where the bytes are not those that were written. */
export class RunFileReader {
  readonly #path: string
  readonly #table: TableReader
  readonly #documents: DocumentAssembler
  readonly #cache: GroupCache | undefined

  private constructor(path: string, table: TableReader, cache: GroupCache | undefined) {
    this.#path = path
    this.#table = table
    this.#cache = cache
    this.#documents = new DocumentAssembler(table.index.fields.slice(runSystemFields.length, -1), runSystemFields.length)
  }

  /** Reads the file's own sparse index: one request, some 0.1% of the file. */
  static async open(source: ByteSource, facts: FileFacts, cache?: GroupCache): Promise<RunFileReader> {
    return new RunFileReader(source.path, await TableReader.open(source, facts, 'run'), cache)
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
    const group = await this.#table.rowGroup(this.#groupOf(id), this.#cache)
    const found = this.#find(group, id)
    if (found === undefined) await this.#table.noteWastedRead()
    return found
  }

  /** Those of the ids that the run has. Each row group is read once; adjacent ones share requests. */
  async getMany(sortedIds: readonly string[]): Promise<Map<string, EntityState>> {
    // Many ids that may all be new: the filters are worth their one request.
    if (sortedIds.length >= filterWorthIds) await this.loadFilters()
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
    let at = 0
    // By their order: a group in the cache may come from a reader of this file that was let go.
    for await (const group of this.#table.groups(indexes, { cache: this.#cache })) {
      for (const id of wanted.get(indexes[at++] ?? -1) ?? []) {
        const state = this.#find(group, id)
        if (state !== undefined) found.set(id, state)
      }
    }
    return found
  }

  /** States in order of id, a row group at a time, past the cache: for those who read each file once. */
  async *scan(options: RunScanOptions = {}): AsyncGenerator<EntityState[]> {
    for await (const group of this.#table.groups(this.#groupsWithin(options), { signal: options.signal })) {
      const { start, end } = this.#rowsWithin(group, options)
      if (start < end) yield this.#batch(group).states(rowsBetween(start, end))
    }
  }

  /** States within several ranges, which ascend and do not overlap, in order: each row group is read once, adjacent ones share requests. */
  async *scanRanges(ranges: readonly RunScanOptions[], signal?: AbortSignal): AsyncGenerator<EntityState[]> {
    const wanted = rangesByGroup(ranges, (range) => this.#groupsWithin(range))
    const inGroups = [...wanted.values()]
    let at = 0
    for await (const group of this.#table.groups([...wanted.keys()], { signal, cache: this.#cache })) {
      const rows = (inGroups[at++] ?? []).flatMap((range) => {
        const { start, end } = this.#rowsWithin(group, range)
        return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index)
      })
      if (rows.length > 0) yield this.#batch(group).states(Int32Array.from(rows))
    }
  }

  /** Its row groups for a merge. */
  groupsToMerge(options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupOfFile> {
    return this.#table.groupsToMerge(options)
  }

  /** Every state of a row group of this file. */
  statesOf(group: RowGroup): EntityState[] {
    return this.#batch(group).states(rowsBetween(0, group.rowCount))
  }

  /** The row groups that are wanted, as columns, in order of id. */
  async *batches(options: BatchOptions): AsyncGenerator<RunSlice[]> {
    const { trace, wants, signal } = options
    const within = this.#groupsWithin(options)
    const indexes = wants === undefined ? within : within.filter((index) => wants(this.#table.rowGroups[index] as RowGroupEntry, index))
    if (trace !== undefined) {
      trace.rowGroups += this.#table.rowGroups.length
      trace.prunedRowGroups += this.#table.rowGroups.length - indexes.length
    }
    for await (const group of this.#table.groups(indexes, { signal, trace, cache: this.#cache })) {
      const rows = this.#rowsWithin(group, options)
      if (rows.start < rows.end) yield [{ batch: this.#batch(group), ...rows }]
    }
  }

  /** Tells, from bounds that are read once, in which row groups nothing is wanted; undefined for a file without bounds. */
  async rulesOut(filter: GroupFilter): Promise<((index: number) => boolean) | undefined> {
    const { leaves, index, rowGroups } = this.#table
    const statistics = await this.#table.statistics()
    if (statistics === undefined) return undefined
    const where = { path: this.#path, offset: index.sections[statisticsSection]?.start ?? 0 }
    const restColumn = leaves.length - 1
    const boundsAt = (group: number, column: number): ReturnType<GroupStatistics['bounds']> => statistics.bounds({ column, leaf: leaves[column] as Leaf, group })
    return (group) =>
      inFile(where, () => {
        // What a `$rest` may say is not in any bound.
        if (boundsAt(group, restColumn).nullCount < (rowGroups[group] as RowGroupEntry).rows) return false
        return filter((path) => {
          const found = findColumn(this.#documents, path)
          if (found === undefined || found === 'absent') return found && { kind: found, isList: false, hasNulls: true }
          const { nullCount, least, greatest } = boundsAt(group, found.index)
          return { kind: (leaves[found.index] as Leaf).kind, isList: found.isList, hasNulls: nullCount > 0, least, greatest }
        })
      })
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

  #groupsWithin(options: RunScanOptions): number[] {
    const { rowGroups } = this.#table
    const from = maxId(options.fromId, options.afterId)
    const start = from === undefined ? 0 : Math.max(0, lastGroupFrom(rowGroups, [from]))
    const end = options.beforeId === undefined ? rowGroups.length : lastGroupFrom(rowGroups, [options.beforeId], { isBelow: true }) + 1
    return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index)
  }

  #batch(group: RowGroup): RunBatch {
    return new RunBatch(group, { path: this.#path, documents: this.#documents, restColumn: this.#table.leaves.length - 1 })
  }

  #find(group: RowGroup, id: string): EntityState | undefined {
    const key = utf8Encode(id)
    const row = this.#firstRow(group, key)
    if (row === group.rowCount) return undefined
    const [state] = this.#batch(group).states(Int32Array.of(row))
    return state?.id === id ? state : undefined
  }

  #rowsWithin(group: RowGroup, { fromId, afterId, beforeId }: RunScanOptions): { start: number; end: number } {
    let start = 0
    if (fromId !== undefined) start = this.#firstRow(group, utf8Encode(fromId))
    // No id stands between an id and the same with a NUL at its end.
    if (afterId !== undefined) start = Math.max(start, this.#firstRow(group, utf8Encode(`${afterId}\0`)))
    const end = beforeId === undefined ? group.rowCount : this.#firstRow(group, utf8Encode(beforeId))
    return { start, end }
  }

  /** The first row whose id is at least `key`. */
  #firstRow(group: RowGroup, key: Uint8Array): number {
    return firstAtOrAbove(this.#batch(group).ids, key)
  }
}

function maxId(left: string | undefined, right: string | undefined): string | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return compareKeys([left], [right]) > 0 ? left : right
}

