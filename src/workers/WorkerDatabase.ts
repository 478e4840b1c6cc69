import { checkAborted } from '../base/abort.ts'
import { toHex, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import { ParqueDB, type ParqueDBOptions } from '../db/ParqueDB.ts'
import { actingAs } from '../model/acting.ts'
import type { Database, DatabaseCollection, DatabaseTransaction, EventStream, Acting, ActingDatabase } from '../model/database.ts'
import type { CheckpointInfo, CollectionInfo, CompactOptions, EraseOptions, EraseReport, DatabaseStats, EventQueryOptions, QueryExplanation, RetainOptions, RetentionReport, SubscribeOptions, TransactionOptions, VerifyOptions, VerifyReport } from '../model/database-options.ts'
import { validateNamespace } from '../model/entity-id.ts'
import type { ShortestPathOptions, Traversed, TraverseOptions, TraverseStep } from '../model/graph-options.ts'
import { namespacesLookedUp } from '../model/looked-up.ts'
import type { ResultCursor } from '../model/ResultCursor.ts'
import type { Event } from '../model/event.ts'
import type { Document } from '../model/values.ts'
import { escapeFolder, folderCharsMax } from '../storage/DataFiles.ts'
import type { Engine } from '../storage/engine.ts'
import type { ParqueDBEnv } from './bindings.ts'
import type { ReadCounts } from './EdgeFiles.ts'
import { EdgeEngine } from './EdgeEngine.ts'
import type { Freshness } from './EdgePartition.ts'
import { EdgePartitions, type EdgeOptions } from './EdgePartitions.ts'
import { checkingEngine, checkWrite } from './check-write.ts'
import { decidedByObject } from './partition-rpc.ts'
import { decodeToken, encodeToken } from './token.ts'

/** 'eventual': as of the last flush, give or take `headTtlMs`; 'session': at least what this handle has written and seen, and its token; 'strong': all that is acknowledged. */
export type Consistency = 'eventual' | 'session' | 'strong'

/** 'namespace': each collection has an object of its own. 'database': one object has them all, and transactions span them. */
export type Partitioning = 'namespace' | 'database'

export interface WorkerDatabaseOptions extends EdgeOptions {
  readonly partitioning?: Partitioning
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
export class WorkerDatabase implements Database {
  readonly #env: ParqueDBEnv
  readonly #options: WorkerDatabaseOptions & { readonly edges: EdgePartitions }
  /** The newest event of each partition that this session knows of. */
  #seqs: Map<string, number>
  #tenant: string | undefined
  readonly #checking: ParqueDB
  /** What subscriptions were made of: they end with this handle. */
  readonly #listening: ParqueDB[] = []
  #isClosed = false

  constructor(env: ParqueDBEnv, options: WorkerDatabaseOptions = {}) {
    this.#env = env
    this.#options = { ...options, edges: options.edges ?? new EdgePartitions() }
    this.#seqs = decodeToken(options.token)
    this.#checking = this.#open(checkingEngine)
  }

  /** What this session has written and seen: a handle that is given it as `token` sees at least that. */
  sessionToken(): string {
    return encodeToken(this.#seqs)
  }

  collection<T extends object = Document>(name: string): DatabaseCollection<T> {
    this.#assertOpen()
    const ns = validateNamespace(name)
    const partition = this.#partitionOf(ns)
    const reading = this.#database(partition, {}).collection<T>(ns)
    return new Proxy<DatabaseCollection<T>>(reading, {
      get: (_, method: keyof DatabaseCollection) => {
        if (typeof reading[method] !== 'function') return reading[method]
        if (spanning.has(method)) this.#partitionFor(undefined, method)
        if (decidedByObject.has(method)) return (...args: readonly unknown[]) => this.#write(partition, { ns, method, args })
        return (...args: readonly unknown[]) => {
          const { consistency, own } = withoutConsistency(method, args)
          if (method === 'aggregate' && namespacesLookedUp(args[0]).some((other) => other !== ns)) this.#partitionFor(undefined, '$lookup')
          const collection = this.#database(partition, consistency).collection<T>(ns)
          const result = (collection[method] as (...args: unknown[]) => unknown).apply(collection, own)
          return method === 'explain' ? this.#explained(partition, result as Promise<QueryExplanation>) : result
        }
      },
    })
  }

  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options: TransactionOptions & { txId: string }): Promise<Result | undefined>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions & { txId?: never }): Promise<Result>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions): Promise<Result | undefined> {
    this.#assertOpen()
    const partition = this.#options.partitioning === 'database' ? wholeDatabase : await this.#firstPartitionOf(work)
    const within = (tx: DatabaseTransaction): DatabaseTransaction => ({
      collection: (name) => {
        if (this.#partitionOf(validateNamespace(name)) === partition) return tx.collection(name)
        throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' is in another partition: a transaction is within one. With partitioning 'database' all collections are in one.`, { details: { collection: name } })
      },
    })
    const database = this.#database(partition, { consistency: 'strong' })
    return database.transaction(typeof work === 'function' ? (tx) => work(within(tx)) : work, options as TransactionOptions & { txId?: never })
  }

  traverse<T extends object = Document>(start: string | readonly string[], steps: TraverseStep | readonly TraverseStep[], options?: TraverseOptions<T>): ResultCursor<Traversed<T>> {
    return this.#database(this.#partitionFor(undefined, 'traverse'), {}).traverse<T>(start, steps, options)
  }

  async shortestPath<T extends object = Document>(from: string, to: string, options?: ShortestPathOptions): Promise<Traversed<T>[] | undefined> {
    return this.#database(this.#partitionFor(undefined, 'shortestPath'), {}).shortestPath<T>(from, to, options)
  }

  as(who: string | Acting): ActingDatabase {
    return actingAs(this, who)
  }

  events(options: EventQueryOptions = {}): AsyncIterableIterator<Event> {
    return this.#database(this.#partitionFor(options.ns, 'events'), {}).events(options)
  }

  subscribe(options: SubscribeOptions = {}): EventStream {
    const database = this.#database(this.#partitionFor(options.ns, 'subscribe'), {})
    this.#listening.push(database)
    return database.subscribe(options)
  }

  async collections(options?: { signal?: AbortSignal }): Promise<CollectionInfo[]> {
    return this.#database(this.#partitionFor(undefined, 'collections'), {}).collections(options)
  }

  async flush(): Promise<void> {
    return this.#sole('flush').flush()
  }

  async compact(options?: CompactOptions): Promise<void> {
    return this.#sole('compact').compact(options)
  }

  async retain(options?: RetainOptions): Promise<RetentionReport> {
    return this.#sole('retain').retain(options)
  }

  async erase(target: string | readonly string[], options?: EraseOptions): Promise<EraseReport> {
    return this.#sole('erase').erase(target, options)
  }

  async checkpoint(): Promise<CheckpointInfo> {
    return this.#sole('checkpoint').checkpoint()
  }

  async stats(): Promise<DatabaseStats> {
    return this.#sole('stats').stats()
  }

  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.#sole('verify').verify(options)
  }

  tenant(name: string): WorkerDatabase {
    this.#checking.tenant(name)
    const tenant = new WorkerDatabase(this.#env, this.#options)
    tenant.#tenant = name
    tenant.#seqs = this.#seqs
    return tenant
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#listening.map((database) => database.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #write(partition: string, call: { ns: string; method: string; args: readonly unknown[] }): Promise<unknown> {
    this.#assertOpen()
    const { signal, args } = await checkWrite(this.#checking, call)
    checkAborted(signal)
    return this.#engine(partition, () => 'eventual').write({ ...call, args, tenant: this.#tenant })
  }

  /** The whole of `db` over one partition, with views as new as is wanted. */
  #database(partition: string, { consistency = this.#options.consistency ?? 'session', token }: ConsistencyOptions): ParqueDB {
    this.#assertOpen()
    const tokenSeq = token === undefined ? 0 : (decodeToken(token).get(partition) ?? 0)
    const freshness = (): Freshness => (consistency === 'session' ? { seq: Math.max(tokenSeq, this.#seqs.get(partition) ?? 0) } : consistency)
    if (!['eventual', 'session', 'strong'].includes(consistency)) throw new ParqueDBError('INVALID_ARGUMENT', "The option 'consistency' must be 'eventual', 'session' or 'strong'.", { details: { option: 'consistency' } })
    const database = this.#open(this.#engine(partition, freshness))
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
    return new EdgeEngine({ partition: edges.get(this.#env, partition, this.#options), freshness, onSeq, readOnly })
  }

  #partitionOf(ns: string): string {
    if (this.#options.partitioning === 'database') return wholeDatabase
    const name = this.#tenant === undefined ? ns : `${this.#tenant}~${ns}`
    // A name that was cut is told from others that begin alike.
    return encodeURIComponent(name).length < folderCharsMax / 3 ? escapeFolder(name) : `${escapeFolder(name)}-${toHex(sha256(utf8Encode(name))).slice(0, 16)}`
  }

  #partitionFor(ns: string | undefined, method: string): string {
    if (ns !== undefined || this.#options.partitioning === 'database') return this.#partitionOf(ns ?? '')
    throw new ParqueDBError('INVALID_ARGUMENT', `Each collection is a partition of its own here, so ${method} is of one: name it, as the option ns where there is one; or use partitioning 'database'.`, { details: { option: 'ns' } })
  }

  /** With what the isolate read meanwhile, other requests of the moment included. */
  async #explained(partition: string, explaining: Promise<QueryExplanation>): Promise<QueryExplanation & { edge: ReadCounts }> {
    const { files } = this.#options.edges.get(this.#env, partition, this.#options)
    const before = files.counts
    const explanation = await explaining
    const { requests, bytes, cacheHits } = files.counts
    return { ...explanation, edge: { requests: requests - before.requests, bytes: bytes - before.bytes, cacheHits: cacheHits - before.cacheHits } }
  }

  /** Of the partition that this session is about. */
  #sole(method: string): ParqueDB {
    const [partition, another] = this.#options.partitioning === 'database' ? [wholeDatabase] : [...this.#seqs.keys()]
    if (partition !== undefined && another === undefined) return this.#database(partition, {})
    throw new ParqueDBError('INVALID_ARGUMENT', `Each collection is a partition of its own here, so ${method} is for a handle that has used one and no other; or use partitioning 'database'.`, { details: { method } })
  }

  /** Runs the work until it names a collection; like every work of a transaction it may run more than once. */
  async #firstPartitionOf(work: (tx: DatabaseTransaction) => unknown): Promise<string> {
    let first: string | undefined
    const found = new Error('found')
    try {
      await work({
        collection: (name) => {
          first = this.#partitionOf(validateNamespace(name))
          throw found
        },
      })
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
/** Edges lead from collection to collection: with a partition for each, the far end would not be there. */
const spanning: ReadonlySet<string> = new Set<keyof DatabaseCollection>(['link', 'unlink', 'linkMany', 'related', 'countRelated'])

function withoutConsistency(method: string, args: readonly unknown[]): { consistency: ConsistencyOptions; own: unknown[] } {
  const at = optionsAt[method] ?? 1
  const options = args[at]
  if (typeof options !== 'object' || options === null || !('consistency' in options || 'token' in options)) return { consistency: {}, own: [...args] }
  const { consistency, token, ...rest } = options as ConsistencyOptions
  return { consistency: { ...(consistency === undefined ? {} : { consistency }), ...(token === undefined ? {} : { token }) }, own: args.with(at, rest) }
}
