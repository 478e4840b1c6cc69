import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { isEdgeSpace, isMirrorSpace, stateOfEdge } from '../model/edge.ts'
import { fromExtendedJson } from '../model/ejson.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import { foldVersion, stateOfCreate } from '../model/fold.ts'
import { patchFromJson } from '../model/patch.ts'
import { stateFromJson, type StateJson } from '../model/state-json.ts'
import type { Document } from '../model/values.ts'
import type { ByteSource } from './byte-source.ts'
import { numbersOf, scalarsOf, textBytesAt } from './column-values.ts'
import { numbersAt, scalarsAt } from './decode-rows.ts'
import { rowsBetween, type Column } from './Column.ts'
import { inFile } from './decode-chunk.ts'
import type { GroupCache } from './GroupCache.ts'
import { groupsWithin, rangeOfKey, rowsInRanges, rowsWithin, type IdRange, type KeyRange } from './key-ranges.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { RowSource, type ColumnToCopy } from './RowSource.ts'
import { salvageGroups, type LostRows } from './salvage-groups.ts'
import { foldKey, segmentColumn } from './segment-columns.ts'
import type { EventToCopy } from './SegmentFileWriter.ts'
import { compareKeys, joinKey, type RowGroupEntry } from './sparse-index.ts'
import { Stretch } from './Stretch.ts'
import { TableReader, type GroupOfFile, type ScanTrace } from './TableReader.ts'
import type { FileFacts } from './written-file.ts'

/** Inclusive bounds; times in milliseconds. */
export interface EventRange {
  readonly fromSeq?: number | undefined
  readonly toSeq?: number | undefined
  readonly fromTs?: number | undefined
  readonly toTs?: number | undefined
}

export interface KeyBounds extends IdRange {
  /** The bounds of ids need it. */
  readonly ns?: string | undefined
}

const createOp = utf8Encode('CREATE')

/** Reads a segment that SegmentFileWriter wrote. CORRUPT_FILE with path and offset where the bytes are not those that were written. */
export class SegmentFileReader {
  readonly #table: TableReader

  private constructor(table: TableReader) {
    this.#table = table
  }

  /** Reads the file's own sparse index: one request, some 0.1% of the file. */
  static async open(source: ByteSource, facts: FileFacts, cache?: GroupCache): Promise<SegmentFileReader> {
    return new SegmentFileReader(await TableReader.open(source, facts, { kind: 'segment', cache }))
  }

  get codec(): 'gzip' | undefined {
    return this.#table.index.codec
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#table.index.metadata
  }

  /** From memory alone: false only when the segment surely has no event of the key. */
  mayContainKey(key: EntityKey): boolean {
    const name = joinKey([key.ns, key.id])
    return this.#groupsOf(key).some((group) => this.#table.filters?.keys.mayContain(group, name) !== false)
  }

