import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { FsBackend } from './backends/FsBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

// Each database here is what a process of its own would have; scripts/processes.mjs lets real ones share a folder and die.

interface Counter {
  n: number
  tags?: string[]
}

let root = ''
let open: ParqueDB[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'parquedb-share-'))
  open = []
})
afterEach(async () => {
  for (const db of open) await db.close()
  await rm(root, { recursive: true })
})

function shared(options: { followMs?: number } = {}): ParqueDB {
  const db = new ParqueDB({ storage: new FsBackend(root), share: true, ...options })
  open.push(db)
  return db
}

async function ownerAndGuest(): Promise<[ParqueDB, ParqueDB]> {
  const owner = shared()
  expect((await owner.stats()).role).toBe('writer')
  const guest = shared()
  expect((await guest.stats()).role).toBe('guest')
  return [owner, guest]
}

test('a second process writes through the first, reads what it wrote at once, and its commit is like any other', async () => {
  const [owner, guest] = await ownerAndGuest()
  const created = await guest.collection<Counter>('c').create({ $id: 'x', n: 1 }, { actor: 'me', metadata: { why: 'test' } })
  expect(created).toMatchObject({ $id: 'c/x', version: 1, n: 1 })
  expect(await guest.collection<Counter>('c').get('x')).toEqual(created)
  expect(await owner.collection<Counter>('c').get('x')).toEqual(created)
  const updated = await owner.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  expect(updated.version).toBe(2)
  expect(await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })).toMatchObject({ n: 3, version: 3 })
  const events = []
  for await (const { seq, op, actor, metadata } of owner.events()) events.push({ seq, op, actor, metadata })
  expect(events).toEqual([
    { seq: 1, op: 'CREATE', actor: 'me', metadata: { why: 'test' } },
    { seq: 2, op: 'UPDATE', actor: undefined, metadata: undefined },
    { seq: 3, op: 'UPDATE', actor: undefined, metadata: undefined },
  ])
})

test('a guest that may read old states reads its own writes all the same', async () => {
  const owner = shared()
  const counters = owner.collection<Counter>('c')
  await counters.create({ $id: 'x', n: 0 })
  const guest = shared({ followMs: 60_000 }).collection<Counter>('c')
  expect(await guest.get('x')).toMatchObject({ n: 0 })
  await counters.update('x', { $inc: { n: 1 } })
  expect(await guest.get('x')).toMatchObject({ n: 0 })
  await guest.update('x', { $inc: { n: 1 } })
  expect(await guest.get('x')).toMatchObject({ n: 2 })
})

test('increments of everybody at once are all counted', async () => {
  const [owner, guest] = await ownerAndGuest()
  const third = shared()
  await owner.collection<Counter>('c').create({ $id: 'x', n: 0 })
  await Promise.all([owner, guest, third].flatMap((db) => Array.from({ length: 20 }, () => db.collection<Counter>('c').update('x', { $inc: { n: 1 } }))))
  expect(await guest.collection<Counter>('c').get('x')).toMatchObject({ n: 60, version: 61 })
})

test('a guest gets its turn at an entity that the writer never leaves alone', async () => {
  const [owner, guest] = await ownerAndGuest()
  await owner.collection<Counter>('c').create({ $id: 'x', n: 0 })
  const guests = { areDone: false }
  let byOwner = 0
  const busy = Array.from({ length: 8 }, async () => {
    while (!guests.areDone) {
      await owner.collection<Counter>('c').update('x', { $inc: { n: 1 } })
      byOwner++
    }
  })
  const byGuest = 20
  for (let count = 0; count < byGuest; count++) await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  guests.areDone = true
  await Promise.all(busy)
  expect(await guest.collection<Counter>('c').get('x')).toMatchObject({ n: byOwner + byGuest })
})

test('a guest of a writer that was overtaken by force is not told that it was fenced, and loses nothing', async () => {
  const [owner, guest] = await ownerAndGuest()
  await owner.collection<Counter>('c').create({ $id: 'x', n: 0 })
  const third = new ParqueDB({ storage: new FsBackend(root, { takeOver: true }), share: true })
  open.push(third)
  expect((await third.stats()).role).toBe('writer')
  await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  // Who overtakes by force has no socket: what the overtaken one frees, the guest takes, and fences the other in its turn.
  expect((await guest.stats()).role).toBe('writer')
  const reader = new ParqueDB({ storage: new FsBackend(root), readOnly: true })
  open.push(reader)
  expect(await reader.collection<Counter>('c').get('x')).toMatchObject({ n: 2, version: 3 })
  await expect(third.collection<Counter>('c').update('x', { $inc: { n: 1 } })).rejects.toMatchObject({ code: 'WRITER_FENCED' })
})

