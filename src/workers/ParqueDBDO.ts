import { DurableObject } from 'cloudflare:workers'
import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { systemClock } from '../base/clock.ts'
import { ParqueDB, type ParqueDBOptions } from '../db/ParqueDB.ts'
import { DOSqliteBackend, type DurableObjectSql } from '../storage/backends/DOSqliteBackend.ts'
import { withEventSourcing, type EventSourcedBackend, type Tail } from '../storage/EventSourcedBackend.ts'
import type { EngineOptions } from '../storage/engine-options.ts'
import { decodeRequest, ProposalConflict } from '../storage/proposal.ts'
import { R2Backend } from '../storage/backends/R2Backend.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { withView } from '../storage/view.ts'
import type { DurableObjectContext, ParqueDBEnv } from './bindings.ts'
import { decidedByObject, type AskedMethod, type PartitionRpc, type Reply, type WriteCall } from './partition-rpc.ts'

/** Where the object keeps its own name: an alarm after a restart is not told it. */
const namePath = 'parquedb/name'

export interface PartitionOptions extends Omit<EngineOptions, 'log' | 'readOnly' | 'schedule' | 'headWithFiles'> {
  /** The folder of all partitions in the bucket. Default 'parquedb'. */
  readonly prefix?: string
  readonly limits?: ParqueDBOptions['limits']
  /** As the Workers that write here have it. */
  readonly schema?: ParqueDBOptions['schema']
}

/** What fits into the 128 MB of an object beside the documents under way, and into the time that waking up may take. */
const defaults: EngineOptions = {
  flush: { eventsMax: 5000, bytesMax: 4 * 1024 * 1024, ageMsMax: 30_000 },
  // Well below the 30 s that an alarm may take of the CPU.
  compaction: { sliceRowsMax: 50_000 },
  indexBytesMax: 16 * 1024 * 1024,
  maxCachedColumnBytes: 8 * 1024 * 1024,
  // Worker isolates read from a manifest for as long as a request takes.
  graceMs: 300_000,
}

interface Opened {
  readonly engine: EventSourcedBackend
  readonly db: ParqueDB
}

/**
 * The writer of one partition: the same engine as everywhere, with its log in the object's SQLite and its files in R2. It answers only those who are bound to
 * its class, which is to say the Worker. What is acknowledged is on the object's disks; flushes and merges happen in its alarm.
 */
export class ParqueDBDO<Env extends ParqueDBEnv = ParqueDBEnv> extends DurableObject<Env> implements PartitionRpc {
  readonly #context: DurableObjectContext
  readonly #log: StorageBackend
  #opening: Promise<Opened> | undefined
  /** When the alarm is set for; undefined when it is not, or nobody knows. */
  #alarmAtMs: number | undefined
  /** While the alarm is at work: what was asked for last as the next time. */
  #maintaining: { nextAtMs: number | undefined } | undefined

  constructor(ctx: DurableObjectContext, env: Env) {
    super(ctx, env)
    this.#context = ctx
    this.#log = this.log(ctx.storage)
  }

  /** For a class that extends this one and wants something else than the defaults. */
  protected options(): PartitionOptions {
    return {}
  }

  /** The store of the partition's files. */
  protected files(folder: string): StorageBackend {
    return new R2Backend(this.env.BUCKET, { prefix: folder })
  }

  /** The store of its log. */
  protected log(storage: DurableObjectSql): StorageBackend {
    return new DOSqliteBackend(storage)
  }

