import { compareStrings } from '../base/bytes.ts'
import { edgeSpace, isEdgeSpace } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { DecisionContext } from '../storage/engine.ts'
import type { Horizon } from '../storage/manifest.ts'
import type { Scratch } from '../storage/Scratch.ts'
import { mergeStates } from '../storage/strips.ts'
import type { AsOf, EntityEventOptions, EventScanOptions, IdBounds, ScanOptions, ScanSlice, View } from '../storage/view.ts'

/** States that a transaction has written and nobody else sees, by namespace and id: oldest first, never none. */
export type OwnWrites = ReadonlyMap<string, ReadonlyMap<string, readonly EntityState[]>>

/**
 * The view that a transaction began with, under its own writes; what is read is noted, so that the commit can check that it still
 * holds. The past is read as it was, and cannot change. Events are those of the view.
 */
export class TransactionView implements View {
  readonly seq: number
  readonly ts: number
  readonly #base: View
  readonly #own: OwnWrites
  readonly #reads: ReadSet

  constructor(base: View, own: OwnWrites, reads: ReadSet) {
    this.seq = base.seq
    this.ts = base.ts
    this.#base = base
    this.#own = own
    this.#reads = reads
  }

  async get(key: EntityKey, asOf?: AsOf): Promise<EntityState | undefined> {
    const own = this.#own.get(key.ns)?.get(key.id)
    if (asOf !== undefined) {
      this.#notePast(key.ns, asOf)
      const { seq } = asOf
      const earlier = seq === undefined ? undefined : own?.findLast((state) => state.seq <= seq)
      return earlier ?? this.#base.get(key, asOf)
    }
    this.#reads.noteEntity(key)
    return own?.at(-1) ?? this.#base.get(key)
  }

  getMany(keys: readonly EntityKey[], asOf?: AsOf): Promise<(EntityState | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key, asOf)))
  }

  scanRanges(ns: string, ranges: readonly IdBounds[], options: Pick<ScanOptions, 'asOf' | 'signal'> = {}): AsyncIterable<readonly EntityState[]> {
    const base = this.#base.scanRanges(ns, ranges, options)
    if (options.asOf !== undefined) {
      this.#notePast(ns, options.asOf)
      return base
    }
    this.#reads.noteNamespace(ns)
    const own = this.#own.get(ns)
    if (own === undefined || own.size === 0) return base
    return mergeStates([base, [newestOf(own).filter((state) => ranges.some((range) => isWithin(range)(state))).toSorted(byId)]])
  }

  scan(ns: string, options: ScanOptions = {}): AsyncIterable<readonly ScanSlice[]> {
    if (options.asOf !== undefined) {
      this.#notePast(ns, options.asOf)
      return this.#base.scan(ns, options)
    }
    this.#reads.noteNamespace(ns)
    const own = this.#own.get(ns)
    // A copy: writing while the scan goes on does not change what it brings.
    return this.#base.scan(ns, own === undefined || own.size === 0 ? options : { ...options, over: newestOf(own).filter(isWithin(options)).toSorted(byId) })
  }

  events(options?: EventScanOptions): AsyncIterable<StoredEvent> {
    return this.#base.events(options)
  }

  entityEvents(key: EntityKey, options?: EntityEventOptions): AsyncIterable<StoredEvent> {
    this.#reads.noteEntity(key)
    if (options?.edges === true) this.#reads.noteNamespace(edgeSpace(key.ns, 'out'))
    return this.#base.entityEvents(key, options)
  }

  namespaces(): string[] {
    return [...new Set([...this.#base.namespaces(), ...this.#own.keys()])].filter((ns) => !isEdgeSpace(ns)).toSorted(compareStrings)
  }

  horizon(ns: string): Horizon | undefined {
    return this.#base.horizon(ns)
  }

  scratch(): Scratch | undefined {
    return this.#base.scratch()
  }

  /** The transaction releases the view that this one stands on. */
  release(): void {}

  /** A time at or after the view's last event may still get more events, so it is not past yet. */
  #notePast(ns: string, asOf: AsOf): void {
    const isOver = (asOf.seq !== undefined && asOf.seq <= this.seq) || (asOf.ts !== undefined && asOf.ts < this.ts)
    if (!isOver) this.#reads.noteNamespace(ns)
  }
}

function newestOf(own: ReadonlyMap<string, readonly EntityState[]>): EntityState[] {
  return [...own.values()].flatMap((states) => states.slice(-1))
}

function byId(left: EntityState, right: EntityState): number {
  return compareStrings(left.id, right.id)
}

function isWithin({ fromId, afterId, beforeId }: IdBounds): (state: EntityState) => boolean {
  return ({ id }) =>
    (fromId === undefined || compareStrings(id, fromId) >= 0) &&
    (afterId === undefined || compareStrings(id, afterId) > 0) &&
    (beforeId === undefined || compareStrings(id, beforeId) < 0)
}

/** Entities of one namespace that are noted one by one; past it the namespace is, which conflicts more often and stays small. */
const entitiesMax = 1000

/** What a transaction has read: entities one by one, or whole namespaces. */
export class ReadSet {
  readonly #entities = new Map<string, Map<string, EntityKey>>()
  readonly #namespaces = new Set<string>()

  noteEntity(key: EntityKey): void {
    if (this.#namespaces.has(key.ns)) return
    const noted = this.#entities.get(key.ns) ?? new Map<string, EntityKey>()
    this.#entities.set(key.ns, noted.set(key.id, key))
    if (noted.size > entitiesMax) this.noteNamespace(key.ns)
  }

  noteNamespace(ns: string): void {
    this.#namespaces.add(ns)
    this.#entities.delete(ns)
  }

  /** The entities whose states `changedSince` asks for. */
  keys(): EntityKey[] {
    return [...this.#entities.values()].flatMap((noted) => [...noted.values()])
  }

  /** What was read and has an event after `seq`, as 'ns' or 'ns/id'; undefined when all of it still holds. */
  changedSince(seq: number, context: DecisionContext): string | undefined {
    for (const ns of this.#namespaces) if (context.namespaceSeq(ns) > seq) return ns
    const key = this.keys().find((noted) => (context.state(noted)?.seq ?? 0) > seq)
    return key === undefined ? undefined : `${key.ns}/${key.id}`
  }
}
