import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Counts what is read of data files. */
class CountingBackend extends MemoryBackend {
  requests = 0
  bytes = 0

  override async readRange(path: string, range: { start: number; end: number }): Promise<Uint8Array> {
    const bytes = await super.readRange(path, range)
    this.requests += 1
    this.bytes += bytes.length
    return bytes
  }
}

test('what was read of the graph is in memory, and what is written, flushed and merged since is seen all the same', async () => {
  const storage = new CountingBackend()
  const db = new ParqueDB({ storage, graceMs: 0, maxCachedEntities: 0 })
  const nodes = db.collection<{ n: number }>('n')
  await nodes.createMany(Array.from({ length: 300 }, (_, n) => ({ $id: `n${n}`, n })))
  await nodes.linkMany(Array.from({ length: 900 }, (_, n) => ({ from: `n${n % 300}`, predicate: 'next', to: `n/n${(n * 7 + 1) % 300}` })))
  await db.compact()
  const seen = async (): Promise<unknown[]> => [
    (await nodes.related('n1', 'next').toArray()).map(({ $id, n, $edge }) => [$id, n, $edge.data]),
    (await nodes.related('n8', 'next', { direction: 'in' }).toArray()).map(({ $id }) => $id),
    (await db.traverse('n/n1', { relationship: 'next', min: 1 }, { depth: 3 }).toArray()).map(({ $path }) => $path),
    (await nodes.get('n1', { populate: { next: { limit: 2 } } })) as unknown,
  ]
  const before = await seen()
  storage.requests = 0
  expect(await seen()).toEqual(before)
  expect(storage.requests).toBe(0)
  // Nobody may change what others will read.
  const [first] = await nodes.related('n1', 'next').toArray()
  Object.assign(first ?? {}, { n: -1, $edge: undefined })
  expect(await seen()).toEqual(before)
  await nodes.update('n8', { $set: { n: 800 } })
  await nodes.link('n1', 'next', 'n/n2', { new: true })
  await nodes.unlink('n1', 'next', 'n/n8')
  const after = await seen()
  expect(after[0]).not.toEqual(before[0])
  expect((after[0] as unknown[][]).map(([$id]) => $id)).toContain('n/n2')
  expect((after[0] as unknown[][]).map(([$id]) => $id)).not.toContain('n/n8')
  await db.flush()
  expect(await seen()).toEqual(after)
  await db.compact()
  expect(await seen()).toEqual(after)
  await db.close()
})

test('what hops pass by pushes nothing out of the cache of entities', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend(), graceMs: 0, maxCachedEntities: 5 })
  const nodes = db.collection('n')
  await nodes.createMany(Array.from({ length: 300 }, (_, n) => ({ $id: `n${n}`, n })))
  await nodes.linkMany(Array.from({ length: 900 }, (_, n) => ({ from: `n${n % 300}`, predicate: 'next', to: `n/n${(n * 7 + 1) % 300}` })))
  await db.compact()
  await nodes.get('n299')
  const before = (await db.stats()).cache.entities
  for (let round = 0; round < 2; round++) for (let n = 0; n < 20; n++) expect((await nodes.related(`n${n}`, 'next').toArray()).length).toBe(1)
  expect([before, (await db.stats()).cache.entities]).toEqual([1, 1])
  await db.close()
})

test('a node with 100,000 edges pages through them in bounded memory, from either end at the same cost', async () => {
  const storage = new CountingBackend()
  const edges = 100_000
  const pageSize = 1000
  const writer = new ParqueDB({ storage, graceMs: 0 })
  const name = (n: number): string => `n${String(n).padStart(6, '0')}`
  await writer.collection('n').createMany(Array.from({ length: edges }, (_, n) => ({ $id: name(n) })))
  await writer.collection('n').createMany([{ $id: 'hub' }])
  await writer.collection('n').linkMany(Array.from({ length: edges }, (_, n) => ({ from: 'hub', predicate: 'out', to: `n/${name(n)}` })))
  await writer.collection('n').linkMany(Array.from({ length: edges }, (_, n) => ({ from: name(n), predicate: 'to', to: 'n/hub' })))
  await writer.compact()
  await writer.close()
  const costs: { requests: number; bytes: number }[] = []
  for (const [relationship, direction] of [['out', 'out'], ['to', 'in']] as const) {
    const db = new ParqueDB({ storage, readOnly: true, followMs: 3_600_000, maxCachedColumnBytes: 0 })
    const nodes = db.collection('n')
    await db.stats()
    storage.requests = 0
    storage.bytes = 0
    let cursor: string | undefined
    let count = 0
    let mostBytes = 0
    let last = ''
    collectGarbage()
    const bytesBefore = process.memoryUsage().heapUsed
    do {
      const page = await nodes.related('hub', relationship, { direction, limit: pageSize, ...(cursor !== undefined && { cursor }) }).page()
      for (const { $id } of page.items) {
        if ($id <= last) throw new Error(`${$id} comes after ${last}`)
        last = $id
      }
      count += page.items.length
      cursor = page.cursor
      if (count % (pageSize * 10) === 0) collectGarbage()
      if (count % (pageSize * 10) === 0) mostBytes = Math.max(mostBytes, process.memoryUsage().heapUsed - bytesBefore)
    } while (cursor !== undefined)
    expect(count).toBe(edges)
    // Of some 30 MB that the edges take as objects.
    expect(mostBytes).toBeLessThan(8 * 1024 * 1024)
    costs.push({ requests: storage.requests, bytes: storage.bytes })
    await db.close()
  }
  const [out, back] = costs as [{ requests: number; bytes: number }, { requests: number; bytes: number }]
  expect(Math.abs(out.requests - back.requests)).toBeLessThanOrEqual(out.requests * 0.1)
  // Of the two ends of an edge another one is in its key, which takes more bytes where it varies.
  expect(Math.abs(out.bytes - back.bytes)).toBeLessThanOrEqual(out.bytes * 0.25)
  // A page is a stretch of the edges and one of what is at their ends.
  expect(out.requests).toBeLessThan((edges / pageSize) * 6)
}, 180_000)
