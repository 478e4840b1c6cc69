import { compareStrings } from '../base/bytes.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Horizon } from '../storage/manifest.ts'
import type { AsOf, EntityEventOptions, EventScanOptions, ScanOptions, View } from '../storage/view.ts'
import type { ReadSet } from './ReadSet.ts'

/** States that a transaction has written and nobody else sees, by namespace and id: oldest first, never none. */
export type OwnWrites = ReadonlyMap<string, ReadonlyMap<string, readonly EntityState[]>>

/** Own states that a scan hands to its consumer at once. */
const ownBatchRows = 1000

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

  scan(ns: string, options: ScanOptions = {}): AsyncIterable<readonly EntityState[]> {
    if (options.asOf !== undefined) {
      this.#notePast(ns, options.asOf)
      return this.#base.scan(ns, options)
    }
    this.#reads.noteNamespace(ns)
    const own = this.#own.get(ns)
    const base = this.#base.scan(ns, options)
    // A copy: writing while the scan goes on does not change what it brings.
    return own === undefined || own.size === 0 ? base : overlaid(base, newestOf(own).filter(isWithin(options)).toSorted(byId))
  }

  events(options?: EventScanOptions): AsyncIterable<StoredEvent> {
    return this.#base.events(options)
  }

  entityEvents(key: EntityKey, options?: EntityEventOptions): AsyncIterable<StoredEvent> {
    this.#reads.noteEntity(key)
    return this.#base.entityEvents(key, options)
  }

  namespaces(): string[] {
    return [...new Set([...this.#base.namespaces(), ...this.#own.keys()])].toSorted(compareStrings)
  }

  horizon(ns: string): Horizon | undefined {
    return this.#base.horizon(ns)
  }

  /** The transaction releases the view that this one stands on. */
  release(): void {}

  /** A time at or after the view's last event may still get more events, so it is not past yet. */
  #notePast(ns: string, asOf: AsOf): void {
    const isOver = (asOf.seq !== undefined && asOf.seq <= this.seq) || (asOf.ts !== undefined && asOf.ts < this.ts)
    if (!isOver) this.#reads.noteNamespace(ns)
  }
}

/** Merges two sources in the order of ids; where both have one, the own state counts. */
async function* overlaid(base: AsyncIterable<readonly EntityState[]>, own: readonly EntityState[]): AsyncGenerator<readonly EntityState[]> {
  let at = 0
  for await (const states of base) {
    const merged: EntityState[] = []
    for (const state of states) {
      let next = own[at]
      while (next !== undefined && compareStrings(next.id, state.id) < 0) {
        merged.push(next)
        next = own[++at]
      }
      if (next?.id === state.id) {
        merged.push(next)
        at += 1
      } else {
        merged.push(state)
      }
    }
    yield merged
  }
  for (; at < own.length; at += ownBatchRows) yield own.slice(at, at + ownBatchRows)
}

function newestOf(own: ReadonlyMap<string, readonly EntityState[]>): EntityState[] {
  return [...own.values()].flatMap((states) => states.slice(-1))
}

function byId(left: EntityState, right: EntityState): number {
  return compareStrings(left.id, right.id)
}

function isWithin({ fromId, afterId, beforeId }: ScanOptions): (state: EntityState) => boolean {
  return ({ id }) =>
    (fromId === undefined || compareStrings(id, fromId) >= 0) &&
    (afterId === undefined || compareStrings(id, afterId) > 0) &&
    (beforeId === undefined || compareStrings(id, beforeId) < 0)
}
