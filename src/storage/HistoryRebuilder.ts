import { edgeData, isEdgeSpace, isMirrorSpace } from '../model/edge.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import { eventOf, type EventDraft, type StoredEvent } from '../model/event.ts'
import { fold, stateOfCreate } from '../model/fold.ts'
import { diffDocuments } from '../model/patch.ts'
import type { Document } from '../model/values.ts'
import type { CommitRequest, DecisionContext, Engine } from './engine.ts'
import { encodeEvents } from './log-payload.ts'

/** Commits under way at once, which share syncs, and the JSON in them, in UTF-16 units. */
const commitsMax = 256
const charsMax = 16 * 1024 * 1024
/** Events of one commit, and their JSON; only a transaction, which is committed whole, may have more. */
const groupEventsMax = 500
const groupCharsMax = 4 * 1024 * 1024

export interface RebuiltCounts {
  /** Events that are as they were, but for their seq. */
  events: number
  /** Events that stand for lost ones: they bring an entity to a state that is known. */
  bridges: number
  /** Sound events that could not be applied, as what they change is lost. */
  unfolded: number
}

/** What a bridge takes over from the event, or the state, that it leads to. */
type Origin = Pick<EventDraft, 'actor' | 'metadata' | 'eventId'> & { readonly ts: number }

/**
 * Writes a history again from the events of it that are left, in the order of their seqs. Seqs and versions are counted anew, so that both stay dense; where
 * events of an entity are missing, its next known state is written as one change, which says so in its metadata.
 */
export class HistoryRebuilder {
  readonly counts: RebuiltCounts = { events: 0, bridges: 0, unfolded: 0 }
  readonly #target: Engine
  /** By how much the versions of an entity are less now than they were; only of those that have lost some. */
  readonly #shifts = new Map<string, number>()
  #group: StoredEvent[] = []
  #groupChars = 0
  #underWay: Promise<unknown>[] = []
  #charsUnderWay = 0

  constructor(target: Engine) {
    this.#target = target
  }

  async addEvent(event: StoredEvent): Promise<void> {
    const [first] = this.#group
    const chars = encodeEvents([event]).length
    const hasRoom = event.txId !== undefined || (this.#group.length < groupEventsMax && this.#groupChars + chars <= groupCharsMax)
    const isSameCommit = first === undefined || (first.ts === event.ts && first.txId === event.txId && hasRoom)
    if (!isSameCommit) await this.#commitGroup()
    this.#group.push(event)
    this.#groupChars += chars
  }

  /** States that a run holds: each counts when it is newer than what the events before it gave. */
  async addStates(ns: string, states: readonly EntityState[]): Promise<void> {
    // What the far ends see is made anew with the edges.
    if (isMirrorSpace(ns)) return
    await this.#commitGroup()
    for (let start = 0; start < states.length; start += groupEventsMax) {
      const some = states.slice(start, start + groupEventsMax)
      await this.#commit({ keys: some.map(({ id }) => ({ ns, id })), decide: (context) => some.flatMap((state) => this.#draftState({ ns, id: state.id }, state, context)) })
    }
  }

  async finish(): Promise<void> {
    await this.#commitGroup()
    await Promise.all(this.#underWay)
  }

  async #commitGroup(): Promise<void> {
    const events = this.#group
    const [first] = events
    if (first === undefined) return
    this.#group = []
    this.#charsUnderWay += this.#groupChars
    this.#groupChars = 0
    await this.#commit({ keys: events, decide: (context) => this.#draftAll(events, context), txId: first.txId })
  }

  async #commit(request: CommitRequest): Promise<void> {
    const committing = this.#target.commit(request)
    // Its failure is seen with that of the others, further down.
    committing.catch(() => undefined)
    this.#underWay.push(committing)
    if (this.#underWay.length < commitsMax && this.#charsUnderWay < charsMax) return
    const all = this.#underWay
    this.#underWay = []
    this.#charsUnderWay = 0
    await Promise.all(all)
  }

  #draftAll(events: readonly StoredEvent[], context: DecisionContext): EventDraft[] {
    const states = new Map<string, EntityState | undefined>()
    const drafts: EventDraft[] = []
    for (const event of events) {
      const name = formatEntityId(event)
      const before = states.has(name) ? states.get(name) : context.state(event)
      const draft = this.#draft(event, before)
      if (draft === undefined) continue
      drafts.push(draft)
      states.set(name, fold(before, eventOf(draft, { seq: 0, ts: event.ts, version: (before?.version ?? 0) + 1 })))
    }
    return drafts
  }

  #draftState(key: EntityKey, state: EntityState, context: DecisionContext): EventDraft[] {
    const before = context.state(key)
    if (state.version < this.#nextVersion(key, before)) return []
    const event = { ts: state.updatedAt, actor: state.updatedBy, metadata: undefined, eventId: undefined }
    const draft = this.#bridge(key, before, { state, version: state.version, event })
    return draft === undefined ? [] : [draft]
  }

  #draft(event: StoredEvent, before: EntityState | undefined): EventDraft | undefined {
    const next = event.id === '' ? event.version : this.#nextVersion(event, before)
    if (event.version < next) return undefined
    // An edge's event needs none before it.
    if (isEdgeSpace(event.ns)) this.#shifts.set(formatEntityId(event), event.version - (before?.version ?? 0) - 1)
    if (event.version === next || isEdgeSpace(event.ns)) {
      this.counts.events++
      const { op, ns, id, after, patch, eventId, actor, metadata, ts } = event
      return { op, ns, id, after, patch, eventId, actor, metadata, ts }
    }
    const state = event.op === 'CREATE' ? stateOfCreate(event) : event.state
    if (state === undefined && event.op !== 'DELETE') {
      this.counts.unfolded++
      return undefined
    }
    return this.#bridge(event, before, { state, version: event.version, event })
  }

  /** The change from what is there to what is known to have come later; none when both say that the entity is gone. */
  #bridge(key: EntityKey, before: EntityState | undefined, to: { state: EntityState | undefined; version: number; event: Origin }): EventDraft | undefined {
    const { state, version, event } = to
    const isLive = before !== undefined && before.deletedAt === undefined
    const isGone = state === undefined || state.deletedAt !== undefined
    const isChange = isLive || !isGone
    this.#shifts.set(formatEntityId(key), version - (before?.version ?? 0) - (isChange ? 1 : 0))
    if (!isChange) return undefined
    this.counts.bridges++
    const common = { ns: key.ns, id: key.id, eventId: event.eventId, actor: event.actor, ts: event.ts, metadata: recovered(to) }
    if (isEdgeSpace(key.ns)) return isGone ? { ...common, op: 'REL_DELETE' } : { ...common, op: 'REL_CREATE', after: edgeData(state) }
    if (isGone) return { ...common, op: 'DELETE' }
    if (!isLive) return { ...common, op: 'CREATE', after: state.document }
    return { ...common, op: 'UPDATE', patch: diffDocuments(before.document, state.document) }
  }

  /** The version, as it was counted, of the event after the one that made this state. */
  #nextVersion(key: EntityKey, before: EntityState | undefined): number {
    return (before?.version ?? 0) + (this.#shifts.get(formatEntityId(key)) ?? 0) + 1
  }
}

/** What the event has lost: the version that it had, and who made the entity, and when. */
function recovered({ state, version, event }: { state: EntityState | undefined; version: number; event: Origin }): Document {
  const facts = { version, ...(state === undefined ? {} : { createdAt: new Date(state.createdAt) }), ...(state?.createdBy === undefined ? {} : { createdBy: state.createdBy }) }
  return { ...event.metadata, recovered: facts }
}
