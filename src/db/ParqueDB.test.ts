import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import type { AppendLog } from '../storage/append-log.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import type { OpenLogOptions } from '../storage/storage-backend.ts'
import { ParqueDB } from './ParqueDB.ts'

const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

describe('opening a database', () => {
  test.each([[undefined], [null], ['./data'], [{}], [{ storage: undefined }], [{ storage: './data' }], [{ storage: {} }]])('needs a storage, not %j', (options) => {
    expect(() => new ParqueDB(options as never)).toThrow(invalid)
  })

  test('refuses an option that is unknown, and engine options for a storage that has its own', () => {
    const storage = new MemoryBackend()
    expect(() => new ParqueDB({ storage, retension: 1 } as never)).toThrow(expect.objectContaining({ details: { method: 'ParqueDB', option: 'retension' } }))
    expect(() => new ParqueDB({ storage, autoSnapshotThreshold: 0 })).toThrow(invalid)
    expect(() => new ParqueDB({ storage: withEventSourcing(storage), maxCachedEntities: 5 })).toThrow(expect.objectContaining({ details: { option: 'maxCachedEntities' } }))
  })

  test('a plain and a wrapped storage give the same database', async () => {
    const storage = new MemoryBackend()
    await using plain = new ParqueDB({ storage, random: seededRandom(1) })
    const created = await plain.collection('a').create({ n: 1 })
    await plain.close()
    await using wrapped = new ParqueDB({ storage: withEventSourcing(storage) })
    expect(await wrapped.collection('a').find().toArray()).toEqual([created])
    expect(await wrapped.collections()).toEqual([{ name: 'a', count: 1, deletedCount: 0 }])
  })

  test('linkMany that cannot read an edge waits for what is under way, and tells how many are there', async () => {
    await using db = new ParqueDB({ storage: new MemoryBackend() })
    const nodes = db.collection('nodes')
    await nodes.createMany(Array.from({ length: 300 }, (_, index) => ({ $id: `n${index}` })))
    const edges = Array.from({ length: 250 }, (_, index) => ({ from: 'n0', predicate: index === 240 ? '' : 'next', to: `nodes/n${index + 1}` }))
    const failing = nodes.linkMany(edges, { batchSize: 100 })
    await expect(failing).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { index: 200, edgeCount: 200, changedCount: 200 } })
    expect(await nodes.countRelated('n0', 'next')).toBe(200)
    // Of two failures the first in the input is told.
    const first = nodes.linkMany(edges.map((edge, index) => (index === 150 ? { ...edge, from: 'nobody' } : edge)), { batchSize: 100 })
    await expect(first).rejects.toMatchObject({ code: 'NOT_FOUND', details: { index: 100 } })
  })

  test('a write that puts an edge in the place of another gives what it made itself, though a later one became durable with it', async () => {
    let gate = Promise.resolve()
    class GatedBackend extends MemoryBackend {
      override async openLog(options: OpenLogOptions): Promise<AppendLog> {
        const log = await super.openLog(options)
        const { append } = log
        log.append = (frames) => gate.then(() => append.call(log, frames))
        return log
      }
    }
    await using db = new ParqueDB({ storage: new GatedBackend(), schema: { posts: { author: '-> users.posts' } } })
    const posts = db.collection('posts')
    await db.collection('users').createMany([{ $id: 'ada' }, { $id: 'bob' }])
    await posts.createMany([{ $id: 'p' }, { $id: 'other' }])
    await posts.link('p', 'author', 'users/ada')
    let open = (): void => undefined
    gate = new Promise((resolve) => (open = resolve))
    // While the first is on its way, the other two wait for the same append.
    const first = posts.update('other', { $set: { n: 1 } })
    await setImmediate()
    const linked = posts.update('p', { $set: { n: 2 }, $link: { author: 'users/bob' } })
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    const later = posts.update('p', { $set: { n: 3 } })
    await setImmediate()
    open()
    await first
    expect(await linked).toMatchObject({ version: 2, n: 2 })
    expect(await later).toMatchObject({ version: 3, n: 3 })
  })

  test('updateMany that fails in a later commit tells how many were changed before', async () => {
    await using db = new ParqueDB({ storage: new MemoryBackend() })
    const items = db.collection('items')
    await items.createMany(Array.from({ length: 1500 }, (_, n) => ({ $id: String(n).padStart(4, '0'), n: n === 1200 ? 'text' : n })))
    await expect(items.updateMany({}, { $inc: { n: 1 } } as never)).rejects.toMatchObject({ code: 'INVALID_UPDATE', details: { path: 'n', matchedCount: 1000, modifiedCount: 1000 } })
    expect((await items.get('0999'))?.['n']).toBe(1000)
    expect((await items.get('1199'))?.['n']).toBe(1199)
  })

  test('a transaction that is aborted ends, though its callback does not, and what that asks for later is refused', async () => {
    await using db = new ParqueDB({ storage: new MemoryBackend() })
    const controller = new AbortController()
    let late: Promise<unknown> = Promise.resolve()
    const running = db.transaction(async (tx) => {
      await tx.collection('a').create({ $id: 'x' })
      controller.abort()
      await setImmediate()
      late = tx.collection('a').create({ $id: 'y' }).catch((error: unknown) => error)
      await new Promise(() => undefined)
    }, { signal: controller.signal })
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    await setImmediate()
    expect(await late).toMatchObject({ code: 'CLOSED' })
    const second = new AbortController()
    const atOnce = db.transaction(() => (second.abort(), new Promise(() => undefined)), { signal: second.signal })
    await expect(atOnce).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await db.collection('a').count()).toBe(0)
  })

  test('collections are counted with what was deleted, in order', async () => {
    await using db = new ParqueDB({ storage: new MemoryBackend() })
    await db.collection('b').createMany([{ $id: 'x' }, { $id: 'y' }])
    await db.collection('b').delete('x')
    await db.collection('a').create({ $id: 'z' })
    await db.collection('a').delete('z')
    expect(await db.collections()).toEqual([
      { name: 'a', count: 0, deletedCount: 1 },
      { name: 'b', count: 1, deletedCount: 1 },
    ])
  })
})

