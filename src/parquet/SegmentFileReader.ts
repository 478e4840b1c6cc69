import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { isEdgeSpace, isMirrorSpace } from '../model/edge.ts'
import type { EntityKey } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { foldVersion } from '../model/fold.ts'
import type { ByteSource } from './byte-source.ts'
import { numbersOf } from './column-values.ts'
import { inFile } from './decode-chunk.ts'
import type { GroupCache } from './GroupCache.ts'
import { malformed } from './malformed.ts'
import { readEvents } from './read-events.ts'
import type { RowGroup } from './RowGroup.ts'
import { salvageGroups } from './salvage-groups.ts'
import type { LostRows } from './salvage-groups.ts'
import { foldKey, segmentColumn } from './segment-columns.ts'
import { compareKeys, joinKey, lastGroupFrom } from './sparse-index.ts'
import type { RowGroupEntry } from './sparse-index.ts'
import { rangesByGroup, TableReader, type GroupOfFile } from './TableReader.ts'
import { TextColumn } from './TextColumn.ts'
import type { FileFacts } from './written-file.ts'

/** Inclusive bounds; times in milliseconds. */
export interface EventRange {
  readonly fromSeq?: number | undefined
  readonly toSeq?: number | undefined
  readonly fromTs?: number | undefined
  readonly toTs?: number | undefined
}

export interface KeyBounds {
  readonly ns?: string | undefined
  /** Only ids >= this, by UTF-8 bytes; needs `ns`, as do the next two. */
  readonly fromId?: string | undefined
  /** Only ids > this. */
  readonly afterId?: string | undefined
  /** Only ids < this. */
  readonly beforeId?: string | undefined
}

export interface SegmentScanOptions extends EventRange, KeyBounds {
  readonly signal?: AbortSignal | undefined
}

/** Row groups by the transactions that have events there; 'too many' to keep. */
type TxGroups = ReadonlyMap<string, readonly number[]> | 'too many'

const createOp = utf8Encode('CREATE')

/** Transactions of one segment that are kept by name: some 2 MB. */
const txGroupsMax = 20_000

/** Reads a segment that SegmentFileWriter wrote. CORRUPT_FILE with path and offset where the bytes are not those that were written. */
export class SegmentFileReader {
  readonly #path: string
  readonly #table: TableReader
  readonly #cache: GroupCache | undefined
  #txGroups: TxGroups | undefined

  private constructor(path: string, table: TableReader, cache: GroupCache | undefined) {
    this.#path = path
    this.#table = table
    this.#cache = cache
  }

  /** Reads the file's own sparse index: one request, some 0.1% of the file. */
  static async open(source: ByteSource, facts: FileFacts, cache?: GroupCache): Promise<SegmentFileReader> {
    return new SegmentFileReader(source.path, await TableReader.open(source, facts, 'segment'), cache)
  }

  /** Size of the index, which stays in memory. */
  get indexBytes(): number {
    return this.#table.indexBytes
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#table.index.metadata
  }

  /** From memory alone: false only when the segment surely has no event of the key. */
  mayContainKey(key: EntityKey): boolean {
    return this.#groupsOf(key).length > 0 && this.#table.filters?.keys.mayContain(joinKey([key.ns, key.id])) !== false
  }

  /** Makes `mayContainKey` as sure as it can be: at most one request, and none for files of up to some 20,000 events. */
  async loadFilters(): Promise<void> {
    await this.#table.loadFilters()
  }

