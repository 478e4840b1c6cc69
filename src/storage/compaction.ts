import { listAt } from '../base/list-at.ts'
import { forgottenSeq } from './horizon.ts'
import { spanOf, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'

/** Segments are merged up to this and no further, so that each stays one stretch of time: history is then read, archived and dropped by file. */
const segmentBytesMax = 16 * 1024 * 1024
/** Files below this are of one size class. */
const smallestClassBytes = 64 * 1024

/** A merge that is worth doing: inputs are replaced by one sorted run, or by one segment. */
export type MergeJob =
  | { readonly kind: 'runs'; readonly ns: string; readonly inputs: readonly RunEntry[] }
  | { readonly kind: 'segments'; readonly inputs: readonly FileEntry[] }

/** Size-tiered: the smallest size class of a namespace, or stretch of segments, that has grown to `fanIn` members. */
export function pickMerge(manifest: Manifest, fanIn: number): MergeJob | undefined {
  for (const [ns, runs] of Object.entries(manifest.runs)) {
    const classes = new Map<number, RunEntry[]>()
    for (const run of runs) listAt(classes, sizeClass(run.files.reduce((sum, file) => sum + file.sizeBytes, 0), fanIn)).push(run)
    const [smallest] = [...classes].filter(([, inputs]) => inputs.length >= fanIn).toSorted(([left], [right]) => left - right)
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
export function forgets(runs: readonly RunEntry[], forgetUpTo: number): boolean {
  return runs.some(({ deletedMinSeq }) => deletedMinSeq !== undefined && deletedMinSeq <= forgetUpTo)
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

function sizeClass(bytes: number, fanIn: number): number {
  return Math.max(0, Math.ceil(Math.log(bytes / smallestClassBytes) / Math.log(fanIn)))
}
