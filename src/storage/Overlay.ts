import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import { isEdgeSpace, isMirrorSpace, mirrored, mirrorKey } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import type { AsOf } from './view.ts'

/** What one entity went through since the manifest: parallel arrays in seq order. The far end of an edge has the same events as the near one. */
export interface Chain {
  readonly events: StoredEvent[]
  readonly states: EntityState[]
}

interface NamespaceOverlay {
  readonly chains: Map<string, Chain>
  lastSeq: number
  /** In order, as far as somebody has asked. */
  sortedIds: readonly string[]
  /** Those that came after that. */
  newIds: string[]
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
    const state = from.state ?? stateAfter(this.chain(event)?.states.at(-1), event)
    this.#extend(event, event, state)
    if (isEdgeSpace(event.ns)) {
      const far = mirrorKey(event)
      this.#extend(far, event, stateUnder(far.id, state))
    }
    this.#events.push(event)
    if (event.txId !== undefined) {
      const sameTx = this.#txIds.get(event.txId)
      if (sameTx === undefined) this.#txIds.set(event.txId, [event])
      else sameTx.push(event)
    }
    this.#lastTs = event.ts
    this.#bytes += from.bytes
    return state
  }

  /** What is left once everything up to `manifest.flushedSeq` is in files. */
  after(manifest: { flushedSeq: number; flushedTs: number }): Overlay {
    assert(manifest.flushedSeq <= this.lastSeq, 'I5: nothing is flushed before it is in the log')
    const rest = new Overlay(manifest)
    const bytesPerEvent = this.#events.length === 0 ? 0 : this.#bytes / this.#events.length
    for (let index = manifest.flushedSeq - this.flushedSeq; index < this.#events.length; index++) {
      const event = this.#events[index] as StoredEvent
      const chain = this.chain(event) as Chain
      rest.add(event, { bytes: bytesPerEvent, state: chain.states[indexAtOrBefore(chain.events, event.seq)] })
    }
    return rest
  }

  /** Attaches its state to the entity's newest event. Derived data: views that hold the event see nothing else in it. */
  keepSnapshot(key: EntityKey): void {
    const chain = this.chain(key)
    const event = chain?.events.at(-1)
    if (chain === undefined || event === undefined || event.state !== undefined) return
    const withState = { ...event, state: chain.states.at(-1) }
    chain.events[chain.events.length - 1] = withState
    this.#events[event.seq - this.flushedSeq - 1] = withState
  }

  chain(key: EntityKey): Chain | undefined {
    return this.#namespaces.get(key.ns)?.chains.get(key.id)
  }

  /** An entity's events in order. */
  eventsOf(key: EntityKey): readonly StoredEvent[] {
    const { events = [], states = [] } = this.chain(key) ?? {}
    return isMirrorSpace(key.ns) ? events.map((event, index) => mirrored(event, key.ns, states[index] as EntityState)) : events
  }

  /** The newest state at or before `asOf`, of the events up to `seq`. */
  state(key: EntityKey, at: { seq: number; asOf?: AsOf | undefined }): EntityState | undefined {
    const chain = this.chain(key)
    return chain === undefined ? undefined : stateAt(chain, at)
  }

  /** A namespace's ids in order, ids that came after a view included; shared, not to be changed. */
  sortedIds(ns: string): readonly string[] {
    const namespace = this.#namespaces.get(ns)
    if (namespace === undefined) return []
    namespace.sortedIds = withIds(namespace.sortedIds, namespace.newIds)
    namespace.newIds = []
    return namespace.sortedIds
  }

  entityCount(ns: string): number {
    return this.#namespaces.get(ns)?.chains.size ?? 0
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
    const namespace = this.#namespace(ns)
    const chain = namespace.chains.get(id)
    if (chain === undefined) {
      // Most entities have one event: an array that begins with it has no room to spare.
      namespace.chains.set(id, { events: [event], states: [state] })
      // The mark of an erasure, which a salvaged history brings, belongs to no entity.
      if (id !== '') namespace.newIds.push(id)
    } else {
      chain.events.push(event)
      chain.states.push(state)
    }
    namespace.lastSeq = event.seq
  }

  #namespace(ns: string): NamespaceOverlay {
    let namespace = this.#namespaces.get(ns)
    if (namespace === undefined) {
      namespace = { chains: new Map(), lastSeq: 0, sortedIds: [], newIds: [] }
      this.#namespaces.set(ns, namespace)
    }
    return namespace
  }
}

function stateUnder(id: string, { version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document }: EntityState): EntityState {
  return { id, version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document }
}

/** A few new ids, as come between two reads, are put into their places; many are sorted with the rest. The array that a reader may hold stays as it is. */
function withIds(sorted: readonly string[], added: readonly string[]): readonly string[] {
  if (added.length === 0) return sorted
  const ids = [...sorted]
  if (added.length > 32) return [...ids, ...added].toSorted(compareStrings)
  for (const id of added) ids.splice(lowerBound(ids, (each) => compareStrings(each, id) < 0), 0, id)
  return ids
}

/** Index of the first item that is not below; the items below come first. */
export function lowerBound<Item>(items: readonly Item[], isBelow: (item: Item) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(items[middle] as Item)) low = middle + 1
    else high = middle
  }
  return low
}

/** The newest state of a chain at or before both `seq` and `asOf`. */
export function stateAt(chain: Chain, at: { seq: number; asOf?: AsOf | undefined }): EntityState | undefined {
  const seqMax = Math.min(at.seq, at.asOf?.seq ?? Number.POSITIVE_INFINITY)
  let index = indexAtOrBefore(chain.events, seqMax)
  const tsMax = at.asOf?.ts
  if (tsMax !== undefined) while (index >= 0 && (chain.events[index] as StoredEvent).ts > tsMax) index--
  return chain.states[index]
}

/** Index of the last event with a seq <= `seq`; -1 when there is none. */
function indexAtOrBefore(events: readonly StoredEvent[], seq: number): number {
  return lowerBound(events, (event) => event.seq <= seq) - 1
}
