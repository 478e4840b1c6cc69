import { ulidSource, type IdSource } from '../base/ids.ts'
import type { Clock } from '../base/clock.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { CheckpointInfo, VerifyOptions, VerifyReport } from '../model/database-options.ts'
import { copyEntity, type Entity } from '../model/entity-document.ts'
import { parseEntityId, validateNamespace, type EntityKey, type EntityState } from '../model/entity.ts'
import type { Event, StoredEvent } from '../model/event.ts'
import type { Document } from '../model/values.ts'
import type { Engine, EngineStats } from './engine.ts'
import { resolveOptions, type EngineOptions, type ResolvedOptions } from './engine-options.ts'
import { publicEvent } from '../model/public-event.ts'
import { draftAll, parseEventInput, type EventInput } from './event-input.ts'
import { FollowerSession } from './FollowerSession.ts'
import type { SharedSession } from './SharedSession.ts'
import { sharing } from './sharing.ts'
import { engineStats } from './stats.ts'
import type { ManifestAddress } from './manifest.ts'
import type { PutCondition, StorageBackend } from './storage-backend.ts'
import { verifyPartition } from './verify.ts'
import { overView, withView, type AsOf, type EventScanOptions, type PresentView, type View } from './view.ts'
import { WriterSession } from './WriterSession.ts'

/** Paths that are the engine's own: whoever uses the backend for other objects may read them, and not write them. */
const ownPaths = /^(?:FORMAT$|HEAD$|(?:epoch|manifest|log|events|entities|edges|indexes|archive|copies|tmp|probe)(?:\/|$))/

/** Half of what a message between Workers may hold, for what JSON does not count. */
const tailBytesMax = 16 * 1024 * 1024

export interface Tail {
  readonly manifest: ManifestAddress | undefined
  readonly manifestId: number
  /** The newest durable event there is. */
  readonly lastSeq: number
  readonly events: readonly StoredEvent[]
}

/** A state kept as a snapshot: where replay can start. */
export interface Snapshot<T extends object = Document> {
  readonly seq: number
  readonly version: number
  readonly ts: number
  /** undefined when the snapshot is of a deleted entity. */
  readonly entity: Entity<T> | undefined
}

/**
 * Event sourcing over any store: a log of events that are durable before anybody is told, and entity states,
 * snapshots and Parquet files derived from it. It opens at the first use; it is still a StorageBackend for other
 * objects in the same store.
 */
export class EventSourcedBackend implements StorageBackend, Engine {
  readonly kind: string
  readonly clock: Clock
  readonly ids: IdSource
  readonly read: StorageBackend['read'] = (path) => this.#backend.read(path)
  readonly readRange: StorageBackend['readRange'] = (path, range) => this.#backend.readRange(path, range)
  readonly stat: StorageBackend['stat'] = (path) => this.#backend.stat(path)
  readonly list: StorageBackend['list'] = (prefix, options) => this.#backend.list(prefix, options)
  readonly #backend: StorageBackend
  readonly #options: ResolvedOptions
  #session: Promise<WriterSession | FollowerSession | SharedSession> | undefined
  /** What it resolved to. */
  #opened: WriterSession | FollowerSession | SharedSession | undefined
  #closing: Promise<void> | undefined

