import { describe, expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'

/** Row groups of some 5,000 rows; `n` ascends with the id, `name` repeats, `odd` is of two types. */
async function filled(storage = new MemoryBackend()): Promise<ParqueDB> {
  const db = new ParqueDB({ storage, compaction: { background: false }, limits: { sortDocumentsMax: 4000 } })
  const items = Array.from({ length: 20_000 }, (_, index) => ({ $id: `i${String(index).padStart(6, '0')}`, n: index, name: `name ${index % 7}`, at: new Date(index * 1000), noise: Math.imul(index, 2_654_435_761) >>> 0 }))
  await db.collection('items').createMany(items)
  await db.flush()
  await db.compact()
  return db
}

describe('a scan', () => {
  test('reads only row groups whose bounds allow for what is wanted, and says so', async () => {
    const db = await filled()
    const items = db.collection('items')
    const { rowGroups } = await items.explain({})
    expect(rowGroups).toBeGreaterThan(2)
    for (const filter of [{ n: 17_000 }, { n: { $gte: 19_990 } }, { at: new Date(3_000_000) }, { n: { $in: [5, 6] } }, { at: { $lt: new Date(1000) } }]) {
      const told = await items.explain(filter)
      expect([filter, told.prunedRowGroups]).toEqual([filter, rowGroups - 1])
      expect(told.rowsMatched).toBeGreaterThan(0)
      expect(told.rowsAssembled).toBe(0)
    }
    for (const filter of [{ n: 'seven' }, { none: 1 }, { n: -1 }, { name: { $startsWith: 'x' } }, { 'n.inside': { $exists: true } }]) {
      expect([filter, (await items.explain(filter)).prunedRowGroups]).toEqual([filter, rowGroups])
    }
    expect((await items.explain({ none: null })).rowsMatched).toBe(20_000)
    await db.close()
  })

  test('for the first rows of an order passes over row groups that come too late, but for those that hide rows of others', async () => {
    const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false } })
    const items = db.collection<{ n: number; kind: number; text: string }>('items')
    const noise = (index: number): string => Array.from({ length: 12 }, (_, at) => (Math.imul(index * 12 + at, 2_654_435_761) >>> 0).toString(36)).join('')
    await items.createMany(Array.from({ length: 8000 }, (_, index) => ({ $id: `i${String(index).padStart(6, '0')}`, n: index, kind: 1, text: noise(index) })))
    await db.flush()
    const { rowGroups } = await items.explain({})
    expect(rowGroups).toBeGreaterThan(6)
    const first = async (sort: { n: 1 | -1 }): Promise<number[]> => (await items.find({}, { sort, limit: 3 }).toArray()).map(({ n }) => n)
    // Two are read at first, and two while these are looked at.
    expect((await items.explain({}, { sort: { n: 1 }, limit: 3 })).prunedRowGroups).toBe(rowGroups - 4)
    expect((await items.explain({}, { sort: { n: -1 }, limit: 3 })).prunedRowGroups).toBe(0)
    expect((await items.explain({}, { sort: { kind: 1 }, limit: 3 })).prunedRowGroups).toBe(rowGroups - 4)
    // All are equal in the first key: what comes later may still be before in the second.
    expect((await items.find({}, { sort: { kind: 1, n: -1 }, limit: 1 }).toArray()).map(({ n }) => n)).toEqual([7999])
    expect([await first({ n: 1 }), await first({ n: -1 })]).toEqual([[0, 1, 2], [7999, 7998, 7997]])
    await items.update('i006000', { $set: { n: -5 } })
    await items.update('i000001', { $set: { n: 30_000 } })
    await db.flush()
    expect([await first({ n: 1 }), await first({ n: -1 })]).toEqual([[-5, 0, 2], [30_000, 7999, 7998]])
    await db.close()
  })

  test('for the first rows of an order keeps the columns of the row groups that are left', async () => {
    const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false } })
    const items = db.collection('items')
    const noise = (index: number): string => Array.from({ length: 12 }, (_, at) => (Math.imul(index * 12 + at, 2_654_435_761) >>> 0).toString(36)).join('')
    await items.createMany(Array.from({ length: 16_000 }, (_, index) => ({ $id: `i${String(index).padStart(6, '0')}`, n: (Math.imul(index ^ 0x5bd1e995, 0x85ebca6b) >>> 8) + (Math.floor(index / 2000) % 2 === 0 ? 2 ** 25 : 0), text: noise(index) })))
    await db.flush()
    const sorted = { sort: { n: -1 }, limit: 10 } as const
    const first = await items.find({}, sorted).toArray()
    for (let time = 0; time < 3; time++) await items.find({}, sorted).toArray()
    const { prunedRowGroups, decodedPages } = await items.explain({}, sorted)
    expect(prunedRowGroups).toBeGreaterThan(0)
    expect(decodedPages).toBe(0)
    expect(await items.find({}, sorted).toArray()).toEqual(first)
    await db.close()
  })

  test('keeps the few rows that it brought', async () => {
    const db = await filled()
    const items = db.collection<{ n: number; extra?: string }>('items')
    const filter = { n: { $in: [17, 4000, 12_345, 19_000] } }
    const found = await items.find(filter).toArray()
    expect(found.map(({ n }) => n)).toEqual([17, 4000, 12_345, 19_000])
    await items.explain(filter)
    expect((await items.explain(filter)).decodedPages).toBe(0)
    // Whoever got one changes his own.
    for (const item of found) item.extra = 'mine'
    const [again] = await items.find(filter).toArray()
    expect(again?.extra).toBeUndefined()
    await db.close()
  })

  test('keeps row groups that hide older rows of other runs', async () => {
    const db = await filled()
    const items = db.collection('items')
    await items.update('i000010', { $set: { n: -5 } })
    await items.update('i019000', { $set: { n: -6 } })
    await db.flush()
    expect(await items.count({ n: 10 })).toBe(0)
    expect(await items.count({ n: { $lt: 0 } })).toBe(2)
    await items.delete('i000011')
    expect(await items.count({ n: { $lte: 12 } })).toBe(13)
    await db.close()
  })

  test('finds row groups that it has read before without a request', async () => {
    const db = await filled()
    const items = db.collection('items')
    const first = await items.explain({ name: 'name 3' })
    const again = await items.explain({ name: 'name 3' })
    expect([first.requests > 0, first.cachedRowGroups]).toEqual([true, 0])
    expect([again.requests, again.bytes, again.cachedRowGroups]).toEqual([0, 0, first.rowGroups])
    const { columns } = await db.stats()
    expect(columns.hits).toBe(first.rowGroups)
    expect(columns.bytes).toBeGreaterThan(first.bytes)
    await db.close()
  })

  test('keeps no more columns than it may', async () => {
    const storage = new MemoryBackend()
    await (await filled(storage)).close()
    const db = new ParqueDB({ storage, maxCachedColumnBytes: 250_000 })
    for (let round = 0; round < 20; round++) await db.collection('items').count({ name: 'name 3' })
    const { columns } = await db.stats()
    expect(columns.bytes).toBeLessThanOrEqual(250_000)
    expect(columns.hits).toBeGreaterThan(0)
    await db.close()
  })
})

