import { utf8Encode } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { EraseOptions, EraseReport, RetainOptions, RetentionReport } from '../model/database-options.ts'
import { namespaceBytesMax } from '../model/entity-id.ts'
import { collectionOf, edgeSpace, isEdgeSpace, isEdgeState, renameEnds, stateWithKey } from '../model/edge.ts'
import type { EntityKey } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { CommitRequest, CommitResult, Engine, EngineStats } from '../storage/engine.ts'
import { resolveRetention } from '../storage/engine-options.ts'
import { assertRangeKept } from '../storage/horizon.ts'
import type { Horizon } from '../storage/manifest.ts'
import type { View } from '../storage/view.ts'

/**
 * The part of an engine whose namespaces begin with a tenant's name and '~', under the names that the tenant uses. All that goes in gets the beginning and all that
 * comes out loses it, txIds too: so no filter, id, cursor or error above it can name, or meet, what is another's.
 */
export class TenantEngine implements Engine {
  readonly clock: Clock
  readonly ids: IdSource
  /** Maintenance is of everybody's files. */
  readonly flush: Engine['flush'] = (options) => this.#base.flush(options)
  readonly compact: Engine['compact'] = (options) => this.#base.compact(options)
  readonly verify: Engine['verify'] = (options) => this.#base.verify(options)
  readonly checkpoint: Engine['checkpoint'] = () => this.#base.checkpoint()
  readonly #base: Engine
  readonly prefix: string

  constructor(base: Engine, tenant: string) {
    this.clock = base.clock
    this.ids = base.ids
    this.#base = base
    this.prefix = `${tenant}~`
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const result = await this.#base.commit({
      ...request,
      keys: request.keys.map(this.stored),
      txId: request.txId === undefined ? undefined : this.prefix + request.txId,
      decide: (context) =>
        request
          .decide({ nowMs: context.nowMs, state: (key) => context.state(this.stored(key)), namespaceSeq: (ns) => context.namespaceSeq(this.prefix + ns) })
          .map((draft) => ({ ...draft, ...this.stored(draft) })),
    }).catch(this.refuse)
    return { ...result, events: result.events.flatMap((event) => this.own(event) ?? []) }
  }

  async view(options?: { includeArchived?: boolean }): Promise<View> {
    return tenantView(await this.#base.view(options), this)
  }

  readonly viewNow = (): undefined => undefined

  /** Of everybody: whoever listens takes what is `own`. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): () => void {
    return this.#base.onCommit(listener)
  }

  async stats(): Promise<EngineStats> {
    const stats = await this.#base.stats()
    return { ...stats, namespaces: this.#ownNames(stats.namespaces), edges: this.#ownNames(stats.edges), horizons: this.#ownNames(stats.horizons) }
  }

  erase(options: EraseOptions & { readonly keys: readonly EntityKey[] }): Promise<EraseReport> {
    return this.#base.erase({ ...options, keys: options.keys.map(this.stored) })
  }

  /** Of the tenant's own collections, by a policy that is given: FORBIDDEN without one, as that of the database is about everybody's. */
  async retain({ policy, ...options }: RetainOptions = {}): Promise<RetentionReport> {
    if (policy === undefined) throw new ParqueDBError('FORBIDDEN', "Without a policy, retain is about everybody's history, which takes the whole database; a tenant gives the policy for its own collections.")
    const { policy: general, namespaces: exceptions } = resolveRetention(policy)
    const { namespaces, edges } = await this.stats()
    const collections = new Set([...Object.keys(namespaces), ...Object.keys(edges).map(collectionOf)])
    const own = [...collections].flatMap((ns) => {
      const one = Object.hasOwn(exceptions, ns) ? exceptions[ns] : general
      return one === undefined ? [] : [[this.prefix + ns, one]]
    })
    const report = await this.#base.retain({ ...options, policy: { namespaces: Object.fromEntries(own) } })
    return { ...report, namespaces: this.#ownNames(report.namespaces) }
  }

  /** The engine is everybody's. */
  async close(): Promise<void> {}

  /** The event as the tenant sees it; undefined when it is another's. */
  readonly own = (event: StoredEvent): StoredEvent | undefined => {
    if (!event.ns.startsWith(this.prefix)) return undefined
    const txId = event.txId?.startsWith(this.prefix) === true ? event.txId.slice(this.prefix.length) : event.txId
    return { ...event, ...ownKey(event, this.prefix), txId }
  }

  #ownNames<Facts>(of: { readonly [ns: string]: Facts }): { readonly [ns: string]: Facts } {
    return Object.fromEntries(Object.entries(of).flatMap(([ns, facts]) => (ns.startsWith(this.prefix) ? [[ns.slice(this.prefix.length), facts]] : [])))
  }

  /** Throws a failure under the tenant's own names. */
  readonly refuse = (error: unknown): never => {
    if (!isParqueDBError(error) || !error.message.includes(this.prefix)) throw error
    const names = new RegExp(`(?<=^|[' ])${this.prefix}`, 'g')
    const details = Object.entries(error.details).map(([name, value]) => [name, typeof value === 'string' ? value.replace(names, '') : value])
    throw new ParqueDBError(error.code, error.message.replace(names, ''), { details: Object.fromEntries(details) })
  }

  readonly stored = ({ ns, id }: EntityKey): EntityKey => {
    const stored = this.prefix + ns
    if (isEdgeSpace(ns)) return renameEnds({ ns, id }, (end) => this.stored({ ns: end, id }).ns)
    if (utf8Encode(stored).length <= namespaceBytesMax) return { ns: stored, id }
    throw new ParqueDBError('INVALID_ARGUMENT', `The collection name '${ns.slice(0, 40)}…' is too long for a tenant.`, { details: { most: namespaceBytesMax - this.prefix.length } })
  }
}

