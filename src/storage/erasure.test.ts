import { createHash } from 'node:crypto'
import { parquetReadObjects } from 'hyparquet'
import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { systemClock } from '../base/clock.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import type { Event } from '../model/event.ts'
import { DyingBackend } from '../testing/DyingBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { copyDatabase } from './copy-database.ts'
import { recover } from './recover.ts'
import { EventSourcedBackend } from './EventSourcedBackend.ts'

const secret = 'Wilhelmina-Q-7f3a'

function open(storage: MemoryBackend): ParqueDB {
  return new ParqueDB({ storage, random: seededRandom(3), autoSnapshotThreshold: 3, flush: { eventsMax: 20 }, checkpoints: { everyEvents: 30, keep: 2 } })
}

/** Objects in which the text stands, as it is or in a row of a Parquet file. */
async function objectsWith(storage: MemoryBackend, text: string): Promise<string[]> {
  const found: string[] = []
  for (const { path } of (await storage.list('')).objects) {
    // The background may be deleting it just now.
    const bytes = await storage.read(path).catch(() => new Uint8Array())
    const decoded = path.endsWith('.parquet') && bytes.length > 0 ? JSON.stringify(await parquetReadObjects({ file: bytes.slice().buffer }), (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)) : ''
    if (Buffer.from(bytes).includes(text) || decoded.includes(text)) found.push(path)
  }
  return found
}

/** The entity that is to be erased among others: its id, its values, a name of a field of it, what was deleted of it, archived, checkpointed, merged and not yet flushed. */
async function fill(db: ParqueDB): Promise<void> {
  const users = db.collection('users')
  for (let round = 0; round < 12; round++) {
    for (let n = 0; n < 8; n++) await users.upsert(`u${n}`, { $set: { n: round * 8 + n, name: `other ${n}` } })
    await users.upsert(secret, { $set: { n: round, name: `${secret} ${'x'.repeat(40)}`, [`of ${secret}`]: secret } })
    if (round === 5) await users.delete(secret)
    if (round === 7) await db.retain({ policy: { mode: 'archive', maxEvents: 20 } })
    if (round === 9) await db.compact()
  }
  await db.collection('posts').create({ $id: secret, kept: true })
  await users.update(secret, { $set: { name: `last ${secret}` } })
}

async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const all: Event[] = []
  for await (const event of events) all.push(event)
  return all
}

test('an erased entity is in no byte of any file, all else is as it was, and that it was erased stays on record', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  await fill(db)
  await db.collection('posts').delete(secret)
  await db.erase(`posts/${secret}`)
  expect((await objectsWith(storage, secret)).length).toBeGreaterThan(5)
  const others = async (): Promise<unknown> => ({
    now: await db.collection('users').find({ $id: { $ne: `users/${secret}` } }).toArray(),
    past: await db.collection('users').find({ $id: { $ne: `users/${secret}` } }, { asOf: 40, includeArchived: true }).toArray(),
    events: (await collect(db.events({ includeArchived: true }))).filter(({ target, op }) => target !== `users:${secret}` && op !== 'ERASE'),
  })
  const before = await others()
  const report = await db.erase(`users/${secret}`, { reason: 'asked for', actor: 'ada' })
  expect(report.rewrittenFiles).toBeGreaterThan(4)
  expect(report.pendingFiles).toBe(0)
  expect(await objectsWith(storage, secret)).toEqual([])
  expect(await others()).toEqual(before)
  const users = db.collection('users')
  expect(await users.get(secret, { includeDeleted: true })).toBeUndefined()
  expect(await users.find({ $id: `users/${secret}` }, { asOf: 60, includeArchived: true, includeDeleted: true }).toArray()).toEqual([])
  expect(await users.history(secret, { includeArchived: true }).toArray()).toEqual([])
  const marks = await collect(db.events({ op: 'ERASE' }))
  const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex')
  expect(marks.map(({ target, version, actor, metadata }) => ({ target, version, actor, metadata }))).toEqual([
    { target: 'posts:', version: 1, actor: undefined, metadata: { erased: hashOf(`posts/${secret}`) } },
    { target: 'users:', version: 1, actor: 'ada', metadata: { erased: hashOf(`users/${secret}`), reason: 'asked for' } },
  ])
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  expect((await users.create({ $id: secret, n: 1 })).version).toBe(1)
  await db.compact()
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })
  expect((await collect(db.events({ op: 'ERASE' }))).length).toBe(2)
  expect((await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })).events).toBe(0)
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.close()
})