  /** The events of one entity in seq order. Reads the row groups that can hold some, adjacent ones in one request. */
  async entityEvents(key: EntityKey, range: EventRange = {}): Promise<StoredEvent[]> {
    if (!this.mayContainKey(key)) return []
    const events: StoredEvent[] = []
    const indexes = this.#groupsOf(key).filter((index) => overlaps(this.#entry(index), range))
    let isHere = false
    for await (const group of this.#table.groups(indexes, { cache: this.#cache })) {
      const rows = this.#rowsOfKey(group, key)
      isHere ||= rows.length > 0
      events.push(...this.#events(group, this.#within(group, rows, range)))
    }
    if (!isHere && indexes.length > 0) await this.#table.noteWastedRead()
    return events
  }

  /**
   * What the entity's state at a point in the past is folded from: the newest event with a snapshot at or before `asOf`,
   * and the events after it up to `asOf`; empty when the entity has no event that early here. Events without a snapshot before
   * them come alone. Reads one or two row groups, however many versions there are.
   */
  async eventsAsOf(key: EntityKey, asOf: { seq?: number | undefined; ts?: number | undefined }): Promise<StoredEvent[]> {
    if (!this.mayContainKey(key)) return []
    const indexes = this.#groupsOf(key)
    const range = { toSeq: asOf.seq, toTs: asOf.ts }
    // A row group that begins with the key begins at a known point of the entity's history.
    const isTooLate = (index: number): boolean => {
      const { firstKey, firstSeq, firstTs } = this.#entry(index)
      return compareKeys(firstKey, [key.ns, key.id]) === 0 && ((asOf.seq !== undefined && firstSeq > asOf.seq) || (asOf.ts !== undefined && firstTs > asOf.ts))
    }
    const candidates = indexes.filter((index) => !isTooLate(index)).toReversed()
    const tail: StoredEvent[] = []
    let isHere = false
    for (const index of candidates) {
      const group = await this.#table.rowGroup(index, this.#cache)
      const rows = this.#rowsOfKey(group, key)
      isHere ||= rows.length > 0
      const wanted = this.#within(group, rows, range)
      const snapshot = isEdgeSpace(key.ns) ? wanted.length - 1 : this.#lastSnapshot(group, wanted)
      tail.unshift(...this.#events(group, snapshot === -1 ? wanted : wanted.slice(snapshot)))
      if (snapshot !== -1) return tail
    }
    if (!isHere && candidates.length > 0) await this.#table.noteWastedRead()
    return tail
  }

  /**
   * Events whose eventId or txId is `id`, in key order. Reads the file unless its filter knows that there are none; once
   * a transaction was asked for, only the row groups that hold the one wanted.
   */
  async findById(id: string): Promise<StoredEvent[]> {
    const filters = await this.#table.loadFilters()
    if (!filters.ids.mayContain(id)) return []
    this.#txGroups ??= await this.#groupsOfTransactions()
    const ofTx = this.#txGroups === 'too many' ? undefined : this.#txGroups.get(id)
    const wanted = utf8Encode(id)
    const found: StoredEvent[] = []
    for await (const group of this.#table.groups(ofTx ?? this.#table.rowGroups.map((_, index) => index))) {
      const texts = [segmentColumn.txId, segmentColumn.eventId].map((column) => this.#texts(group, column))
      const rows: number[] = []
      for (let row = 0; row < group.rowCount; row++) if (texts.some((each) => each.equals(row, wanted))) rows.push(row)
      found.push(...this.#events(group, rows))
    }
    return found
  }

  /** Events in order of (ns, id, seq), a row group at a time; row groups outside of the bounds are not read, rows outside not built. */
  scan(options: SegmentScanOptions = {}): AsyncGenerator<StoredEvent[]> {
    return this.scanRanges([options], options)
  }

  /** As `scan`, of several ranges that ascend and do not overlap: each row group is read once, adjacent ones share requests. */
  async *scanRanges(ranges: readonly KeyBounds[], options: EventRange & { signal?: AbortSignal | undefined } = {}): AsyncGenerator<StoredEvent[]> {
    const wanted = rangesByGroup(ranges, (range) => this.#groupsWithin(range).filter((index) => overlaps(this.#entry(index), options)))
    const inGroups = [...wanted.values()]
    let at = 0
    for await (const group of this.#table.groups([...wanted.keys()], { signal: options.signal })) {
      const rows: number[] = []
      for (const range of inGroups[at++] ?? []) {
        const { start, end } = this.#rowsWithin(group, range)
        for (let row = start; row < end; row++) rows.push(row)
      }
      const events = this.#events(group, this.#within(group, rows, options))
      if (events.length > 0) yield events
    }
  }

  /** Its row groups for a merge. */
  groupsToMerge(options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupOfFile> {
    return this.#table.groupsToMerge(options)
  }

  /** Every event of a row group of this file. */
  eventsOf(group: RowGroup): StoredEvent[] {
    return this.#events(group, Array.from({ length: group.rowCount }, (_, row) => row))
  }

  /** The events of every row group that is sound. */
  salvage(onLost: (lost: LostRows) => void): AsyncGenerator<StoredEvent[]> {
    return salvageGroups(this.#table, (group) => this.eventsOf(group), onLost)
  }

  /** Reads and checks every byte of the file; CORRUPT_FILE at the first that is wrong. */
  async verify(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const filters = await this.#table.loadFilters()
    let last: StoredEvent | undefined
    const check = (group: RowGroup): void => {
      const rows = Array.from({ length: group.rowCount }, (_, row) => row)
      for (const event of readEvents(group, rows, this.#snapshots)) {
        const order = last === undefined ? -1 : compareKeys([last.ns, last.id], [event.ns, event.id])
        if (order > 0 || (order === 0 && last !== undefined && last.seq >= event.seq)) throw malformed(`the event ${event.seq} is out of order`)
        if (!filters.keys.mayContain(joinKey([event.ns, event.id]))) throw malformed(`the key of the event ${event.seq} is missing in the filter`)
        if (!isMirrorSpace(event.ns) && !filters.ids.mayContain(event.eventId)) throw malformed(`the id of the event ${event.seq} is missing in the filter`)
        last = event
      }
    }
    await this.#table.verify(check, options.signal)
  }

  /** An import that is resumed asks for one transaction after another. */
  async #groupsOfTransactions(): Promise<TxGroups> {
    const groups = new Map<string, number[]>()
    let index = 0
    for await (const group of this.#table.groups(this.#table.rowGroups.map((_, each) => each))) {
      const texts = this.#texts(group, segmentColumn.txId)
      for (let row = 0; row < group.rowCount; row++) {
        const txId = texts.text(row)
        if (txId === undefined) continue
        const known = groups.get(txId)
        if (known === undefined) groups.set(txId, [index])
        else if (known.at(-1) !== index) known.push(index)
      }
      if (groups.size > txGroupsMax) return 'too many'
      index++
    }
    return groups
  }

  #entry(index: number): RowGroupEntry {
    return this.#table.rowGroups[index] as RowGroupEntry
  }

  /** Row groups whose keys span this one. */
  #groupsOf({ ns, id }: EntityKey): number[] {
    return this.#groupsBetween([ns, id], (first) => compareKeys(first, [ns, id]) <= 0)
  }

  #groupsWithin({ ns, fromId, afterId, beforeId }: KeyBounds): number[] {
    if (ns === undefined) return this.#table.rowGroups.map((_, index) => index)
    const from = fromId ?? afterId ?? ''
    return this.#groupsBetween([ns, from], ([firstNs = '', firstId = '']) => {
      const order = compareKeys([firstNs], [ns])
      return order < 0 || (order === 0 && (beforeId === undefined || compareKeys([firstId], [beforeId]) < 0))
    })
  }

  /** Row groups from the first that can hold `from`, as long as their first key is not past the end. */
  #groupsBetween(from: readonly string[], isBeforeEnd: (firstKey: readonly string[]) => boolean): number[] {
    const { rowGroups, index } = this.#table
    if (compareKeys(from, index.lastKey) > 0) return []
    const indexes: number[] = []
    // An earlier row group may end with the key that this one begins with.
    for (let at = Math.max(0, lastGroupFrom(rowGroups, from, { isBelow: true })); at < rowGroups.length; at++) {
      if (!isBeforeEnd(this.#entry(at).firstKey)) break
      indexes.push(at)
    }
    return indexes
  }

  #rowsOfKey(group: RowGroup, { ns, id }: EntityKey): number[] {
    const start = this.#firstRow(group, [ns, id])
    const ids = this.#texts(group, segmentColumn.id)
    const namespaces = this.#texts(group, segmentColumn.ns)
    const wantedId = utf8Encode(id)
    const wantedNs = utf8Encode(ns)
    const rows: number[] = []
    for (let row = start; row < group.rowCount && ids.equals(row, wantedId) && namespaces.equals(row, wantedNs); row++) rows.push(row)
    return rows
  }

  #rowsWithin(group: RowGroup, { ns, fromId, afterId, beforeId }: KeyBounds): { start: number; end: number } {
    if (ns === undefined) return { start: 0, end: group.rowCount }
    let start = this.#firstRow(group, [ns, fromId ?? ''])
    // No id stands between an id and the same with a NUL at its end; the same goes for namespaces.
    if (afterId !== undefined) start = Math.max(start, this.#firstRow(group, [ns, `${afterId}\0`]))
    return { start, end: beforeId === undefined ? this.#firstRow(group, [`${ns}\0`, '']) : this.#firstRow(group, [ns, beforeId]) }
  }

  /** The first row whose key is at least `key`. */
  #firstRow(group: RowGroup, key: readonly [string, string]): number {
    const namespaces = this.#texts(group, segmentColumn.ns)
    const ids = this.#texts(group, segmentColumn.id)
    const ns = utf8Encode(key[0])
    const id = utf8Encode(key[1])
    let low = 0
    let high = group.rowCount
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareBytes(namespaces.bytes(middle), ns) || compareBytes(ids.bytes(middle), id)
      if (order < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #within(group: RowGroup, rows: readonly number[], { fromSeq, toSeq, fromTs, toTs }: EventRange): number[] {
    const seqs = numbersOf(group.column(segmentColumn.seq))
    const times = numbersOf(group.column(segmentColumn.ts))
    return rows.filter((row) => {
      const seq = seqs[row] as number
      const ts = times[row] as number
      return (fromSeq === undefined || seq >= fromSeq) && (toSeq === undefined || seq <= toSeq) && (fromTs === undefined || ts >= fromTs) && (toTs === undefined || ts <= toTs)
    })
  }

  /** Whether the fold of this version made the snapshots. */
  get #snapshots(): { hasOwnSnapshots: boolean } {
    return { hasOwnSnapshots: (this.metadata[foldKey] ?? String(foldVersion)) === String(foldVersion) }
  }

  /** Place in `rows` of the last one with a snapshot that counts, as every CREATE has, or -1. */
  #lastSnapshot(group: RowGroup, rows: readonly number[]): number {
    const states = this.#texts(group, segmentColumn.state)
    const { hasOwnSnapshots } = this.#snapshots
    const ops = this.#texts(group, segmentColumn.op)
    return rows.findLastIndex((row) => (hasOwnSnapshots && states.has(row)) || ops.equals(row, createOp))
  }

  #texts(group: RowGroup, column: number): TextColumn {
    return inFile({ path: this.#path, offset: group.entry.start }, () => new TextColumn(group.column(column)))
  }

  #events(group: RowGroup, rows: readonly number[]): StoredEvent[] {
    return inFile({ path: this.#path, offset: group.entry.start }, () => readEvents(group, rows, this.#snapshots))
  }
}

/** Whether a row group can hold events within the bounds. */
function overlaps(entry: RowGroupEntry, { fromSeq, toSeq, fromTs, toTs }: EventRange): boolean {
  return (
    (fromSeq === undefined || entry.maxSeq >= fromSeq) &&
    (toSeq === undefined || entry.minSeq <= toSeq) &&
    (fromTs === undefined || entry.maxTs >= fromTs) &&
    (toTs === undefined || entry.minTs <= toTs)
  )
}
