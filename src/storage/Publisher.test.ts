import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { resolveOptions } from './engine-options.ts'
import { EpochFence } from './EpochFence.ts'
import { formatWritten } from './format.ts'
import { takeEpoch } from './head.ts'
import { emptyManifest, type DroppedFile, type FileEntry } from './manifest.ts'
import { Partition } from './Partition.ts'
import { Publisher } from './Publisher.ts'

test('a file that was dropped is never named again: it would go with what is garbage', async () => {
  const backend = new MemoryBackend()
  const { epoch, etag } = await takeEpoch(backend)
  const partition = new Partition(backend, { maxCachedEntities: 1, maxCachedColumnBytes: 0, cacheTtlMs: 1, indexBytesMax: 1, clock: systemClock })
  const path = 'events/0000000001-000001-0001.parquet'
  const dropped: DroppedFile[] = [{ path, sizeBytes: 1, atMs: 1, manifestId: 1 }]
  const manifest = { ...emptyManifest, dropped }
  partition.install(manifest)
  const publisher = new Publisher({ partition, backend, logBackend: backend, fence: new EpochFence(backend, epoch), options: resolveOptions({}), head: { format: formatWritten, epoch, manifestId: 0, flushedSeq: 0, logStart: 1, durableSeq: 0 } as never, etag, atFiles: undefined })
  await expect(publisher.publish((before) => ({ ...before, segments: [{ path, minSeq: 1, maxSeq: 1 } as FileEntry] }))).rejects.toThrow('O4: a name that was dropped stays dropped')
  expect((await backend.list('manifest/')).objects).toEqual([])
})
