import { fromExtendedJson } from '../model/ejson.ts'
import { isEdgeSpace, stateOfEdge } from '../model/edge.ts'
import type { EntityState } from '../model/entity.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import { stateOfCreate } from '../model/fold.ts'
import { patchFromJson } from '../model/patch.ts'
import { stateFromJson, type StateJson } from '../model/state-json.ts'
import type { Document } from '../model/values.ts'
import { numbersOf, scalarsOf } from './column-values.ts'
import { malformed } from './malformed.ts'
import type { RowGroup } from './RowGroup.ts'
import { segmentColumn } from './segment-columns.ts'

const textColumns = ['ns', 'id', 'op', 'eventId', 'actor', 'txId', 'patch', 'after', 'state', 'metadata', 'data'] as const

/** The events of some rows of a segment's row group; `rows` ascend. Snapshots of another fold are passed over, but for those of a CREATE, which are made here. */
export function readEvents(group: RowGroup, rows: Int32Array, { hasOwnSnapshots }: { hasOwnSnapshots: boolean }): StoredEvent[] {
  if (rows.length === 0) return []
  const column = group.columnsForRows()
  const texts = Object.fromEntries(textColumns.map((name) => [name, scalarsOf(column(segmentColumn[name]), rows)])) as unknown as Readonly<Record<(typeof textColumns)[number], readonly (string | undefined)[]>>
  const [seqs, times, versions] = (['seq', 'ts', 'version'] as const).map((name) => numbersOf(column(segmentColumn[name]))) as [Float64Array, Float64Array, Float64Array]
  return Array.from(rows, (row, at): StoredEvent => {
    const op = opOf(texts.op[at])
    const id = texts.id[at] ?? ''
    const state = parseOptional(texts.state[at], (json: StateJson & Pick<EntityState, 'version' | 'seq'>) => stateFromJson(json, { ...json, id }))
    const ns = texts.ns[at] ?? ''
    const isEdge = isEdgeSpace(ns)
    const after = parseOptional((isEdge ? texts.data : texts.after)[at], documentOf)
    const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
      seq: seqs[row] as number,
      ts: times[row] as number,
      eventId: texts.eventId[at] ?? '',
      op,
      ns,
      id,
      version: versions[row] as number,
      // Files of format 1 have a CREATE's document in its snapshot.
      after: after ?? (op === 'CREATE' ? state?.document : undefined),
      patch: parseOptional(texts.patch[at], patchFromJson),
      actor: texts.actor[at],
      txId: texts.txId[at],
      metadata: parseOptional(texts.metadata[at], documentOf),
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
