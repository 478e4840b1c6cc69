import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { ResolvedOptions } from './engine-options.ts'
import type { StoredEvent } from '../model/event.ts'
import { checkFormat } from './format.ts'
import { headEtag, readHead, type Head, type HeadReading } from './head.ts'
import { parseLogPartPath } from './log-part.ts'
import { openManifest } from './manifest.ts'
import { metered } from './metered.ts'
import { Partition, type CommitListener } from './Partition.ts'
import { addReplayed, assertNoManifest, knownParts, replay, type ReplayPosition, type ReplayResult } from './replay.ts'
import type { StorageBackend } from './storage-backend.ts'
import { withView } from './view.ts'
import type { OpenFacts } from './WriterSession.ts'

/** Reads that meet a flush or a takeover are begun again; so many in a row means that something else is wrong. */
const refreshAttempts = 20
const retryDelayMs = 10
/** A writer that took an epoch and has published nothing for this long is taken for dead. */
const takeoverPatienceMs = 5000
/** A follower that looks for commits by itself does so no more often than this, whatever `followMs` says. */
const pollMsMin = 10
/** Events that listeners are given at once. */
const publishBatch = 1000

/** A read-only view of a partition that another process writes: at most `followMs` behind it when a read begins. */
export class FollowerSession {
  readonly kind = 'follower'
  readonly partition: Partition
  /** Told when it is handed out. */
  opened: OpenFacts = { meter: { requests: 0, bytes: 0 }, replayedEvents: 0, tornBytes: 0 }
  readonly #backend: StorageBackend
  readonly #logBackend: StorageBackend
  readonly #options: ResolvedOptions
  #head: Head | undefined
  #reached: ReplayPosition | undefined
  /** All that was committed before is known. */
  #knownAtMs = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined
  #isPolling = false
  readonly #closed = new AbortController()

  private constructor(backend: StorageBackend, options: ResolvedOptions) {
    this.#backend = backend
    this.#logBackend = options.log ?? backend
    this.#options = options
    this.partition = new Partition(backend, options)
  }

  /** NOT_FOUND when there is no database. */
  static async open(backend: StorageBackend, options: ResolvedOptions): Promise<FollowerSession> {
    const measured = metered(backend)
    const session = new FollowerSession(measured.backend, options)
    await session.refresh()
    session.opened = { meter: { ...measured.meter }, replayedEvents: session.partition.overlay.eventCount, tornBytes: 0 }
    return session
  }

  get epoch(): number {
    return this.#head?.epoch ?? 0
  }

  /** Whether it learned of what was committed less than `followMs` ago. */
  get isFresh(): boolean {
    return this.#looking === undefined && this.#options.clock.nowMs() - this.#knownAtMs < this.#options.followMs
  }

