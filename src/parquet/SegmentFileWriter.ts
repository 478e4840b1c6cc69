import { assert } from '../base/assert.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stringifyExtendedJson, toExtendedJson } from '../model/ejson.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Patch } from '../model/patch.ts'
import type { Document } from '../model/values.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import { appendOptional } from './RunFileWriter.ts'
import { segmentColumn, segmentFields } from './segment-columns.ts'
import type { SegmentColumn } from './segment-columns.ts'
import { compareKeys } from './sparse-index.ts'
import { defaultRowGroupBytes, TableWriter } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

export interface SegmentFileOptions {
  /** What a row group should take in the file; 64 KB. */
  readonly rowGroupBytes?: number | undefined
  /** Key-value metadata of the file: the version of the fold that made the snapshots, for one. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** Of a row's short columns, before encoding: numbers and times at 8 bytes, an event id at 26. */
const systemBytes = 64

/** Writes a segment: events in ascending order of (ns, id, seq), strings by their UTF-8 bytes. */
export class SegmentFileWriter {
  readonly #table: TableWriter
  #last: StoredEvent | undefined

  constructor(options: SegmentFileOptions = {}) {
    this.#table = new TableWriter({
      kind: 'segment',
      fields: segmentFields,
      sortedBy: [segmentColumn.ns, segmentColumn.id, segmentColumn.seq],
      prefixColumn: segmentColumn.id,
      rowGroupBytes: options.rowGroupBytes ?? defaultRowGroupBytes,
      metadata: options.metadata ?? {},
    })
  }

  /** Events appended. */
  get rows(): number {
    return this.#table.rows
  }

  /** Size of the file so far: exact for what is encoded, an estimate for the rows that are not. */
  get bytes(): number {
    return this.#table.bytes
  }

  /** Takes at most about as long as encoding one row group. A CREATE with a snapshot keeps its `after` as the snapshot's document. */
  append(event: StoredEvent): void {
    this.#checkOrder(event)
    const patch = event.patch === undefined ? undefined : patchText(event.patch)
    const state = event.state === undefined ? undefined : snapshotText(event.state)
    const after = event.after === undefined || isDocumentOf(event.after, event.state) ? undefined : stringifyExtendedJson(event.after)
    const metadata = event.metadata === undefined ? undefined : stringifyExtendedJson(event.metadata)
    this.#leaf('ns').value(event.ns)
    this.#leaf('id').value(event.id)
    this.#leaf('seq').value(event.seq)
    this.#leaf('ts').value(event.ts)
    this.#leaf('op').value(event.op)
    this.#leaf('version').value(event.version)
    this.#leaf('eventId').value(event.eventId)
    appendOptional(this.#leaf('actor'), event.actor)
    appendOptional(this.#leaf('txId'), event.txId)
    appendOptional(this.#leaf('patch'), patch)
    appendOptional(this.#leaf('after'), after)
    appendOptional(this.#leaf('state'), state)
    appendOptional(this.#leaf('metadata'), metadata)
    for (const name of ['predicate', 'to', 'data'] as const) this.#leaf(name).none(0)
    this.#table.addId(event.eventId)
    if (event.txId !== undefined) this.#table.addId(event.txId)
    const bytes = systemBytes + event.ns.length + event.id.length + (patch?.length ?? 0) + (state?.length ?? 0) + (after?.length ?? 0) + (metadata?.length ?? 0)
    this.#table.endRow({ key: [event.ns, event.id], seq: event.seq, ts: event.ts, bytes })
    if (this.#table.isFull) this.#table.flush()
  }

  /** The whole file. Nothing may be appended afterwards. */
  finish(): WrittenFile {
    return this.#table.finish()
  }

  #leaf(name: SegmentColumn): LeafBuilder {
    return this.#table.leaves[segmentColumn[name]] as LeafBuilder
  }

  #checkOrder(event: StoredEvent): void {
    const last = this.#last
    this.#last = event
    if (event.ns.includes('\0')) {
      throw new ParqueDBError('INVALID_ARGUMENT', `The namespace ${JSON.stringify(event.ns)} holds a NUL, which separates a key's parts; choose another name.`, { details: { ns: event.ns } })
    }
    if (last === undefined) return
    const order = compareKeys([last.ns, last.id], [event.ns, event.id])
    assert(order < 0 || (order === 0 && last.seq < event.seq), 'P2: the events of a segment ascend by (ns, id, seq)')
  }
}

function patchText({ set, unset }: Patch): string {
  return JSON.stringify({ ...(unset && { unset }), ...(set && { set: toExtendedJson(set) }) })
}

/** All of a snapshot but its document and its id, which is the event's. */
function snapshotText(state: EntityState): string {
  const { version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt } = state
  return JSON.stringify({ version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document: toExtendedJson(state.document) })
}

/** Whether `after` is the snapshot's document. The same reference nearly always, as the fold of a CREATE hands it on. */
function isDocumentOf(after: Document, state: EntityState | undefined): boolean {
  if (state === undefined) return false
  return state.document === after || stringifyExtendedJson(state.document) === stringifyExtendedJson(after)
}
