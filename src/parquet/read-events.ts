import { fromExtendedJson } from '../model/ejson.ts'
import { isEdgeSpace, stateOfEdge } from '../model/edge.ts'
import type { EntityState } from '../model/entity.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import { stateOfCreate } from '../model/fold.ts'
import { patchFromJson } from '../model/patch.ts'
import type { Document } from '../model/values.ts'
import { rowsBetween } from './Column.ts'
import { numbersOf, scalarsOf } from './column-values.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { segmentColumn } from './segment-columns.ts'
import type { SegmentColumn } from './segment-columns.ts'
import { TextColumn } from './TextColumn.ts'

/** From so many rows on, or when they are most of the row group, a column is decoded in one go. */
const wholeColumnRows = 64

/** The events of some rows of a segment's row group; `rows` ascend. Snapshots of another fold are passed over, but for those of a CREATE, which are made here. */
export function readEvents(group: RowGroup, rows: readonly number[], { hasOwnSnapshots }: { hasOwnSnapshots: boolean }): StoredEvent[] {
  if (rows.length === 0) return []
  const texts = textsOfColumns(group, rows)
  const seqs = numbersOf(group.column(segmentColumn.seq))
  const times = numbersOf(group.column(segmentColumn.ts))
  const versions = numbersOf(group.column(segmentColumn.version))
  return rows.map((row): StoredEvent => {
    const op = opOf(texts.op(row))
    const id = texts.id(row) ?? ''
    const state = parseOptional(texts.state(row), (json) => stateOf(id, json))
    const ns = texts.ns(row) ?? ''
    const isEdge = isEdgeSpace(ns)
    const after = parseOptional(isEdge ? texts.data(row) : texts.after(row), documentOf)
    const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
      seq: seqs[row] as number,
      ts: times[row] as number,
      eventId: texts.eventId(row) ?? '',
      op,
      ns,
      id,
      version: versions[row] as number,
      // Files of format 1 have a CREATE's document in its snapshot.
      after: after ?? (op === 'CREATE' ? state?.document : undefined),
      patch: parseOptional(texts.patch(row), patchFromJson),
      actor: texts.actor(row),
      txId: texts.txId(row),
      metadata: parseOptional(texts.metadata(row), documentOf),
      state: hasOwnSnapshots ? state : undefined,
    }
    if (op === 'CREATE') event.state = stateOfCreate(event)
    if (isEdge) event.state = stateOfEdge(event)
    return event
  })
}

type TextName = 'ns' | 'id' | 'op' | 'eventId' | 'actor' | 'txId' | 'patch' | 'after' | 'state' | 'metadata' | 'data'
type TextOfRow = (row: number) => string | undefined

function textsOfColumns(group: RowGroup, rows: readonly number[]): Readonly<Record<TextName, TextOfRow>> {
  const of = (name: SegmentColumn): TextOfRow => textOfRow(group, segmentColumn[name], rows.length)
  return {
    ns: of('ns'),
    id: of('id'),
    op: of('op'),
    eventId: of('eventId'),
    actor: of('actor'),
    txId: of('txId'),
    patch: of('patch'),
    after: of('after'),
    state: of('state'),
    metadata: of('metadata'),
    data: of('data'),
  }
}

function textOfRow(group: RowGroup, column: number, wantedRows: number): TextOfRow {
  if (wantedRows < wholeColumnRows && wantedRows * 2 < group.rowCount) {
    const texts = new TextColumn(group.column(column))
    return (row) => texts.text(row)
  }
  const values = scalarsOf(group.column(column), rowsBetween(0, group.rowCount)) as (string | undefined)[]
  return (row) => values[row]
}

function opOf(text: string | undefined): EventOp {
  if (text === 'CREATE' || text === 'UPDATE' || text === 'DELETE' || text === 'REL_CREATE' || text === 'REL_DELETE' || text === 'ERASE') return text
  throw malformed(`an event has the unknown op '${String(text)}'`)
}

function parseOptional<T>(text: string | undefined, read: (json: Readonly<Record<string, unknown>>) => T): T | undefined {
  if (text === undefined) return undefined
  const json: unknown = JSON.parse(text)
  if (typeof json !== 'object' || json === null) throw malformed('a part of an event is no object')
  return read(json as Readonly<Record<string, unknown>>)
}

function documentOf(json: Readonly<Record<string, unknown>>): Document {
  return fromExtendedJson(json) as Document
}

function stateOf(id: string, json: Readonly<Record<string, unknown>>): EntityState {
  return {
    id,
    version: json['version'] as number,
    seq: json['seq'] as number,
    createdAt: json['createdAt'] as number,
    createdBy: json['createdBy'] as string | undefined,
    updatedAt: json['updatedAt'] as number,
    updatedBy: json['updatedBy'] as string | undefined,
    deletedAt: json['deletedAt'] as number | undefined,
    document: documentOf(json['document'] as Readonly<Record<string, unknown>>),
  }
}
