import { shardOf } from '../../src/storage/partitions.ts'
import { codeOf, collect } from '../../src/testing/database/observe.ts'
import type { TestTools } from '../../src/testing/test-tools.ts'
import type { WorkerDatabase } from '../../src/workers/WorkerDatabase.ts'

interface Click {
  n: number
  page: string
  by?: string
}

/** What holds of a collection that has three objects. */
export function shardTests({ test, expect }: TestTools, open: () => WorkerDatabase): void {
  const numbered = (count: number) => Array.from({ length: count }, (_, n) => ({ $id: `c${String(n).padStart(3, '0')}`, n, page: `p${n % 4}` }))

  test('a collection in shards is read as one, and each shard has a log of its own', async () => {
    const db = open()
    const clicks = db.collection<Click>('clicks')
    expect(await clicks.createMany(numbered(90), { returnIds: true, batchSize: 40 })).toEqual({ createdCount: 90, replacedCount: 0, skippedCount: 0, repeatedCount: 0, ids: numbered(90).map(({ $id }) => `clicks/${$id}`) })
    await Promise.all(numbered(30).map(({ $id }) => clicks.update($id, { $inc: { n: 1000 } })))
    await db.flush()
    await clicks.delete('c089')
    for (const consistency of ['session', 'strong'] as const) {
      const options = { consistency } as object
      expect(await clicks.count({ n: { $gte: 1000 } }, options)).toBe(30)
      const first = await clicks.find({}, { sort: { n: -1 }, limit: 20, ...options }).page()
      const second = await clicks.find({}, { sort: { n: -1 }, limit: 20, cursor: first.cursor ?? '', ...options }).page()
      expect([...first.items, ...second.items].map(({ n }) => n)).toEqual([...Array.from({ length: 30 }, (_, index) => 1029 - index), ...Array.from({ length: 10 }, (_, index) => 88 - index)])
      expect((await clicks.find({}, { skip: 85, ...options }).toArray()).map(({ $id }) => $id)).toEqual(['clicks/c085', 'clicks/c086', 'clicks/c087', 'clicks/c088'])
      expect(await clicks.aggregate([{ $group: { _id: '$page', count: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray()).toEqual([{ _id: 'p0', count: 23 }, { _id: 'p1', count: 22 }, { _id: 'p2', count: 22 }, { _id: 'p3', count: 22 }])
    }
    expect((await clicks.history('c007').toArray()).map(({ op }) => op)).toEqual(['CREATE', 'UPDATE'])
    expect((await clicks.getMany(['c003', 'none', 'c080'])).map((click) => click?.n)).toEqual([1003, undefined, 80])
    expect((await collect(db.events({ ns: 'clicks' }))).length).toBe(121)
    for (const index of [0, 1, 2]) {
      const events = await collect(db.shard('clicks', index).events())
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1))
      expect(new Set(events.map(({ target }) => shardOf(target.slice('clicks:'.length), 3)))).toEqual(new Set([index]))
    }
  })

  test('a transaction is within a shard, and one over several is refused and writes nothing', async () => {
    const db = open()
    const clicks = db.collection<Click>('clicks')
    const [one = '', same = ''] = numbered(9).map(({ $id }) => $id).filter((id) => shardOf(id, 3) === 1)
    const [other = ''] = numbered(9).map(({ $id }) => $id).filter((id) => shardOf(id, 3) === 2)
    await db.transaction(async (tx) => {
      const inside = tx.collection<Click>('clicks')
      await inside.create({ $id: one, n: 1, page: 'a' })
      await inside.create({ $id: same, n: ((await inside.get(one))?.n ?? 0) + 1, page: 'a' })
    })
    expect((await clicks.getMany([one, same])).map((click) => click?.n)).toEqual([1, 2])
    const over = async (): Promise<void> =>
      db.transaction(async (tx) => {
        await tx.collection<Click>('clicks').update(one, { $inc: { n: 1 } })
        await tx.collection<Click>('clicks').create({ $id: other, n: 1, page: 'a' })
      })
    expect(await codeOf(over)).toBe('CROSS_PARTITION')
    expect(await codeOf(() => db.transaction((tx) => tx.collection('clicks').count()))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => db.shard('clicks', 1).collection('clicks').create({ $id: other, n: 1 }))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => db.shard('clicks', 3))).toBe('INVALID_ARGUMENT')
    expect((await clicks.get(one))?.n).toBe(1)
    expect(await clicks.count()).toBe(2)
  })

  test('a write without an id that is done again under its txId is done once', async () => {
    const db = open()
    const clicks = db.collection<Click>('clicks')
    const made = await Promise.all([1, 2].map(() => clicks.create({ n: 1, page: 'a' }, { txId: 'once' })))
    expect(made[0]?.$id).toBe(made[1]?.$id)
    const many = Array.from({ length: 20 }, (_, n) => ({ n, page: 'b' }))
    await clicks.createMany(many, { txId: 'many' })
    expect((await clicks.createMany(many, { txId: 'many' })).repeatedCount).toBe(20)
    expect(await clicks.count()).toBe(21)
  })

  test('each of those who claim the first that is free gets another one', async () => {
    const db = open()
    const clicks = db.collection<Click>('clicks')
    await clicks.createMany(numbered(12))
    const claim = (by: string) => clicks.findOneAndUpdate({ by: { $exists: false } }, { $set: { by } }, { sort: { n: 1 } })
    const claimed = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(claim))
    expect(claimed.map((click) => click?.n).toSorted((left, right) => Number(left) - Number(right))).toEqual([0, 1, 2, 3, 4])
    expect(await clicks.updateMany({ by: { $exists: true } }, { $set: { page: 'x' } })).toEqual({ matchedCount: 5, modifiedCount: 5 })
    expect(await clicks.deleteMany({ page: 'x' })).toEqual({ deletedCount: 5 })
    expect(await clicks.findOneAndUpdate({ page: 'x' }, { $set: { n: 1 } })).toBe(undefined)
  })
}
