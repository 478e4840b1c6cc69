import { assert } from '../base/assert.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { AppendLog } from './append-log.ts'
import type { RetainOptions, RetentionReport } from '../model/database-options.ts'
import { allMerges, jobRows, pickMerge, type MergeJob } from './compaction.ts'
import type { CompactProgress } from './engine.ts'
import { resolveRetention } from './engine-options.ts'
import { writeErasure } from './erasure.ts'
import { writeFlush } from './flush.ts'
import { collectDropped, deleteOldManifests, sweepOlderEpochs } from './garbage.ts'
import { addCheckpoint, checkpointIfDue } from './horizon.ts'
import { filesOfRuns, withKeys, type Checkpoint, type Erasure, type Manifest, type RunEntry } from './manifest.ts'
import { planRetention, reportRetention, writeRetention } from './retention.ts'
import { Rewriter, type RewriterParts } from './Rewriter.ts'
import { Turns } from './Turns.ts'

/** The unflushed part may grow to this many times what triggers a flush; then writers wait for the flush. */
const backpressureFactor = 4
/** While more writes wait, a flush is put off up to this many times what triggers it: they have the processor, and one large run is less to merge than three. */
const busyFactor = 3
/** Until background work that failed is asked for again, where it has to be. */
const retryAfterMs = 5000

/** Where each append makes an object, one that opens the database reads them all: so many are flushed, however small. */
const logObjectsMax = 500

export interface MaintenanceParts extends RewriterParts {
  readonly log: AppendLog
}

