import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { databaseContract } from '../testing/database-contract.ts'
import { codeOf, collect, failureOf } from '../testing/database/observe.ts'
import { ParqueDB, type ParqueDBOptions } from './ParqueDB.ts'

// To a tenant its part is a database of its own, so it keeps the whole contract.
databaseContract({ describe, test, expect }, "a tenant's part of a database", async () => {
  const storage = new MemoryBackend()
  const open = (options: Partial<ParqueDBOptions>): { whole: ParqueDB; tenant: ParqueDB } => {
    const whole = new ParqueDB({ storage, ...options })
    const tenant = whole.tenant('acme')
    const close = tenant.close.bind(tenant)
    tenant.close = async () => {
      await close()
      await whole.close()
    }
    return { whole, tenant }
  }
  let { tenant } = open({})
  return {
    db: tenant,
    reopen: async (options = {}) => {
      await tenant.close()
      tenant = open(options).tenant
      return tenant
    },
    cleanup: () => tenant.close(),
  }
})

describe('two tenants', () => {
  let db: ParqueDB
  let acme: ParqueDB
  let rival: ParqueDB
  beforeEach(() => {
    db = new ParqueDB({ storage: new MemoryBackend() })
    acme = db.tenant('acme')
    rival = db.tenant('rival')
  })
  afterEach(() => db.close())

  test('use the same names, ids and txIds, and never meet', async () => {
    const own = await acme.collection('posts').create({ $id: 'x', of: 'acme' }, { txId: 't1' })
    const theirs = await rival.collection('posts').create({ $id: 'x', of: 'rival' }, { txId: 't1' })
    expect([own.$id, own.of, theirs.$id, theirs.of]).toEqual(['posts/x', 'acme', 'posts/x', 'rival'])
    expect((await acme.collection('posts').find({ $id: 'posts/x' }).toArray()).map(({ of }) => of)).toEqual(['acme'])
    expect(await acme.collection('rival~posts').count()).toBe(0)
    expect((await acme.collections()).map(({ name }) => name)).toEqual(['posts'])
    expect((await collect(acme.events())).map(({ seq, target, txId }) => [seq, target, txId])).toEqual([[1, 'posts:x', 't1']])
    expect(Object.keys((await acme.stats()).namespaces)).toEqual(['posts'])
    expect((await db.collections()).map(({ name }) => name)).toEqual(['acme~posts', 'rival~posts'])
  })

  test('hear of their own events only, from the log and as they come', async () => {
    await rival.collection('posts').create({ n: 1 })
    const live = acme.subscribe({ fromSeq: 1 })
    await rival.collection('posts').create({ n: 2 })
    await acme.collection('posts').create({ $id: 'mine' })
    expect((await live.next()).value).toMatchObject({ seq: 3, target: 'posts:mine' })
    const next = codeOf(() => live.next())
    await db.close()
    expect(await next).toBe('CLOSED')
  })

  test("forget by policies of their own, and are told of what is gone under their own names", async () => {
    for (const tenant of [acme, rival]) {
      const posts = tenant.collection('posts')
      await posts.create({ $id: 'a', n: 1 })
      await posts.link('a', 'next', 'posts/a')
      await posts.link('a', 'next', 'posts/a', { n: 2 })
      for (let n = 2; n <= 5; n++) await posts.update('a', { $set: { n } })
    }
    await expect(acme.retain()).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const report = await acme.retain({ policy: { mode: 'keep', namespaces: { posts: { mode: 'drop', maxEvents: 1 } } } })
    expect(Object.keys(report.namespaces).toSorted()).toEqual(['posts', 'posts:in', 'posts:out'])
    const posts = acme.collection('posts')
    for (const read of [
      () => posts.get('a', { asOf: 1 }),
      () => posts.getMany(['a', 'b'], { asOf: 1 }),
      () => posts.find({}, { asOf: 1 }),
      () => posts.history('a', { from: 1 }),
      () => acme.events({ fromSeq: 1 }),
      () => acme.subscribe({ fromSeq: 1 }),
      () => posts.related('a', 'next', { asOf: 1 }),
    ]) {
      const failure = await failureOf(read)
      expect([failure?.code, String(failure?.details['ns']).split(':')[0]]).toEqual(['HISTORY_UNAVAILABLE', 'posts'])
      expect(failure?.message).toMatch(/^The history of (the relationships of )?'posts' begins/)
    }
    expect(Object.keys((await acme.stats()).horizons).toSorted()).toEqual(['posts', 'posts:in', 'posts:out'])
    expect((await rival.stats()).horizons).toEqual({})
    expect((await rival.collection('posts').history('a').toArray()).length).toBe(7)
    expect((await collect(rival.events({ fromSeq: 1 }))).length).toBe(7)
    expect((await rival.subscribe({ fromSeq: 1 }).next()).value).toMatchObject({ target: 'posts:a', op: 'CREATE' })
  })

  test('may not be named as none can, nor have a tenant of their own', async () => {
    for (const name of ['', 'a~b', 'a/b', '..', 'x'.repeat(33), undefined, null, 5, ['acme']] as string[]) expect(await codeOf(() => db.tenant(name)), name).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => acme.tenant('inner'))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => acme.collection('n'.repeat(118)).create({}))).toBe('INVALID_ARGUMENT')
  })
})

test('a txId that was used for another entity is refused, as nothing is done', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const items = db.collection('items')
  await items.create({ $id: 'a', n: 1 })
  expect(await items.create({ $id: 'b', n: 1 }, { txId: 't' })).toMatchObject({ $id: 'items/b' })
  expect(await items.create({ $id: 'b', n: 1 }, { txId: 't' })).toMatchObject({ $id: 'items/b' })
  const others = [() => items.delete('a', { txId: 't' }), () => items.update('a', { $set: { n: 2 } }, { txId: 't' }), () => items.replace('a', { n: 3 }, { txId: 't' })]
  for (const other of others) expect(await codeOf(other)).toBe('INVALID_ARGUMENT')
  const { $id } = await items.create({ n: 4 }, { txId: 'u' })
  expect((await items.create({ n: 4 }, { txId: 'u' })).$id).toBe($id)
  expect((await items.find().toArray()).map(({ n }) => n).toSorted()).toEqual([1, 1, 4])
  await db.close()
})

test('a txId that was used in another collection does not show what was written there', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  await db.collection('secret').create({ $id: 'x', password: 'p' }, { txId: 't' })
  expect(await codeOf(() => db.collection('open').create({ n: 1 }, { txId: 't' }))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(() => db.collection('open').createMany([{ n: 1 }], { txId: 't', returnIds: true }))).toBe('no error')
  await db.close()
})
