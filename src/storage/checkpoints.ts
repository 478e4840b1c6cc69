import type { ResolvedOptions } from './engine-options.ts'
import type { Manifest } from './manifest.ts'

type Unpublished = Omit<Manifest, 'id'>

/** Keeps the runs as they are now beside those of earlier checkpoints, of which the newest `keep` stay. No file is written for it. */
export function addCheckpoint(manifest: Unpublished, keep: number): Unpublished {
  const { flushedSeq, flushedTs, runs, checkpoints } = manifest
  if (flushedSeq === 0 || checkpoints.at(-1)?.seq === flushedSeq) return manifest
  return { ...manifest, checkpoints: [...checkpoints, { seq: flushedSeq, ts: flushedTs, runs }].slice(-keep) }
}

/** By the events' own time, so that a replay makes the same ones. */
export function checkpointIfDue(flushed: Unpublished, policy: ResolvedOptions['checkpoints']): Unpublished {
  const last = flushed.checkpoints.at(-1) ?? { seq: 0, ts: Number.NEGATIVE_INFINITY }
  const isDue = flushed.flushedSeq - last.seq >= policy.everyEvents || (Number.isFinite(policy.everyMs) && flushed.flushedTs - last.ts >= policy.everyMs)
  return isDue ? addCheckpoint(flushed, policy.keep) : flushed
}
