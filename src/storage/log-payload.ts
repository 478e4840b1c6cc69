import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError, translated } from '../base/ParqueDBError.ts'
import { collectionOf, edgeKey, isEdgeSpace, namesOf, stateOfEdge } from '../model/edge.ts'
import { fromExtendedJson, stringifyExtendedJson } from '../model/ejson.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import { foldVersion, stateOfCreate } from '../model/fold.ts'
import { patchFromJson, patchToJson, type PatchJson } from '../model/patch.ts'
import { stateFromJson, stateToJson, type StateJson } from '../model/state-json.ts'
import type { Document, Value } from '../model/values.ts'
import type { LogFrame } from './append-log.ts'

/**
 * What a log frame holds: the events of whole commits as one JSON text. An event's seq is the frame's firstSeq plus
 * its index. `state` is written when the event is the entity's first since the log was cut for a flush, and at every
 * snapshot, so that replaying the log never has to read a data file.
 */
interface EventJson {
  id: string
  ts: number
  op: EventOp
  ns: string
  key: string
  version: number
  /** Of an edge, whose `ns` and `key` are those of the entity where it begins. */
  rel?: string
  to?: string
  /** Of an edge its data. */
  after?: unknown
  patch?: PatchJson
  actor?: string
  tx?: string
  metadata?: unknown
  state?: StateJson
}

/** One commit's events as JSON, to be joined with others' by `joinPayload`: its length tells whether it fits a frame. */
export function encodeEvents(events: readonly StoredEvent[]): string {
  const parts: string[] = []
  let before: StoredEvent | undefined
  let common = ''
  for (const event of events) {
    // Most events of a commit are of one kind and of one collection.
    if (event.ns !== before?.ns || event.op !== before.op || event.ts !== before.ts) common = `,"ts":${event.ts},"op":"${event.op}","ns":${quoted(collectionOf(event.ns))},"key":`
    parts.push(before === undefined ? '{"id":' : ',{"id":', quoted(event.eventId), common)
    pushEvent(event, parts)
    before = event
  }
  return parts.join('')
}

/** A frame's payload from the texts of its commits. */
export function joinPayload(commits: readonly string[]): Uint8Array {
  return utf8Encode(`{"fold":${foldVersion},"events":[${commits.join(',')}]}`)
}

/** The frame's events; CORRUPT_FILE when a frame with a right checksum does not hold what a frame holds. */
export function decodePayload(frame: LogFrame, where: { path: string; offset: number }): StoredEvent[] {
  const notJson = (cause: unknown): ParqueDBError => new ParqueDBError('CORRUPT_FILE', `${where.path} holds a frame at byte ${where.offset} that is not JSON. Run \`parquedb verify\`.`, { details: { ...where }, cause })
  const text = translated(() => utf8Decode(frame.payload), notJson)
  const json = translated(() => JSON.parse(text) as { fold: number; events: EventJson[] }, notJson)
  // Nothing to unwrap or to refuse: then what was parsed is what was meant.
  const read: ReadJson = unwrapped.some((part) => text.includes(part)) ? fromExtendedJson : (plain) => plain as Value
  if (!Array.isArray(json.events) || json.events.length !== frame.count) {
    throw new ParqueDBError('CORRUPT_FILE', `${where.path} holds a frame at byte ${where.offset} whose event count is not the header's. Run \`parquedb verify\`.`, { details: { ...where } })
  }
  if (json.fold !== foldVersion) {
    throw new ParqueDBError('UNSUPPORTED_FORMAT', `${where.path} was written by a version of ParqueDB that folds events differently (fold ${String(json.fold)}; this one is ${foldVersion}). Open the folder once with that version and flush it.`, { details: { ...where, fold: json.fold } })
  }
  return json.events.map((event, index) => eventFromJson(event, frame.firstSeq + index, read))
}

type ReadJson = (json: unknown) => Value

/** Only where one of these is in its JSON can a value be, or hold, what Extended JSON wraps or refuses. */
const unwrapped = ['$', '\\u', '__proto__', 'prototype', 'constructor']

/** An event as `EventJson` from its key on, in parts: its document is JSON already. */
function pushEvent(event: StoredEvent, parts: string[]): void {
  const { op, version, patch, actor, txId, metadata, state } = event
  const edge = isEdgeSpace(event.ns) ? namesOf(event) : undefined
  parts.push(quoted(edge === undefined ? event.id : edge.$from.slice(edge.$from.indexOf('/') + 1)), version === 1 ? ',"version":1' : `,"version":${version}`)
  if (edge !== undefined) parts.push(`,"rel":${quoted(edge.$predicate)},"to":${quoted(edge.$to)}`)
  if (patch !== undefined) parts.push(`,"patch":${JSON.stringify(patchToJson(patch))}`)
  if (actor !== undefined) parts.push(`,"actor":${quoted(actor)}`)
  if (txId !== undefined) parts.push(`,"tx":${quoted(txId)}`)
  if (metadata !== undefined) parts.push(`,"metadata":${stringifyExtendedJson(metadata)}`)
  // A CREATE is its own snapshot, and so are an edge's events: the state follows from `after`.
  if (state !== undefined && op !== 'CREATE' && edge === undefined) parts.push(`,"state":${JSON.stringify(stateToJson(state))}`)
  if (event.after !== undefined) parts.push(',"after":', event.afterText ?? stringifyExtendedJson(event.after))
  parts.push('}')
}

/** Ids and names are nearly always plain, and asking is quicker than escaping. */
const plainPattern = /^[\w-]*$/

function quoted(text: string): string {
  return plainPattern.test(text) ? `"${text}"` : JSON.stringify(text)
}

function eventFromJson(json: EventJson, seq: number, read: ReadJson): StoredEvent {
  const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
    seq,
    ts: json.ts,
    eventId: json.id,
    op: json.op,
    ns: json.ns,
    id: json.key,
    version: json.version,
    after: json.after === undefined ? undefined : (read(json.after) as Document),
    patch: json.patch === undefined ? undefined : patchFromJson(json.patch),
    actor: json.actor,
    txId: json.tx,
    metadata: json.metadata === undefined ? undefined : (read(json.metadata) as Document),
    state: json.state === undefined ? undefined : stateFromJson(json.state, { id: json.key, version: json.version, seq }),
  }
  if (json.rel !== undefined && json.to !== undefined) {
    const slash = json.to.indexOf('/')
    const edge = edgeKey({ from: { ns: json.ns, id: json.key }, predicate: json.rel, to: { ns: json.to.slice(0, slash), id: json.to.slice(slash + 1) } })
    event.ns = edge.ns
    event.id = edge.id
    event.state = stateOfEdge(event)
  }
  if (event.op === 'CREATE') event.state = stateOfCreate(event)
  return event
}
