import { assert } from '../base/assert.ts'
import { listAt } from '../base/list-at.ts'
import { isEdgeSpace, isMirrorSpace, mirrored, mirrorKey } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { SortedIds } from './SortedIds.ts'
import type { AsOf } from './view.ts'

/** What happened to an entity, and the state after it. The far end of an edge has the same events as the near one. */
export interface Change {
  readonly event: StoredEvent
  readonly state: EntityState
  /** The one before it since the manifest. */
  readonly before: Change | undefined
}

interface NamespaceOverlay {
  /** The newest of each entity. Most have one. */
  readonly changes: Map<string, Change>
  readonly ids: SortedIds
  lastSeq: number
}

/**
 * Events and states after a manifest's flushedSeq, in memory. It only grows, in seq order; a reader that notes the
 * last seq sees what was there at that moment for as long as it holds the overlay. A flush replaces the overlay by
 * `after(flushedSeq)` and leaves this one to its readers.
 */
export class Overlay {
  readonly flushedSeq: number
  readonly #namespaces = new Map<string, NamespaceOverlay>()
  readonly #events: StoredEvent[] = []
  /** After each event; of an edge as its near end has it. */
  readonly #states: EntityState[] = []
  /** The first `#eventsById.size` events: filled when it is asked, which few do. */
  readonly #eventsById = new Map<string, StoredEvent>()
  readonly #txIds = new Map<string, StoredEvent[]>()
  #lastTs: number
  #bytes = 0

  constructor(from: { flushedSeq: number; flushedTs: number }) {
    this.flushedSeq = from.flushedSeq
    this.#lastTs = from.flushedTs
  }

  get lastSeq(): number {
    return this.flushedSeq + this.#events.length
  }

  get lastTs(): number {
    return this.#lastTs
  }

  get eventCount(): number {
    return this.#events.length
  }

  /** Log bytes behind these events: what decides when to flush. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds the next event; `state` is the one after it, folded here from the entity's last when it is not given. */
  add(event: StoredEvent, from: { bytes: number; state?: EntityState | undefined }): EntityState {
    assert(event.seq === this.lastSeq + 1, 'I3: the log has no gaps')
    assert(event.ts >= this.#lastTs, 'I4: ts never decreases along seq')
    const state = from.state ?? stateAfter(this.newest(event)?.state, event)
    this.#extend(event, event, state)
    if (isEdgeSpace(event.ns)) {
      const far = mirrorKey(event)
      this.#extend(far, event, { ...state, id: far.id })
    }
    this.#events.push(event)
    this.#states.push(state)
    if (event.txId !== undefined) listAt(this.#txIds, event.txId).push(event)
    this.#lastTs = event.ts
    this.#bytes += from.bytes
    return state
  }

  /** What is left once everything up to `manifest.flushedSeq` is in files. */
  after(manifest: { flushedSeq: number; flushedTs: number }): Overlay {
    assert(manifest.flushedSeq <= this.lastSeq, 'I5: nothing is flushed before it is in the log')
    const rest = new Overlay(manifest)
    const bytesPerEvent = this.#events.length === 0 ? 0 : this.#bytes / this.#events.length
    for (let index = manifest.flushedSeq - this.flushedSeq; index < this.#events.length; index++) rest.add(this.#events[index] as StoredEvent, { bytes: bytesPerEvent, state: this.#states[index] })
    return rest
  }

  /** Attaches its state to the entity's newest event. Derived data: views that hold the event see nothing else in it. */
  keepSnapshot(key: EntityKey): void {
    const newest = this.newest(key)
    if (newest === undefined || newest.event.state !== undefined) return
    const event = { ...newest.event, state: newest.state }
    this.#namespaces.get(key.ns)?.changes.set(key.id, { ...newest, event })
    this.#events[event.seq - this.flushedSeq - 1] = event
  }

  newest(key: EntityKey): Change | undefined {
    return this.#namespaces.get(key.ns)?.changes.get(key.id)
  }

  /** An entity's changes in order, each event as this end of an edge has it. */
  changesOf(key: EntityKey): readonly Pick<Change, 'event' | 'state'>[] {
    const isMirror = isMirrorSpace(key.ns)
    const changes: Pick<Change, 'event' | 'state'>[] = []
    for (let change = this.newest(key); change !== undefined; change = change.before) changes.push(isMirror ? { event: mirrored(change.event, key.ns, change.state), state: change.state } : change)
    return changes.length > 1 ? changes.toReversed() : changes
  }

  /** The newest state at or before `asOf`, of the events up to `seq`. */
  state(key: EntityKey, { seq, asOf = {} }: { seq: number; asOf?: AsOf | undefined }): EntityState | undefined {
    let change = this.newest(key)
    while (change !== undefined && (change.event.seq > seq || (asOf.seq !== undefined && change.event.seq > asOf.seq) || (asOf.ts !== undefined && change.event.ts > asOf.ts))) change = change.before
    return change?.state
  }

  /** A namespace's ids in order, ids that came after a view included; shared, not to be changed. */
  sortedIds(ns: string): readonly string[] {
    return this.#namespaces.get(ns)?.ids.all() ?? []
  }

  entityCount(ns: string): number {
    return this.#namespaces.get(ns)?.changes.size ?? 0
  }

  /** seq of a namespace's newest event here; 0 when it has none. */
  namespaceSeq(ns: string): number {
    return this.#namespaces.get(ns)?.lastSeq ?? 0
  }

  namespaces(): string[] {
    return [...this.#namespaces.keys()]
  }

  /** Events with from <= seq <= to, in order. */
  *events(range: { from: number; to: number }): Generator<StoredEvent> {
    const end = Math.min(range.to, this.lastSeq)
    for (let seq = Math.max(range.from, this.flushedSeq + 1); seq <= end; seq++) yield this.#events[seq - this.flushedSeq - 1] as StoredEvent
  }

  eventById(eventId: string): StoredEvent | undefined {
    for (let index = this.#eventsById.size; index < this.#events.length; index++) {
      const event = this.#events[index] as StoredEvent
      this.#eventsById.set(event.eventId, event)
    }
    return this.#eventsById.get(eventId)
  }

  eventsOfTx(txId: string): readonly StoredEvent[] {
    return this.#txIds.get(txId) ?? []
  }

  #extend({ ns, id }: EntityKey, event: StoredEvent, state: EntityState): void {
    const namespace: NamespaceOverlay = this.#namespaces.get(ns) ?? { changes: new Map(), ids: new SortedIds(), lastSeq: 0 }
    if (namespace.lastSeq === 0) this.#namespaces.set(ns, namespace)
    const before = namespace.changes.get(id)
    namespace.changes.set(id, { event, state, before })
    // The mark of an erasure, which a salvaged history brings, belongs to no entity.
    if (before === undefined && id !== '') namespace.ids.add(id)
    namespace.lastSeq = event.seq
  }
}
