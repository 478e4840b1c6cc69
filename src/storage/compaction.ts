import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { listAt } from '../base/list-at.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import type { Codec } from '../parquet/codecs.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import type { OutputJob } from './DataFiles.ts'
import { byKeyAndSeq } from './flush.ts'
import { forgottenSeq } from './horizon.ts'
import { spanOf, withSpan, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import { mergeGroups, mergeRequestBytes, type GroupToMerge, type MergeStep } from './merge-groups.ts'
import type { TableFiles } from './TableFiles.ts'
import type { Turns } from './Turns.ts'

/** A merged run goes on in a new file past this: it is held whole while it is written. */
export const runFileBytesMax = 16 * 1024 * 1024
/** Segments are merged up to this and no further, so that each stays one stretch of time: history is then read, archived and dropped by file. */
const segmentBytesMax = 16 * 1024 * 1024
/** Files below this are of one size class. */
const smallestClassBytes = 64 * 1024

/** A merge that is worth doing: inputs are replaced by one sorted run, or by one segment. */
export type MergeJob =
  | { readonly kind: 'runs'; readonly ns: string; readonly inputs: readonly RunEntry[] }
  | { readonly kind: 'segments'; readonly inputs: readonly FileEntry[] }

export interface MergeParts {
  readonly tables: TableFiles
  readonly output: OutputJob
  readonly turns: Turns
  readonly autoSnapshotThreshold: number
  /** undefined: gzip where an input is, else snappy. */
  readonly codec: Codec | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the rows read since the last call. */
  readonly onRows?: ((rows: number) => void) | undefined
}

/** Size-tiered: the smallest size class of a namespace, or stretch of segments, that has grown to `fanIn` members. */
export function pickMerge(manifest: Manifest, fanIn: number): MergeJob | undefined {
  for (const [ns, runs] of Object.entries(manifest.runs)) {
    const classes = new Map<number, RunEntry[]>()
    for (const run of runs) listAt(classes, sizeClass(runBytes(run), fanIn)).push(run)
    const grown = [...classes].filter(([, inputs]) => inputs.length >= fanIn).toSorted(([left], [right]) => left - right)
    const [smallest] = grown
    if (smallest !== undefined) return { kind: 'runs', ns, inputs: smallest[1] }
  }
  const stretch = segmentStretches(manifest, (left, right) => sizeClass(left.sizeBytes, fanIn) === sizeClass(right.sizeBytes, fanIn)).find(({ length }) => length >= fanIn)
  return stretch === undefined ? undefined : { kind: 'segments', inputs: stretch }
}

/** Everything that a full compaction merges: one run a namespace, and segments as large as they may be. */
export function allMerges(manifest: Manifest): MergeJob[] {
  const jobs: MergeJob[] = []
  for (const [ns, runs] of Object.entries(manifest.runs)) if (runs.length > 1 || forgets(runs, forgottenSeq(manifest, ns))) jobs.push({ kind: 'runs', ns, inputs: runs })
  for (const inputs of segmentStretches(manifest, () => true)) if (inputs.length > 1) jobs.push({ kind: 'segments', inputs })
  return jobs
}

export function jobRows(job: MergeJob): number {
  const files = job.kind === 'runs' ? job.inputs.flatMap((run) => run.files) : job.inputs
  return files.reduce((sum, file) => sum + file.rows, 0)
}

/** Whether runs may hold tombstones from before `forgetUpTo`. */
function forgets(runs: readonly RunEntry[], forgetUpTo: number): boolean {
  return runs.some(({ deletedMinSeq }) => deletedMinSeq !== undefined && deletedMinSeq <= forgetUpTo)
}

/** Merges runs into one: of each entity the newest state, tombstones included down to `forgetUpTo`. Memory: a row group an input and one output file. */
export async function mergeRuns(job: Extract<MergeJob, { kind: 'runs' }>, parts: MergeParts & { forgetUpTo: number }): Promise<RunEntry> {
  const shape = new ShapeBuilder()
  let { codec } = parts
  for (const file of job.inputs.flatMap(({ files }) => files)) {
    const reader = await parts.tables.run(file)
    shape.merge(await reader.shape())
    codec ??= reader.codec
  }
  const options = { ...parts.output.fileOptions, shape: shape.build(), codec }
  const outputs: FileEntry[] = []
  let writer = new RunFileWriter(options)
  let lastId: string | undefined
  const isForgetting = forgets(job.inputs, parts.forgetUpTo)
  // What is taken over as it stands may hold any tombstone of its run.
  let deletedMinSeq = isForgetting ? undefined : leastOf(job.inputs.map((run) => run.deletedMinSeq))
  const scan = { signal: parts.signal, bytesMax: mergeRequestBytes(job.inputs.length) }
  const steps = mergeGroups(
    job.inputs.map((run) => groupsOfRun(run, parts.tables, scan)),
    { compare: byIdNewestFirst, takes: (source) => !isForgetting && writer.takes(source) },
  )
  for await (const step of steps) {
    if (step.kind === 'group') await parts.turns.through(writer.copy(step.source))
    else {
      for (const state of step.rows) {
        if (writer.isFull) await parts.turns.through(writer.encode())
        const isNewest = state.id !== lastId
        lastId = state.id
        const isForgotten = isForgetting && state.deletedAt !== undefined && state.seq <= parts.forgetUpTo
        if (!isNewest || isForgotten) continue
        writer.append(state)
        if (isForgetting && state.deletedAt !== undefined) deletedMinSeq = leastOf([deletedMinSeq, state.seq])
      }
    }
    if (writer.bytes >= runFileBytesMax) {
      outputs.push(await parts.output.writeRun(job.ns, await parts.turns.through(writer.finishing())))
      writer = new RunFileWriter(options)
    }
    await endStep(step, parts)
  }
  if (writer.rows > 0) outputs.push(await parts.output.writeRun(job.ns, await parts.turns.through(writer.finishing())))
  return { level: Math.max(...job.inputs.map((run) => run.level)) + 1, files: outputs, ...(deletedMinSeq !== undefined && { deletedMinSeq }) }
}

export function leastOf(seqs: readonly (number | undefined)[]): number | undefined {
  return seqs.reduce((least, seq) => (seq === undefined || (least !== undefined && least <= seq) ? least : seq), undefined)
}

type Keyed = Pick<EntityState, 'id' | 'seq'>

function byIdNewestFirst(left: Keyed, right: Keyed): number {
  return compareStrings(left.id, right.id) || right.seq - left.seq
}

async function* groupsOfRun(run: RunEntry, tables: TableFiles, options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupToMerge<EntityState>> {
  for (const file of run.files) {
    const reader = await tables.run(file)
    for await (const source of reader.groupsToMerge(options)) {
      const { entry } = source.group
      const at = (id: string | undefined, seq: number): EntityState => ({ id, seq }) as EntityState
      yield { source, first: at(entry.firstKey[0], entry.firstSeq), bound: at(source.bound[0], 0), rows: () => reader.statesOf(source.group) }
    }
  }
}

/** Lets others have their turn, and says how far the merge has come. */
async function endStep(step: MergeStep<unknown>, parts: MergeParts): Promise<void> {
  parts.onRows?.(step.kind === 'group' ? step.source.group.rowCount : step.rows.length)
  await parts.turns.end()
  checkAborted(parts.signal)
}

/** Merges neighbouring segments into one, keeping a snapshot at each entity's first event and at every threshold after it. */
export async function mergeSegments(job: Extract<MergeJob, { kind: 'segments' }>, parts: MergeParts): Promise<FileEntry> {
  let { codec } = parts
  for (const file of job.inputs) codec ??= (await parts.tables.segment(file)).codec
  const writer = new SegmentFileWriter({ ...parts.output.fileOptions, codec })
  let before: (EntityKey & { state: EntityState | undefined }) | undefined
  let sinceSnapshot = 0
  const scan = { signal: parts.signal, bytesMax: mergeRequestBytes(job.inputs.length) }
  const steps = mergeGroups(job.inputs.map((file) => groupsOfSegment(file, parts.tables, scan)), { compare: byKeyAndSeq, takes: (source) => writer.takes(source) })
  for await (const step of steps) {
    for (const event of step.kind === 'group' ? [] : step.rows) {
      if (writer.isFull) await parts.turns.through(writer.encode())
      const prior = before?.ns === event.ns && before.id === event.id ? before.state : undefined
      // What has a snapshot of another fold only, and began before these segments, stays without one.
      const state = prior === undefined && event.state === undefined ? undefined : stateAfter(prior, event)
      const takesSnapshot = state !== undefined && (prior === undefined || event.op === 'CREATE' || sinceSnapshot + 1 >= parts.autoSnapshotThreshold)
      sinceSnapshot = takesSnapshot ? 0 : sinceSnapshot + 1
      const isKept = takesSnapshot === (event.state !== undefined)
      writer.append(isKept ? event : { ...event, state: takesSnapshot ? state : undefined })
      before = { ns: event.ns, id: event.id, state }
    }
    if (step.kind === 'group') await parts.turns.through(writer.copy(step.source))
    await endStep(step, parts)
  }
  const [first, last] = [job.inputs[0], job.inputs.at(-1)] as [FileEntry, FileEntry]
  return withSpan(await parts.output.writeSegment(await parts.turns.through(writer.finishing())), { from: spanOf(first).from, to: spanOf(last).to })
}

async function* groupsOfSegment(file: FileEntry, tables: TableFiles, options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupToMerge<StoredEvent>> {
  const reader = await tables.segment(file)
  for await (const source of reader.groupsToMerge(options)) {
    const { entry } = source.group
    const at = ([ns, id]: readonly string[], seq: number): StoredEvent => ({ ns, id, seq }) as StoredEvent
    yield { source, first: at(entry.firstKey, entry.firstSeq), bound: at(source.bound, Number.POSITIVE_INFINITY), rows: () => reader.eventsOf(source.group) }
  }
}

/** Neighbours that belong together and are not too large together. */
function segmentStretches({ segments, checkpoints }: Manifest, together: (left: FileEntry, right: FileEntry) => boolean): FileEntry[][] {
  const stretches: FileEntry[][] = []
  // What is read from a checkpoint on begins with a segment, so none reaches across one.
  const ends = new Set(checkpoints.map(({ seq }) => seq))
  let bytes = 0
  for (const file of segments) {
    const last = stretches.at(-1)
    const before = last?.at(-1)
    if (last !== undefined && before !== undefined && bytes + file.sizeBytes <= segmentBytesMax && !ends.has(spanOf(before).to) && together(before, file)) {
      last.push(file)
      bytes += file.sizeBytes
    } else {
      stretches.push([file])
      bytes = file.sizeBytes
    }
  }
  return stretches
}

function runBytes(run: RunEntry): number {
  return run.files.reduce((sum, file) => sum + file.sizeBytes, 0)
}

function sizeClass(bytes: number, fanIn: number): number {
  return Math.max(0, Math.ceil(Math.log(bytes / smallestClassBytes) / Math.log(fanIn)))
}
