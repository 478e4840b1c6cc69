import { ParqueDBError } from '../base/ParqueDBError.ts'
import { collectionOf, edgeSpace, isEdgeSpace, isMirrorSpace } from '../model/edge.ts'
import { isReserved, type EntityState } from '../model/entity.ts'
import type { EventRange } from '../parquet/SegmentFileReader.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { horizonOf, withKeys, type Checkpoint, type Horizon, type Manifest } from './manifest.ts'
import type { AsOf, EventScanOptions } from './view.ts'

/** HISTORY_UNAVAILABLE for a point before the horizon of a namespace: what was known then is no longer kept. */
export function assertKept(manifest: Manifest, ns: string, asOf: AsOf): void {
  const horizon = horizonOf(manifest, ns)
  if (horizon !== undefined && isBefore(asOf, horizon)) throw historyUnavailable(ns, horizon)
}

/** HISTORY_UNAVAILABLE when the range would miss some events: of one namespace, or of any. Without a start they begin at the horizon. */
export function assertEventsKept(manifest: Manifest, range: EventScanOptions): void {
  // Far ends of edges have no events of their own, and the database's own records none that anybody misses.
  const namespaces = range.ns === undefined ? Object.keys(manifest.horizons).filter((one) => !isMirrorSpace(one) && !isReserved(one)) : [range.ns, edgeSpace(range.ns, 'out')]
  for (const ns of namespaces) assertRangeKept(ns, horizonOf(manifest, ns), range)
}

/** HISTORY_UNAVAILABLE when a range of events reaches to a namespace's horizon. */
export function assertRangeKept(ns: string, horizon: Horizon | undefined, range: EventRange): void {
  if (horizon === undefined) return
  const isLost = [range.fromSeq, range.toSeq].some((seq) => seq !== undefined && seq <= horizon.seq) || [range.fromTs, range.toTs].some((ts) => ts !== undefined && ts <= horizon.ts)
  if (isLost) throw historyUnavailable(ns, horizon)
}

export function historyUnavailable(ns: string, { seq, ts, archive }: Horizon): ParqueDBError {
  const hint = archive === undefined ? '' : ' What is older is archived: ask with includeArchived: true.'
  const what = isEdgeSpace(ns) ? `the relationships of '${collectionOf(ns)}'` : `'${ns}'`
  return new ParqueDBError('HISTORY_UNAVAILABLE', `The history of ${what} begins after event ${seq}, at ${new Date(ts).toISOString()}: retention has removed what came before.${hint}`, { details: { ns, horizonSeq: seq, horizonTs: ts } })
}

/** The newest moment at or before `asOf` whose states stand whole in runs; what came after it is folded. Of seq 0 when there is none. */
export function startOf(manifest: Manifest, ns: string, asOf: AsOf): Pick<Checkpoint, 'seq' | 'runs'> {
  const horizon = horizonOf(manifest, ns)
  const starts: Checkpoint[] = [...manifest.checkpoints, { seq: manifest.flushedSeq, ts: manifest.flushedTs, runs: manifest.runs }]
  if (horizon !== undefined) starts.push({ seq: horizon.seq, ts: horizon.ts, runs: withKeys({}, { [ns]: horizon.base }) })
  return starts.reduce<Pick<Checkpoint, 'seq' | 'runs'>>((best, start) => (start.seq > best.seq && !isBefore(asOf, start) ? start : best), { seq: 0, runs: {} })
}

/** The manifest of a reader that wants the archive, too. */
export function withArchive(manifest: Manifest): Manifest {
  const horizons: Record<string, Horizon> = {}
  for (const [ns, { archive }] of Object.entries(manifest.horizons)) if (archive !== undefined && archive.seq > 0) horizons[ns] = archive
  for (const [ns, horizon] of Object.entries(manifest.horizons)) if (horizon.archive === undefined) horizons[ns] = horizon
  const newest = Math.max(0, ...Object.values(manifest.horizons).map(({ seq }) => seq))
  // A checkpoint from before a horizon has lost the namespaces that have one.
  return { ...manifest, segments: [...manifest.archived, ...manifest.segments], horizons: withKeys(horizons, {}), checkpoints: manifest.checkpoints.filter(({ seq }) => seq >= newest) }
}

/** Up to here nothing at all is known of a namespace's past: a tombstone from before it hides nothing and tells nothing. */
export function forgottenSeq(manifest: Manifest, ns: string): number {
  const horizon = horizonOf(manifest, ns)
  return (horizon?.archive ?? horizon)?.seq ?? 0
}

/** Whether a state that memory has kept may be in no file any more. */
export function isForgotten(manifest: Manifest, ns: string, { deletedAt, seq }: EntityState): boolean {
  return deletedAt !== undefined && seq <= forgottenSeq(manifest, ns)
}

function isBefore(asOf: AsOf, point: { seq: number; ts: number }): boolean {
  return (asOf.seq !== undefined && asOf.seq < point.seq) || (asOf.ts !== undefined && asOf.ts < point.ts)
}

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
