import { parquetMetadata } from 'hyparquet'
import { expect, test } from 'vitest'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'

test('a flush of many documents finds the columns of those that come late, at regular intervals or seldom', async () => {
  const storage = new MemoryBackend()
  const engine = withEventSourcing(storage, { flush: { eventsMax: 100_000 }, compaction: { background: false } })
  const documentOf = (index: number): object => {
    if (index < 2000) return { first: index }
    if (index % 250 === 7) return { seldom: `s${index}` }
    return index % 8 === 0 ? { eighth: index, at: new Date(index) } : { others: [index] }
  }
  for (let start = 0; start < 10_000; start += 1000) {
    await engine.appendEvents(Array.from({ length: 1000 }, (_, at) => ({ op: 'CREATE' as const, target: `n:e${String(start + at).padStart(6, '0')}`, after: documentOf(start + at) })))
  }
  await engine.flush()
  const [run] = (await storage.list('entities/')).objects
  const columns = parquetMetadata((await storage.read(run?.path ?? '')).slice().buffer).schema.map(({ name }) => name)
  expect(columns).toEqual(expect.arrayContaining(['first', 'seldom', 'eighth', 'at', 'others']))
  const states = await Promise.all([0, 2007, 4000, 4001, 9999].map(async (index) => ({ index, is: await engine.reconstructEntity('n', `e${String(index).padStart(6, '0')}`) })))
  for (const { index, is } of states) expect(is).toMatchObject(documentOf(index))
  await engine.close()
})

test('a file that another writer has under the name that a flush would give stays, and the flush takes the next name', async () => {
  const storage = new MemoryBackend()
  const taken = ['events/0000000001-000001-0002.parquet', 'entities/n/0000000001-000001-0001.parquet']
  for (const path of taken) await storage.put(path, Uint8Array.of(7))
  const engine = withEventSourcing(storage)
  await engine.appendEvent({ op: 'CREATE', target: 'n:e', after: { n: 1 } })
  await engine.flush()
  expect((await storage.list('events/')).objects).toHaveLength(2)
  expect((await storage.list('entities/')).objects).toHaveLength(2)
  for (const path of taken) expect(await storage.read(path)).toEqual(Uint8Array.of(7))
  await engine.close()
  const again = withEventSourcing(storage)
  expect(await again.reconstructEntity('n', 'e')).toMatchObject({ n: 1 })
  await again.close()
})

test('a flush of many collections writes several files at a time, and leaves none behind where one of them fails', async () => {
  const storage = new MemoryBackend()
  const writing = { now: 0, most: 0, failing: '' }
  const put = storage.put.bind(storage)
  storage.put = async (path, bytes, condition) => {
    if (!path.startsWith('entities/')) return await put(path, bytes, condition)
    writing.most = Math.max(writing.most, ++writing.now)
    await new Promise((resolve) => setTimeout(resolve, 1 + (path.length % 3)))
    const done = path.startsWith(writing.failing) ? Promise.reject(new Error('no')) : put(path, bytes, condition)
    return await done.finally(() => writing.now--)
  }
  const engine = withEventSourcing(storage, { compaction: { background: false } })
  const count = 40
  for (let index = 0; index < count; index++) await engine.appendEvent({ op: 'CREATE', target: `n${index}:e`, after: { index } })
  writing.failing = 'entities/n27/'
  await expect(engine.flush()).rejects.toThrow('no')
  expect(writing.now).toBe(0)
  expect((await storage.list('entities/')).objects).toEqual([])
  writing.failing = 'nothing'
  await engine.flush()
  expect(writing.most).toBeGreaterThan(2)
  expect(writing.most).toBeLessThanOrEqual(6)
  expect((await storage.list('entities/')).objects).toHaveLength(count)
  await engine.close()
  const again = withEventSourcing(storage)
  for (let index = 0; index < count; index++) expect(await again.reconstructEntity(`n${index}`, 'e')).toMatchObject({ index })
  await again.close()
})
