import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { epochPath, publishHead, readHead } from './head.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { metered, type Meter } from './metered.ts'

async function filled(documents: number): Promise<MemoryBackend> {
  const storage = new MemoryBackend()
  const engine = withEventSourcing(storage, { random: seededRandom(1) })
  await engine.appendEvents(Array.from({ length: documents }, (_, index) => ({ op: 'CREATE' as const, target: `items:d${String(index).padStart(5, '0')}`, after: { index } })))
  await engine.compact()
  await engine.close()
  return storage
}

async function readOne(storage: MemoryBackend): Promise<{ meter: Meter; index: unknown }> {
  const { backend, meter } = metered(storage)
  const reader = withEventSourcing(backend, { readOnly: true })
  const entity = await reader.reconstructEntity<{ index: number }>('items', 'd00777')
  await reader.close()
  return { meter, index: entity?.index }
}

test('the first hop after opening needs four requests at most, wherever its ends stand: an index and a stretch of the edges, and of the entities where there are edges', async () => {
  const storage = new MemoryBackend()
  const nodes = 6000
  const id = (n: number): string => `n${String(n % nodes).padStart(4, '0')}`
  const starts = Array.from({ length: 40 }, (_, n) => n * 150)
  const writer = new ParqueDB({ storage, random: seededRandom(1) })
  const items = writer.collection('items')
  await items.createMany(Array.from({ length: nodes }, (_, n) => ({ $id: id(n), text: `${n} of many` })))
  await items.linkMany(starts.flatMap((from) => Array.from({ length: 12 }, (_, n) => ({ from: id(from), predicate: 'next', to: `items/${id(from * 7 + n * 499)}` }))))
  await writer.compact()
  await writer.close()
  for (const [start, edges, requests] of [...starts.map((from) => [from, 12, 4] as const), [151, 0, 2] as const]) {
    const { backend, meter } = metered(storage)
    const reader = new ParqueDB({ storage: backend, readOnly: true })
    await reader.stats()
    const { requests: opening } = meter
    expect((await reader.collection('items').related(id(start), 'next').toArray()).length).toBe(edges)
    expect(meter.requests - opening).toBeLessThanOrEqual(requests)
    await reader.close()
  }
})

describe('a reader of a folder that nobody has open', () => {
  test('gets its first document with four requests', async () => {
    const { meter, index } = await readOne(await filled(2000))
    expect(index).toBe(777)
    expect(meter.requests).toBe(4)
    expect(meter.bytes).toBeLessThan(100_000)
  })

  test('reads the manifest from its file where it is too large for the head', async () => {
    const storage = new MemoryBackend()
    const engine = withEventSourcing(storage, { random: seededRandom(1), flush: { eventsMax: 1_000_000 } })
    for (let index = 0; index < 60; index++) await engine.appendEvent({ op: 'CREATE', target: `items${index}:d00777`, after: { index } })
    await engine.appendEvent({ op: 'CREATE', target: 'items:d00777', after: { index: 777 } })
    await engine.flush()
    await engine.close()
    expect((await readHead(storage)).head?.manifest?.inline).toBeUndefined()
    expect((await readOne(storage)).index).toBe(777)
  })

  test('looks at the log where the head does not say that all of it is in files', async () => {
    const storage = await filled(1000)
    const writer = withEventSourcing(storage, { random: seededRandom(2) })
    await writer.appendEvent({ op: 'UPDATE', target: 'items:d00777', after: { index: -1 } })
    expect((await readOne(storage)).index).toBe(-1)
    await writer.close()
    expect((await readHead(storage)).head).toMatchObject({ isClosed: true, durableSeq: 1001, flushedSeq: 1000 })
    expect((await readOne(storage)).index).toBe(-1)
  })

  test('refuses a head that needs what this version does not know', async () => {
    const storage = await filled(1)
    const { head } = await readHead(storage)
    if (head === undefined) throw new Error('no head')
    const etag = (await storage.stat(epochPath(head.epoch)))?.etag ?? ''
    await publishHead(storage, { ...head, format: { format: 9, minReader: 9, features: [] } }, etag)
    await expect(readOne(storage)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
  })

  test('refuses files without a head, whose log is elsewhere or whose heads are gone, and deletes nothing', async () => {
    const [files, log] = [await filled(1000), new MemoryBackend()]
    const paths = async (): Promise<string[]> => (await files.list('')).objects.map(({ path }) => path)
    const before = await paths()
    for (const options of [{}, { readOnly: true }]) {
      const engine = withEventSourcing(files, { log, ...options })
      await expect(engine.reconstructEntity('items', 'd00001')).rejects.toMatchObject({ code: 'CORRUPT_FILE', message: expect.stringContaining('the option log') as string, details: { path: 'epoch/' } })
      await engine.close()
    }
    expect(await paths()).toEqual(before)
    expect((await readOne(files)).index).toBe(777)
  })
})
