import type { Clock } from '../base/clock.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'

/**
 * Known states, those not used for longest out first. `undefined` is never cached: an absent entity costs a bloom
 * filter, and remembering names that somebody made up would let them empty the cache.
 */
export class EntityCache {
  /** By `$id`: a namespace holds no '/', so this is one to one. */
  readonly #entries = new Map<string, { readonly state: EntityState; readonly expiresAtMs: number; movedAt: number }>()
  readonly #limit: number
  readonly #ttlMs: number
  readonly #clock: Clock
  /** Entries put at the end so far. */
  #moves = 0
  #hits = 0
  #misses = 0

  constructor(options: { maxCachedEntities: number; cacheTtlMs: number; clock: Clock }) {
    this.#limit = options.maxCachedEntities
    this.#ttlMs = options.cacheTtlMs
    this.#clock = options.clock
  }

  get(key: EntityKey): EntityState | undefined {
    const name = formatEntityId(key)
    const entry = this.#entries.get(name)
    if (entry === undefined || (entry.expiresAtMs !== Number.POSITIVE_INFINITY && entry.expiresAtMs <= this.#clock.nowMs())) {
      if (entry !== undefined) this.#entries.delete(name)
      this.#misses++
      return undefined
    }
    // One that was among the last quarter is not moved again: a hit that changes the map costs several times as much.
    if (this.#moves - entry.movedAt > this.#limit / 4) {
      this.#entries.delete(name)
      this.#entries.set(name, entry)
      entry.movedAt = ++this.#moves
    }
    this.#hits++
    return entry.state
  }

  /** Keeps the newer of what is there and `state`. */
  put(key: EntityKey, state: EntityState): void {
    if (this.#limit === 0) return
    const name = formatEntityId(key)
    const present = this.#entries.get(name)
    if (present !== undefined && present.state.seq > state.seq) return
    this.#entries.delete(name)
    this.#entries.set(name, { state, expiresAtMs: this.#ttlMs === Number.POSITIVE_INFINITY ? this.#ttlMs : this.#clock.nowMs() + this.#ttlMs, movedAt: ++this.#moves })
    if (this.#entries.size > this.#limit) {
      const oldest = this.#entries.keys().next()
      if (!oldest.done) this.#entries.delete(oldest.value)
    }
  }

  /** Replaces a state that is cached; a write to an entity that nobody reads does not push out those that are read. */
  refresh(key: EntityKey, state: EntityState): void {
    if (this.#entries.size > 0 && this.#entries.has(formatEntityId(key))) this.put(key, state)
  }

  clear(): void {
    this.#entries.clear()
  }

  stats(): { entities: number; hits: number; misses: number } {
    return { entities: this.#entries.size, hits: this.#hits, misses: this.#misses }
  }
}
