import { utf8Encode } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EraseOptions, EraseReport } from '../model/database-options.ts'
import { namespaceBytesMax } from '../model/entity-id.ts'
import { isEdgeSpace, isEdgeState, renameEnds, stateWithKey } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { CommitRequest, CommitResult, Engine, EngineStats } from '../storage/engine.ts'
import type { Horizon } from '../storage/manifest.ts'
import type { AsOf, EntityEventOptions, EventScanOptions, IdBounds, ScanOptions, View } from '../storage/view.ts'

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
  readonly retain: Engine['retain'] = (options) => this.#base.retain(options)
  readonly checkpoint: Engine['checkpoint'] = () => this.#base.checkpoint()
  readonly #base: Engine
  readonly #prefix: string

  constructor(base: Engine, tenant: string) {
    this.clock = base.clock
    this.ids = base.ids
    this.#base = base
    this.#prefix = `${tenant}~`
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const result = await this.#base.commit({
      ...request,
      keys: request.keys.map(this.#stored),
      txId: request.txId === undefined ? undefined : this.#prefix + request.txId,
      decide: (context) =>
        request
          .decide({ nowMs: context.nowMs, state: (key) => context.state(this.#stored(key)), namespaceSeq: (ns) => context.namespaceSeq(this.#prefix + ns) })
          .map((draft) => ({ ...draft, ...this.#stored(draft) })),
    })
    return { ...result, events: result.events.flatMap((event) => this.own(event) ?? []) }
  }

  async view(options?: { includeArchived?: boolean }): Promise<View> {
    return new TenantView(await this.#base.view(options), { prefix: this.#prefix, stored: this.#stored, own: this.own })
  }

  readonly viewNow = (): undefined => undefined

  /** Of everybody: whoever listens takes what is `own`. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): () => void {
    return this.#base.onCommit(listener)
  }

  async stats(): Promise<EngineStats> {
    const stats = await this.#base.stats()
    const own = (of: EngineStats['namespaces']): EngineStats['namespaces'] =>
      Object.fromEntries(Object.entries(of).flatMap(([ns, facts]) => (ns.startsWith(this.#prefix) ? [[ns.slice(this.#prefix.length), facts]] : [])))
    return { ...stats, namespaces: own(stats.namespaces), edges: own(stats.edges) }
  }

  erase(options: EraseOptions & { readonly keys: readonly EntityKey[] }): Promise<EraseReport> {
    return this.#base.erase({ ...options, keys: options.keys.map(this.#stored) })
  }

  /** The engine is everybody's. */
  async close(): Promise<void> {}

  /** The event as the tenant sees it; undefined when it is another's. */
  readonly own = (event: StoredEvent): StoredEvent | undefined => {
    if (!event.ns.startsWith(this.#prefix)) return undefined
    const txId = event.txId?.startsWith(this.#prefix) === true ? event.txId.slice(this.#prefix.length) : event.txId
    return { ...event, ...ownKey(event, this.#prefix), txId }
  }

  readonly #stored = ({ ns, id }: EntityKey): EntityKey => {
    const stored = this.#prefix + ns
    if (isEdgeSpace(ns)) return renameEnds({ ns, id }, (end) => this.#stored({ ns: end, id }).ns)
    if (utf8Encode(stored).length <= namespaceBytesMax) return { ns: stored, id }
    throw new ParqueDBError('INVALID_ARGUMENT', `The collection name '${ns.slice(0, 40)}…' is too long for a tenant.`, { details: { most: namespaceBytesMax - this.#prefix.length } })
  }
}

/** The key as the tenant has it, of an edge both of its ends. */
function ownKey(key: EntityKey, prefix: string): EntityKey {
  const rename = (ns: string): string => (ns.startsWith(prefix) ? ns.slice(prefix.length) : ns)
  return isEdgeSpace(key.ns) ? renameEnds(key, rename) : { ns: rename(key.ns), id: key.id }
}

interface TenantNames {
  readonly prefix: string
  readonly stored: (key: EntityKey) => EntityKey
  readonly own: (event: StoredEvent) => StoredEvent | undefined
}

class TenantView implements View {
  readonly seq: number
  readonly ts: number
  readonly #base: View
  readonly #names: TenantNames

  constructor(base: View, names: TenantNames) {
    this.seq = base.seq
    this.ts = base.ts
    this.#base = base
    this.#names = names
  }

  get(key: EntityKey, asOf?: AsOf): Promise<EntityState | undefined> {
    return this.#base.get(this.#names.stored(key), asOf)
  }

  getMany(keys: readonly EntityKey[], asOf?: AsOf): Promise<(EntityState | undefined)[]> {
    return this.#base.getMany(keys.map(this.#names.stored), asOf)
  }

  scan(ns: string, options?: ScanOptions): ReturnType<View['scan']> {
    return this.#base.scan(this.#names.prefix + ns, options)
  }

  async *scanRanges(ns: string, ranges: readonly IdBounds[], options?: Pick<ScanOptions, 'asOf' | 'signal'>): AsyncGenerator<readonly EntityState[]> {
    const { prefix, stored } = this.#names
    const bounds = ranges.map((range) => (range.afterId === undefined ? range : { ...range, afterId: stored({ ns, id: range.afterId }).id }))
    for await (const states of this.#base.scanRanges(prefix + ns, bounds, options)) {
      yield states.map((state) => (isEdgeState(state) ? stateWithKey(state, ownKey({ ns: prefix + ns, id: state.id }, prefix)) : state))
    }
  }

  events(options: EventScanOptions = {}): AsyncIterable<StoredEvent> {
    return this.#ownEvents(this.#base.events({ ...options, ns: options.ns === undefined ? undefined : this.#names.prefix + options.ns }))
  }

  entityEvents(key: EntityKey, options?: EntityEventOptions): AsyncIterable<StoredEvent> {
    return this.#ownEvents(this.#base.entityEvents(this.#names.stored(key), options))
  }

  namespaces(): string[] {
    const { prefix } = this.#names
    return this.#base.namespaces().filter((ns) => ns.startsWith(prefix)).map((ns) => ns.slice(prefix.length))
  }

  horizon(ns: string): Horizon | undefined {
    return this.#base.horizon(this.#names.prefix + ns)
  }

  scratch(): ReturnType<View['scratch']> {
    return this.#base.scratch()
  }

  release(): void {
    this.#base.release()
  }

  async *#ownEvents(events: AsyncIterable<StoredEvent>): AsyncGenerator<StoredEvent> {
    for await (const event of events) {
      const own = this.#names.own(event)
      if (own !== undefined) yield own
    }
  }
}
