import { compareStrings, utf8Decode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EntityState } from '../model/entity.ts'
import { foldVersion } from '../model/fold.ts'
import type { ByteSource } from './byte-source.ts'
import { rowsBetween } from './Column.ts'
import type { Leaf } from './columns.ts'
import { inFile } from './decode-chunk.ts'
import { scalarsOf } from './column-values.ts'
import { DocumentAssembler } from './DocumentAssembler.ts'
import type { GroupCache } from './GroupCache.ts'
import { statisticsSection, type GroupFilter, type GroupStatistics } from './GroupStatistics.ts'
import { groupsWithin, rangeOfKey, rowsInRanges, rowsWithin, type IdRange, type KeyRange } from './key-ranges.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { RowSource, type ColumnToCopy } from './RowSource.ts'
import type { CopiedColumns, StateToCopy } from './RunFileWriter.ts'
import { runColumn, runSystemFields, shapeSection } from './run-columns.ts'
import { findColumn, RunBatch } from './RunBatch.ts'
import { salvageGroups, type LostRows } from './salvage-groups.ts'
import { foldKey } from './segment-columns.ts'
import type { Shape } from './shape.ts'
import { compareKeys, lastGroupFrom, type RowGroupEntry } from './sparse-index.ts'
import { Stretch } from './Stretch.ts'
import { TableReader, type GroupOfFile, type GroupsOptions, type ScanTrace } from './TableReader.ts'
import type { FileFacts } from './written-file.ts'

export interface BatchOptions extends IdRange {
  readonly signal?: AbortSignal | undefined
  readonly trace?: ScanTrace | undefined
  /** Whether a row group has to be read, by what the index says of it. */
  readonly wants?: ((entry: RowGroupEntry, index: number) => boolean) | undefined
}

/** Ids asked for at once from which on the filters are read first. */
const filterWorthIds = 16

/** Between what is wanted for several ids: a request costs as much as reading so much from a disk, and more in a bucket. */
const bridgeBytes = 64 * 1024

/** Reads a run that RunFileWriter wrote. CORRUPT_FILE with path and offset where the bytes are not those that were written. */
export class RunFileReader {
  readonly #table: TableReader
  readonly #documents: DocumentAssembler

  private constructor(table: TableReader) {
    this.#table = table
    this.#documents = new DocumentAssembler(table.index.fields.slice(runSystemFields.length, -1), runSystemFields.length)
  }

  /** Reads the file's own sparse index: one request, some 0.1% of the file. UNSUPPORTED_FORMAT when another fold made its states, which may be others than this one makes. */
  static async open(source: ByteSource, facts: FileFacts, cache?: GroupCache): Promise<RunFileReader> {
    const table = await TableReader.open(source, facts, { kind: 'run', cache })
    const fold = table.index.metadata[foldKey] ?? String(foldVersion)
    if (fold === String(foldVersion)) return new RunFileReader(table)
    throw new ParqueDBError('UNSUPPORTED_FORMAT', `${source.path} holds states that another version of ParqueDB folded from events (fold ${fold}; this one is ${foldVersion}). Open the folder with that version.`, { details: { path: source.path, fold } })
  }

  get codec(): 'gzip' | undefined {
    return this.#table.index.codec
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#table.index.metadata
  }

  /** From memory alone: false only when the run surely does not have the id. */
  mayContain(id: string): boolean {
    const group = this.#groupOf(id)
    return group >= 0 && this.#table.filters?.keys.mayContain(group, id) !== false
  }

