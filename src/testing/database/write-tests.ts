import type { Value } from '../../model/values.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, failureOf, lastSeq, timeless } from './observe.ts'

interface Post {
  title: string
  views?: number
  tags?: string[]
  author?: { name: string }
}

export function writeTests(test: DatabaseTest, { expect }: TestTools): void {
  test('a created entity has an id, a version and times, and is read back as it was given', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    const created = await posts.create({ title: 'Hello', views: 0 }, { actor: 'ada' })
    expect(/^posts\/[0-9A-HJKMNP-TV-Z]{26}$/.test(created.$id)).toBe(true)
    expect(created.version).toBe(1)
    expect(created.createdBy).toBe('ada')
    expect(created.createdAt.getTime() > 0).toBe(true)
    expect(created.updatedAt).toEqual(created.createdAt)
    expect(await posts.get(created.$id)).toEqual(created)
    expect(Object.keys(created)).toEqual(['$id', 'version', 'createdAt', 'createdBy', 'updatedAt', 'updatedBy', 'title', 'views'])
  })

  test('an id may be given short or with its collection, and may hold any character', async ({ db }) => {
    const posts = db.collection('posts')
    for (const [given, id] of [['short', 'posts/short'], ['posts/long', 'posts/long'], ['a/b/c', 'posts/a/b/c'], ['ünï çødé 🚀 "\\\n', 'posts/ünï çødé 🚀 "\\\n'], ['posts/posts/x', 'posts/posts/x']] as const) {
      expect((await posts.create({ $id: given, n: 1 })).$id).toBe(id)
      expect((await posts.get(id))?.$id).toBe(id)
    }
    expect(await posts.count()).toBe(5)
  })

  test('every kind of value comes back exactly', async ({ db, reopen }) => {
    const values: Record<string, Value> = {
      null: null,
      true: true,
      zero: 0,
      minusZero: -0,
      nan: Number.NaN,
      infinite: Number.NEGATIVE_INFINITY,
      float: 0.1,
      big: 9_223_372_036_854_775_807n,
      smallBig: 1n,
      text: 'a\u0000b\u{1f680}',
      empty: '',
      date: new Date(-1),
      bytes: Uint8Array.of(0, 255),
      list: [1, 'a', null, [2n, { x: new Date(5) }]],
      nothing: [],
      object: { 'with.dot': 1, 'with space': { deep: [] } },
      emptyObject: {},
    }
    await db.collection('v').create({ $id: 'x', ...values })
    const read = await db.collection('v').get('x')
    expect(timeless(read)).toEqual({ $id: 'v/x', version: 1, ...values })
    expect(Object.is(read?.minusZero, -0)).toBe(true)
    await db.flush()
    const again = await (await reopen()).collection('v').get('x')
    expect(again).toEqual(read)
    expect(Object.is(again?.minusZero, -0)).toBe(true)
  })

  test('what a reader does to an entity does not reach the database, nor what a writer does to its input', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    const input = { $id: 'a', title: 'one', tags: ['x'], author: { name: 'Ada' } }
    const created = await posts.create(input)
    input.tags.push('y')
    input.author.name = 'Eve'
    created.tags?.push('z')
    created.createdAt.setTime(0)
    const [found] = await posts.find().toArray()
    found?.tags?.push('q')
    const read = await posts.get('a')
    expect(timeless(read)).toEqual({ $id: 'posts/a', version: 1, title: 'one', tags: ['x'], author: { name: 'Ada' } })
    expect((read?.createdAt.getTime() ?? 0) > 0).toBe(true)
  })

  test('creating what exists is ALREADY_EXISTS; the id of a deleted entity may be used again and its version goes on', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one' })
    expect((await failureOf(() => posts.create({ $id: 'a', title: 'two' })))?.details).toEqual({ $id: 'posts/a', version: 1 })
    expect(await codeOf(() => posts.create({ $id: 'a', title: 'two' }))).toBe('ALREADY_EXISTS')
    await posts.delete('a')
    expect(timeless(await posts.create({ $id: 'a', title: 'three' }))).toEqual({ $id: 'posts/a', version: 3, title: 'three' })
  })

  test('update gives the entity after it and NOT_FOUND where there is none', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one', views: 1, tags: [] })
    const updated = await posts.update('a', { $inc: { views: 2 }, $push: { tags: 'new' } }, { actor: 'bob' })
    expect(timeless(updated)).toEqual({ $id: 'posts/a', version: 2, updatedBy: 'bob', title: 'one', views: 3, tags: ['new'] })
    expect(await codeOf(() => posts.update('b', { $set: { title: 'x' } }))).toBe('NOT_FOUND')
    await posts.delete('a')
    expect((await failureOf(() => posts.update('a', { $set: { title: 'x' } })))?.details).toEqual({ $id: 'posts/a', deletedVersion: 3 })
  })

  test('an update that changes nothing writes nothing', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    const created = await posts.create({ $id: 'a', title: 'one' })
    expect(await posts.update('a', { $set: { title: 'one' }, $unset: { views: true } })).toEqual(created)
    expect(await posts.replace('a', { title: 'one' })).toEqual(created)
    expect(await lastSeq(db)).toBe(1)
  })

  test('array filters choose the elements that an update changes', async ({ db }) => {
    const things = db.collection('things')
    await things.create({ $id: 'a', list: [{ n: 1 }, { n: 5 }] })
    const updated = await things.update('a', { $set: { 'list.$[big].hit': true } }, { arrayFilters: [{ 'big.n': { $gt: 2 } }] })
    expect(updated.list).toEqual([{ n: 1 }, { n: 5, hit: true }])
  })

  test('expectedVersion lets one of two writers through and tells the other both versions', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one' })
    const results = await Promise.allSettled([1, 2].map((views) => posts.update('a', { $set: { views } }, { expectedVersion: 1 })))
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const failure = await failureOf(() => posts.update('a', { $set: { views: 3 } }, { expectedVersion: 1 }))
    expect(failure?.code).toBe('VERSION_CONFLICT')
    expect(failure?.details).toEqual({ $id: 'posts/a', expected: 1, found: 2 })
    expect((await failureOf(() => posts.delete('a', { expectedVersion: 9 })))?.details).toEqual({ $id: 'posts/a', expected: 9, found: 2 })
    expect((await failureOf(() => posts.update('none', { $set: { views: 3 } }, { expectedVersion: 1 })))?.details).toEqual({ $id: 'posts/none', expected: 1, found: 'absent' })
    expect(await codeOf(() => posts.upsert('a', { $set: { views: 9 } }, { expectedVersion: 'absent' }))).toBe('VERSION_CONFLICT')
  })

  test('a hundred concurrent increments all count', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one', views: 0 })
    await Promise.all(Array.from({ length: 100 }, () => posts.update('a', { $inc: { views: 1 } })))
    expect((await posts.get('a'))?.views).toBe(100)
    expect((await posts.get('a'))?.version).toBe(101)
  })

  test('replace puts another document in place, and takes an entity as it was read', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one', views: 1 })
    expect(timeless(await posts.replace('a', { title: 'two' }))).toEqual({ $id: 'posts/a', version: 2, title: 'two' })
    const read = await posts.get('a')
    if (read === undefined) throw new Error('posts/a is gone')
    read.title = 'three'
    expect(timeless(await posts.replace('a', read))).toEqual({ $id: 'posts/a', version: 3, title: 'three' })
    expect(await codeOf(() => posts.replace('a', read))).toBe('VERSION_CONFLICT')
    expect(await codeOf(() => posts.replace('a', { $id: 'b', title: 'x' }))).toBe('VALIDATION_FAILED')
    expect(await codeOf(() => posts.replace('a', { createdAt: new Date(0), title: 'x' }))).toBe('VALIDATION_FAILED')
    expect(await codeOf(() => posts.replace('a', { version: 3, title: 'x' }, { expectedVersion: 2 }))).toBe('INVALID_ARGUMENT')
  })

  test('replace is NOT_FOUND where there is nothing, and creates with upsert', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    expect(await codeOf(() => posts.replace('a', { title: 'one' }))).toBe('NOT_FOUND')
    expect(timeless(await posts.replace('a', { title: 'one' }, { upsert: true }))).toEqual({ $id: 'posts/a', version: 1, title: 'one' })
    expect(timeless(await posts.replace('a', { title: 'two' }, { upsert: true }))).toEqual({ $id: 'posts/a', version: 2, title: 'two' })
  })

  test('upsert updates what is there and creates what is not, with $setOnInsert', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    expect(timeless(await posts.upsert('a', { $inc: { views: 1 }, $setOnInsert: { title: 'new' } }))).toEqual({ $id: 'posts/a', version: 1, views: 1, title: 'new' })
    expect(timeless(await posts.upsert('a', { $inc: { views: 1 }, $setOnInsert: { title: 'other' } }))).toEqual({ $id: 'posts/a', version: 2, views: 2, title: 'new' })
  })

  test('findOneAndUpdate takes the first in order and gives it as it was, or as it is', async ({ db }) => {
    const jobs = db.collection<{ state: string; priority: number }>('jobs')
    await jobs.createMany([{ $id: 'a', state: 'open', priority: 1 }, { $id: 'b', state: 'open', priority: 2 }])
    const taken = await jobs.findOneAndUpdate({ state: 'open' }, { $set: { state: 'taken' } }, { sort: { priority: -1 } })
    expect(timeless(taken)).toEqual({ $id: 'jobs/b', version: 1, state: 'open', priority: 2 })
    const next = await jobs.findOneAndUpdate({ state: 'open' }, { $set: { state: 'taken' } }, { returnDocument: 'after', project: ['state'] })
    expect(next).toEqual({ $id: 'jobs/a', state: 'taken' })
    expect(await jobs.findOneAndUpdate({ state: 'open' }, { $set: { state: 'taken' } })).toBe(undefined)
  })

  test('concurrent findOneAndUpdate calls never take the same entity', async ({ db }) => {
    const jobs = db.collection<{ state: string }>('jobs')
    await jobs.createMany(Array.from({ length: 10 }, (_, index) => ({ $id: `j${index}`, state: 'open' })))
    const taken = await Promise.all(Array.from({ length: 12 }, () => jobs.findOneAndUpdate({ state: 'open' }, { $set: { state: 'taken' } })))
    const ids = taken.flatMap((job) => (job === undefined ? [] : [job.$id]))
    expect(ids.length).toBe(10)
    expect(new Set(ids).size).toBe(10)
  })

  test('delete hides an entity, keeps its history and says whether there was one', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one' })
    expect(await posts.delete('a', { actor: 'eve' })).toBe(true)
    expect(await posts.delete('a')).toBe(false)
    expect(await posts.delete('never')).toBe(false)
    expect(await posts.get('a')).toBe(undefined)
    expect(await posts.exists('a')).toBe(false)
    expect(await posts.find().toArray()).toEqual([])
    const tombstone = await posts.get('a', { includeDeleted: true })
    expect(Object.keys(tombstone ?? {})).toEqual(['$id', 'version', 'createdAt', 'updatedAt', 'updatedBy', 'deletedAt'])
    expect(tombstone?.deletedAt).toEqual(tombstone?.updatedAt)
    expect((await posts.history('a').toArray()).map(({ op }) => op)).toEqual(['CREATE', 'DELETE'])
  })

  test('restore brings an entity back as it was last, and leaves one that lives as it is', async ({ db }) => {
    const posts = db.collection<Post>('posts')
    await posts.create({ $id: 'a', title: 'one', views: 1 })
    await posts.update('a', { $set: { views: 2 } })
    await posts.delete('a')
    expect(await codeOf(() => posts.restore('a', { expectedVersion: 2 }))).toBe('VERSION_CONFLICT')
    expect(timeless(await posts.restore('a', { expectedVersion: 3 }))).toEqual({ $id: 'posts/a', version: 4, title: 'one', views: 2 })
    expect((await posts.restore('a')).version).toBe(4)
    expect(await codeOf(() => posts.restore('never'))).toBe('NOT_FOUND')
    await posts.create({ $id: 'empty' } as never)
    await posts.delete('empty')
    expect(timeless(await posts.restore('empty'))).toEqual({ $id: 'posts/empty', version: 3 })
  })

  test('a txId that was committed before is not committed again, also after reopening', async ({ db, reopen }) => {
    const first = await db.collection<Post>('posts').create({ title: 'one' }, { txId: 'order-17' })
    expect(await db.collection<Post>('posts').create({ title: 'one' }, { txId: 'order-17' })).toEqual(first)
    await db.collection<Post>('posts').update(first.$id, { $inc: { views: 1 } }, { txId: 'view-1' })
    const again = await reopen()
    expect(await again.collection<Post>('posts').create({ title: 'one' }, { txId: 'order-17' })).toEqual(first)
    expect((await again.collection<Post>('posts').update(first.$id, { $inc: { views: 1 } }, { txId: 'view-1' })).views).toBe(1)
    expect(await lastSeq(again)).toBe(2)
  })

  test('what was written is there after reopening, before and after flushing and compacting', async ({ db, reopen }) => {
    await db.collection<Post>('posts').createMany([{ $id: 'a', title: 'one' }, { $id: 'b', title: 'two' }])
    await db.collection<Post>('posts').delete('b')
    let reopened = await reopen()
    expect((await reopened.collection<Post>('posts').find().toArray()).map(timeless)).toEqual([{ $id: 'posts/a', version: 1, title: 'one' }])
    await reopened.collection<Post>('posts').update('a', { $set: { views: 5 } })
    await reopened.flush()
    await reopened.collection<Post>('posts').create({ $id: 'c', title: 'three' })
    await reopened.compact()
    reopened = await reopen()
    expect((await reopened.collection<Post>('posts').find().toArray()).map(timeless)).toEqual([
      { $id: 'posts/a', version: 2, title: 'one', views: 5 },
      { $id: 'posts/c', version: 1, title: 'three' },
    ])
    expect((await reopened.verify({ deep: true })).problems).toEqual([])
  })
}
