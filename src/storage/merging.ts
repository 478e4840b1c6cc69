import { assert } from '../base/assert.ts'
import { mergeRuns, mergeSegments, type MergeJob, type MergeParts } from './compaction.ts'
import { forgottenSeq } from './horizon.ts'
import { filesOfRuns, withKeys, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import type { ManifestChange } from './Publisher.ts'
import type { View } from './view.ts'

/** What writes files anew works with; undefined when nothing is to change. */
export type Rewriting = (parts: MergeParts & { readonly manifest: Manifest; readonly view: View }) => Promise<ManifestChange | undefined>

/** Carries a merge out. */
export function merging(job: MergeJob): Rewriting {
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
