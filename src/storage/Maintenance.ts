import { assert } from '../base/assert.ts'
import { checkAborted } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { AppendLog } from './append-log.ts'
import { allMerges, jobRows, mergeRuns, mergeSegments, pickMerge, type MergeJob } from './compaction.ts'
import type { DataFiles } from './DataFiles.ts'
import type { CompactProgress } from './engine.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { writeFlush } from './flush.ts'
import { collectDropped } from './garbage.ts'
import { filesOfRuns, type DroppedFile, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import type { Partition } from './Partition.ts'
import type { Publisher } from './Publisher.ts'
import type { StorageBackend } from './storage-backend.ts'
import type { Writer } from './Writer.ts'

/** The unflushed part may grow to this many times what triggers a flush; then writers wait for the flush. */
const backpressureFactor = 4

/** Where each append makes an object, one that opens the database reads them all: so many are flushed, however small. */
const logObjectsMax = 500

export interface MaintenanceParts {
  readonly partition: Partition
  readonly backend: StorageBackend
  readonly log: AppendLog
  readonly files: DataFiles
  readonly publisher: Publisher
  readonly options: ResolvedOptions
  readonly clock: Clock
  /** Whether each append makes an object of its own. */
  readonly logsObjects: boolean
  /** Made after this object, because it asks it for room. */
  readonly writer: () => Writer
}

/**
 * Turns the log into files and keeps the files few, in the background and on request: one flush and one merge at a
 * time, beside each other. A failure in the background is kept in `lastError` and tried again with the next commits;
 * nothing is lost by it, the log stays.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts
  readonly #abort = new AbortController()
  readonly #background = new Set<Promise<void>>()
  #flushing: Promise<void> | undefined
  #merging: Promise<void> | undefined
  #cancelGarbageTimer: (() => void) | undefined
  #flushes = 0
  /** Appends that were made when the log was last cut. */
  #cutSyncs = 0
  #compactions = 0
  #lastError: Error | undefined

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
  }

  get counts(): { flushes: number; compactions: number; lastError: string | undefined } {
    return { flushes: this.#flushes, compactions: this.#compactions, lastError: this.#lastError?.message }
  }

  /** After commits: begins a flush in the background when one is due. */
  afterCommits(): void {
    if (this.#flushing === undefined && this.#isFlushDue()) this.begin(this.#flushAndMerge())
  }

  /** Backpressure: resolves when the flush that is under way has ended; undefined when nothing has to be waited for. */
  room(): Promise<void> | undefined {
    return this.#isFull() && this.#flushing !== undefined ? settled(this.#flushing) : undefined
  }

  /** STORAGE_UNAVAILABLE when the unflushed part is at its limit because flushing fails. */
  assertRoom(): void {
    if (!this.#isFull() || this.#lastError === undefined) return
    // Another attempt is begun, so that writing goes on once the cause is mended.
    this.afterCommits()
    throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The log has grown to its limit because it cannot be flushed. Mend the cause; writing goes on after the next flush that succeeds.', { cause: this.#lastError })
  }

  /** Everything committed before the call is in Parquet files when it resolves. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await settled(this.#flushing)
    await this.#startFlush()
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
    for (;;) {
      while (this.#merging !== undefined) await settled(this.#merging)
      // Asked anew each time: the background may have merged meanwhile. Every merge leaves fewer files, so this ends.
      const [job] = allMerges(this.#parts.partition.manifest)
      if (job === undefined) break
      await this.#startMerge(job, { signal: options.signal, onRows })
    }
    options.onProgress?.({ rowsDone: rowsTotal, rowsTotal })
    await this.collectGarbage()
  }

  /** Deletes dropped files whose grace has passed and that no view reads, and comes back when the next may go. */
  async collectGarbage(): Promise<void> {
    const { partition, backend, publisher, clock, options } = this.#parts
    const { deleted, nextAtMs } = await collectDropped({ partition, backend, nowMs: clock.nowMs(), graceMs: options.graceMs })
    if (deleted.size > 0) await publisher.publish((manifest) => ({ ...manifest, dropped: manifest.dropped.filter(({ path }) => !deleted.has(path)) }))
    this.#cancelGarbageTimer?.()
    this.#cancelGarbageTimer = nextAtMs === undefined || this.#abort.signal.aborted ? undefined : clock.after(Math.max(nextAtMs - clock.nowMs(), 1000), () => this.begin(this.collectGarbage()))
  }

  /** Ends what runs in the background: a flush is finished, a merge is given up and leaves no trace. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#cancelGarbageTimer?.()
    while (this.#background.size > 0) await Promise.all(this.#background)
    while (this.#flushing !== undefined || this.#merging !== undefined) await settled(this.#flushing ?? this.#merging)
  }

  #isFull(): boolean {
    const { overlay } = this.#parts.partition
    const { eventsMax, bytesMax } = this.#parts.options.flush
    return overlay.eventCount >= eventsMax * backpressureFactor || overlay.bytes >= bytesMax * backpressureFactor
  }

  #isFlushDue(): boolean {
    const { overlay } = this.#parts.partition
    const { eventsMax, bytesMax, ageMsMax } = this.#parts.options.flush
    if (overlay.eventCount === 0) return false
    if (overlay.eventCount >= eventsMax || overlay.bytes >= bytesMax) return true
    if (this.#parts.logsObjects && this.#parts.writer().counts.syncs - this.#cutSyncs >= logObjectsMax) return true
    const [oldest] = overlay.events({ from: overlay.flushedSeq + 1, to: overlay.flushedSeq + 1 })
    return oldest !== undefined && this.#parts.clock.nowMs() - oldest.ts >= ageMsMax
  }

  async #flushAndMerge(): Promise<void> {
    await this.#startFlush()
    const { partition, options } = this.#parts
    while (options.compaction.background && this.#merging === undefined && !this.#abort.signal.aborted) {
      const job = pickMerge(partition.manifest, options.compaction.fanIn)
      if (job === undefined) break
      await this.#startMerge(job, {})
    }
    await this.collectGarbage()
  }

  #startFlush(): Promise<void> {
    assert(this.#flushing === undefined, 'one flush at a time')
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #flush(): Promise<void> {
    const { partition, publisher, files, log, clock, writer } = this.#parts
    if (partition.overlay.eventCount === 0) return
    const toSeq = await writer().cut()
    this.#cutSyncs = writer().counts.syncs
    const { overlay } = partition
    const job = files.job()
    const output = await writeFlush({ overlay, toSeq, output: job, clock }).catch(async (error: unknown) => {
      await job.discard()
      throw error
    })
    await publisher.publish((manifest) => ({
      ...manifest,
      flushedSeq: toSeq,
      flushedTs: output.lastTs,
      segments: [...manifest.segments, output.segment],
      runs: withRuns(manifest, output.runs),
    }))
    await log.truncate(toSeq + 1)
    this.#flushes++
  }

  #startMerge(job: MergeJob, options: { signal?: AbortSignal | undefined; onRows?: (rows: number) => void }): Promise<void> {
    assert(this.#merging === undefined, 'one merge at a time')
    this.#merging = this.#merge(job, options).finally(() => {
      this.#merging = undefined
    })
    return this.#merging
  }

  async #merge(job: MergeJob, options: { signal?: AbortSignal | undefined; onRows?: (rows: number) => void }): Promise<void> {
    const { partition, publisher, files, clock } = this.#parts
    const signal = options.signal === undefined ? this.#abort.signal : AbortSignal.any([options.signal, this.#abort.signal])
    const output = files.job()
    const view = partition.view()
    const parts = { tables: partition.files, output, clock, autoSnapshotThreshold: this.#parts.options.autoSnapshotThreshold, signal, onRows: options.onRows }
    let change: ManifestChange
    try {
      change = job.kind === 'runs' ? replaceRuns(job, await mergeRuns(job, parts)) : replaceSegments(job, await mergeSegments(job, parts))
      checkAborted(signal)
    } catch (error) {
      await output.discard()
      throw error
    } finally {
      view.release()
    }
    await publisher.publish((manifest) => change(manifest, clock.nowMs()))
    this.#compactions++
  }

  /** Lets work go on beside everything else; `stop` waits for it. */
  begin(work: Promise<void>): void {
    const ended = work
      .then(
        () => {
          this.#lastError = undefined
        },
        (error: unknown) => {
          if (!isParqueDBError(error, 'ABORTED')) this.#lastError = error instanceof Error ? error : new Error(String(error))
          if (isParqueDBError(error, 'WRITER_FENCED')) this.#parts.writer().fail(error)
        },
      )
      .finally(() => this.#background.delete(ended))
    this.#background.add(ended)
  }
}

type ManifestChange = (manifest: Manifest, nowMs: number) => Omit<Manifest, 'id'>

function replaceRuns(job: Extract<MergeJob, { kind: 'runs' }>, output: RunEntry): ManifestChange {
  return (manifest, nowMs) => {
    const runs = filesOfRuns(manifest, job.ns)
    assert(job.inputs.every((input) => runs.includes(input)), 'I7: a merge replaces runs that the manifest still names')
    const inputs = job.inputs.flatMap((run) => run.files)
    return {
      ...manifest,
      runs: Object.assign(Object.create(null), manifest.runs, { [job.ns]: [...runs.filter((run) => !job.inputs.includes(run)), output] }) as Manifest['runs'],
      dropped: [...manifest.dropped, ...drop(inputs, { manifest, nowMs })],
    }
  }
}

function replaceSegments(job: Extract<MergeJob, { kind: 'segments' }>, output: FileEntry): ManifestChange {
  return (manifest, nowMs) => {
    assert(job.inputs.every((input) => manifest.segments.includes(input)), 'I7: a merge replaces segments that the manifest still names')
    return {
      ...manifest,
      segments: manifest.segments.flatMap((file) => (file === job.inputs[0] ? [output] : job.inputs.includes(file) ? [] : [file])),
      dropped: [...manifest.dropped, ...drop(job.inputs, { manifest, nowMs })],
    }
  }
}

function drop(files: readonly FileEntry[], at: { manifest: Manifest; nowMs: number }): DroppedFile[] {
  return files.map(({ path, sizeBytes }) => ({ path, sizeBytes, atMs: at.nowMs, manifestId: at.manifest.id + 1 }))
}

function withRuns(manifest: Manifest, added: ReadonlyMap<string, FileEntry>): Manifest['runs'] {
  const runs: Record<string, readonly RunEntry[]> = Object.assign(Object.create(null), manifest.runs)
  for (const [ns, file] of added) runs[ns] = [...(runs[ns] ?? []), { level: 0, files: [file] }]
  return runs
}

/** Waits for the end of work whose failure is somebody else's to handle. */
async function settled(work: Promise<void> | undefined): Promise<void> {
  await work?.then(
    () => undefined,
    () => undefined,
  )
}
