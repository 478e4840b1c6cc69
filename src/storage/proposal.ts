import { concatBytes, utf8Decode, utf8Encode } from '../base/bytes.ts'
import type { IdSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EventDraft } from '../model/event.ts'
import type { CommitRequest } from './engine.ts'
import { decodePayload, encodeEvents, joinPayload } from './log-payload.ts'
import type { Partition } from './Partition.ts'
import { RequestedStates } from './RequestedStates.ts'

/** What a guest asks of the process that has the writer role: one line of JSON. A commit's events come after it, as in a frame of the log. */
export interface GuestRequest {
  readonly kind: 'hello' | 'commit' | 'flush' | 'compact' | 'snapshot'
  readonly txId?: string | undefined
  readonly eventIds?: readonly string[] | undefined
  /** Entities and namespaces that the decision looked at, and the seq of the newest event of each; 0 for none. */
  readonly entities?: readonly (readonly [ns: string, id: string, seq: number])[]
  readonly namespaces?: readonly (readonly [ns: string, seq: number])[]
  readonly count?: number
}

/** Something that a proposal rests on has changed; nothing was done. */
export class ProposalConflict extends Error {}

/** Of a draft that brings no time of its own. */
const noTime = -1

/** Decides a request on what this process knows; `eventIds` are of the events that it proposes. Throws what the decision throws, and TRANSACTION_CONFLICT where nothing is to be written to what is being erased. */
export async function propose(partition: Partition, request: CommitRequest, by: { ids: IdSource; nowMs: number }): Promise<{ message: Uint8Array; eventIds: string[] }> {
  const { lastTs } = partition.overlay
  const found = await partition.newestOfMany(request.keys)
  const states = new RequestedStates(request.keys, found)
  const namespaces = new Map<string, number>()
  const drafts = request.decide({
    nowMs: Math.max(by.nowMs, lastTs),
    state: (key) => states.get(key),
    namespaceSeq(ns) {
      const newest = partition.namespaceSeq(ns)
      namespaces.set(ns, newest)
      return newest
    },
  })
  // Where something is proposed, the writer looks itself.
  if (drafts.length === 0) partition.refuseErased(request.keys)
  const none = { seq: 0, version: 0, txId: undefined, state: undefined, after: undefined, patch: undefined, actor: undefined, metadata: undefined }
  const events = drafts.map((draft) => ({ ...none, ...draft, eventId: draft.eventId ?? by.ids.next(), ts: draft.ts ?? noTime }))
  const entities = request.keys.map(({ ns, id }, index) => [ns, id, found[index]?.seq ?? 0] as const)
  const header = encodeRequest({ kind: 'commit', txId: request.txId, eventIds: request.eventIds, entities, namespaces: [...namespaces], count: events.length })
  return { message: concatBytes([header, joinPayload([encodeEvents(events)])]), eventIds: events.map(({ eventId }) => eventId) }
}

export function encodeRequest(request: GuestRequest): Uint8Array {
  return utf8Encode(`${JSON.stringify(request)}\n`)
}

/** `commit` is the proposal as a request of the writer's own; it fails with ProposalConflict where what the guest decided on is not so any more. */
export function decodeRequest(bytes: Uint8Array): GuestRequest & { commit: CommitRequest } {
  const end = bytes.indexOf(0x0a) + 1
  const request = JSON.parse(utf8Decode(bytes.subarray(0, end))) as GuestRequest
  const { txId, eventIds, entities = [], namespaces = [], count = 0 } = request
  const events = count === 0 ? [] : decodePayload({ epoch: 0, firstSeq: 1, count, payload: bytes.subarray(end) }, { path: 'A proposal', offset: 0 })
  const drafts: EventDraft[] = events.map(({ op, ns, id, after, patch, eventId, actor, metadata, ts }) => ({ op, ns, id, after, patch, eventId, actor, metadata, ts: ts === noTime ? undefined : ts }))
  const commit: CommitRequest = {
    keys: entities.map(([ns, id]) => ({ ns, id })),
    txId,
    eventIds,
    decide(context) {
      const holds = entities.every(([ns, id, seq]) => (context.state({ ns, id })?.seq ?? 0) === seq) && namespaces.every(([ns, seq]) => context.namespaceSeq(ns) === seq)
      if (!holds) throw new ProposalConflict('What the proposal rests on has changed.')
      return drafts
    },
  }
  return { ...request, commit }
}

export function encodeAnswer(answer: 'done' | 'conflict' | ParqueDBError): Uint8Array {
  return utf8Encode(JSON.stringify(answer))
}

/** Throws what the other one refused with. */
export function decodeAnswer(bytes: Uint8Array): 'done' | 'conflict' {
  const answer = JSON.parse(utf8Decode(bytes)) as 'done' | 'conflict' | ReturnType<ParqueDBError['toJSON']>
  if (typeof answer === 'string') return answer
  throw ParqueDBError.fromJSON(answer)
}