  /** Learns of all that was committed until `followMs` before the call. A look that is under way may have passed what was committed since it began: then another one follows, which all who wait share. */
  async refresh(followMs = this.#options.followMs): Promise<void> {
    const calledAtMs = this.#options.clock.nowMs()
    await this.#looking?.catch(() => undefined)
    if (calledAtMs - this.#knownAtMs < followMs) return
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** Looks for commits by itself as long as somebody listens. */
  onCommit(listener: CommitListener): () => void {
    const stop = this.partition.onCommit(listener)
    if (!this.#isPolling) void this.#poll()
    return stop
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#looking?.catch(() => undefined)
  }

  async #poll(): Promise<void> {
    const { clock, followMs } = this.#options
    const { signal } = this.#closed
    this.#isPolling = true
    while (this.partition.isHeard && !signal.aborted) {
      // Closing cuts the sleep short. A store that fails for a moment is asked again; whoever reads meets the failure itself.
      await clock.sleep(Math.max(followMs, pollMsMin), signal).then(() => this.refresh().catch(() => undefined), () => undefined)
    }
    this.#isPolling = false
  }

  async #look(): Promise<void> {
    const { clock } = this.#options
    const startMs = clock.nowMs()
    for (let attempt = 1; ; attempt++) {
      const nowMs = clock.nowMs()
      const reading = await readHead(this.#logBackend)
      try {
        if (await this.#catchUp(reading, startMs)) {
          this.#knownAtMs = nowMs
          return
        }
      } catch (error) {
        // What was being read may have been flushed or taken over and deleted meanwhile; only then is it read again.
        const moved = isParqueDBError(error, 'NOT_FOUND') || isParqueDBError(error, 'CORRUPT_FILE')
        if (!moved || (await headEtag(this.#logBackend)) === reading.etag) throw error
      }
      if (attempt >= refreshAttempts && clock.nowMs() - startMs > takeoverPatienceMs) {
        throw new ParqueDBError('STORAGE_UNAVAILABLE', `The database changes hands again and again; after ${attempt} attempts there was no moment to read it whole. Try again.`, { details: { attempts: attempt } })
      }
      await clock.sleep(retryDelayMs)
    }
  }

  /** False when a takeover began or ended meanwhile: what was read is thrown away, for the new writer may not have it. */
  async #catchUp({ head, newestEpoch, etag }: HeadReading, startMs: number): Promise<boolean> {
    // A head says itself what it needs of a reader.
    if (head?.format === undefined && this.#head === undefined && !(await checkFormat(this.#backend))) {
      throw new ParqueDBError('NOT_FOUND', `There is no database in this ${this.#backend.kind} backend. Open it without readOnly to create one.`, { details: { path: 'FORMAT' } })
    }
    if (head === undefined) {
      await knownParts(this.#logBackend, newestEpoch)
      await assertNoManifest(this.#backend)
      return true
    }
    const takenOver = newestEpoch > head.epoch
    if (takenOver && this.#options.clock.nowMs() - startMs < takeoverPatienceMs) return false
    const { partition } = this
    const isKnown = head.manifest !== undefined && head.manifest.path === this.#head?.manifest?.path
    const manifest = isKnown ? partition.manifest : await openManifest(this.#backend, head.manifest)
    // A head that flushed past what was read: the log in between may be gone, so everything comes from the files.
    const skipped = manifest.flushedSeq > partition.overlay.lastSeq
    // A writer that took over may know an older one than its predecessor published meanwhile.
    const isAnew = skipped || manifest.flushedSeq < partition.overlay.flushedSeq
    const from = isAnew || head.epoch !== this.#head?.epoch || !isKept(this.#reached, head) ? undefined : this.#reached
    const isAllFlushed = head.isClosed === true && head.durableSeq === head.flushedSeq
    const replayed = isAllFlushed ? { frames: [], reached: undefined } : await replay(this.#logBackend, head, { afterSeq: isAnew ? manifest.flushedSeq : partition.overlay.lastSeq, from })
    const { frames, reached } = takenOver ? withoutLast(replayed, head) : replayed
    // Of a writer that has ended, nothing was read that the next one may not have.
    if (!isAllFlushed && (await headEtag(this.#logBackend)) !== etag) return false
    const knownSeq = partition.overlay.lastSeq
    const isFirst = this.#head === undefined
    partition.install(manifest)
    if (skipped && !isFirst) await this.#publishFlushed({ from: knownSeq + 1, to: manifest.flushedSeq })
    addReplayed(frames, partition)
    this.#head = head
    this.#reached = reached
    for (const { events } of frames) partition.publish(events.filter(({ seq }) => seq > knownSeq))
    return true
  }

  /** Listeners hear of events that went from the log into files before they were read there, as far as those are kept: a subscription that has a gap then reads for itself, and is told. */
  #publishFlushed(range: { from: number; to: number }): Promise<void> {
    return withView(this.partition, async (view) => {
      let batch: StoredEvent[] = []
      for await (const event of view.events({ fromSeq: range.from, toSeq: range.to, onlyKept: true })) {
        batch.push(event)
        if (batch.length < publishBatch) continue
        this.partition.publish(batch)
        batch = []
      }
      if (batch.length > 0) this.partition.publish(batch)
    })
  }
}

/**
 * While one writer is taking over from another, the other's last append may be one that was never acknowledged, and that the new one did not find: it waits until that one says what it
 * goes on from. An append that another one follows was acknowledged.
 */
function withoutLast({ frames, reached }: Pick<ReplayResult, 'frames' | 'reached'>, { durableSeq }: Head): Pick<ReplayResult, 'frames' | 'reached'> {
  const last = frames.at(-1)?.frame
  return last === undefined || last.firstSeq + last.count <= durableSeq + 1 ? { frames, reached } : { frames: frames.slice(0, -1), reached: undefined }
}

/** Whether the part that was read last is still needed, and so surely still there. */
function isKept(reached: ReplayPosition | undefined, head: Head): boolean {
  return reached !== undefined && (parseLogPartPath(reached.part)?.firstSeq ?? -1) >= head.logStart
}

