import { dataFolders, epochOfDataFile } from './DataFiles.ts'
import { deleteOldEpochs, wipeOldHeads } from './head.ts'
import { listLogParts } from './log-reader.ts'
import { dataFiles, manifestFolder, type Manifest } from './manifest.ts'
import type { Partition } from './Partition.ts'
import type { WriterRole } from './Publisher.ts'
import { logPrefix } from './replay.ts'
import { scratchPrefix } from './Scratch.ts'
import { listObjects, type StorageBackend } from './storage-backend.ts'

/** Manifests before the current one that stay for readers in other processes which are about to read them. */
const keptManifests = 8

/** F5: deletes dropped files past their grace that no view of this process reads. `nextAtMs`: when the next of them may go. */
export async function collectDropped(at: { partition: Partition; backend: StorageBackend; nowMs: number; graceMs: number }): Promise<{ deleted: ReadonlySet<string>; nextAtMs: number | undefined }> {
  const { partition, backend, nowMs, graceMs } = at
  const oldestPinned = partition.oldestPinnedManifest()
  const deleted = new Set<string>()
  let nextAtMs: number | undefined
  for (const file of partition.manifest.dropped) {
    const dueAtMs = file.atMs + graceMs
    if (dueAtMs > nowMs || file.manifestId > oldestPinned) {
      nextAtMs = Math.min(nextAtMs ?? Number.POSITIVE_INFINITY, dueAtMs)
      continue
    }
    partition.files.forget(file.path)
    await backend.delete(file.path)
    deleted.add(file.path)
  }
  return { deleted, nextAtMs }
}

/**
 * Deletes what writers of older epochs left behind: log parts, manifests, temporary objects, data files that no manifest ever named, and epochs that nobody needs any more.
 * In the background: its cost grows with the number of files, and opening must not. Only the holder of the role may call it, after its head is published and found not fenced.
 */
export async function sweepOlderEpochs({ partition, backend, logBackend, fence: { epoch } }: WriterRole): Promise<void> {
  for (const part of await listLogParts(logBackend, logPrefix)) if (part.epoch < epoch) await logBackend.delete(part.path)
  const { manifest } = partition
  await deleteOldManifests(backend, manifest)
  if (manifest.oldestId > 0) await wipeOldHeads(logBackend, { epoch, manifestId: manifest.oldestId })
  const kept = new Set([...dataFiles(manifest)].map(({ file }) => file.path))
  for (const { path } of manifest.dropped) kept.add(path)
  const isOrphan = (path: string): boolean => !kept.has(path) && (epochOfDataFile(path) ?? epoch) < epoch
  for (const folder of dataFolders) await deleteWhere(backend, folder, isOrphan)
  await deleteWhere(backend, scratchPrefix, (path) => Number(path.slice(scratchPrefix.length).split('-', 1)[0]) < epoch)
  await deleteOldEpochs(logBackend, epoch)
}

/** But the newest few. */
export async function deleteOldManifests(backend: StorageBackend, { id, oldestId }: Manifest): Promise<void> {
  const idOf = (path: string): number => Number(/^manifest\/(\d{20})-/.exec(path)?.[1] ?? Number.POSITIVE_INFINITY)
  await deleteWhere(backend, manifestFolder, (path) => idOf(path) < Math.max(id - keptManifests, oldestId))
}

async function deleteWhere(backend: StorageBackend, prefix: string, isGarbage: (path: string) => boolean): Promise<void> {
  for await (const { path } of listObjects(backend, prefix)) if (isGarbage(path)) await backend.delete(path)
}
