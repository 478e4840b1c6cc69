import type { EntityKey, EntityState } from './entity.ts'
import type { Patch } from './patch.ts'
import type { Document } from './values.ts'

/**
 * REL_CREATE makes an edge or changes its data, REL_DELETE removes it. ERASE: the entity is gone for good; once its files are written anew, the event has no
 * id any more, only the SHA-256 of `$id` in `metadata.erased`.
 */
export type EventOp = 'CREATE' | 'UPDATE' | 'DELETE' | 'REL_CREATE' | 'REL_DELETE' | 'ERASE'

/** What a decision asks the log to record; the writer adds seq, ts, version and, where absent, the event's id. */
export interface EventDraft extends EntityKey {
  readonly op: EventOp
  /** CREATE: the whole document. REL_CREATE: the edge's data. */
  readonly after?: Document | undefined
  /** UPDATE: the resolved change, never an operator, so that replay is deterministic. */
  readonly patch?: Patch | undefined
  readonly eventId?: string | undefined
  readonly actor?: string | undefined
  readonly metadata?: Document | undefined
  /** A time of its own, as an import has; clamped so that ts never decreases along seq. Milliseconds. */
  readonly ts?: number | undefined
}

/** An event in the log. Every property is always present, so that all events have one shape. */
export interface StoredEvent extends Required<Omit<EventDraft, 'eventId' | 'ts'>> {
  /** Position in the log, from 1, without gaps. */
  readonly seq: number
  /** Milliseconds since 1970; never decreases along seq; equal for all events of a commit. */
  readonly ts: number
  readonly eventId: string
  /** The entity's version after this event. */
  readonly version: number
  readonly txId: string | undefined
  /** A snapshot: the entity's whole state after this event. Replay starts at the newest one. */
  readonly state: EntityState | undefined
  /** Extended JSON of `after`, where it was made for the log, so that a flush need not make it again. Derived. */
  readonly afterText?: string | undefined
}

/** The state after an event that tells all of it. */
export function stateBegunBy({ id, version, seq, ts, actor }: Omit<StoredEvent, 'state'>, document: Document, deletedAt: number | undefined): EntityState {
  return { id, version, seq, createdAt: ts, createdBy: actor, updatedAt: ts, updatedBy: actor, deletedAt, document }
}

/** The event that a draft becomes at a place in the log. */
export function eventOf({ op, ns, id, after, patch, eventId = '', actor, metadata }: EventDraft, place: Pick<StoredEvent, 'seq' | 'ts' | 'version'>): StoredEvent {
  return { ...place, eventId, op, ns, id, after, patch, actor, txId: undefined, metadata, state: undefined }
}

/** An event as users see it; `target` is 'ns:id'. */
export interface Event {
  readonly seq: number
  readonly id: string
  readonly ts: number
  readonly op: EventOp
  /** Of an edge's event: where the edge begins. */
  readonly target: string
  /** Of the entity, or of the edge. */
  readonly version: number
  /** Of an edge. */
  readonly predicate?: string
  /** `$id` of what an edge points at. */
  readonly to?: string
  /** REL_CREATE: the edge's data, where it has any. */
  readonly data?: Document
  readonly after?: Document
  readonly patch?: Patch
  readonly actor?: string
  readonly txId?: string
  readonly metadata?: Document
}
