import type { IdSource } from '../base/ids.ts'
import { checkAborted } from '../base/abort.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { AppendLog } from './append-log.ts'
import type { CommitRequest, CommitResult } from './engine.ts'
import type { ResolvedOptions } from './engine-options.ts'
import type { EpochFence } from './EpochFence.ts'
import { joinPayload } from './log-payload.ts'
import type { Partition } from './Partition.ts'
import { findRepeated } from './repeated.ts'
import type { RequestedStates } from './RequestedStates.ts'
import { Staging, type StagedCommit } from './Staging.ts'

/** A batch takes no more commits past this much JSON: one frame, one sync. */
const batchCharsMax = 4 * 1024 * 1024
/** Requests that wait to be decided. A caller past this has lost control of what it starts. */
const queueMax = 100_000

export interface WriterParts {
  readonly partition: Partition
  readonly log: AppendLog
  /** Asked after every sync and before anybody is told. */
  readonly fence: EpochFence
  readonly ids: IdSource
  readonly options: ResolvedOptions
  readonly maintenance: {
    /** Backpressure: resolves when there may be room for more unflushed events; undefined when there is. */
    room(): Promise<void> | undefined
    /** Throws when there is no room. */
    assertRoom(): void
    /** Called after each batch that became durable. */
    afterCommits(): void
  }
}

interface Queued {
  readonly request: CommitRequest
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: unknown) => void
}

/** A caller that is told once everything decided before it is durable: of its commit, or of a decision that wrote nothing. */
interface Waiting {
  readonly commit: StagedCommit | undefined
  readonly tell: (seq: number) => void
  readonly reject: (error: unknown) => void
}

interface Batch {
  readonly waiting: Waiting[]
  chars: number
  /** Set when the log is cut after this batch: no commit joins it any more. */
  cut: Omit<Waiting, 'commit'> | undefined
}

/**
 * The one writer of a partition. Requests are decided one at a time, in queue order, against a state that includes
 * the commits before them which are not yet durable. Whatever was decided while a batch is being synced is the next
 * batch: one frame, one sync. Callers hear of a commit, and readers see it, only once it is durable and not fenced.
 */
export class Writer {
  readonly #parts: WriterParts
  readonly #staging: Staging
  #queue: Queued[] = []
  #batches: Batch[] = []
  #deciding = false
  #syncing = false
  /** Settle when the loops that were started last have ended; they do not reject. */
  #decided: Promise<void> = Promise.resolve()
  #synced: Promise<void> = Promise.resolve()
  /** Wakes the decider when a batch was taken off its hands. */
  #batchTaken: (() => void) | undefined
  #failure: ParqueDBError | undefined
  #syncs = 0
  #commits = 0
  #events = 0

  constructor(parts: WriterParts) {
    this.#parts = parts
    this.#staging = new Staging(parts)
  }

  get counts(): { commits: number; events: number; syncs: number } {
    return { commits: this.#commits, events: this.#events, syncs: this.#syncs }
  }

  /** Whether more is waiting to be decided or to become durable. */
  get isBusy(): boolean {
    return this.#queue.length > 0 || this.#batches.length > 0
  }

  /** Why nothing can be written any more, once that is so. */
  get failure(): ParqueDBError | undefined {
    return this.#failure
  }

  commit(request: CommitRequest): Promise<CommitResult> {
    return new Promise((resolve, reject) => this.#enqueue({ request, resolve, reject }))
  }

  /**
   * Cuts the log: resolves, once everything decided so far is durable, to the newest seq; later events go to a new
   * part of the log and begin each entity with a snapshot. It goes ahead of what is queued, which may be waiting for
   * the flush that asks for the cut.
   */
  cut(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#staging.cut()
      this.#openBatch().cut = { tell: resolve, reject }
      this.#startSync()
    })
  }

