import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const foreign = ['events/mine.parquet', 'entities/n/notes.txt', 'manifest/readme.md', 'log/readme.md']
const orphans = ['events/0000000001-000900-0001.parquet', 'entities/n/0000000001-000900-0001.parquet', 'entities/n/0000000001-000900-10001.parquet', 'edges/n/out/0000000001-000900-0001.parquet', 'archive/0000000001-000900-0001.parquet', 'manifest/00000000000000000000-ff.json']
const ofOthers = ['events/0000000009-000001-0001.parquet']

test('a writer deletes what older epochs left and no manifest names, on every page of a listing, and leaves what is not the database\'s or newer', async () => {
  const storage = new MemoryBackend()
  const first = withEventSourcing(storage, { random: seededRandom(1), compaction: { background: false } })
  for (let flush = 0; flush < 10; flush++) {
    await first.appendEvent({ op: 'CREATE', target: `n:${flush}`, after: {} })
    await first.flush()
  }
  await first.close()
  for (const path of [...foreign, ...orphans, ...ofOthers]) await storage.put(path, Uint8Array.of(1))
  const named = (await storage.list('')).objects.map(({ path }) => path).filter((path) => /^(events|entities)\//.test(path) && !orphans.includes(path))
  const list = storage.list.bind(storage)
  storage.list = (prefix, options) => list(prefix, { ...options, limit: 2 })
  const second = withEventSourcing(storage, { random: seededRandom(2), compaction: { background: false } })
  await second.appendEvent({ op: 'CREATE', target: 'n:more', after: {} })
  await second.close()
  storage.list = list
  const left = (await storage.list('')).objects.map(({ path }) => path)
  expect(left.filter((path) => orphans.includes(path))).toEqual([])
  expect(left).toEqual(expect.arrayContaining([...foreign, ...ofOthers, ...named]))
  // Of ten manifests the newest and the eight before it stay.
  expect(left.filter((path) => /^manifest\/\d/.test(path)).map((path) => Number(path.slice(9, 29)))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(left.filter((path) => path.startsWith('log/')).map((path) => path.slice(4, 24))).toEqual([...Array<string>(1).fill('00000000000000000002'), 'readme.md'])
})

test('a dropped file stays for its grace and for as long as a view of an older manifest is held', async () => {
  const storage = new MemoryBackend()
  const clock = { nowMs: () => nowMs, sleep: () => Promise.resolve(), after: () => () => undefined }
  let nowMs = 1_000_000
  const engine = withEventSourcing(storage, { clock, random: seededRandom(1), compaction: { background: false }, graceMs: 500 })
  for (const id of ['a', 'b']) {
    await engine.appendEvent({ op: 'CREATE', target: `n:${id}`, after: {} })
    await engine.flush()
  }
  const view = await engine.view()
  const filesCount = async (): Promise<number> => (await storage.list('e')).objects.filter(({ path }) => path.endsWith('.parquet')).length
  await engine.compact()
  expect(await filesCount()).toBe(6)
  nowMs += 501
  await engine.compact()
  expect(await filesCount()).toBe(6)
  view.release()
  await engine.compact()
  expect(await filesCount()).toBe(2)
  await engine.close()
})
