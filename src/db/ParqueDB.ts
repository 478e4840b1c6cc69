import { ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom } from '../base/random.ts'
import { actingAs } from '../model/acting.ts'
import { tenantPattern, type Database, type DatabaseTransaction, type Acting, type ActingDatabase } from '../model/database.ts'
import type { CheckpointInfo, CollectionInfo, CompactOptions, EraseOptions, EraseReport, EventQueryOptions, ImportEventsResult, RetainOptions, RetentionReport, SubscribeOptions, TransactionOptions, VerifyOptions, VerifyReport } from '../model/database-options.ts'
import { isReserved, parseReference, validateNamespace } from '../model/entity.ts'
import type { ShortestPathOptions, Traversed, TraverseOptions, TraverseStep } from '../model/graph-options.ts'
import type { Event } from '../model/event.ts'
import { deepestDepthMax, defaultDocumentLimits } from '../model/parse-document.ts'
import type { ResultCursor } from '../model/ResultCursor.ts'
import { Relations, type SchemaInput } from '../model/relations.ts'
import type { Document } from '../model/values.ts'
import { checkFlag, checkFunction, checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { CommitRequest, Engine, EngineStats } from '../storage/engine.ts'
import { engineOptionNames, type EngineOptions } from '../storage/engine-options.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { Collection } from './Collection.ts'
import { consumerLags, consumerPosition, Subscription, type ConsumerLags } from './Subscription.ts'
import { countCollections } from './find.ts'
import { EventProjection, projectionsOf, type ProjectionDefinition } from './EventProjection.ts'
import { importEvents } from './import-events.ts'
import { parseEventQuery, readEvents } from './read-events.ts'
import { runTransaction } from './run-transaction.ts'
import type { Committed, DatabaseLimits, Session } from './session.ts'
import { findShortestPath, traverse } from './graph.ts'
import { tenantEngine, tenantNames, type TenantNames } from './tenant-engine.ts'

export interface ParqueDBOptions extends EngineOptions {
  /** Where the database is: a plain backend, which is wrapped with event sourcing, or an engine such as an event-sourced one, which brings its own options. */
  readonly storage: StorageBackend | Engine
  /** What is refused because of its size; each has a documented default. */
  readonly limits?: Partial<DatabaseLimits>
  /** Relationships that are named, counted and guarded: { posts: { author: '-> users.posts' } }. See docs/guides/graph.md. */
  readonly schema?: SchemaInput
}

export interface Transaction extends DatabaseTransaction {
  collection<T extends object = Document>(name: string): Collection<T>
}

/** Each file is looked through for all of them together. */
const erasedAtOnceMax = 1000

const defaultLimits: DatabaseLimits = {
  ...defaultDocumentLimits,
  sortDocumentsMax: 250_000,
  distinctValuesMax: 100_000,
  transactionEntitiesMax: 100_000,
  cascadeEntitiesMax: 10_000,
  traversalEntitiesMax: 100_000,
}

/**
 * A database on some store. It opens at its first use. One process writes at a time (WRITER_LOCKED names the one that does); others follow with
 * `readOnly: true`. Database tells what each method promises.
 */
export class ParqueDB implements Database {
  readonly #engine: Engine
  readonly #session: Session
  readonly #schema: SchemaInput
  /** Its tenants' among them. */
  #subscriptions = new Set<Subscription>()
  #projections = new Set<{ stop(): void }>()
  /** What is everybody's, where this is a tenant's part of it. */
  #whole: Engine
  /** What a tenant's names are in the whole. */
  #names: TenantNames | undefined
  #closing: Promise<void> | undefined

  constructor(options: ParqueDBOptions) {
    const { storage, limits, schema = {}, ...engineOptions } = checkOptions('ParqueDB', options, ['storage', 'limits', 'schema', ...(engineOptionNames as (keyof EngineOptions)[])])
    this.#engine = openEngine(storage, engineOptions)
    this.#whole = this.#engine
    this.#schema = schema
    this.#session = {
      clock: this.#engine.clock,
      ids: this.#engine.ids,
      random: engineOptions.random ?? systemRandom,
      limits: parseLimits(limits),
      relations: new Relations(schema),
      isTransaction: false,
      view: async (view) => this.#open.#engine.view(view),
      viewNow: (view) => (this.#closing === undefined ? this.#engine.viewNow(view) : undefined),
      commit: (request) => this.#commit(request),
      transact: (work, { txId, signal }) => runTransaction(this.#session, work, { txId, signal }),
    }
  }

  collection<T extends object = Document>(name: string): Collection<T> {
    return new Collection<T>(this.#open.#session, validateNamespace(name))
  }

  async transaction<Result>(work: (tx: Transaction) => Promise<Result> | Result, options: TransactionOptions & { txId: string }): Promise<Result | undefined>
  async transaction<Result>(work: (tx: Transaction) => Promise<Result> | Result, options?: TransactionOptions & { txId?: never }): Promise<Result>
  async transaction<Result>(work: (tx: Transaction) => Promise<Result> | Result, options?: TransactionOptions): Promise<Result | undefined> {
    const session = this.#open.#session
    if (typeof work !== 'function') throw new ParqueDBError('INVALID_ARGUMENT', 'transaction takes a function that is given the transaction.')
    return (await runTransaction(session, async (within) => work({ collection: (name) => new Collection(within, validateNamespace(name)) }), options))?.result
  }

  traverse<T extends object = Document>(start: string | readonly string[], steps: TraverseStep | readonly TraverseStep[], options?: TraverseOptions<T>): ResultCursor<Traversed<T>> {
    return traverse<T>(this.#open.#session, { start, steps }, options)
  }

  async shortestPath<T extends object = Document>(from: string, to: string, options?: ShortestPathOptions): Promise<Traversed<T>[] | undefined> {
    return findShortestPath<T>(this.#open.#session, { from, to }, options)
  }

  as(who: string | Acting): ActingDatabase {
    return actingAs(this, who)
  }

  events(options?: EventQueryOptions): AsyncIterableIterator<Event> {
    return readEvents(this.#open.#session, parseEventQuery(options))
  }

  subscribe(options?: SubscribeOptions): Subscription {
    const engine = this.#open.#engine
    const onEnd = (): void => void this.#subscriptions.delete(subscription)
    const checked = checkOptions('subscribe', options, ['fromSeq', 'ns', 'ops', 'consumer', 'signal'])
    const consumer = checkName(checked.consumer, 'consumer', 100)
    const position = consumer === undefined ? undefined : consumerPosition(this.#session, consumer)
    const subscription = new Subscription(engine, checked, { own: this.#names?.own ?? ((event) => event), onEnd, position })
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Keeps a state of your own, folded from events, in the database, and up to date as long as this handle is open. INVALID_ARGUMENT for what is no definition. */
  project<State extends object>(definition: ProjectionDefinition<State>): EventProjection<State> {
    const projection = new EventProjection<State>(this.#open.#engine, this.#session, definition)
    this.#projections.add(projection)
    return projection
  }

  async importEvents(events: readonly Event[]): Promise<ImportEventsResult> {
    return importEvents(this.#open.#engine, events)
  }

  async collections(options?: { signal?: AbortSignal }): Promise<CollectionInfo[]> {
    return countCollections(this.#open.#session, checkOptions('collections', options, ['signal']).signal)
  }

  async flush(): Promise<void> {
    return this.#open.#engine.flush()
  }

  async compact(options?: CompactOptions): Promise<void> {
    const engine = this.#open.#engine
    const checked = checkOptions('compact', options, ['signal', 'onProgress'])
    checkFunction(checked.onProgress, 'onProgress')
    return engine.compact(checked)
  }

  async retain(options?: RetainOptions): Promise<RetentionReport> {
    const engine = this.#open.#engine
    const checked = checkOptions('retain', options, ['policy', 'dryRun', 'signal'])
    checkFlag(checked.dryRun, 'dryRun')
    return engine.retain(checked)
  }

  /**
   * Takes entities, given as 'ns/id', out of the database for good: states, events, archive, checkpoints. An ERASE event stays, which has no id but the SHA-256 of it. When it
   * resolves, no file has anything of them, but for what `pendingFiles` says; a crash in between is finished when the database is opened. The ids may be used again. NOT_FOUND for one that never was.
   */
  async erase(target: string | readonly string[], options?: EraseOptions): Promise<EraseReport> {
    const whole = this.#open.#whole
    const { reason, actor } = checkOptions('erase', options, ['reason', 'actor', 'signal'])
    const targets: readonly unknown[] = [...new Set<unknown>(Array.isArray(target) ? target : [target])]
    if (targets.length === 0 || targets.length > erasedAtOnceMax) throw new ParqueDBError('INVALID_ARGUMENT', `erase takes 1 to ${erasedAtOnceMax} ids, as 'posts/abc'.`, { details: { option: 'target' } })
    const keys = targets.map((one) => parseReference(one)).map(this.#names?.stored ?? ((key) => key))
    checkName(reason, 'reason', 1000)
    checkName(actor, 'actor')
    // What was derived from them, by whoever sees them, is built again without them.
    return whole.erase({ ...options, keys: [...keys, ...(await projectionsOf(whole, keys))] }).catch(this.#names?.refuse)
  }

  /** Keeps the states of now whole: `find` with an `asOf` at or after it starts from them. The newest ones stay, as many as `checkpoints.keep` says. */
  async checkpoint(): Promise<CheckpointInfo> {
    return this.#open.#engine.checkpoint()
  }

  async stats(): Promise<EngineStats & { readonly consumers: ConsumerLags }> {
    const stats = await this.#open.#engine.stats()
    const namespaces = Object.fromEntries(Object.entries(stats.namespaces).filter(([ns]) => !isReserved(ns)))
    return { ...stats, namespaces, consumers: await consumerLags(this.#session, stats) }
  }

  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    const engine = this.#open.#engine
    const checked = checkOptions('verify', options, ['deep', 'signal', 'onProgress'])
    checkFlag(checked.deep, 'deep')
    checkFunction(checked.onProgress, 'onProgress')
    return engine.verify(checked)
  }

  tenant(name: string): ParqueDB {
    if (typeof name !== 'string' || !tenantPattern.test(name) || this.#whole !== this.#open.#engine) throw new ParqueDBError('INVALID_ARGUMENT', `${JSON.stringify(name)} cannot be a tenant here.`, { details: { tenant: name } })
    const names = tenantNames(name)
    const tenant = new ParqueDB({ storage: tenantEngine(this.#engine, names), limits: this.#session.limits, schema: this.#schema })
    tenant.#whole = this.#engine
    tenant.#names = names
    tenant.#subscriptions = this.#subscriptions
    tenant.#projections = this.#projections
    return tenant
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    if (this.#whole === this.#engine) for (const subscription of this.#subscriptions) subscription.close()
    if (this.#whole === this.#engine) for (const projection of this.#projections) projection.stop()
    await this.#engine.close()
  }

  async #commit(request: CommitRequest): Promise<Committed> {
    const committed = await this.#open.#engine.commit(request)
    // Who may write here need not be allowed to see what was written there.
    const isOthers = committed.repeated && request.keys.length > 0 && committed.events.some(({ ns }) => !request.keys.some((key) => key.ns === ns))
    if (!isOthers) return committed
    throw new ParqueDBError('INVALID_ARGUMENT', `The txId '${request.txId}' was used for a write in another collection; use another one.`, { details: { option: 'txId' } })
  }

  /** This, as long as it is not closed: CLOSED. */
  get #open(): this {
    if (this.#closing === undefined) return this
    throw new ParqueDBError('CLOSED', 'The database is closed; open it again with new ParqueDB({ storage }).')
  }
}

function openEngine(storage: StorageBackend | Engine, options: EngineOptions): Engine {
  if (typeof storage === 'object' && storage !== null && 'commit' in storage) {
    const [given] = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name]))
    if (given === undefined) return storage
    throw new ParqueDBError('INVALID_ARGUMENT', `The storage is event-sourced already, so give '${given}' to withEventSourcing() instead.`, { details: { option: given } })
  }
  if (typeof storage !== 'object' || storage === null || typeof storage.put !== 'function') throw new ParqueDBError('INVALID_ARGUMENT', "ParqueDB needs a storage: new ParqueDB({ storage: new MemoryBackend() }).", { details: { option: 'storage' } })
  return withEventSourcing(storage, options)
}

function parseLimits(limits: Partial<DatabaseLimits> | undefined): DatabaseLimits {
  const names = Object.keys(defaultLimits) as (keyof DatabaseLimits)[]
  const given = checkOptions('limits', limits, names)
  const mostOf = (name: keyof DatabaseLimits): number => (name === 'depthMax' ? deepestDepthMax : Number.MAX_SAFE_INTEGER)
  const parsed = names.map((name) => [name, checkWholeNumber(given[name], { option: `limits.${name}`, least: 1, most: mostOf(name) }) ?? defaultLimits[name]])
  return Object.fromEntries(parsed) as DatabaseLimits
}
