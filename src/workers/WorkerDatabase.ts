import { checkAborted } from '../base/abort.ts'
import { ulidSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { ParqueDB, type ParqueDBOptions } from '../db/ParqueDB.ts'
import { AskedDatabase, type AskedMethod } from '../model/asked-database.ts'
import { tenantPattern, type Database, type DatabaseCollection, type DatabaseTransaction, type EventStream } from '../model/database.ts'
import type { EventQueryOptions, QueryExplanation, SubscribeOptions, TransactionOptions } from '../model/database-options.ts'
import { isEdgeSpace, parseEdgeKey } from '../model/edge.ts'
import { validateNamespace, type EntityKey } from '../model/entity.ts'
import type { Traversed, TraverseOptions, TraverseStep } from '../model/graph-options.ts'
import { intercepted, type Call } from '../model/intercepted.ts'
import { isPlainObject } from '../model/parse-document.ts'
import { namespacesLookedUp } from '../model/looked-up.ts'
import type { ResultCursor } from '../model/ResultCursor.ts'
import type { Event } from '../model/event.ts'
import type { Document } from '../model/values.ts'
import type { Engine } from '../storage/engine.ts'
import { acrossPartitions, partitionsOf, shardOf, shardsMax } from '../storage/partitions.ts'
import { ShardedEngine } from '../storage/ShardedEngine.ts'
import type { ParqueDBEnv } from './bindings.ts'
import type { ReadCounts } from './edge-files.ts'
import { EdgeEngine } from './EdgeEngine.ts'
import { EdgePartitions, type EdgeOptions, type Freshness } from './EdgePartition.ts'
import { callShards, idIn, sumOf } from './call-shards.ts'
import { checkingEngine, checkWrite } from './check-write.ts'
import { decidedByObject } from './partition-rpc.ts'
import { decodeToken, encodeToken } from './token.ts'

/** 'eventual': as of the last flush, give or take `headTtlMs`; 'session': at least what this handle has written and seen, and its token; 'strong': all that is acknowledged. */
export type Consistency = 'eventual' | 'session' | 'strong'

/** 'namespace': each collection has an object of its own. 'database': one object has them all, and transactions span them. */
export type Partitioning = 'namespace' | 'database'

export interface WorkerDatabaseOptions extends EdgeOptions {
  readonly partitioning?: Partitioning
  /** Collections that are too hot for one object, and how many each has, up to 16: { clicks: 4 }. With partitioning 'namespace'; see docs/guides/workers.md. */
  readonly shards?: { readonly [ns: string]: number }
  /** Of reads that name none. Default 'session'. */
  readonly consistency?: Consistency
  /** What another handle has written and seen, as its `token` tells. */
  readonly token?: string | undefined
  /** Documents are checked here before they are sent; the Durable Object's own limits count as well. */
  readonly limits?: ParqueDBOptions['limits']
  /** As the Durable Object has it. */
  readonly schema?: ParqueDBOptions['schema']
  /** Default false. */
  readonly readOnly?: boolean
  /** What the isolate keeps between requests. */
  readonly edges?: EdgePartitions
}

/** What reads of a Worker may say beside their other options. */
export interface ConsistencyOptions {
  consistency?: Consistency
  token?: string
}

/** The partition of 'database'. */
const wholeDatabase = 'database'

/**
 * The database as a Worker has it: reads are answered here, from the bucket and what the object that writes has newer; writes are the object's. A handle is one
 * session: it sees what it wrote. Reads take `consistency` and `token` among their options.
 */
export class WorkerDatabase extends AskedDatabase implements Database {
  readonly #env: ParqueDBEnv
  readonly #options: WorkerDatabaseOptions & { readonly edges: EdgePartitions }
  /** The newest event of each partition that this session knows of. */
  #seqs: Map<string, number>
  #tenant: string | undefined
  readonly #ids = ulidSource(systemClock, systemRandom)
  /** Of a handle on one shard: its partition. */
  #only: string | undefined
  /** What subscriptions were made of: they end with this handle. */
  readonly #listening: ParqueDB[] = []
  #isClosed = false

  constructor(env: ParqueDBEnv, options: WorkerDatabaseOptions = {}) {
    super()
    this.#env = env
    this.#options = { ...options, edges: options.edges ?? new EdgePartitions() }
    this.#seqs = decodeToken(options.token)
    // What is wrong with the other options is told now.
    this.#checking('')
    for (const [ns, count] of Object.entries(options.shards ?? {})) {
      if (options.partitioning !== 'database' && Number.isInteger(count) && count >= 1 && count <= shardsMax) continue
      throw new ParqueDBError('INVALID_ARGUMENT', `The option 'shards' gives '${ns}' ${String(count)}: it is 1 to ${shardsMax}, with partitioning 'namespace'.`, { details: { option: 'shards' } })
    }
  }

  /** What this session has written and seen: a handle that is given it as `token` sees at least that. */
  sessionToken(): string {
    return encodeToken(this.#seqs)
  }

  collection<T extends object = Document>(name: string): DatabaseCollection<T> {
    this.#assertOpen()
    const ns = validateNamespace(name)
    const partitions = this.#partitionsOf(ns)
    const call = (of: Call, index?: number): unknown => this.#call(index === undefined ? partitions : partitions.slice(index, index + 1), of)
    const shards = { count: partitions.length, ids: this.#ids, call }
    return intercepted(this.#database(partitions, {}).collection<T>(ns), (of) => (partitions.length === 1 ? call(of) : callShards(shards, of)))
  }

  /** One shard of a collection as a database of its own: its events and subscriptions, which have an order here, and its maintenance. It reads what is in that shard, and writes nothing else. */
  shard(name: string, index: number): WorkerDatabase {
    const partition = this.#partitionsOf(validateNamespace(name))[index]
    if (partition === undefined) throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' has no shard ${index}.`, { details: { collection: name, index } })
    return this.#like({ only: partition })
  }

  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options: TransactionOptions & { txId: string }): Promise<Result | undefined>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions & { txId?: never }): Promise<Result>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions): Promise<Result | undefined> {
    this.#assertOpen()
    const isWhole = this.#options.partitioning === 'database' || typeof work !== 'function'
    const partition = isWhole ? wholeDatabase : (this.#only ?? (await this.#firstPartitionOf(work)))
    const within = (tx: DatabaseTransaction): DatabaseTransaction => ({
      collection: (name) => {
        const partitions = this.#partitionsOf(validateNamespace(name))
        if (partitions.length === 1 && partitions[0] === partition) return tx.collection(name)
        return intercepted(tx.collection(name), (call, carryOut) => {
          if (partitionFor(partitions, call) !== partition) throw acrossPartitions(`'${name}' is in another partition, and a transaction is within one`, here)
          return carryOut(call.args)
        })
      },
    })
    const database = this.#database([partition], { consistency: 'strong' })
    return database.transaction(typeof work === 'function' ? (tx) => work(within(tx)) : work, options as TransactionOptions & { txId?: never })
  }

  traverse<T extends object = Document>(start: string | readonly string[], steps: TraverseStep | readonly TraverseStep[], options?: TraverseOptions<T>): ResultCursor<Traversed<T>> {
    return this.#about(undefined, 'traverse').traverse<T>(start, steps, options)
  }

  events(options: EventQueryOptions = {}): AsyncIterableIterator<Event> {
    return this.#about(options.ns, 'events').events(options)
  }

  subscribe(options: SubscribeOptions = {}): EventStream {
    const database = this.#about(options.ns, 'subscribe')
    this.#listening.push(database)
    return database.subscribe(options)
  }

  async ask(method: AskedMethod, args: readonly unknown[]): Promise<unknown> {
    const ask = (database: ParqueDB): Promise<unknown> => (database[method] as (...given: unknown[]) => Promise<unknown>).apply(database, [...args])
    if (method === 'collections' || method === 'shortestPath') return ask(this.#about(undefined, method))
    if (method !== 'flush' && method !== 'compact') return ask(this.#sole(method))
    for (const database of this.#used()) await ask(database)
    return undefined
  }

  tenant(name: string): WorkerDatabase {
    if (this.#tenant !== undefined || !tenantPattern.test(name)) throw new ParqueDBError('INVALID_ARGUMENT', `${JSON.stringify(name)} cannot be a tenant here.`, { details: { tenant: name } })
    return this.#like({ tenant: name })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#listening.map((database) => database.close()))
  }

  /** Another handle of this session. */
  #like({ tenant = this.#tenant, only = this.#only }: { tenant?: string; only?: string }): WorkerDatabase {
    const handle = new WorkerDatabase(this.#env, this.#options)
    handle.#tenant = tenant
    handle.#only = only
    handle.#seqs = this.#seqs
    return handle
  }

  #call(partitions: readonly string[], call: Call): unknown {
    const { ns, method, args } = call
    const [partition = '', another] = partitions
    const isApart = this.#options.partitioning !== 'database'
    // What links is decided here, where it is known which partition the other end is in.
    const links = isApart && args.some((arg) => isPlainObject(arg) && ('$link' in arg || '$unlink' in arg))
    if (another === undefined && !links && decidedByObject.has(method)) return this.#write(partition, call)
    const { consistency, own } = withoutConsistency(method, args)
    if (method === 'aggregate' && isApart && namespacesLookedUp(args[0]).some((other) => other !== ns)) throw acrossPartitions('$lookup is of one partition', here)
    const collection = this.#database(partitions, consistency).collection(ns)
    const result = (collection[method as 'find'] as (...args: unknown[]) => unknown).apply(collection, own)
    return method === 'explain' ? this.#explained(partitions, result as Promise<QueryExplanation>) : result
  }

  async #write(partition: string, call: Call): Promise<unknown> {
    this.#assertOpen()
    const { signal, args } = await checkWrite(this.#checking(partition), call)
    checkAborted(signal)
    return this.#engine(partition, () => 'eventual').write({ ...call, args, tenant: this.#tenant })
  }

  /** The whole of `db` over one partition, or the shards of a collection, with views as new as is wanted. */
  #database(partitions: readonly string[], { consistency = this.#options.consistency ?? 'session', token }: ConsistencyOptions): ParqueDB {
    this.#assertOpen()
    if (!['eventual', 'session', 'strong'].includes(consistency)) throw new ParqueDBError('INVALID_ARGUMENT', "The option 'consistency' must be 'eventual', 'session' or 'strong'.", { details: { option: 'consistency' } })
    const tokenSeqs = decodeToken(token)
    const engines = partitions.map((partition) => this.#engine(partition, () => (consistency === 'session' ? { seq: Math.max(tokenSeqs.get(partition) ?? 0, this.#seqs.get(partition) ?? 0) } : consistency)))
    return this.#asTenant(this.#open(engines.length === 1 ? (engines[0] as Engine) : new ShardedEngine(engines)))
  }

  /** Where a write of a partition is checked before it is sent. */
  #checking(partition: string): ParqueDB {
    return this.#asTenant(this.#open(checkingEngine((keys) => this.#check(keys, partition))))
  }

  #asTenant(database: ParqueDB): ParqueDB {
    return this.#tenant === undefined ? database : database.tenant(this.#tenant)
  }

  #open(storage: Engine): ParqueDB {
    const { limits = {}, schema = {} } = this.#options
    return new ParqueDB({ storage, limits, schema })
  }

  #engine(partition: string, freshness: () => Freshness): EdgeEngine {
    const { edges, readOnly = false } = this.#options
    const onSeq = (seq: number): void => {
      this.#seqs.set(partition, Math.max(seq, this.#seqs.get(partition) ?? 0))
    }
    return new EdgeEngine({ partition: edges.get(this.#env, partition, this.#options), freshness, onSeq, readOnly, check: (keys) => this.#check(keys, partition) })
  }

  /** CROSS_PARTITION unless all of a write is of the partition; of a relationship both ends. */
  #check(keys: readonly EntityKey[], partition: string): void {
    if (this.#options.partitioning === 'database') return
    const ends = keys.flatMap((key) => {
      if (!isEdgeSpace(key.ns)) return [key]
      const { from, to } = parseEdgeKey(key)
      return [from, to]
    })
    const other = ends.find(({ ns, id }) => {
      const own = this.#tenant !== undefined && ns.startsWith(`${this.#tenant}~`) ? ns.slice(this.#tenant.length + 1) : ns
      const all = this.#allPartitionsOf(own)
      // The database's own records stand beside what they are about.
      return !own.startsWith('$') && all[shardOf(id, all.length)] !== partition
    })
    if (other !== undefined) throw acrossPartitions(`${other.ns}/${other.id} is in another partition than the rest of the write`, here)
  }

  #partitionsOf(ns: string): readonly string[] {
    return this.#only === undefined ? this.#allPartitionsOf(ns) : [this.#only]
  }

  #allPartitionsOf(ns: string): readonly string[] {
    if (this.#options.partitioning === 'database') return [wholeDatabase]
    return partitionsOf(this.#tenant === undefined ? ns : `${this.#tenant}~${ns}`, this.#options.shards?.[ns])
  }

  /** What is about the collection, or without one about the partition that all are in. */
  #about(ns: string | undefined, method: string): ParqueDB {
    this.#assertOpen()
    if (ns !== undefined || this.#only !== undefined || this.#options.partitioning === 'database') return this.#database(this.#partitionsOf(ns ?? ''), {})
    throw acrossPartitions(`Each collection is a partition of its own here, and ${method} is of one`, `Name it, as the option ns where there is one. ${here}`)
  }

  /** With what the isolate read meanwhile, other requests of the moment included. */
  async #explained(partitions: readonly string[], explaining: Promise<QueryExplanation>): Promise<QueryExplanation & { edge: ReadCounts }> {
    const counted = (): Record<keyof ReadCounts, number> => sumOf(partitions.map((partition) => this.#options.edges.get(this.#env, partition, this.#options).files.counts()))
    const before = counted()
    const explanation = await explaining
    const after = counted()
    return { ...explanation, edge: { requests: after.requests - before.requests, bytes: after.bytes - before.bytes, cacheHits: after.cacheHits - before.cacheHits } }
  }

  /** The partitions that this session has used, each by itself. */
  #used(): ParqueDB[] {
    this.#assertOpen()
    const partitions = this.#options.partitioning === 'database' ? [wholeDatabase] : this.#only === undefined ? [...this.#seqs.keys()] : [this.#only]
    return partitions.map((partition) => this.#database([partition], {}))
  }

  /** Of the partition that this session is about. */
  #sole(method: string): ParqueDB {
    const [database, another] = this.#used()
    if (database !== undefined && another === undefined) return database
    throw acrossPartitions(`Each collection is a partition of its own here, and ${method} is for a handle that has used one and no other`, `Of a collection in shards use shard(). ${here}`)
  }

  /** Runs the work until it tells which partition it is about; like every work of a transaction it may run more than once. */
  async #firstPartitionOf(work: (tx: DatabaseTransaction) => unknown): Promise<string> {
    let first: string | undefined
    const found = new Error('found')
    const probe = (name: string): DatabaseCollection<never> => {
      const partitions = this.#partitionsOf(validateNamespace(name))
      const find = (call: Call): never => {
        first = partitionFor(partitions, call)
        throw found
      }
      if (partitions.length === 1) find({ ns: name, method: 'find', args: [] })
      return intercepted(this.#database(partitions, {}).collection<never>(name), find)
    }
    try {
      await work({ collection: probe as DatabaseTransaction['collection'] })
    } catch (error) {
      if (error !== found) throw error
    }
    return first ?? wholeDatabase
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ParqueDBError('CLOSED', 'The database is closed; make another handle.')
  }
}

/** Where a read has its options, among its arguments; most have them second. */
const optionsAt: Partial<Record<string, number>> = { distinct: 2, related: 2, countRelated: 2 }
const here = "With partitioning 'database' all collections are in one."

/** The one that a call is about; CROSS_PARTITION where it is about several shards. */
function partitionFor(partitions: readonly string[], call: Call): string | undefined {
  if (partitions.length === 1) return partitions[0]
  const id = idIn(call)
  if (id !== undefined) return partitions[shardOf(id, partitions.length)]
  throw acrossPartitions(`In a transaction ${call.method} may be about several shards of '${call.ns}'`, 'Name the entity by its id, also of one that is created.')
}

function withoutConsistency(method: string, args: readonly unknown[]): { consistency: ConsistencyOptions; own: unknown[] } {
  const at = optionsAt[method] ?? 1
  const options = args[at]
  if (typeof options !== 'object' || options === null || !('consistency' in options || 'token' in options)) return { consistency: {}, own: [...args] }
  const { consistency, token, ...rest } = options as ConsistencyOptions
  return { consistency: { ...(consistency === undefined ? {} : { consistency }), ...(token === undefined ? {} : { token }) }, own: args.with(at, rest) }
}