test('the edges of an erased entity go with it, from both ends, and others stay', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const users = db.collection('users')
  for (const $id of ['a', 'b', secret]) await users.create({ $id })
  await users.link('a', 'knows', `users/${secret}`, { since: secret })
  await users.link(secret, 'knows', ['users/a', 'users/b'])
  await users.link('a', 'knows', 'users/b', { since: 'ever' })
  await db.flush()
  await users.unlink(secret, 'knows', 'users/b')
  await db.checkpoint()
  await users.link('b', 'knows', `users/${secret}`)
  await db.erase(`users/${secret}`)
  expect(await objectsWith(storage, secret)).toEqual([])
  const known = await users.related('a', 'knows').toArray()
  expect(known.map(({ $id }) => $id)).toEqual(['users/b'])
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
  expect((await users.related('b', 'knows', { direction: 'in' }).toArray()).map(({ $id }) => $id)).toEqual(['users/a'])
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.close()
})

test.each(['drop', 'archive'] as const)('an edge of which retention was to %s one end only is erased from the other one, too', async (mode) => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const [users, posts] = [db.collection('users'), db.collection('posts')]
  await users.createMany([{ $id: 'ada' }, { $id: 'bob' }])
  await posts.create({ $id: secret })
  await posts.link(secret, 'author', 'users/ada', { note: secret })
  await posts.link(secret, 'author', 'users/bob')
  await posts.unlink(secret, 'author', 'users/ada')
  await db.retain({ policy: { namespaces: { posts: { mode, maxEvents: 0 } } } })
  expect((await objectsWith(storage, secret)).length).toBeGreaterThan(2)
  await db.erase(`posts/${secret}`)
  expect(await objectsWith(storage, secret)).toEqual([])
  expect(await users.related('bob', 'author', { direction: 'in' }).toArray()).toEqual([])
  expect((await db.verify({ deep: true })).problems).toEqual([])
  await db.close()
})

test('a name of a field that the entity alone had, in an earlier life, is in no column list either', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const users = db.collection('users')
  await users.createMany(Array.from({ length: 5 }, (_, n) => ({ $id: `u${n}`, n, about: { age: n } })))
  await users.create({ $id: secret, [`of ${secret}`]: 1, about: { [`in ${secret}`]: 2 } })
  await users.delete(secret)
  await db.compact()
  // The tombstone is forgotten: the merged run has nothing of the entity but the names of its fields.
  await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
  await users.create({ $id: secret, n: 7 })
  await db.flush()
  expect((await objectsWith(storage, `of ${secret}`)).length).toBeGreaterThan(0)
  await db.erase(`users/${secret}`)
  expect(await objectsWith(storage, secret)).toEqual([])
  expect((await users.find({}, { sort: { n: 1 } }).toArray()).map(({ n, about }) => [n, about])).toEqual([0, 1, 2, 3, 4].map((n) => [n, { age: n }]))
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.close()
})

test('copies that are from before the erasure are named, until they are made anew', async () => {
  const [storage, older, newer] = [new MemoryBackend(), new MemoryBackend(), new MemoryBackend()]
  const db = open(storage)
  await db.collection('users').createMany([{ $id: 'a' }, { $id: 'b' }])
  for (const [to, place] of [[older, 's3://bucket/older'], [newer, '/backup/newer'], [new MemoryBackend(), undefined]] as const) await copyDatabase({ from: storage, to, place })
  const { copies } = await db.erase('users/a')
  expect(copies.map(({ place, lastSeq, at }) => [place, lastSeq, at instanceof Date]).toSorted()).toEqual([['/backup/newer', 2, true], ['s3://bucket/older', 2, true]])
  await copyDatabase({ from: storage, to: newer, place: '/backup/newer' })
  expect((await db.erase('users/b')).copies.map(({ place, lastSeq }) => [place, lastSeq]).toSorted()).toEqual([['/backup/newer', 3], ['s3://bucket/older', 2]])
  await db.close()
})

test('a salvaged database knows nothing of the entity either', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  await fill(db)
  await db.erase([`users/${secret}`, `posts/${secret}`])
  await db.close()
  const target = new MemoryBackend()
  const engine = new EventSourcedBackend(target)
  const report = await recover({ backend: storage, logBackend: storage, target: engine })
  expect(report).toMatchObject({ ok: true, bridges: 0, missing: [], lost: [] })
  await engine.flush()
  await engine.close()
  expect(await objectsWith(target, secret)).toEqual([])
  const again = open(target)
  expect((await collect(again.events({ op: 'ERASE' }))).length).toBe(2)
  expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await again.close()
})

