import { isEdgeSpace } from '../model/edge.ts'
import { isReserved } from '../model/entity.ts'
import type { EngineStats } from './engine.ts'
import type { FollowerSession } from './FollowerSession.ts'
import { dataFiles, eventsIn, filesOfRuns, withKeys, type FileEntry } from './manifest.ts'
import type { Partition } from './Partition.ts'
import type { WriterSession } from './WriterSession.ts'

/** Facts about an open partition, from memory alone. */
export function engineStats(session: WriterSession | FollowerSession, of: { kind: string; graceMs: number; share: boolean }): EngineStats {
  const { partition, opened } = session
  const { manifest, overlay } = partition
  const counts = session.kind === 'writer' ? session.counts : undefined
  return {
    kind: of.kind,
    readOnly: session.kind === 'follower' && !of.share,
    role: session.kind === 'follower' && of.share ? 'guest' : session.kind,
    epoch: session.epoch,
    lastSeq: overlay.lastSeq,
    flushedSeq: manifest.flushedSeq,
    manifestId: manifest.id,
    namespaces: namespaceStats(partition, (ns) => !isEdgeSpace(ns)),
    edges: namespaceStats(partition, isEdgeSpace),
    segments: filesStats(manifest.segments),
    archive: filesStats(manifest.archived),
    horizons: withKeys(Object.fromEntries(Object.entries(manifest.horizons).filter(([ns]) => !isReserved(ns)).map(([ns, { seq, ts }]) => [ns, { seq, ts }])), {}),
    checkpoints: manifest.checkpoints.map(({ seq, ts }) => ({ seq, ts })),
    liveBytes: [...dataFiles(manifest)].reduce((sum, { file }) => sum + file.sizeBytes, 0),
    log: { unflushedEvents: overlay.eventCount, unflushedBytes: Math.round(overlay.bytes) },
    garbage: {
      files: manifest.dropped.length,
      bytes: manifest.dropped.reduce((sum, file) => sum + file.sizeBytes, 0),
      nextDeleteAtMs: manifest.dropped.length === 0 ? undefined : Math.min(...manifest.dropped.map((file) => file.atMs)) + of.graceMs,
    },
    cache: partition.cache.stats(),
    columns: partition.files.groups.stats(),
    open: { requests: opened.meter.requests, bytes: opened.meter.bytes, replayedEvents: opened.replayedEvents, tornBytes: opened.tornBytes },
    commits: { count: counts?.commits ?? 0, events: counts?.events ?? 0, syncs: counts?.syncs ?? 0 },
    background: { flushes: counts?.flushes ?? 0, compactions: counts?.compactions ?? 0, lastError: counts?.lastError },
  }
}

function filesStats(files: readonly FileEntry[]): EngineStats['segments'] {
  return { count: files.length, events: files.reduce((sum, file) => sum + eventsIn(file), 0), bytes: files.reduce((sum, file) => sum + file.sizeBytes, 0) }
}

function namespaceStats(partition: Partition, isWanted: (ns: string) => boolean): EngineStats['namespaces'] {
  const { manifest, overlay } = partition
  const names = new Set([...Object.keys(manifest.runs), ...overlay.namespaces()])
  const stats = [...names].filter(isWanted).map((ns) => {
    const runs = filesOfRuns(manifest, ns)
    const files = runs.flatMap((run) => run.files)
    const rows = files.reduce((sum, file) => sum + file.rows, 0)
    return [ns, { runs: runs.length, rows, bytes: files.reduce((sum, file) => sum + file.sizeBytes, 0), overlay: overlay.entityCount(ns) }] as const
  })
  return withKeys(Object.fromEntries(stats), {})
}
