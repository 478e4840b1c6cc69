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
