import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stringifyExtendedJson, toExtendedJson } from '../model/ejson.ts'
import { isEdgeSpace, isMirrorSpace, namesOf } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Patch } from '../model/patch.ts'
import { rowsBetween } from './Column.ts'
import { scalarsOf } from './column-values.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import type { RowGroup } from './RowGroup.ts'
import { appendOptional } from './RunFileWriter.ts'
import { segmentColumn, segmentFields } from './segment-columns.ts'
import type { SegmentColumn } from './segment-columns.ts'
import { compareKeys } from './sparse-index.ts'
import { layoutOf, type GroupOfFile } from './TableReader.ts'
import { defaultRowGroupBytes, TableWriter } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

export interface SegmentFileOptions {
  /** What a row group should take in the file; 64 KB. */
  readonly rowGroupBytes?: number | undefined
  /** Key-value metadata of the file: the version of the fold that made the snapshots, for one. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** Writes a segment: events in ascending order of (ns, id, seq), strings by their UTF-8 bytes. */
export class SegmentFileWriter {
  readonly #table: TableWriter
  readonly #leaves: Readonly<Record<SegmentColumn, LeafBuilder>>
  readonly #layout: string
  #last: Pick<StoredEvent, 'ns' | 'id' | 'seq'> | undefined
  #mirrors = 0

  constructor(options: SegmentFileOptions = {}) {
    const file = { fields: segmentFields, metadata: options.metadata ?? {} }
    this.#layout = layoutOf(file)
    this.#table = new TableWriter({
      kind: 'segment',
      ...file,
      sortedBy: [segmentColumn.ns, segmentColumn.id, segmentColumn.seq],
      prefixColumn: segmentColumn.id,
      rowGroupBytes: options.rowGroupBytes ?? defaultRowGroupBytes,
    })
    this.#leaves = Object.fromEntries(segmentFields.map(({ name }, index) => [name, this.#table.leaves[index]])) as Record<SegmentColumn, LeafBuilder>
  }

  /** Events appended. */
  get rows(): number {
    return this.#table.rows
  }

  /** Size of the file so far: exact for what is encoded, an estimate for the rows that are not. */
  get bytes(): number {
    return this.#table.bytes
  }

  /** Takes at most about as long as encoding one row group. A CREATE is its own snapshot: its state follows from `after`. */
  append(event: StoredEvent): void {
    this.#checkOrder(event)
    const patch = event.patch === undefined ? undefined : patchText(event.patch)
    const edge = isEdgeSpace(event.ns) ? namesOf(event) : undefined
    const isMirror = isMirrorSpace(event.ns)
    // A CREATE and an edge's event are their own snapshots.
    const state = event.state === undefined || event.op === 'CREATE' || edge !== undefined ? undefined : snapshotText(event.state)
    const after = event.after === undefined ? undefined : (event.afterText ?? stringifyExtendedJson(event.after))
    const metadata = event.metadata === undefined ? undefined : stringifyExtendedJson(event.metadata)
    const row = this.#table.pendingRows
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
    if (isMirror) this.#mirrors++
    else this.#table.addId(event.eventId)
    if (event.txId !== undefined) this.#table.addId(event.txId)
    this.#table.endRow({ key: [event.ns, event.id], seq: event.seq, ts: event.ts })
    if (this.#table.isFull) this.#table.flush()
  }

  /**
   * Whether a row group of another segment can, and should, be taken over as it stands. Not one whose last entity goes on in the next: whoever reads
   * that one by itself would miss where the entity stood.
   */
  takes({ group, layout, bound, isLast }: GroupOfFile): boolean {
    if (layout !== this.#layout || !this.#table.takes(group.entry)) return false
    const last = Int32Array.of(group.rowCount - 1)
    return isLast || compareKeys(keysOf(group, last)[0] as readonly string[], bound) < 0
  }

  /** Takes over a row group whose events come after all that were appended. */
  copy({ group, footer, statistics }: GroupOfFile): void {
    const all = rowsBetween(0, group.rowCount)
    const keys = keysOf(group, all)
    const [first, last] = [keys[0], keys.at(-1)].map(([ns = '', id = ''] = []) => ({ ns, id, seq: group.entry.firstSeq })) as [EntityKey & { seq: number }, EntityKey & { seq: number }]
    this.#checkOrder(first)
    // No event of the entity comes after it: see `takes`.
    this.#last = { ...last, seq: group.entry.maxSeq }
    const ids = [segmentColumn.eventId, segmentColumn.txId].flatMap((column) => scalarsOf(group.column(column), all).filter((id) => id !== undefined && id !== '') as string[])
    this.#mirrors += keys.filter(([ns = '']) => isMirrorSpace(ns)).length
    this.#table.copy({ entry: group.entry, bytes: group.checkedBytes(), footer, statistics }, { keys, ids })
  }

  /** The whole file. Nothing may be appended afterwards. */
  finish(): WrittenFile {
    return { ...this.#table.finish(), ...(this.#mirrors > 0 && { mirrors: this.#mirrors }) }
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

function keysOf(group: RowGroup, rows: Int32Array): (readonly string[])[] {
  const ids = scalarsOf(group.column(segmentColumn.id), rows) as string[]
  return scalarsOf(group.column(segmentColumn.ns), rows).map((ns, index) => [ns as string, ids[index] as string])
}

function patchText({ set, unset }: Patch): string {
  return JSON.stringify({ ...(unset && { unset }), ...(set && { set: toExtendedJson(set) }) })
}

/** All of a snapshot but its document and its id, which is the event's. */
function snapshotText(state: EntityState): string {
  const { version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt } = state
  return JSON.stringify({ version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document: toExtendedJson(state.document) })
}
