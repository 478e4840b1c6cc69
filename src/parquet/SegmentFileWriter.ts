import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import { isEdgeSpace, isMirrorSpace, namesOf } from '../model/edge.ts'
import type { StoredEvent } from '../model/event.ts'
import { patchToJson } from '../model/patch.ts'
import { stateToJson } from '../model/state-json.ts'
import { rowsBetween } from './Column.ts'
import { scalarsOf } from './column-values.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import type { RowToCopy } from './RowSource.ts'
import { appendOptional } from './RunFileWriter.ts'
import { segmentColumn, segmentFields, type SegmentColumn } from './segment-columns.ts'
import { compareKeys } from './sparse-index.ts'
import type { GroupOfFile } from './TableReader.ts'
import { TableWriter, type FileOptions } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

/** All of a segment's columns but its snapshots. */
export const withoutStates: readonly number[] = segmentFields.map(({ name }, index) => (name === 'state' ? -1 : index))

const keyColumns = [segmentColumn.ns, segmentColumn.id]

/** An event in another segment. */
export interface EventToCopy extends RowToCopy, Pick<StoredEvent, 'ns' | 'id' | 'seq' | 'ts' | 'op'> {
  /** Whether it is, or has, a snapshot. */
  readonly hasState: boolean
  /** Makes the event of a row. */
  readonly eventAt: (row: number) => StoredEvent
}

/** Writes a segment: events in ascending order of (ns, id, seq), strings by their UTF-8 bytes. */
export class SegmentFileWriter extends TableWriter {
  readonly #leaves: Readonly<Record<SegmentColumn, LeafBuilder>>
  #last: Pick<StoredEvent, 'ns' | 'id' | 'seq'> | undefined
  #mirrors = 0
  /** Of the row before in the row group: what follows one another is mostly of one transaction. */
  #lastTxId: string | undefined

  constructor(options: FileOptions = {}) {
    super({ ...options, kind: 'segment', fields: segmentFields, sortedBy: [segmentColumn.ns, segmentColumn.id, segmentColumn.seq], prefixColumn: segmentColumn.id })
    this.#leaves = Object.fromEntries(segmentFields.map(({ name }, index) => [name, this.leaves[index]])) as Record<SegmentColumn, LeafBuilder>
  }

  /** A CREATE is its own snapshot: its state follows from `after`. */
  append(event: StoredEvent): void {
    if (this.isFull) this.flush()
    this.#checkOrder(event)
    const patch = event.patch === undefined ? undefined : JSON.stringify(patchToJson(event.patch))
    const edge = isEdgeSpace(event.ns) ? namesOf(event) : undefined
    const isMirror = edge !== undefined && isMirrorSpace(event.ns)
    // A CREATE and an edge's event are their own snapshots.
    const state = event.state === undefined || event.op === 'CREATE' || edge !== undefined ? undefined : JSON.stringify({ version: event.state.version, seq: event.state.seq, ...stateToJson(event.state) })
    const after = event.after === undefined ? undefined : (event.afterText ?? stringifyExtendedJson(event.after))
    const metadata = event.metadata === undefined ? undefined : stringifyExtendedJson(event.metadata)
    const row = this.pendingRows
    this.#leaves.ns.value(event.ns)
    this.#leaves.id.value(event.id)
    this.#leaves.seq.value(event.seq)
    this.#leaves.ts.value(event.ts)
    this.#leaves.op.value(event.op)
    this.#leaves.version.value(event.version)
    this.#leaves.eventId.value(event.eventId)
    appendOptional(this.#leaves.actor, row, event.actor)
    appendOptional(this.#leaves.txId, row, event.txId)
    appendOptional(this.#leaves.patch, row, patch)
    appendOptional(this.#leaves.after, row, edge === undefined ? after : undefined)
    appendOptional(this.#leaves.state, row, state)
    appendOptional(this.#leaves.metadata, row, metadata)
    appendOptional(this.#leaves.predicate, row, isMirror ? undefined : edge?.$predicate)
    appendOptional(this.#leaves.to, row, isMirror ? undefined : edge?.$to)
    appendOptional(this.#leaves.data, row, edge === undefined ? undefined : after)
    this.#endEvent(event)
  }

  /** Copies events out of row groups that fit. A few at once: the row group may grow by all of them. In steps. */
  *copyRows(events: readonly EventToCopy[]): Generator<void> {
    if (this.isFull) yield* this.encode()
    this.copyToLeaves(events)
    for (const { ns, id, seq, ts, source, row } of events) {
      this.#checkOrder({ ns, id, seq })
      this.#endEvent({ ns, id, seq, ts, eventId: source.column(segmentColumn.eventId).valueOf(row) as string, txId: source.column(segmentColumn.txId).valueOf(row) as string | undefined })
    }
  }

  /**
   * Whether a row group of another segment can, and should, be taken over as it stands. Not one whose last entity goes on in the next: whoever reads
   * that one by itself would miss where the entity stood.
   */
  override takes(source: GroupOfFile): boolean {
    return super.takes(source) && (source.isLast || compareKeys(source.group.lastKey(keyColumns), source.bound) < 0)
  }

  /** Takes over a row group whose events come after all that were appended, in steps. */
  *copy(source: GroupOfFile): Generator<void> {
    const { group } = source
    const { firstKey: [ns = '', id = ''], firstSeq, maxSeq } = group.entry
    this.#checkOrder({ ns, id, seq: firstSeq })
    const lastKey = group.lastKey(keyColumns)
    const [lastNs = '', lastId = ''] = lastKey
    // No event of the entity comes after it: see `takes`.
    this.#last = { ns: lastNs, id: lastId, seq: maxSeq }
    const spaces = ns === lastNs ? undefined : (scalarsOf(group.column(segmentColumn.ns), rowsBetween(0, group.rowCount)) as string[])
    this.#mirrors += spaces?.filter(isMirrorSpace).length ?? (isMirrorSpace(ns) ? group.rowCount : 0)
    yield* this.takeOver(source, lastKey)
  }

  override *finishing(): Generator<void, WrittenFile> {
    return { ...(yield* super.finishing()), ...(this.#mirrors > 0 && { mirrors: this.#mirrors }) }
  }

  protected override beginRowGroup(): void {
    this.#lastTxId = undefined
  }

  #endEvent({ ns, id, seq, ts, eventId, txId }: Pick<StoredEvent, 'ns' | 'id' | 'seq' | 'ts' | 'eventId' | 'txId'>): void {
    if (isMirrorSpace(ns)) this.#mirrors++
    else this.filters.ids.add(eventId)
    if (txId !== undefined && txId !== this.#lastTxId) this.filters.ids.add(txId)
    this.#lastTxId = txId
    this.endRow({ key: [ns, id], seq, ts })
  }

  #checkOrder(event: Pick<StoredEvent, 'ns' | 'id' | 'seq'>): void {
    const last = this.#last
    this.#last = event
    if (event.ns !== last?.ns && event.ns.includes('\0')) {
      throw new ParqueDBError('INVALID_ARGUMENT', `The namespace ${JSON.stringify(event.ns)} holds a NUL, which separates a key's parts; choose another name.`, { details: { ns: event.ns } })
    }
    if (last === undefined) return
    const order = compareStrings(last.ns, event.ns) || compareStrings(last.id, event.id)
    assert(order < 0 || (order === 0 && last.seq < event.seq), 'P2: the events of a segment ascend by (ns, id, seq)')
  }
}