  /** Finishes what is queued. Nothing may be queued after it. */
  async drain(): Promise<void> {
    while (this.#deciding || this.#syncing) await (this.#deciding ? this.#decided : this.#synced)
  }

  /** Refuses everything that is queued and everything to come. */
  fail(error: ParqueDBError): void {
    this.#failure ??= error
    const waiting = [...this.#batches.flatMap((batch) => [...batch.waiting, ...(batch.cut === undefined ? [] : [batch.cut])]), ...this.#queue]
    this.#batches = []
    this.#queue = []
    this.#staging.clear()
    for (const queued of waiting) queued.reject(this.#failure)
    this.#batchTaken?.()
  }

  #enqueue(queued: Queued): void {
    if (this.#failure !== undefined) return queued.reject(this.#failure)
    if (this.#queue.length >= queueMax) return queued.reject(new ParqueDBError('LIMIT_EXCEEDED', `${queueMax} writes are waiting already. Await some of them before starting more.`, { details: { queueMax } }))
    this.#queue.push(queued)
    if (this.#deciding) return
    this.#deciding = true
    this.#decided = this.#decideAll()
  }

  async #decideAll(): Promise<void> {
    // Calls made together are decided together, and so become durable together.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const queued of queue) {
        await this.#waitForRoom()
        if (this.#failure !== undefined) queued.reject(this.#failure)
        else await this.#decide(queued)
      }
      this.#startSync()
    }
    this.#deciding = false
  }

  async #waitForRoom(): Promise<void> {
    const room = this.#batchRoom() ?? this.#parts.maintenance.room()
    if (room === undefined) return
    this.#startSync()
    await room
  }

  async #decide(queued: Queued): Promise<void> {
    const { request } = queued
    try {
      checkAborted(request.signal)
      this.#parts.maintenance.assertRoom()
      const repeated = request.txId === undefined && request.eventIds === undefined ? undefined : await this.#findRepeated(request)
      if (repeated !== undefined) return queued.resolve(repeated)
      const loading = this.#staging.load(request.keys)
      // A data file has to be read: what was decided before need not wait for that.
      if (loading instanceof Promise) this.#startSync()
      const states = loading instanceof Promise ? await loading : loading
      if (this.#failure !== undefined) throw this.#failure
      this.#stage(queued, states)
    } catch (error) {
      queued.reject(error)
    }
  }

  /**
   * Decides. A refusal, and a decision to write nothing, may rest on commits that are not durable yet: whoever asked is
   * told after them, or not at all.
   */
  #stage({ request, resolve, reject }: Queued, states: RequestedStates): void {
    let commit: StagedCommit | undefined
    let tell: (seq: number) => void
    try {
      commit = this.#staging.decide(request, states)
      const { events = [], states: after = [] } = commit ?? {}
      tell = (seq) => resolve({ events, states: after, seq, repeated: false })
    } catch (error) {
      tell = () => reject(error)
    }
    if (commit === undefined && !this.#syncing && this.#batches.length === 0) return tell(this.#parts.partition.overlay.lastSeq)
    const batch = this.#openBatch()
    batch.waiting.push({ commit, tell, reject })
    batch.chars += commit?.text.length ?? 0
  }

  /** A txId that is still on its way to the log counts as committed: wait for it, then look. */
  async #findRepeated(request: CommitRequest): Promise<CommitResult | undefined> {
    this.#startSync()
    if (this.#staging.holdsAny(request)) await this.#synced
    return findRepeated(this.#parts.partition, request)
  }

  #openBatch(): Batch {
    const last = this.#batches.at(-1)
    if (last !== undefined && last.cut === undefined && last.chars < batchCharsMax) return last
    const batch: Batch = { waiting: [], chars: 0, cut: undefined }
    this.#batches.push(batch)
    return batch
  }

  /** While one full batch waits for the log, no other is begun: memory for two. */
  #batchRoom(): Promise<void> | undefined {
    const [first] = this.#batches
    if (first === undefined || (first.chars < batchCharsMax && this.#batches.length === 1)) return undefined
    return new Promise((resolve) => (this.#batchTaken = resolve))
  }

  #startSync(): void {
    if (this.#syncing || this.#batches.length === 0) return
    this.#syncing = true
    this.#synced = this.#syncAll()
  }

  async #syncAll(): Promise<void> {
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) {
      this.#batchTaken?.()
      this.#batchTaken = undefined
      try {
        await this.#makeDurable(batch)
      } catch (error) {
        this.#batches.unshift(batch)
        this.fail(poisoned(error))
      }
    }
    this.#syncing = false
  }

  async #makeDurable(batch: Batch): Promise<void> {
    const { partition, log, maintenance } = this.#parts
    const commits = batch.waiting.flatMap(({ commit }) => commit ?? [])
    await this.#append(commits)
    for (const commit of commits) {
      const bytes = commit.text.length / commit.events.length
      commit.events.forEach((event, index) => partition.apply(event, { bytes, state: commit.states[index] }))
      this.#staging.settled(commit)
    }
    const { lastSeq } = partition.overlay
    if (batch.cut !== undefined) {
      await log.rotate(lastSeq + 1)
      batch.cut.tell(lastSeq)
    }
    this.#commits += commits.length
    for (const { tell } of batch.waiting) tell(lastSeq)
    for (const { events } of commits) partition.publish(events)
    maintenance.afterCommits()
  }

  /** One frame, one sync, and then the look whether this is still the writer (F1; of an object, O2: it is there, and then the look). */
  async #append(commits: readonly StagedCommit[]): Promise<void> {
    const first = commits[0]?.events[0]
    if (first === undefined) return
    const count = commits.reduce((sum, commit) => sum + commit.events.length, 0)
    const { log, fence } = this.#parts
    await log.append([{ epoch: fence.epoch, firstSeq: first.seq, count, payload: joinPayload(commits.map((commit) => commit.text)) }])
    this.#syncs++
    this.#events += count
    await fence.check()
  }
}

function poisoned(error: unknown): ParqueDBError {
  if (error instanceof ParqueDBError && error.code === 'WRITER_FENCED') return error
  return new ParqueDBError('STORAGE_UNAVAILABLE', 'The log could not be made durable, so this database takes no more writes. Whether the writes that were under way are in it is decided when it is opened again: close it, mend the cause, open it and read them.', { details: { outcome: 'unknown' }, cause: error })
}