test('refusals, conditions, transactions, writes to many and a txId mean for a guest what they mean for the writer', async () => {
  const [owner, guest] = await ownerAndGuest()
  const counters = guest.collection<Counter>('c')
  expect(await counters.createMany(Array.from({ length: 30 }, (_, index) => ({ $id: `${index}`, n: index })))).toMatchObject({ createdCount: 30 })
  await expect(counters.create({ $id: '1', n: 0 })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  await owner.collection<Counter>('c').update('2', { $set: { n: 100 } })
  await expect(counters.update('2', { $inc: { n: 1 } }, { expectedVersion: 1 })).rejects.toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 1, found: 2 } })
  await expect(counters.update('none', { $inc: { n: 1 } })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await counters.updateMany({ n: { $gte: 20 } }, { $push: { tags: 'high' } })).toEqual({ matchedCount: 11, modifiedCount: 11 })
  expect(await counters.deleteMany({ n: { $lt: 5 } })).toEqual({ deletedCount: 4 })
  const move = async (db: ParqueDB): Promise<string | undefined> =>
    db.transaction(
      async (tx) => {
        await tx.collection<Counter>('c').update('7', { $inc: { n: -1 } })
        await tx.collection<Counter>('c').update('8', { $inc: { n: 1 } })
        return 'moved'
      },
      { txId: 'once' },
    )
  expect(await move(guest)).toBe('moved')
  expect(await move(guest)).toBeUndefined()
  expect(await move(owner)).toBeUndefined()
  expect(await counters.find({ $id: { $in: ['7', '8'] } }, { project: { n: 1 } }).toArray()).toMatchObject([{ n: 6 }, { n: 9 }])
  await counters.update('9', { $inc: { n: 1 } }, { txId: 'nine' })
  expect(await counters.update('9', { $inc: { n: 1 } }, { txId: 'nine' })).toMatchObject({ n: 10 })
  await guest.flush()
  await guest.compact()
  expect((await owner.stats()).log.unflushedEvents).toBe(0)
  expect(await counters.count()).toBe(26)
  expect((await guest.verify({ deep: true })).problems).toEqual([])
})

test('a transaction that read what another process changed meanwhile runs again', async () => {
  const [owner, guest] = await ownerAndGuest()
  await owner.collection<Counter>('c').createMany([{ $id: 'x', n: 1 }, { $id: 'y', n: 1 }])
  let runs = 0
  await guest.transaction(async (tx) => {
    runs += 1
    const x = await tx.collection<Counter>('c').get('x')
    if (runs === 1) await owner.collection<Counter>('c').update('x', { $set: { n: 5 } })
    await tx.collection<Counter>('c').update('y', { $set: { n: (x?.n ?? 0) * 10 } })
  })
  expect(runs).toBe(2)
  expect(await owner.collection<Counter>('c').get('y')).toMatchObject({ n: 50 })
})

test('when the writer closes, a guest takes the role over with its next write, and its subscription goes on', async () => {
  const [owner, guest] = await ownerAndGuest()
  const third = shared()
  await owner.collection<Counter>('c').create({ $id: 'x', n: 0 })
  const seen: number[] = []
  const subscription = guest.subscribe({ fromSeq: 1 })
  const reading = (async () => {
    for await (const { seq } of subscription) {
      seen.push(seq)
      if (seq === 5) break
    }
  })()
  await third.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  await owner.close()
  await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  expect((await guest.stats()).role).toBe('writer')
  await third.collection<Counter>('c').update('x', { $inc: { n: 1 } })
  expect(await guest.collection<Counter>('c').update('x', { $inc: { n: 1 } })).toMatchObject({ n: 4, version: 5 })
  await reading
  expect(seen).toEqual([1, 2, 3, 4, 5])
})

test('writes under way while the writer closes are all done, once', async () => {
  const [owner, guest] = await ownerAndGuest()
  const third = shared()
  await owner.collection<Counter>('c').create({ $id: 'x', n: 0 })
  const writes = [guest, third].flatMap((db) => Array.from({ length: 15 }, () => db.collection<Counter>('c').update('x', { $inc: { n: 1 } })))
  await writes[0]
  await owner.close()
  await Promise.all(writes)
  expect(await third.collection<Counter>('c').get('x')).toMatchObject({ n: 30, version: 31 })
})

test('a process that opens without share is refused, and one that shares is refused by it', async () => {
  const owner = shared()
  await owner.stats()
  await expect(new ParqueDB({ storage: new FsBackend(root) }).stats()).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
  await owner.close()
  const alone = new ParqueDB({ storage: new FsBackend(root) })
  await alone.stats()
  await expect(shared().stats()).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
  await alone.close()
})

test('share without a store that processes have in common, or beside readOnly, is refused', async () => {
  await expect(new ParqueDB({ storage: new MemoryBackend(), share: true }).stats()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(() => new ParqueDB({ storage: new FsBackend(root), share: true, readOnly: true })).toThrow('exclude each other')
})
