import { expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { sha256 } from '../base/sha256.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { putOnly } from '../testing/put-only.ts'
import { copyDatabase } from './copy-database.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import type { StorageBackend } from './storage-backend.ts'

const event = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })

/** Adds events, each batch but the last in files of its own. */
async function write(storage: StorageBackend, ...batches: readonly (readonly string[])[]): Promise<void> {
  const engine = withEventSourcing(storage, { compaction: { background: false } })
  for (const [index, ids] of batches.entries()) {
    for (const id of ids) await engine.appendEvent(event(id))
    if (index < batches.length - 1) await engine.flush()
  }
  await engine.close()
}

async function read(storage: StorageBackend): Promise<string[]> {
  const engine = withEventSourcing(storage, { readOnly: true })
  const found: string[] = []
  for await (const { target, seq } of engine.readEvents()) found.push(`${seq}:${target.slice(2)}`)
  expect((await engine.verify({ deep: true })).problems).toEqual([])
  await engine.close()
  return found
}

const paths = async (storage: StorageBackend): Promise<string[]> => (await storage.list('')).objects.map(({ path }) => path)

test('a folder becomes a bucket, and back; what is there already is not copied again', async () => {
  const folder = new MemoryBackend()
  const bucket = putOnly(new MemoryBackend())
  await write(folder, ['a', 'b'], ['c'])
  expect(await copyDatabase({ from: folder, to: bucket })).toMatchObject({ lastSeq: 3, copiedFiles: 2, presentFiles: 0 })
  expect(await read(bucket)).toEqual(['1:a', '2:b', '3:c'])
  await write(bucket, ['d'], ['e'])
  expect(await copyDatabase({ from: bucket, to: folder })).toMatchObject({ lastSeq: 5, copiedFiles: 2, presentFiles: 2 })
  await write(folder, ['f'], [])
  expect(await read(folder)).toEqual(['1:a', '2:b', '3:c', '4:d', '5:e', '6:f'])
  expect(await copyDatabase({ from: folder, to: bucket })).toMatchObject({ lastSeq: 6, copiedFiles: 2, presentFiles: 4 })
  expect(await read(bucket)).toEqual(['1:a', '2:b', '3:c', '4:d', '5:e', '6:f'])
})

test('every file that is copied has the SHA-256 of its source, rows and all', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  await write(from, ['a', 'b'], ['c'], ['d'])
  const { copiedFiles } = await copyDatabase({ from, to })
  const hashes = async (storage: StorageBackend): Promise<string[]> => {
    const files = (await paths(storage)).filter((path) => path.endsWith('.parquet'))
    return Promise.all(files.map(async (path) => `${path} ${toHex(sha256(await storage.read(path)))}`))
  }
  expect([copiedFiles, (await hashes(to)).length]).toEqual([4, 4])
  expect(await hashes(to)).toEqual(await hashes(from))
})

test('a copy of what did not change writes nothing', async () => {
  const [from, to] = [new MemoryBackend(), new FaultyBackend(putOnly(new MemoryBackend()))]
  await write(from, ['a'], ['b'])
  await copyDatabase({ from, to })
  const before = to.count('put')
  expect(await copyDatabase({ from, to })).toEqual({ lastSeq: 2, copiedFiles: 0, copiedBytes: 0, presentFiles: 2 })
  expect(to.count('put')).toBe(before)
})

test('after a compaction the merged files replace the others, which the next copy deletes once nobody reads them', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  const later = { ...systemClock, nowMs: () => Date.UTC(2100, 0) }
  await write(from, ['a'], ['b'], [])
  await copyDatabase({ from, to })
  const former = (await paths(to)).filter((path) => path.startsWith('entities/'))
  const engine = withEventSourcing(from)
  await engine.compact()
  await engine.close()
  await copyDatabase({ from, to })
  expect(await read(to)).toEqual(['1:a', '2:b'])
  expect(await paths(to)).toEqual(expect.arrayContaining(former))
  await write(from, ['c'])
  await copyDatabase({ from, to, clock: later })
  expect((await paths(to)).filter((path) => former.includes(path))).toEqual([])
  expect(await read(to)).toEqual(['1:a', '2:b', '3:c'])
})

test('an interrupted copy leaves the target as it was, and the next one goes on from there', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  await write(from, ['a'], [])
  await copyDatabase({ from, to })
  await write(from, ['b'], ['c'], ['d'], [])
  const abort = new AbortController()
  const progress: number[] = []
  const copying = copyDatabase({ from, to, signal: abort.signal, onProgress: ({ files, totalFiles }) => (progress.push(files), expect(totalFiles).toBe(6), abort.abort()) })
  await expect(copying).rejects.toMatchObject({ code: 'ABORTED' })
  expect(progress[0]).toBe(1)
  expect(await read(to)).toEqual(['1:a'])
  const { copiedFiles, presentFiles } = await copyDatabase({ from, to })
  expect(copiedFiles).toBeLessThan(6)
  expect(copiedFiles + presentFiles).toBe(8)
  expect(await read(to)).toEqual(['1:a', '2:b', '3:c', '4:d'])
})

test('a target with events of its own, or newer than the source, is refused and stays as it is', async () => {
  const [from, to, other] = [new MemoryBackend(), putOnly(new MemoryBackend()), putOnly(new MemoryBackend())]
  await write(from, ['a'], ['b'])
  await copyDatabase({ from, to })
  await write(to, ['theirs'])
  await expect(copyDatabase({ from, to })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  await write(from, ['ours'], [])
  await expect(copyDatabase({ from, to })).rejects.toMatchObject({ code: 'ALREADY_EXISTS', details: { reason: 'event 3 differs' } })
  expect(await read(to)).toEqual(['1:a', '2:b', '3:theirs'])
  await write(other, ['x'])
  await expect(copyDatabase({ from, to: other })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  await expect(copyDatabase({ from: putOnly(new MemoryBackend()), to })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a writer of the target is fenced, though the epoch of the copy is far above its own', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  for (let epoch = 1; epoch <= 20; epoch++) await write(from, [`e${epoch}`])
  const zombie = withEventSourcing(to)
  await zombie.stats()
  await copyDatabase({ from, to })
  await expect(zombie.appendEvent(event('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
  await zombie.close()
  const engine = withEventSourcing(to)
  expect((await engine.stats()).epoch).toBe(22)
  expect((await engine.stats()).lastSeq).toBe(20)
  await engine.close()
})

test('a source that is written meanwhile is copied as of one moment', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  const writer = withEventSourcing(from, { flush: { eventsMax: 3 }, graceMs: 0, compaction: { fanIn: 2 } })
  for (let index = 0; index < 10; index++) await writer.appendEvent(event(`a${index}`))
  const working = (async () => {
    for (let index = 0; index < 40; index++) await writer.appendEvent(event(`b${index}`))
  })()
  const { lastSeq } = await copyDatabase({ from, to })
  await working
  await writer.close()
  expect((await read(to)).length).toBe(lastSeq)
  expect((await read(from)).slice(0, lastSeq)).toEqual(await read(to))
})

test('a file that is damaged is not copied, and the target stays as it was', async () => {
  const [from, to] = [new MemoryBackend(), putOnly(new MemoryBackend())]
  await write(from, ['a'], [])
  const [file] = (await from.list('events/')).objects
  const bytes = await from.read(file?.path ?? '')
  bytes[bytes.length - 20] = 255 - (bytes[bytes.length - 20] ?? 0)
  await from.put(file?.path ?? '', bytes)
  await expect(copyDatabase({ from, to })).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: file?.path } })
  expect(await read(to)).toEqual([])
})
