import { expect, test } from 'vitest'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { seededRandom } from '../base/random.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { withEventSourcing, type EventSourcedBackend } from '../storage/EventSourcedBackend.ts'
import { partitionName, partitionsOf, shardOf } from '../storage/partitions.ts'
import { ShardedEngine } from '../storage/ShardedEngine.ts'
import { ParqueDB } from './ParqueDB.ts'

interface Thing {
  n: number
  kind: string
}

const options = { flush: { eventsMax: 40 }, compaction: { fanIn: 3 } }
const engine = (): EventSourcedBackend => withEventSourcing(new MemoryBackend(), options)
const open = (): { db: ParqueDB; shards: readonly EventSourcedBackend[] } => {
  const shards = [engine(), engine(), engine()] as const
  return { db: new ParqueDB({ storage: new ShardedEngine(shards) }), shards }
}
const code = (work: () => unknown): Promise<unknown> => (async () => work())().then(() => 'done', (error: unknown) => (error instanceof ParqueDBError ? error.code : error))

test('an id is in the same shard for ever, and shards have names of their own', () => {
  expect(['a', 'b', 'c', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'ü/1'].map((id) => shardOf(id, 4))).toEqual([3, 1, 3, 1, 3])
  expect(partitionsOf('posts', 3)).toEqual(['posts+0of3', 'posts+1of3', 'posts+2of3'])
  expect(partitionsOf('a+0of3')).toEqual(['a%2B0of3'])
  expect(new Set(['x'.repeat(120), 'x'.repeat(121)].map((ns) => partitionName(ns))).size).toBe(2)
})

test('what is read over shards is what one database answers: order, limit, cursors, counts, groups', async () => {
  const { db, shards } = open()
  const one = new ParqueDB({ storage: engine() })
  const random = seededRandom(5)
  for (let step = 0; step < 400; step++) {
    const [id = 0, n = 0, what = 0] = random.bytes(3)
    const document = { n, kind: `k${n % 5}` }
    for (const each of [db, one]) {
      const things = each.collection<Thing>('things')
      if (what < 40) await things.delete(`t${id}`)
      else await things.upsert(`t${id}`, { $set: document })
    }
  }
  const [things, same] = [db.collection<Thing>('things'), one.collection<Thing>('things')]
  const ids = (found: readonly { $id: string }[]): string[] => found.map(({ $id }) => $id)
  for (let round = 0; round < 2; round++) {
    expect(new Set(ids(await things.find().toArray()).map((id) => shardOf(id.slice(7), 3))).size).toBe(3)
    for (const filter of [{}, { n: { $gt: 100 } }, { kind: 'k2' }, { $id: { $in: ['t1', 't2', 't90'] } }, { $id: { $gte: 't2', $lt: 't5' } }]) {
      expect(await things.count(filter)).toBe(await same.count(filter))
      for (const sort of [undefined, { n: -1, $id: 1 }] as const) {
        const by = sort === undefined ? {} : { sort }
        expect(ids(await things.find(filter, by).toArray())).toEqual(ids(await same.find(filter, by).toArray()))
        expect(ids(await things.find(filter, { ...by, skip: 3, limit: 7 }).toArray())).toEqual(ids(await same.find(filter, { ...by, skip: 3, limit: 7 }).toArray()))
        const paged: string[] = []
        for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
          const page = await things.find(filter, { ...by, limit: 10, ...(cursor === undefined ? {} : { cursor }) }).page()
          paged.push(...ids(page.items))
          cursor = page.cursor
        }
        expect(paged).toEqual(ids(await same.find(filter, by).toArray()))
      }
    }
    const pipeline = [{ $group: { _id: '$kind', count: { $sum: 1 }, sum: { $sum: '$n' } } }, { $sort: { _id: 1 } }]
    expect(await things.aggregate(pipeline).toArray()).toEqual(await same.aggregate(pipeline).toArray())
    expect(await things.distinct('kind')).toEqual(await same.distinct('kind'))
    const many = ['t3', 'nope', 't200', 't77', 't3']
    expect((await things.getMany(many)).map((found) => found?.n)).toEqual((await same.getMany(many)).map((found) => found?.n))
    await Promise.all(shards.map((shard) => shard.flush()))
    await one.flush()
  }
  await Promise.all([db.close(), one.close()])
})

test('events come in the order of time, and the past by time is what it was', async () => {
  const { db } = open()
  const things = db.collection<Thing>('things')
  for (let n = 0; n < 20; n++) await things.create({ $id: `t${n}`, n, kind: 'k' })
  const events = []
  for await (const { ts, target } of db.events()) events.push({ ts, target })
  expect(events.length).toBe(20)
  expect(events.map(({ ts }) => ts)).toEqual(events.map(({ ts }) => ts).toSorted((left, right) => left - right))
  expect(new Set(events.map(({ target }) => target)).size).toBe(20)
  const then = new Date(events.at(-1)?.ts ?? 0)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await things.updateMany({ $id: 't4' }, { $set: { n: 99 } })
  expect(await things.count({ n: 99 })).toBe(1)
  expect(await things.count({ n: 99 }, { asOf: then })).toBe(0)
  await db.close()
})

test('what is of one shard is refused over all of them, and writes nothing', async () => {
  const { db, shards } = open()
  const things = db.collection<Thing>('things')
  await things.create({ $id: 'a', n: 1, kind: 'k' })
  const both = [{ $id: 'a', n: 2, kind: 'k' }, { $id: 'b', n: 2, kind: 'k' }, { $id: 'c', n: 2, kind: 'k' }]
  expect(new Set(both.map(({ $id }) => shardOf($id, 3))).size).toBeGreaterThan(1)
  const refused = [
    () => things.createMany(both, { onConflict: 'skip' }),
    () => db.transaction((tx) => tx.collection('things').delete('a')),
    () => things.count({}, { asOf: 1 }),
    () => things.link('a', 'next', 'things/b'),
    () => things.related('a', 'next').toArray(),
    () => things.find({}, { populate: 'next' }).toArray(),
    () => db.subscribe(),
    () => db.events({ fromSeq: 1 }).next(),
    () => db.stats(),
    () => db.retain(),
    () => db.checkpoint(),
    () => db.verify(),
  ]
  expect(await Promise.all(refused.map(code))).toEqual(refused.map(() => 'CROSS_PARTITION'))
  expect((await Promise.all(shards.map((shard) => shard.stats()))).reduce((sum, { lastSeq }) => sum + lastSeq, 0)).toBe(1)
  await db.close()
})