  write({ ns, method, args, tenant }: WriteCall): Promise<Reply<unknown>> {
    if (!decidedByObject.has(method)) return Promise.reject(new TypeError(`'${method}' is not for the object to decide.`))
    return this.#reply(({ db }) => {
      const collection = (tenant === undefined ? db : db.tenant(tenant)).collection(ns) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
      return (collection[method] as (...args: unknown[]) => Promise<unknown>).apply(collection, [...args])
    })
  }

  /** Commits a proposal where all that it rests on is still so, and gives what the Worker lacks after `afterSeq`, which is that commit or what is in its way. */
  propose(message: Uint8Array, afterSeq: number): Promise<Reply<{ isDone: boolean; tail: Tail }>> {
    return this.#reply(async ({ engine }) => {
      let isDone = true
      await engine.commit(decodeRequest(message).commit).catch((error: unknown) => {
        if (!(error instanceof ProposalConflict)) throw error
        isDone = false
      })
      return { isDone, tail: await engine.tail(afterSeq) }
    })
  }

  tail(afterSeq: number): Promise<Reply<Tail>> {
    return this.#reply(({ engine }) => engine.tail(afterSeq))
  }

  ask(method: AskedMethod, options: object): Promise<Reply<unknown>> {
    return this.#reply(async ({ engine }) => {
      const result = await (engine[method] as (options: object) => Promise<unknown>).call(engine, options)
      // Objects without a prototype cannot be sent.
      return result === undefined ? undefined : JSON.parse(JSON.stringify(result))
    })
  }

  /** Does what background work is due. It never fails, for six failures would be the last alarm: what went wrong is in stats, and is tried again. */
  async alarm(): Promise<void> {
    const maintaining: { nextAtMs: number | undefined } = { nextAtMs: undefined }
    this.#alarmAtMs = undefined
    this.#maintaining = maintaining
    try {
      await (await this.#open()).engine.maintain()
    } catch (error) {
      this.#forgetWhenUseless(error)
      maintaining.nextAtMs = Math.max(maintaining.nextAtMs ?? 0, systemClock.nowMs() + retryAfterMs)
    } finally {
      this.#maintaining = undefined
    }
    if (maintaining.nextAtMs !== undefined) this.#setAlarm(maintaining.nextAtMs)
  }

  /** The next call opens the partition anew, from what is stored. */
  protected forget(): void {
    this.#opening = undefined
  }

  /** What work gives, or how it failed. An error that is none of ours is a bug, and goes on as it is. */
  async #reply<T>(work: (opened: Opened) => Promise<T>): Promise<Reply<T>> {
    try {
      const value = await work(await this.#open())
      return { value, seq: await withView((await this.#open()).engine, async ({ seq }) => seq) }
    } catch (error) {
      this.#forgetWhenUseless(error)
      if (isParqueDBError(error)) return { error: ParqueDBError.prototype.toJSON.call(error) }
      throw error
    }
  }

  /** After these the engine takes no more writes, and another one has to find out what is stored. */
  #forgetWhenUseless(error: unknown): void {
    if (isParqueDBError(error, 'WRITER_FENCED') || (isParqueDBError(error) && error.details['outcome'] === 'unknown')) this.forget()
  }

  #open(): Promise<Opened> {
    if (this.#opening !== undefined) return this.#opening
    const opening = this.#openEngine()
    this.#opening = opening
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    return opening
  }

  async #openEngine(): Promise<Opened> {
    const { prefix = 'parquedb', limits = {}, schema = {}, ...options } = this.options()
    const files = this.files(`${prefix}/${await this.#name()}`)
    const engine = withEventSourcing(files, { ...defaults, ...options, log: this.#log, headWithFiles: true, schedule: (atMs) => this.#schedule(atMs) })
    return { engine, db: new ParqueDB({ storage: engine, limits, schema }) }
  }

  async #name(): Promise<string> {
    const { name } = this.#context.id
    if (name === undefined) return utf8Decode(await this.#log.read(namePath))
    if ((await this.#log.stat(namePath)) === undefined) await this.#log.put(namePath, utf8Encode(name))
    return name
  }

  /** While the alarm is at work only its end tells what is wanted next. */
  #schedule(atMs: number): void {
    if (this.#maintaining !== undefined) this.#maintaining.nextAtMs = atMs
    else if (this.#alarmAtMs === undefined || atMs < this.#alarmAtMs) this.#setAlarm(atMs)
  }

  #setAlarm(atMs: number): void {
    this.#alarmAtMs = atMs
    // Where it fails, the next write sets it again.
    void this.#context.storage.setAlarm(atMs).catch(() => (this.#alarmAtMs = undefined))
  }
}

/** Until the alarm tries again what failed. */
const retryAfterMs = 5000