  constructor(backend: StorageBackend, options: EngineOptions = {}) {
    if (backend instanceof EventSourcedBackend) throw new ParqueDBError('INVALID_ARGUMENT', 'This backend is event-sourced already; use it as it is.')
    this.#backend = backend
    this.#options = resolveOptions(options)
    this.kind = `event-sourced ${backend.kind}`
    this.clock = this.#options.clock
    this.ids = ulidSource(this.#options.clock, this.#options.random)
  }

  readonly commit: Engine['commit'] = async (request) => (await this.#writer()).commit(request)

  async view(options: { includeArchived?: boolean } = {}): Promise<View> {
    const present = this.viewNow(options)
    if (present !== undefined) return present
    const session = await this.#open()
    await session.refresh()
    return session.partition.view(options)
  }

  viewNow(options?: { includeArchived?: boolean }): PresentView | undefined {
    const session = this.#opened
    return session?.isFresh === true && this.#closing === undefined ? session.partition.view(options) : undefined
  }

  onCommit(listener: (events: readonly StoredEvent[]) => void): () => void {
    const stopped = new AbortController()
    void this.#open().then(
      (session) => stopped.signal.aborted || stopped.signal.addEventListener('abort', session.onCommit(listener)),
      // Whoever reads or writes meets the same failure; a listener has nobody to tell.
      () => undefined,
    )
    return () => stopped.abort()
  }

  /** Appends one event; see `appendEvents`. */
  async appendEvent(event: EventInput): Promise<Event> {
    const [appended] = await this.appendEvents([event])
    if (appended === undefined) throw new ParqueDBError('INVALID_ARGUMENT', 'No event was given.')
    return appended
  }

  /**
   * Appends events as one commit, all of them or none, and gives them as they are in the log once they are durable.
   * With a txId, or with an id on every event, doing it again appends nothing and gives what the first time gave.
   */
  async appendEvents(events: readonly EventInput[], options: { txId?: string } = {}): Promise<Event[]> {
    const parsed = events.map((event) => parseEventInput(event, this.clock.nowMs()))
    const eventIds = events.flatMap((event) => (event.id === undefined ? [] : [event.id]))
    if (new Set(eventIds).size < eventIds.length) throw new ParqueDBError('INVALID_ARGUMENT', 'Two of the events have the same id.')
    if (eventIds.length > 0 && eventIds.length < events.length) throw new ParqueDBError('INVALID_ARGUMENT', 'Give every event of a commit an id, or none of them.')
    const result = await this.commit({
      keys: parsed.flatMap(({ key, from }) => (from === undefined ? [key] : [key, from])),
      decide: (context) => draftAll(parsed, context),
      txId: options.txId,
      eventIds: eventIds.length === 0 ? undefined : eventIds,
    })
    return result.events.map(publicEvent)
  }

  /** The entity as it is, or was `asOf` a time or a seq; undefined when it is not there. A snapshot and what follows it are read, no more. */
  async reconstructEntity<T extends object = Document>(ns: string, id: string, options: { asOf?: AsOf | Date | number } = {}): Promise<Entity<T> | undefined> {
    const key = parseKey(ns, id)
    return withView(this, async (view) => {
      const state = await view.get(key, parsePoint(options.asOf))
      return state === undefined || state.deletedAt !== undefined ? undefined : copyEntity<T>(ns, state)
    })
  }

  /** An entity's events in seq order; `limit` at most (10,000). */
  async getEntityEvents(ns: string, id: string, options: { fromSeq?: number; limit?: number } = {}): Promise<Event[]> {
    const key = parseKey(ns, id)
    const limit = options.limit ?? 10_000
    return withView(this, async (view) => {
      const events: Event[] = []
      if (limit <= 0) return events
      for await (const event of view.entityEvents(key, { fromSeq: options.fromSeq })) {
        events.push(publicEvent(event))
        if (events.length >= limit) break
      }
      return events
    })
  }

  /** The newest state of the entity that is kept whole: with an event, or in a run. */
  async getLatestSnapshot<T extends object = Document>(ns: string, id: string): Promise<Snapshot<T> | undefined> {
    const key = parseKey(ns, id)
    const { partition } = await this.#open()
    return withView(this, async (view) => {
      const newest = await view.get(key)
      // A flushed state stands whole in a run.
      if (newest !== undefined && newest.seq <= partition.manifest.flushedSeq) return snapshotOf<T>(ns, newest)
      for await (const { state } of view.entityEvents(key, { reverse: true })) if (state !== undefined) return snapshotOf<T>(ns, state)
      return undefined
    })
  }

  /** Keeps the entity's present state as a snapshot; NOT_FOUND when it never was. */
  async createSnapshot<T extends object = Document>(ns: string, id: string): Promise<Snapshot<T>> {
    const key = parseKey(ns, id)
    const session = await this.#writer()
    const [state] = await session.partition.newestOfMany([key])
    if (state === undefined) throw new ParqueDBError('NOT_FOUND', `There is no ${ns}/${id}.`, { details: { $id: `${ns}/${id}` } })
    await (session.kind === 'shared' ? session : session.partition.overlay).keepSnapshot(key)
    return snapshotOf<T>(ns, state)
  }

  /** Events in seq order, as they were when reading began. */
  readEvents(options: EventScanOptions = {}): AsyncIterable<Event> {
    return overView(this, {}, async function* (view) {
      for await (const event of view.events(options)) yield publicEvent(event)
    })
  }

  readonly flush: Engine['flush'] = async () => (await this.#writer()).flush()

  /** What a reader elsewhere lacks that has everything up to `afterSeq`: the head, whose files it can read, and the events that are in none of them; as many as a message may hold. */
  async tail(afterSeq: number): Promise<Tail> {
    const { publisher: { head }, partition } = await this.#writerHere()
    const { overlay, manifest } = partition
    const eventsMax = Math.max(1, Math.floor((tailBytesMax * overlay.eventCount) / Math.max(1, overlay.bytes)))
    const from = Math.max(afterSeq, manifest.flushedSeq) + 1
    // Through JSON: what has no prototype cannot be sent.
    const address = head.manifest === undefined ? undefined : (JSON.parse(JSON.stringify(head.manifest)) as ManifestAddress)
    return { manifest: address, manifestId: manifest.id, lastSeq: overlay.lastSeq, events: [...overlay.events({ from, to: from + eventsMax - 1 })] }
  }

  /** For whoever gave the option `schedule`: does what background work is due. */
  async maintain(): Promise<void> {
    await (await this.#writerHere()).maintenance.maintain()
  }

  readonly compact: Engine['compact'] = async (options) => (await this.#writer()).compact(options)

  /** Takes away what the retention policies no longer keep; see `RetentionPolicy`. */
  readonly retain: Engine['retain'] = async (options) => (await this.#writerHere()).maintenance.retain(options)

  /** Takes entities out of the database for good, history and archive included; see `ParqueDB.erase`. */
  readonly erase: Engine['erase'] = async (options) => (await this.#writerHere()).erase(options)

  /** Keeps the states of now, so that queries about later moments start there: it writes no file, and keeps those of now from being merged away. */
  async checkpoint(): Promise<CheckpointInfo> {
    const { seq, ts } = await (await this.#writerHere()).maintenance.checkpoint()
    return { seq, at: new Date(ts) }
  }

  async stats(): Promise<EngineStats> {
    const session = await this.#open()
    await session.refresh()
    return engineStats(session.kind === 'shared' ? session.current : session, { kind: this.#backend.kind, graceMs: this.#options.graceMs, share: this.#options.share })
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return verifyPartition({ ...options, backend: this.#backend, logBackend: this.#options.log ?? this.#backend, partition: (await this.#open()).partition })
  }

  /** Finishes what was begun, gives back the writer role, and refuses everything afterwards with CLOSED. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    refuseOwn(path)
    return this.#backend.put(path, bytes, condition)
  }

  async delete(path: string): Promise<void> {
    refuseOwn(path)
    return this.#backend.delete(path)
  }

  async #writer(): Promise<WriterSession | SharedSession> {
    const session = await this.#open()
    if (session.kind !== 'follower') return session
    throw new ParqueDBError('READ_ONLY', 'This database was opened with readOnly: true. Open it without to write.')
  }

  async #writerHere(): Promise<WriterSession> {
    const session = await this.#writer()
    return session.kind === 'writer' ? session : session.writerHere()
  }

  #open(): Promise<WriterSession | FollowerSession | SharedSession> {
    if (this.#closing !== undefined) return Promise.reject(new ParqueDBError('CLOSED', 'The database is closed.'))
    if (this.#session === undefined) {
      this.#session = this.#openSession()
      this.#session.then(
        (session) => (this.#opened = session),
        // An opening that failed is not kept: the next call tries again, for the cause may be mended by then.
        () => (this.#session = undefined),
      )
    }
    return this.#session
  }

  #openSession(): Promise<WriterSession | FollowerSession | SharedSession> {
    if (this.#options.share) {
      const { open } = sharing
      if (open !== undefined && (this.#options.log ?? this.#backend).callWriter !== undefined) return open(this.#backend, this.#options, this.ids)
      return Promise.reject(new ParqueDBError('INVALID_ARGUMENT', `A ${this.#backend.kind} backend cannot be shared by processes: open it without the option share.`, { details: { option: 'share' } }))
    }
    return this.#options.readOnly ? FollowerSession.open(this.#backend, this.#options) : WriterSession.open(this.#backend, this.#options)
  }

  async #close(): Promise<void> {
    const session = await this.#session?.catch((error: unknown) => {
      if (!isParqueDBError(error)) throw error
      // Whoever opened it has been told; there is nothing to give back.
      return undefined
    })
    await session?.close()
  }
}

/** Wraps a store with event sourcing: `withEventSourcing(new MemoryBackend(), { autoSnapshotThreshold: 100 })`. */
export function withEventSourcing(backend: StorageBackend, options: EngineOptions = {}): EventSourcedBackend {
  return new EventSourcedBackend(backend, options)
}

function snapshotOf<T extends object>(ns: string, state: EntityState): Snapshot<T> {
  return { seq: state.seq, version: state.version, ts: state.updatedAt, entity: state.deletedAt === undefined ? copyEntity<T>(ns, state) : undefined }
}

function parseKey(ns: string, id: string): EntityKey {
  return { ns: validateNamespace(ns), id: parseEntityId(id, ns) }
}

function parsePoint(asOf: AsOf | Date | number | undefined): AsOf | undefined {
  if (asOf === undefined) return undefined
  if (typeof asOf === 'number' && Number.isSafeInteger(asOf) && asOf >= 0) return { seq: asOf }
  if (asOf instanceof Date && !Number.isNaN(asOf.getTime())) return { ts: asOf.getTime() }
  if (typeof asOf === 'object' && !(asOf instanceof Date) && (asOf.seq !== undefined || asOf.ts !== undefined)) return asOf
  throw new ParqueDBError('INVALID_ARGUMENT', 'asOf must be a Date, a seq, or { seq } or { ts }.', { details: { option: 'asOf' } })
}

function refuseOwn(path: string): void {
  if (ownPaths.test(path)) throw new ParqueDBError('INVALID_ARGUMENT', `'${path}' is kept by the database itself. Write other objects under another name.`, { details: { path } })
}