/** The key as the tenant has it, of an edge both of its ends. */
function ownKey(key: EntityKey, prefix: string): EntityKey {
  const rename = (ns: string): string => (ns.startsWith(prefix) ? ns.slice(prefix.length) : ns)
  return isEdgeSpace(key.ns) ? renameEnds(key, rename) : { ns: rename(key.ns), id: key.id }
}

/** A view under the tenant's own names. */
function tenantView(base: View, { prefix, stored, own, refuse }: TenantEngine): View {
  async function* told<T>(read: () => AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
    try {
      yield* read()
    } catch (error) {
      refuse(error)
    }
  }
  async function* ownEvents(read: () => AsyncIterable<StoredEvent>): AsyncGenerator<StoredEvent> {
    for await (const event of told(read)) {
      const seen = own(event)
      if (seen !== undefined) yield seen
    }
  }
  const namespaces = (): string[] => base.namespaces().flatMap((ns) => (ns.startsWith(prefix) ? [ns.slice(prefix.length)] : []))
  const horizon = (ns: string): Horizon | undefined => base.horizon(prefix + ns)
  return {
    seq: base.seq,
    ts: base.ts,
    get: (key, asOf) => base.get(stored(key), asOf).catch(refuse),
    getMany: (keys, asOf) => base.getMany(keys.map(stored), asOf).catch(refuse),
    scan: (ns, options) => told(() => base.scan(prefix + ns, options)),
    async *scanRanges(ns, ranges, options) {
      const bounds = ranges.map((range) => (range.afterId === undefined ? range : { ...range, afterId: stored({ ns, id: range.afterId }).id }))
      for await (const states of told(() => base.scanRanges(prefix + ns, bounds, options))) {
        yield states.map((state) => (isEdgeState(state) ? stateWithKey(state, ownKey({ ns: prefix + ns, id: state.id }, prefix)) : state))
      }
    },
    events(options = {}) {
      if (options.ns !== undefined) return ownEvents(() => base.events({ ...options, ns: prefix + options.ns }))
      // What others have forgotten is nothing that a tenant misses.
      const isKept = (): void => {
        for (const ns of namespaces()) for (const each of [ns, edgeSpace(ns, 'out')]) assertRangeKept(each, horizon(each), options)
      }
      return ownEvents(() => {
        if (options.onlyKept !== true) isKept()
        return base.events({ ...options, onlyKept: true })
      })
    },
    entityEvents: (key, options) => ownEvents(() => base.entityEvents(stored(key), options)),
    namespaces,
    horizon,
    scratch: () => base.scratch(),
    release: () => base.release(),
  }
}