describe('a sort that memory should not hold', () => {
  const leftovers = async (storage: MemoryBackend): Promise<number> => (await storage.list('tmp/')).objects.length

  test('goes through temporary objects, which are gone afterwards, also when the reader leaves early', async () => {
    const storage = new MemoryBackend()
    const db = await filled(storage)
    const items = db.collection<{ n: number; noise: number }>('items')
    const found = await items.find({}, { sort: { noise: -1 } }).toArray()
    expect(found.map(({ noise }) => noise)).toEqual(found.map(({ noise }) => noise).toSorted((left, right) => right - left))
    expect(found.length).toBe(20_000)
    expect(await leftovers(storage)).toBe(0)
    for await (const { n } of items.find({}, { sort: { noise: 1 } })) {
      expect(n).toBe(0)
      expect(await leftovers(storage)).toBeGreaterThan(0)
      break
    }
    expect(await leftovers(storage)).toBe(0)
    const page = await items.find({}, { sort: { noise: 1 }, limit: 4500 }).page()
    const next = await items.find({}, { sort: { noise: 1 }, limit: 4500, ...(page.cursor !== undefined && { cursor: page.cursor }) }).page()
    expect([...page.items, ...next.items].map(({ noise }) => noise)).toEqual(found.toReversed().slice(0, 9000).map(({ noise }) => noise))
    await db.close()
  })

  test('leaves nothing behind when the store fails, and a later writer sweeps what a crash left', async () => {
    const storage = new MemoryBackend()
    await (await filled(storage)).close()
    const faulty = new FaultyBackend(storage)
    const db = new ParqueDB({ storage: faulty, limits: { sortDocumentsMax: 4000 } })
    await db.stats()
    faulty.plan({ on: 'put', path: 'tmp/', nth: 2, when: 'before', effect: { kind: 'fail' } })
    await expect(db.collection('items').find({}, { sort: { noise: 1 } }).toArray()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(await leftovers(storage)).toBe(0)
    await db.close()
    await storage.put('tmp/0000000001-9/0', new Uint8Array(3))
    const next = new ParqueDB({ storage })
    await next.collection('items').create({ n: 1 })
    await next.flush()
    expect(await leftovers(storage)).toBe(0)
    await next.close()
  })

  test('is LIMIT_EXCEEDED where nothing may be written', async () => {
    const storage = new MemoryBackend()
    await (await filled(storage)).close()
    const db = new ParqueDB({ storage, readOnly: true, limits: { sortDocumentsMax: 4000 } })
    await expect(db.collection('items').find({}, { sort: { noise: 1 } }).toArray()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 'sortDocumentsMax', most: 4000 } })
    await db.close()
  })
})