  /** The events of one entity in seq order. Reads the row groups that can hold some, adjacent ones in one request. */
  async entityEvents(key: EntityKey, range: EventRange = {}): Promise<StoredEvent[]> {
    if (!this.mayContainKey(key)) return []
    const events: StoredEvent[] = []
    let isHere = false
    for await (const { group, rows } of this.#rows([rangeOfKey([key.ns], key.id)], { ...range, cache: this.#table.cache })) {
      isHere = true
      events.push(...this.#events(group, this.#within(group, rows, range)))
    }
    if (!isHere && this.#groupsOf(key).some((index) => overlaps(this.#entry(index), range))) await this.#table.noteWastedRead()
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
      const group = await this.#table.rowGroup(index, this.#table.cache)
      const { start, end } = rowsWithin(new Stretch([group]), rangeOfKey([key.ns], key.id))
      isHere ||= start < end
      const wanted = this.#within(group, rowsBetween(start, end), range)
      const snapshot = isEdgeSpace(key.ns) ? wanted.length - 1 : this.#lastSnapshot(group, wanted)
      tail.unshift(...this.#events(group, snapshot === -1 ? wanted : wanted.slice(snapshot)))
      if (snapshot !== -1) return tail
    }
    if (!isHere && candidates.length > 0) await this.#table.noteWastedRead()
    return tail
  }

  /** Events whose eventId or txId is `id`, in key order. Reads the row groups whose filters do not know that they have none. */
  async findById(id: string): Promise<StoredEvent[]> {
    const { ids } = await this.#table.loadFilters()
    const wanted = utf8Encode(id)
    const found: StoredEvent[] = []
    for await (const group of this.#table.groups(ids.groupsOf(id))) {
      const columns = [segmentColumn.txId, segmentColumn.eventId].map((column) => group.column(column))
      const rows = rowsBetween(0, group.rowCount).filter((row) => columns.some((column) => isText(column, row, wanted)))
      found.push(...this.#events(group, rows))
    }
    return found
  }

  /** Events in order of (ns, id, seq), a row group at a time; row groups outside of the bounds are not read, rows outside not built. */
  scan(options: EventRange & KeyBounds & { signal?: AbortSignal | undefined } = {}): AsyncGenerator<StoredEvent[]> {
    return this.scanRanges([options], options)
  }

  /** As `scan`, of several ranges that ascend and do not overlap: each row group is read once, adjacent ones share requests. */
  async *scanRanges(ranges: readonly KeyBounds[], options: EventRange & { signal?: AbortSignal | undefined; trace?: ScanTrace | undefined } = {}): AsyncGenerator<StoredEvent[]> {
    const keys = ranges.map(({ ns, ...bounds }) => ({ ...bounds, prefix: ns === undefined ? [] : [ns] }))
    for await (const { group, rows } of this.#rows(keys, options)) {
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
    return this.#events(group, rowsBetween(0, group.rowCount))
  }

  /** As `eventsOf`, to be copied. */
  eventsToCopy(group: RowGroup): EventToCopy[] {
    const source = new RowSource(group)
    const [spaces, ids, seqs, times, ops, states] = (['ns', 'id', 'seq', 'ts', 'op', 'state'] as const).map((name) => source.column(segmentColumn[name])) as [ColumnToCopy, ColumnToCopy, ColumnToCopy, ColumnToCopy, ColumnToCopy, ColumnToCopy]
    const eventAt = (row: number): StoredEvent => this.#events(group, Int32Array.of(row))[0] as StoredEvent
    return Array.from({ length: group.rowCount }, (_, row) => {
      const ns = spaces.valueOf(row) as string
      const op = opOf(ops.valueOf(row) as string)
      const hasState = op === 'CREATE' || isEdgeSpace(ns) || states.places === undefined || (states.places[row] as number) >= 0
      return { source, row, columns: undefined, ns, id: ids.valueOf(row) as string, seq: seqs.valueOf(row) as number, ts: times.valueOf(row) as number, op, hasState, eventAt }
    })
  }

  /** The events of every row group that is sound. */
  salvage(onLost: (lost: LostRows) => void): AsyncGenerator<StoredEvent[]> {
    return salvageGroups(this.#table, (group) => this.eventsOf(group), onLost)
  }

  /** Reads and checks every byte of the file, its order and its filters, and with `builds` makes the events; CORRUPT_FILE at the first that is wrong. */
  async verify({ builds = true, signal }: { builds?: boolean; signal?: AbortSignal | undefined } = {}): Promise<void> {
    const filters = await this.#table.loadFilters()
    let last = ['', '']
    let lastSeq = 0
    const check = (group: RowGroup, index: number): void => {
      const rows = rowsBetween(0, group.rowCount)
      const [spaces, ids, eventIds] = (['ns', 'id', 'eventId'] as const).map((name) => scalarsOf(group.column(segmentColumn[name]), rows) as string[])
      const seqs = numbersOf(group.column(segmentColumn.seq))
      for (const row of rows) {
        const key = [spaces?.[row] ?? '', ids?.[row] ?? '']
        const seq = seqs[row] as number
        const order = compareKeys(last, key)
        if (order > 0 || (order === 0 && lastSeq >= seq)) throw malformed(`the event ${seq} is out of order`)
        if ((order !== 0 || row === 0) && !filters.keys.mayContain(index, joinKey(key))) throw malformed(`the key of the event ${seq} is missing in the filter`)
        if (!isMirrorSpace(spaces?.[row] ?? '') && !filters.ids.mayContain(index, eventIds?.[row] ?? '')) throw malformed(`the id of the event ${seq} is missing in the filter`)
        last = key
        lastSeq = seq
      }
      if (builds) this.eventsOf(group)
    }
    await this.#table.verify(check, signal)
  }

  #entry(index: number): RowGroupEntry {
    return this.#table.rowGroups[index] as RowGroupEntry
  }

  /** Row groups whose keys span this one. */
  #groupsOf(key: EntityKey): number[] {
    return groupsWithin(this.#table, rangeOfKey([key.ns], key.id))
  }

  /** Rows of keys within the ranges, a row group at a time, of those that can hold events within the bounds. */
  async *#rows(ranges: readonly KeyRange[], { cache, signal, trace, ...bounds }: EventRange & { cache?: GroupCache | undefined; signal?: AbortSignal | undefined; trace?: ScanTrace | undefined }): AsyncGenerator<{ group: RowGroup; rows: Int32Array }> {
    const wants = (index: number): boolean => overlaps(this.#entry(index), bounds)
    for await (const { stretch, rows } of rowsInRanges(this.#table, ranges, { cache, signal, trace, wants })) yield { group: stretch.groups[0] as RowGroup, rows }
  }

  #within(group: RowGroup, rows: Int32Array, { fromSeq, toSeq, fromTs, toTs }: EventRange): Int32Array {
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
  #lastSnapshot(group: RowGroup, rows: Int32Array): number {
    const [states, ops] = [group.column(segmentColumn.state), group.column(segmentColumn.op)]
    const { hasOwnSnapshots } = this.#snapshots
    return rows.findLastIndex((row) => (hasOwnSnapshots && textBytesAt(states, row) !== undefined) || isText(ops, row, createOp))
  }

  #events(group: RowGroup, rows: Int32Array): StoredEvent[] {
    return inFile({ path: this.#table.path, offset: group.entry.start }, () => readEvents(group, rows, this.#snapshots))
  }
}

function isText(column: Column, row: number, wanted: Uint8Array): boolean {
  const bytes = textBytesAt(column, row)
  return bytes !== undefined && compareBytes(bytes, wanted) === 0
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

const textColumns = ['ns', 'id', 'op', 'eventId', 'actor', 'txId', 'patch', 'after', 'state', 'metadata', 'data'] as const

/** The events of some rows of a segment's row group; `rows` ascend. Snapshots of another fold are passed over, but for those of a CREATE, which are made here. */
function readEvents(group: RowGroup, rows: Int32Array, { hasOwnSnapshots }: { hasOwnSnapshots: boolean }): StoredEvent[] {
  if (rows.length === 0) return []
  const at = group.columnsForRows(rows)
  const texts = Object.fromEntries(textColumns.map((name) => [name, scalarsAt(at(segmentColumn[name]))])) as unknown as Readonly<Record<(typeof textColumns)[number], readonly (string | undefined)[]>>
  const [seqs, times, versions] = (['seq', 'ts', 'version'] as const).map((name) => numbersAt(at(segmentColumn[name]))) as [Float64Array, Float64Array, Float64Array]
  return Array.from(seqs, (seq, index): StoredEvent => {
    const op = opOf(texts.op[index])
    const id = texts.id[index] ?? ''
    const state = parseOptional(texts.state[index], (json: StateJson & Pick<EntityState, 'version' | 'seq'>) => stateFromJson(json, { ...json, id }))
    const ns = texts.ns[index] ?? ''
    const isEdge = isEdgeSpace(ns)
    const after = parseOptional((isEdge ? texts.data : texts.after)[index], documentOf)
    const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
      seq,
      ts: times[index] as number,
      eventId: texts.eventId[index] ?? '',
      op,
      ns,
      id,
      version: versions[index] as number,
      // Files of format 1 have a CREATE's document in its snapshot.
      after: after ?? (op === 'CREATE' ? state?.document : undefined),
      patch: parseOptional(texts.patch[index], patchFromJson),
      actor: texts.actor[index],
      txId: texts.txId[index],
      metadata: parseOptional(texts.metadata[index], documentOf),
      state: hasOwnSnapshots ? state : undefined,
    }
    if (op === 'CREATE') event.state = stateOfCreate(event)
    if (isEdge) event.state = stateOfEdge(event)
    return event
  })
}

function opOf(text: string | undefined): EventOp {
  if (text === 'CREATE' || text === 'UPDATE' || text === 'DELETE' || text === 'REL_CREATE' || text === 'REL_DELETE' || text === 'ERASE') return text
  throw malformed(`an event has the unknown op '${String(text)}'`)
}

function parseOptional<T>(text: string | undefined, read: (json: never) => T): T | undefined {
  if (text === undefined) return undefined
  const json: unknown = JSON.parse(text)
  if (typeof json !== 'object' || json === null) throw malformed('a part of an event is no object')
  return read(json as never)
}

function documentOf(json: Readonly<Record<string, unknown>>): Document {
  return fromExtendedJson(json) as Document
}