test('what cannot be erased is refused, and what is being erased takes no writes', async () => {
  const db = open(new MemoryBackend())
  const users = db.collection('users')
  await expect(db.erase('users/nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(db.erase('users')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(db.erase([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await users.create({ $id: 'a', n: 1 })
  const erasing = db.erase('users/a')
  while ((await users.get('a')) !== undefined) await Promise.resolve()
  await expect(users.upsert('a', { $set: { n: 2 } })).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' })
  await expect(users.restore('a')).rejects.toMatchObject({ code: expect.stringMatching(/TRANSACTION_CONFLICT|NOT_FOUND/) })
  await erasing
  await expect(users.restore('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await db.close()
})

test('a read that is under way keeps its files, and they go when it ends', async () => {
  const storage = new MemoryBackend()
  const db = new ParqueDB({ storage })
  await db.collection('users').create({ $id: secret, name: secret })
  await db.flush()
  const reading = db.events()[Symbol.asyncIterator]()
  expect((await reading.next()).value?.target).toBe(`users:${secret}`)
  expect((await db.erase(`users/${secret}`)).pendingFiles).toBeGreaterThan(0)
  await reading.return?.()
  await db.compact()
  expect(await objectsWith(storage, secret)).toEqual([])
  await db.close()
})

test('wherever a crash interrupts it, it is finished when the database is opened', async () => {
  let outcomes = { untouched: 0, finished: 0 }
  for (let changes = 0; changes < 60; changes += 3) {
    const storage = new DyingBackend()
    const db = new ParqueDB({ storage, random: seededRandom(5) })
    const users = db.collection('users')
    await users.create({ $id: secret, name: secret })
    await users.create({ $id: 'b', n: 1 })
    await db.flush()
    await users.update(secret, { $set: { n: 2 } })
    storage.changesLeft = changes
    const isDone = await db.erase(`users/${secret}`).then(() => true, () => false)
    const left = storage.clone()
    await db.close().catch(() => undefined)
    const again = new ParqueDB({ storage: left, random: seededRandom(6) })
    const entity = await again.collection('users').get(secret)
    for (let turn = 0; turn < (entity === undefined ? 200 : 0) && (await objectsWith(left, secret)).length > 0; turn++) await systemClock.sleep(5)
    if (entity === undefined) expect(await objectsWith(left, secret)).toEqual([])
    else expect(isDone).toBe(false)
    outcomes = entity === undefined ? { ...outcomes, finished: outcomes.finished + 1 } : { ...outcomes, untouched: outcomes.untouched + 1 }
    expect(await again.collection('users').get('b')).toMatchObject({ n: 1 })
    expect((await again.verify({ deep: true })).problems).toEqual([])
    await again.close()
  }
  expect(outcomes.finished).toBeGreaterThan(10)
})

test('retention leaves the mark of an erasure on record, also before the erasure is done with, and passes it by later', async () => {
  let unfinished = 0
  for (let changes = 1; changes < 12; changes += 2) {
    const storage = new DyingBackend()
    const db = new ParqueDB({ storage, random: seededRandom(5) })
    const users = db.collection<{ n: number }>('users')
    await users.create({ $id: secret, n: 1 })
    await users.create({ $id: 'b', n: 1 })
    await db.flush()
    storage.changesLeft = changes
    await db.erase(`users/${secret}`).catch(() => undefined)
    const left = storage.clone()
    await db.close().catch(() => undefined)
    // Nothing is done in the background, so that retention comes first.
    const idle = new ParqueDB({ storage: left, random: seededRandom(6), schedule: () => undefined })
    const isErased = (await idle.collection('users').get(secret)) === undefined
    if (isErased && (await objectsWith(left, secret)).length > 0) unfinished++
    await idle.collection('users').update('b', { $set: { n: 2 } })
    await idle.retain({ policy: { mode: 'drop', maxEvents: 0 } })
    await idle.close()
    const again = new ParqueDB({ storage: left, random: seededRandom(7) })
    await again.collection('users').update('b', { $set: { n: 3 } })
    for (let turn = 0; turn < (isErased ? 200 : 0) && (await objectsWith(left, secret)).length > 0; turn++) await systemClock.sleep(5)
    await again.retain({ policy: { mode: 'archive', maxEvents: 0 } })
    expect((await collect(again.events({ op: 'ERASE' }))).map(({ target }) => target)).toEqual(isErased ? ['users:'] : [])
    expect((await again.verify({ deep: true })).problems).toEqual([])
    await again.close()
  }
  expect(unfinished).toBeGreaterThan(1)
})