test("what populate brings along does not stand in the place of the entity's own fields", async () => {
  await using db = new ParqueDB({ storage: new MemoryBackend() })
  const users = db.collection('users')
  await users.createMany([{ $id: 'a' }, { $id: 'b' }])
  await users.link('a', 'version', 'users/b')
  await expect(users.get('a', { populate: 'version' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining("place of the entity's own version") as string })
  expect(await users.get('a', { populate: { later: { predicate: 'version' } } })).toMatchObject({ version: 1, later: [{ $id: 'users/b' }] })
})

test('an edge that is linked and unlinked in one write is refused whatever is there', async () => {
  await using db = new ParqueDB({ storage: new MemoryBackend() })
  const users = db.collection('users')
  await users.createMany([{ $id: 'a' }, { $id: 'b' }])
  for (const isThere of [false, true]) {
    if (isThere) await users.link('a', 'knows', 'users/b')
    await expect(users.update('a', { $link: { knows: 'users/b' }, $unlink: { knows: 'users/b' } })).rejects.toThrow("The edge 'knows' from users/a to users/b is named twice in one write")
    for (const kind of ['link', 'unlink'] as const) await expect(users[kind]('a', 'knows', ['users/b', 'users/b'])).rejects.toThrow(invalid)
    expect(await users.countRelated('a', 'knows')).toBe(isThere ? 1 : 0)
  }
})

test('exists of an id that is undefined is refused, not an answer about everything', async () => {
  await using db = new ParqueDB({ storage: new MemoryBackend() })
  await db.collection('users').create({ $id: 'a' })
  await expect(db.collection('users').exists(undefined as never)).rejects.toThrow(invalid)
  expect(await db.collection('users').exists({})).toBe(true)
})

test('a limit of depth that no document could be read with is refused at once, not at the first write', () => {
  expect(() => new ParqueDB({ storage: new MemoryBackend(), limits: { depthMax: 201 } })).toThrow("'limits.depthMax' must be a whole number from 1 to 200")
})