/**
 * Turns the log into files and keeps the files few, in the background and on request: one flush and one merge at a
 * time, beside each other. A failure in the background is kept in `lastError` and tried again with the next commits;
 * nothing is lost by it, the log stays.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts
  readonly #abort = new AbortController()
  readonly #rewriter: Rewriter
  readonly #background = new Set<Promise<void>>()
  #flushing: Promise<void> | undefined
  #cancelGarbageTimer: (() => void) | undefined
  #cancelRetentionTimer: (() => void) | undefined
  #flushes = 0
  /** Appends that were made when the log was last cut. */
  #cutSyncs = 0
  #lastError: Error | undefined
  #isSwept = false

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
    this.#rewriter = new Rewriter(parts, this.#abort.signal)
  }

  get counts(): { flushes: number; compactions: number; lastError: string | undefined } {
    return { flushes: this.#flushes, compactions: this.#rewriter.merges, lastError: this.#lastError?.message }
  }

  /** The writer has its role: what others left may go. */
  opened(): void {
    if (this.#parts.options.schedule === undefined) this.begin(this.#sweep())
    else this.#schedule()
  }

  /** After commits: begins a flush in the background when one is due. */
  afterCommits(): void {
    if (this.#parts.options.schedule !== undefined) this.#schedule()
    else if (this.#flushing === undefined && this.#isFlushDue(this.#parts.writer().isBusy ? busyFactor : 1)) this.begin(this.#flushAndMerge())
  }

  /**
   * Background work for an owner that has it done when it is asked to (`schedule`): a flush when one is due, a slice of one merge, what garbage may go. It asks for
   * the next time by itself, also after a failure, which it throws.
   */
  async maintain(): Promise<void> {
    try {
      await this.#flushAndMerge()
      this.#lastError = undefined
    } catch (error) {
      this.#lastError = asError(error)
      throw error
    } finally {
      this.#schedule()
    }
  }

  /** Backpressure: resolves when the flush that is under way has ended; undefined when nothing has to be waited for. */
  room(): Promise<void> | undefined {
    if (!this.#isPast(backpressureFactor)) return undefined
    // Too soon for who is asked by a schedule.
    if (this.#flushing === undefined && this.#lastError === undefined) this.begin(this.#flushAndMerge())
    // Its failure is somebody else's to handle.
    return this.#flushing?.catch(() => undefined)
  }

  /** STORAGE_UNAVAILABLE when the unflushed part is at its limit because flushing fails. */
  assertRoom(): void {
    if (!this.#isPast(backpressureFactor) || this.#lastError === undefined) return
    // Another attempt is begun, so that writing goes on once the cause is mended.
    this.afterCommits()
    throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The log has grown to its limit because it cannot be flushed. Mend the cause; writing goes on after the next flush that succeeds.', { details: { limit: 'unflushed', retryable: true }, cause: this.#lastError })
  }

  /** Everything committed before the call is in Parquet files when it resolves. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => undefined)
    this.#flushing = this.#flush().finally(() => (this.#flushing = undefined))
    await this.#flushing
  }

  /** Flushes, then merges each namespace's runs into one and small segments into larger ones. */
  async compact(options: { signal?: AbortSignal; onProgress?: (progress: CompactProgress) => void } = {}): Promise<void> {
    await this.flush()
    const rowsTotal = allMerges(this.#parts.partition.manifest).reduce((sum, job) => sum + jobRows(job), 0)
    let rowsDone = 0
    const onRows = (rows: number): void => {
      rowsDone += rows
      options.onProgress?.({ rowsDone: Math.min(rowsDone, rowsTotal), rowsTotal })
    }
    await this.#rewriter.mergeAll(allMerges, { signal: options.signal, onRows })
    options.onProgress?.({ rowsDone: rowsTotal, rowsTotal })
    await this.collectGarbage()
  }

  /**
   * Moves each namespace's horizon to where its policy wants it; what was before it is archived or deleted. What is read meanwhile stays until it is
   * released. Says what went.
   */
  async retain({ policy, dryRun = false, signal }: RetainOptions = {}): Promise<RetentionReport> {
    const { options } = this.#parts
    const retention = policy === undefined ? options.retention : resolveRetention(policy)
    await this.flush()
    let report: RetentionReport = { events: 0, bytes: 0, namespaces: {} }
    await this.#rewriter.exclusively(async (parts) => {
      const steps = await planRetention(parts, retention, options.clock.nowMs())
      report = reportRetention(steps)
      return dryRun || steps.length === 0 ? undefined : writeRetention(steps, parts)
    }, { signal })
    // Tombstones from before a horizon are merged away.
    if (!dryRun) await this.#rewriter.mergeAll((manifest) => allMerges(manifest).filter((job) => job.kind === 'runs' && job.ns in report.namespaces), { signal })
    await this.collectGarbage()
    return report
  }

  /** Takes what is marked as erased out of every file, and the files that held it away. Resumes what a crash interrupted. */
  async finishErasing(signal?: AbortSignal): Promise<{ rewrittenFiles: number; pendingFiles: number }> {
    const { partition } = this.#parts
    await this.flush()
    let rewrittenFiles = 0
    let erasures: readonly Erasure[] = []
    await this.#rewriter.exclusively(async (parts) => {
      erasures = parts.manifest.erasing
      if (erasures.length === 0) return undefined
      const written = await writeErasure(erasures, parts)
      rewrittenFiles = written.rewrittenFiles
      return written.change
    }, { signal })
    await this.collectGarbage()
    // Older manifests have keys, and what writers before this one left behind may have anything.
    await sweepOlderEpochs(this.#parts)
    for (const erasure of erasures) partition.erasing.delete(erasure)
    return { rewrittenFiles, pendingFiles: partition.manifest.dropped.filter(({ atMs }) => atMs === 0).length }
  }

  /** Where there is a policy: now, and from time to time. */
  async retainInTheBackground(): Promise<void> {
    const { clock, retention: { policy, namespaces, everyMs } } = this.#parts.options
    if ((policy === undefined && Object.keys(namespaces).length === 0) || this.#abort.signal.aborted) return
    try {
      await this.retain({ signal: this.#abort.signal })
    } finally {
      this.#cancelRetentionTimer = this.#abort.signal.aborted ? undefined : clock.after(Math.max(everyMs, 1000), () => this.begin(this.retainInTheBackground()))
    }
  }

  /** Keeps the states of now, of what is flushed by the end of the call. */
  async checkpoint(): Promise<Pick<Checkpoint, 'seq' | 'ts'>> {
    await this.flush()
    const { publisher, partition, options } = this.#parts
    await publisher.publish((manifest) => addCheckpoint(manifest, options.checkpoints.keep))
    return partition.manifest.checkpoints.at(-1) ?? { seq: 0, ts: 0 }
  }

  /** Deletes dropped files whose grace has passed and that no view reads, and comes back when the next may go. */
  async collectGarbage(): Promise<void> {
    const { partition, backend, publisher, options: { clock, graceMs, schedule } } = this.#parts
    const { deleted, nextAtMs } = await collectDropped({ partition, backend, nowMs: clock.nowMs(), graceMs })
    if (deleted.size > 0) {
      await publisher.publish((manifest) => ({ ...manifest, dropped: manifest.dropped.filter(({ path }) => !deleted.has(path)) }))
      await deleteOldManifests(backend, partition.manifest)
    }
    this.#cancelGarbageTimer?.()
    if (schedule !== undefined) return
    this.#cancelGarbageTimer = nextAtMs === undefined || this.#abort.signal.aborted ? undefined : clock.after(Math.max(nextAtMs - clock.nowMs(), 1000), () => this.begin(this.collectGarbage()))
  }

  /** Ends what runs in the background: a flush is finished, a merge is given up and leaves no trace. */
  async stop(): Promise<void> {
    this.#abort.abort(new ParqueDBError('CLOSED', 'The database was closed, which ended this; what it had not published is as it was.'))
    this.#cancelGarbageTimer?.()
    this.#cancelRetentionTimer?.()
    while (this.#background.size > 0) await Promise.all(this.#background)
    while (this.#flushing !== undefined) await this.#flushing.catch(() => undefined)
    await this.#rewriter.ended()
  }

  /** Whether the unflushed part is at so many times what triggers a flush. */
  #isPast(factor: number): boolean {
    const { overlay } = this.#parts.partition
    const { eventsMax, bytesMax } = this.#parts.options.flush
    return overlay.eventCount >= eventsMax * factor || overlay.bytes >= bytesMax * factor
  }

  #isFlushDue(factor = 1): boolean {
    return this.#flushDueAtMs(factor) <= this.#parts.options.clock.nowMs()
  }

  /** Never while there is nothing to flush. */
  #flushDueAtMs(factor = 1): number {
    const { overlay } = this.#parts.partition
    const { ageMsMax } = this.#parts.options.flush
    const [oldest] = overlay.events({ from: overlay.flushedSeq + 1, to: overlay.flushedSeq + 1 })
    if (oldest === undefined) return Number.POSITIVE_INFINITY
    if (this.#isPast(factor)) return 0
    // Each append makes an object of its own.
    if (this.#parts.logBackend.openLog === undefined && this.#parts.writer().counts.syncs - this.#cutSyncs >= logObjectsMax) return 0
    return oldest.ts + ageMsMax
  }

  #nextMerge(): MergeJob | undefined {
    const { partition, options } = this.#parts
    return options.compaction.background && !this.#rewriter.isBusy && !this.#abort.signal.aborted ? pickMerge(partition.manifest, options.compaction.fanIn) : undefined
  }

  /** Asks for the time of what is due next: a flush, a merge, the deletion of a file. */
  #schedule(): void {
    const { partition, options } = this.#parts
    const mergeAtMs = this.#rewriter.isHeld || this.#nextMerge() !== undefined ? 0 : Number.POSITIVE_INFINITY
    const garbageAtMs = partition.manifest.dropped.reduce((least, { atMs }) => Math.min(least, atMs + options.graceMs), Number.POSITIVE_INFINITY)
    const atMs = Math.min(this.#flushDueAtMs(), mergeAtMs, garbageAtMs)
    // After a failure not at once again, or it would be asked for without end.
    if (atMs < Number.POSITIVE_INFINITY) options.schedule?.(Math.max(atMs, options.clock.nowMs() + (this.#lastError === undefined ? 0 : retryAfterMs)))
  }

  async #flushAndMerge(): Promise<void> {
    const isScheduled = this.#parts.options.schedule !== undefined
    if (!isScheduled || this.#isFlushDue()) await this.flush()
    // Files that nobody names are safe to delete only once this writer has published: until then one that it took over from still may.
    if (isScheduled && !this.#isSwept && this.#flushes > 0) await this.#sweep()
    await this.#rewriter.mergeSlice(() => this.#nextMerge())
    if (!isScheduled) while (this.#nextMerge() !== undefined) await this.#rewriter.mergeSlice(() => this.#nextMerge())
    if (this.#parts.partition.manifest.erasing.length > 0) await this.finishErasing(this.#abort.signal)
    await this.collectGarbage()
  }

  async #sweep(): Promise<void> {
    await sweepOlderEpochs(this.#parts)
    this.#isSwept = true
    await this.collectGarbage()
    if (!this.#parts.partition.erasing.isEmpty) await this.finishErasing(this.#abort.signal)
    await this.retainInTheBackground()
  }

  async #flush(): Promise<void> {
    const { partition, publisher, files, log, writer, options } = this.#parts
    if (partition.overlay.eventCount === 0) return
    const toSeq = await writer().cut()
    this.#cutSyncs = writer().counts.syncs
    const { overlay } = partition
    const job = files.job()
    const output = await writeFlush({ overlay, toSeq, output: job, turns: new Turns(options.clock, () => writer().isBusy) }).catch(async (error: unknown) => {
      await job.discard()
      throw error
    })
    await publisher.publish((manifest) => {
      const flushed = { ...manifest, erasing: [...manifest.erasing, ...output.erasing], flushedSeq: toSeq, flushedTs: output.lastTs, segments: [...manifest.segments, output.segment], runs: withRuns(manifest, output.runs) }
      return checkpointIfDue(flushed, options.checkpoints)
    })
    assert(partition.manifest.flushedSeq >= toSeq, 'D2: an event is in the log until the head reaches a file that has it')
    await log.truncate(toSeq + 1)
    this.#flushes++
  }

  /** Lets work go on beside everything else; `stop` waits for it. */
  begin(work: Promise<void>): void {
    const ended = work
      .then(() => void (this.#lastError = undefined))
      .catch((error: unknown) => {
        if (!isParqueDBError(error, 'CLOSED')) this.#lastError = asError(error)
        if (isParqueDBError(error, 'WRITER_FENCED')) this.#parts.writer().fail(error)
      })
      .finally(() => this.#background.delete(ended))
    this.#background.add(ended)
  }
}

function withRuns(manifest: Manifest, added: ReadonlyMap<string, RunEntry>): Manifest['runs'] {
  const changed = [...added].map(([ns, run]) => [ns, [...filesOfRuns(manifest, ns), run]] as const)
  return withKeys(manifest.runs, Object.fromEntries(changed))
}

/** What a store throws may be anything. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