  /** One request, of one row group; none when the index or the filter already says that the id is absent. */
  async get(id: string): Promise<EntityState | undefined> {
    if (!this.mayContain(id)) return undefined
    const stretch = new Stretch([await this.#table.rowGroup(this.#groupOf(id), this.#table.cache)])
    const { start, end } = rowsWithin(stretch, rangeOfKey([], id))
    if (start === end) await this.#table.noteWastedRead()
    return this.#batch(stretch).states(rowsBetween(start, end))[0]
  }

  /** The states within a range, shared, where memory tells them; undefined where the file has to be read, or for more than `most` of them. */
  statesNow({ fromId, beforeId }: { fromId: string; beforeId: string }, most: number): readonly EntityState[] | undefined {
    const { rowGroups } = this.#table
    let found: readonly EntityState[] = []
    for (let index = Math.max(0, lastGroupFrom(rowGroups, [fromId])); compareStrings(rowGroups[index]?.firstKey[0] ?? beforeId, beforeId) < 0; index++) {
      const group = this.#table.rowGroupNow(index)
      const states = group?.statesWithin(fromId, beforeId) ?? (group && this.#statesToKeep(group, { fromId, beforeId }, most))
      if (states === undefined || found.length + states.length > most) return undefined
      found = found.length === 0 ? states : [...found, ...states]
    }
    return found
  }

  #statesToKeep(group: RowGroup, range: { fromId: string; beforeId: string }, most: number): readonly EntityState[] | undefined {
    const stretch = new Stretch([group])
    const { start, end } = rowsWithin(stretch, { ...range, prefix: [] })
    if (end - start > most) return undefined
    const states = this.#batch(stretch).states(rowsBetween(start, end))
    group.keepStatesWithin({ ...range, states })
    return states
  }

  /** Those of the ids that the run has. Each row group is read once; adjacent ones share requests. */
  async getMany(sortedIds: readonly string[]): Promise<Map<string, EntityState>> {
    // Many ids that may all be new: the filters are worth their one request.
    if (sortedIds.length >= filterWorthIds) await this.#table.loadFilters()
    const found = new Map<string, EntityState>()
    const wanted = sortedIds.filter((id) => this.mayContain(id)).map((id) => rangeOfKey([], id))
    for await (const states of this.#states(wanted, { cache: this.#table.cache, bridgeBytes })) for (const state of states) found.set(state.id, state)
    return found
  }

  /** States in order of id, a row group at a time, past the cache: for those who read each file once. */
  scan({ signal, ...range }: IdRange & Pick<BatchOptions, 'signal'> = {}): AsyncGenerator<EntityState[]> {
    return this.#states([{ ...range, prefix: [] }], { signal })
  }

  /** States within several ranges, which ascend and do not overlap, in order: each row group is read once, adjacent ones share requests. */
  scanRanges(ranges: readonly IdRange[], signal?: AbortSignal): AsyncGenerator<EntityState[]> {
    return this.#states(ranges.map((range) => ({ ...range, prefix: [] })), { signal, cache: this.#table.cache, bridgeBytes: ranges.length > 1 ? bridgeBytes : undefined })
  }

  /** Its row groups for a merge. */
  groupsToMerge(options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupOfFile> {
    return this.#table.groupsToMerge(options)
  }

  /** Every state of a row group of this file. */
  statesOf(group: RowGroup): EntityState[] {
    return this.#batch(new Stretch([group])).states(rowsBetween(0, group.rowCount))
  }

  /** As `statesOf`, to be copied where that can be: `columns` are those that a run has columns for, undefined where it cannot copy any. What has a `$rest` may have columns there that it has not here, and comes as a state. */
  statesToCopy(group: RowGroup, columns: CopiedColumns | undefined): (StateToCopy | EntityState)[] {
    if (columns === undefined) return this.statesOf(group)
    const rests = group.column(this.#table.leaves.length - 1)
    const isCopied = (row: number): boolean => columns === 'all' || (rests.places?.[row] ?? 0) < 0
    const others = this.#batch(new Stretch([group])).states(rowsBetween(0, group.rowCount).filter((row) => !isCopied(row)))
    const source = new RowSource(group)
    const [ids, seqs, updates, deletions] = [runColumn.$id, runColumn.$seq, runColumn.$updatedAt, runColumn.$deletedAt].map((index) => source.column(index)) as [ColumnToCopy, ColumnToCopy, ColumnToCopy, ColumnToCopy]
    let other = 0
    return Array.from({ length: group.rowCount }, (_, row) => {
      if (!isCopied(row)) return others[other++] as EntityState
      return { source, row, columns: columns === 'all' ? undefined : columns, id: ids.valueOf(row) as string, seq: seqs.valueOf(row) as number, updatedAt: updates.valueOf(row) as number, deletedAt: deletions.valueOf(row) as number | undefined }
    })
  }

  /** The row groups that are wanted, as columns, in order of id, many at a time. */
  async *batches(options: BatchOptions): AsyncGenerator<{ batch: RunBatch; start: number; end: number }[]> {
    const { trace, wants, signal } = options
    const range = { ...options, prefix: [] }
    const within = groupsWithin(this.#table, range)
    if (trace !== undefined) {
      trace.rowGroups += this.#table.rowGroups.length
      trace.prunedRowGroups += this.#table.rowGroups.length - within.length
    }
    const isWanted = wants && ((index: number): boolean => wants(this.#table.rowGroups[index] as RowGroupEntry, index))
    for await (const stretch of this.#table.stretches(within, { signal, trace, cache: this.#table.cache, isJoined: true, wants: isWanted })) {
      const batch = this.#batch(stretch)
      const rows = rowsWithin(stretch, range)
      if (rows.start < rows.end) yield [{ batch, ...rows }]
    }
  }

  /** Tells, from bounds that are read once, in which row groups nothing is wanted; undefined for a file without bounds. */
  async rulesOut(filter: GroupFilter): Promise<((index: number) => boolean) | undefined> {
    const { leaves, index, rowGroups } = this.#table
    const statistics = await this.#table.statistics()
    if (statistics === undefined) return undefined
    const where = { path: this.#table.path, offset: index.sections[statisticsSection]?.start ?? 0 }
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
    return inFile({ path: this.#table.path, offset: this.#table.index.sections[shapeSection]?.start ?? 0 }, () => {
      if (bytes === undefined) throw malformed('it has no shape')
      return JSON.parse(utf8Decode(bytes)) as Shape
    })
  }

  /** Reads and checks every byte of the file, its order and its filter, and with `builds` makes the states; CORRUPT_FILE at the first that is wrong. */
  async verify({ builds = true, signal }: { builds?: boolean; signal?: AbortSignal | undefined } = {}): Promise<void> {
    const filters = await this.#table.loadFilters()
    let last: string | undefined
    const check = (group: RowGroup, index: number): void => {
      for (const id of scalarsOf(group.column(0), rowsBetween(0, group.rowCount)) as string[]) {
        if (last !== undefined && compareKeys([last], [id]) >= 0) throw malformed(`the id '${id}' is out of order`)
        if (!filters.keys.mayContain(index, id)) throw malformed(`the id '${id}' is missing in the filter`)
        last = id
      }
      if (builds) this.statesOf(group)
    }
    await this.#table.verify(check, signal)
    await this.shape()
  }

  /** The row group that holds the id if any does; -1 when none can. */
  #groupOf(id: string): number {
    const { lastKey } = this.#table.index
    return compareKeys([id], lastKey) > 0 ? -1 : lastGroupFrom(this.#table.rowGroups, [id])
  }

  async *#states(ranges: readonly KeyRange[], options: GroupsOptions): AsyncGenerator<EntityState[]> {
    for await (const { stretch, rows } of rowsInRanges(this.#table, ranges, options)) yield this.#batch(stretch).states(rows)
  }

  #batch(rows: Stretch): RunBatch {
    return new RunBatch(rows, { path: this.#table.path, documents: this.#documents, restColumn: this.#table.leaves.length - 1 })
  }
}
