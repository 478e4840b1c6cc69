import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import type { MergeJob } from './compaction.ts'
import type { DataFiles } from './DataFiles.ts'
import { forgottenSeq } from './horizon.ts'
import { filesOfRuns, withKeys, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import type { ManifestChange, Publisher, WriterRole } from './Publisher.ts'
import { mergeRuns, mergeSegments, type MergeParts } from './rewrite.ts'
import { Slices } from './Slices.ts'
import { Turns } from './Turns.ts'
import type { Writer } from './Writer.ts'
import type { View } from './view.ts'

export interface RewriterParts extends WriterRole {
  readonly files: DataFiles
  readonly publisher: Publisher
  /** Made later, because it asks the maintenance for room. */
  readonly writer: () => Writer
}

interface RewritingOptions {
  readonly signal?: AbortSignal | undefined
  readonly onRows?: (rows: number) => void
  readonly slices?: Slices
}

/** Writes files anew in the place of others, one piece of work at a time: merges, retention, erasure. */
export class Rewriter {
  readonly #parts: RewriterParts
  readonly #signal: AbortSignal
  #running: Promise<void> | undefined
  /** A merge in the background, which may be held between two slices. */
  #sliced: { readonly slices: Slices; readonly work: Promise<void> } | undefined
  /** Merges that were carried out. */
  merges = 0

  constructor(parts: RewriterParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  get isBusy(): boolean {
    return this.#running !== undefined
  }

  /** Whether a merge waits for its next slice. */
  get isHeld(): boolean {
    return this.#sliced !== undefined
  }

  /** Every merge leaves fewer files, so this ends; it asks anew each time, as the background may have merged meanwhile. */
  async mergeAll(jobsOf: (manifest: Manifest) => readonly MergeJob[], options: RewritingOptions): Promise<void> {
    for (;;) {
      while (this.isBusy) await this.ended()
      const [job] = jobsOf(this.#parts.partition.manifest)
      if (job === undefined) return
      await this.#startRewriting(merging(job), options)
      this.merges++
    }
  }

  async exclusively(write: Rewriting, options: RewritingOptions): Promise<void> {
    while (this.isBusy) await this.ended()
    await this.#startRewriting(write, options)
  }

  /** One that is held goes on to its end. Whoever waits for it looks again: another one who did may have begun. */
  async ended(): Promise<void> {
    while (this.#running !== undefined) {
      this.#sliced?.slices.release()
      await this.#running.catch(() => undefined)
    }
  }

  /** A slice of the merge that is held, or the first one of what `next` gives. */
  async mergeSlice(next: () => MergeJob | undefined): Promise<void> {
    this.#sliced ??= this.#begin(next())
    await this.#sliced?.slices.run(this.#sliced.work)
  }

  #begin(job: MergeJob | undefined): { slices: Slices; work: Promise<void> } | undefined {
    if (job === undefined) return undefined
    const { schedule, compaction } = this.#parts.options
    const slices = new Slices(schedule === undefined ? Number.POSITIVE_INFINITY : compaction.sliceRowsMax)
    const work = this.#startRewriting(merging(job), { slices }).then(() => void this.merges++).finally(() => (this.#sliced = undefined))
    // Its failure is met by whoever waits for a slice.
    work.catch(() => undefined)
    return { slices, work }
  }

  #startRewriting(write: Rewriting, options: RewritingOptions): Promise<void> {
    assert(this.#running === undefined, 'one merge at a time')
    this.#running = this.#rewrite(write, options).finally(() => (this.#running = undefined))
    return this.#running
  }

  /** What is written is named by the next manifest, or leaves no trace. */
  async #rewrite(write: Rewriting, options: RewritingOptions): Promise<void> {
    const { partition, publisher, files, writer } = this.#parts
    const signal = options.signal === undefined ? this.#signal : AbortSignal.any([options.signal, this.#signal])
    const output = files.job()
    const view = partition.view()
    const { autoSnapshotThreshold, clock, compaction: { codec } } = this.#parts.options
    let change: ManifestChange | undefined
    try {
      const { slices } = options
      const onRows = slices === undefined ? options.onRows : (rows: number): void => slices.done(rows)
      change = await write({ manifest: partition.manifest, view, tables: partition.files, output, turns: new Turns(clock, () => writer().isBusy, slices), autoSnapshotThreshold, codec, signal, onRows })
      checkAborted(signal)
    } catch (error) {
      await output.discard()
      throw error
    } finally {
      view.release()
    }
    if (change !== undefined) await publisher.publish(change)
  }
}

/** What writes files anew works with; undefined when nothing is to change. */
export type Rewriting = (parts: MergeParts & { readonly manifest: Manifest; readonly view: View }) => Promise<ManifestChange | undefined>

/** Carries a merge out. */
function merging(job: MergeJob): Rewriting {
  return async (parts) => {
    if (job.kind === 'segments') return mergedSegments(job, await mergeSegments(job, parts))
    // Only where all runs are merged nothing older can come to light from behind a tombstone that goes.
    const isFull = job.inputs.length === filesOfRuns(parts.manifest, job.ns).length
    return mergedRuns(job, await mergeRuns(job, { ...parts, forgetUpTo: isFull ? forgottenSeq(parts.manifest, job.ns) : 0 }))
  }
}

function mergedRuns(job: Extract<MergeJob, { kind: 'runs' }>, output: RunEntry): ManifestChange {
  return (manifest) => {
    const runs = filesOfRuns(manifest, job.ns)
    assert(job.inputs.every((input) => runs.includes(input)), 'I7: a merge replaces runs that the manifest still names')
    const merged = [...runs.filter((run) => !job.inputs.includes(run)), ...(output.files.length === 0 ? [] : [output])]
    return { ...manifest, runs: withKeys(manifest.runs, { [job.ns]: merged }) }
  }
}

function mergedSegments(job: Extract<MergeJob, { kind: 'segments' }>, output: FileEntry): ManifestChange {
  return (manifest) => {
    assert(job.inputs.every((input) => manifest.segments.includes(input)), 'I7: a merge replaces segments that the manifest still names')
    return { ...manifest, segments: manifest.segments.flatMap((file) => (file === job.inputs[0] ? [output] : job.inputs.includes(file) ? [] : [file])) }
  }
}
