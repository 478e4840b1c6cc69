import { utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { collectionOf, edgeSpace, isEdgeSpace, isEdgeState, renameEnds, stateWithKey } from '../model/edge.ts'
import { isReserved, namespaceBytesMax, type EntityKey } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Engine, EngineStats } from '../storage/engine.ts'
import { resolveRetention } from '../storage/engine-options.ts'
import { assertRangeKept } from '../storage/horizon.ts'
import type { Horizon } from '../storage/manifest.ts'
import type { View } from '../storage/view.ts'

/**
 * The part of an engine whose namespaces begin with a tenant's name and '~', under the names that the tenant uses. All that goes in gets the beginning and all that
 * comes out loses it, txIds too: so no filter, id, cursor or error above it can name, or meet, what is another's.
 */
export function tenantEngine(base: Engine, names: TenantNames): Engine {
  const { prefix, stored, own, ownNames, refuse } = names
  const stats = async (): Promise<EngineStats> => {
    const all = await base.stats()
    return { ...all, namespaces: ownNames(all.namespaces), edges: ownNames(all.edges), horizons: ownNames(all.horizons) }
  }
  return {
    clock: base.clock,
    ids: base.ids,
    // Maintenance is of everybody's files.
    flush: (options) => base.flush(options),
    compact: (options) => base.compact(options),
    verify: (options) => base.verify(options),
    checkpoint: () => base.checkpoint(),
    async commit(request) {
      const result = await base.commit({
        ...request,
        keys: request.keys.map(stored),
        txId: request.txId === undefined ? undefined : prefix + request.txId,
        decide: (context) =>
          request
            .decide({ nowMs: context.nowMs, state: (key) => context.state(stored(key)), namespaceSeq: (ns) => context.namespaceSeq(prefix + ns) })
            .map((draft) => ({ ...draft, ...stored(draft) })),
      }).catch(refuse)
      return { ...result, events: result.events.flatMap((event) => own(event) ?? []) }
    },
    view: async (options) => tenantView(await base.view(options), names),
    viewNow: () => undefined,
    // Of everybody: whoever listens takes what is `own`.
    onCommit: (listener) => base.onCommit(listener),
    stats,
    erase: (options) => base.erase({ ...options, keys: options.keys.map(stored) }).catch(refuse),
    /** Of the tenant's own collections, by a policy that is given: FORBIDDEN without one, as that of the database is about everybody's. */
    async retain({ policy, ...options } = {}) {
      if (policy === undefined) throw new ParqueDBError('FORBIDDEN', "Without a policy, retain is about everybody's history, which takes the whole database; a tenant gives the policy for its own collections.")
      const { policy: general, namespaces: exceptions } = resolveRetention(policy)
      const { namespaces, edges } = await stats()
      const collections = new Set([...Object.keys(namespaces), ...Object.keys(edges).map(collectionOf)])
      const policies = [...collections].flatMap((ns) => {
        const one = Object.hasOwn(exceptions, ns) ? exceptions[ns] : general
        return one === undefined ? [] : [[prefix + ns, one]]
      })
      const report = await base.retain({ ...options, policy: { namespaces: Object.fromEntries(policies) } })
      return { ...report, namespaces: ownNames(report.namespaces) }
    },
    // The engine is everybody's.
    close: async () => undefined,
  }
}

export type TenantNames = ReturnType<typeof tenantNames>

/** What names are in the whole database, and what the tenant sees of them. */
export function tenantNames(tenant: string) {
  const prefix = `${tenant}~`
  const rename = (ns: string): string => (ns.startsWith(prefix) ? ns.slice(prefix.length) : ns)
  /** The key as the tenant has it, of an edge both of its ends. */
  const ownKey = (key: EntityKey): EntityKey => (isEdgeSpace(key.ns) ? renameEnds(key, rename) : { ns: rename(key.ns), id: key.id })
  const stored = ({ ns, id }: EntityKey): EntityKey => {
    const name = prefix + ns
    if (isEdgeSpace(ns)) return renameEnds({ ns, id }, (end) => stored({ ns: end, id }).ns)
    if (utf8Encode(name).length <= namespaceBytesMax) return { ns: name, id }
    throw new ParqueDBError('INVALID_ARGUMENT', `The collection name '${ns.slice(0, 40)}…' is too long for a tenant.`, { details: { most: namespaceBytesMax - prefix.length } })
  }
  return {
    prefix,
    ownKey,
    stored,
    /** The event as the tenant sees it; undefined when it is another's. */
    own: (event: StoredEvent): StoredEvent | undefined => (event.ns.startsWith(prefix) ? { ...event, ...ownKey(event), txId: event.txId && rename(event.txId) } : undefined),
    ownNames: <Facts>(of: { readonly [ns: string]: Facts }): { readonly [ns: string]: Facts } =>
      Object.fromEntries(Object.entries(of).flatMap(([ns, facts]) => (ns.startsWith(prefix) ? [[rename(ns), facts]] : []))),
    /** Throws a failure under the tenant's own names. */
    refuse: (error: unknown): never => {
      if (!isParqueDBError(error) || !error.message.includes(prefix)) throw error
      const names = new RegExp(`(?<=^|[' ])${prefix}`, 'g')
      const details = Object.entries(error.details).map(([name, value]) => [name, typeof value === 'string' ? value.replace(names, '') : value])
      throw new ParqueDBError(error.code, error.message.replace(names, ''), { details: Object.fromEntries(details) })
    },
  }
}

/** A view under the tenant's own names. */
function tenantView(base: View, { prefix, ownKey, stored, own, refuse }: TenantNames): View {
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
        yield states.map((state) => (isEdgeState(state) ? stateWithKey(state, ownKey({ ns: prefix + ns, id: state.id })) : state))
      }
    },
    events(options = {}) {
      if (options.ns !== undefined) return ownEvents(() => base.events({ ...options, ns: prefix + options.ns }))
      // What others have forgotten is nothing that a tenant misses.
      const isKept = (): void => {
        for (const ns of namespaces().filter((each) => !isReserved(each))) for (const each of [ns, edgeSpace(ns, 'out')]) assertRangeKept(each, horizon(each), options)
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
