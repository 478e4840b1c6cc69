import { describe, expect, test } from 'vitest'
import { seededRandom, type Random } from '../base/random.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import type { RetentionOptions } from '../model/database-options.ts'
import type { Document } from '../model/values.ts'
import { DyingBackend } from '../testing/DyingBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const dayMs = 86_400_000

/** Time goes by only when it is told to. */
function manualClock() {
  let nowMs = Date.UTC(2026, 0, 1)
  const timers = new Set<() => void>()
  return {
    nowMs: () => nowMs,
    sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
    after(_ms: number, run: () => void) {
      timers.add(run)
      return () => timers.delete(run)
    },
    advance: (ms: number) => void (nowMs += ms),
    fire() {
      const due = [...timers]
      timers.clear()
      for (const run of due) run()
    },
  }
}

type TestClock = ReturnType<typeof manualClock>

function open(storage: MemoryBackend, clock: TestClock, options: { retention?: RetentionOptions; graceMs?: number; compaction?: { background: boolean }; random?: Random } = {}): ParqueDB {
  return new ParqueDB({ storage, clock, random: seededRandom(7), autoSnapshotThreshold: 3, flush: { eventsMax: 25 }, graceMs: 0, ...options })
}

/** Writes over days to two collections, each state of each entity remembered by the seq that made it. */
async function fill(db: ParqueDB, clock: TestClock, rounds = 160): Promise<void> {
  let random = 42
  const below = (limit: number): number => (random = (random * 1_103_515_245 + 12_345) % 2_147_483_648) % limit
  for (let round = 0; round < rounds; round++) {
    const collection = db.collection<{ n: number }>(below(3) === 0 ? 'logs' : 'users')
    const id = `e${below(12)}`
    if (below(6) === 0) await collection.delete(id)
    else await collection.upsert(id, { $set: { n: round } })
    clock.advance(below(3) * 3_600_000)
  }
}

async function picture(db: ParqueDB, asOf: number, includeArchived = false): Promise<Document> {
  const found: Document = {}
  for (const ns of ['logs', 'users']) {
    found[ns] = (await db.collection(ns).find({}, { asOf, includeArchived }).toArray()) as unknown as Document[]
    found[`${ns}-gets`] = (await db.collection(ns).getMany(Array.from({ length: 12 }, (_, index) => `e${index}`), { asOf, includeArchived })) as unknown as Document[]
  }
  return JSON.parse(JSON.stringify(found)) as Document
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe.each(['drop', 'archive'] as const)('retention that is to %s', (mode) => {
  test('keeps every answer from the horizon on, and refuses those before it', async () => {
    const [storage, clock] = [new MemoryBackend(), manualClock()]
    const db = open(storage, clock)
    await fill(db, clock)
    const { lastSeq } = await db.stats()
    const before = new Map<number, Document>()
    for (let seq = 1; seq <= lastSeq; seq += 19) before.set(seq, await picture(db, seq))
    const history = await collect(db.events())
    const planned = await db.retain({ policy: { mode, maxAge: 3 * dayMs, namespaces: { logs: { mode, maxEvents: 10 } } }, dryRun: true })
    expect(planned.events).toBeGreaterThan(50)
    expect((await db.stats()).horizons).toEqual({})
    for (let round = 0; round < 2; round++) {
      const done = await db.retain({ policy: { mode, maxAge: 3 * dayMs, namespaces: { logs: { mode, maxEvents: 10 } } } })
      if (round === 0) expect(done).toEqual(planned)
      else expect(done.events).toBe(0)
      const { horizons } = await db.stats()
      const horizon = Math.max(...Object.values(horizons).map(({ seq }) => seq))
      for (const [seq, answers] of before) {
        if (seq >= horizon) expect(await picture(db, seq)).toEqual(answers)
        else await expect(picture(db, seq)).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
        if (mode === 'archive') expect(await picture(db, seq, true)).toEqual(answers)
      }
      const kept = history.filter(({ seq, target }) => seq > (horizons[target.split(':')[0] ?? '']?.seq ?? 0))
      expect(await collect(db.events())).toEqual(kept)
      if (mode === 'archive') expect(await collect(db.events({ includeArchived: true, fromSeq: 1 }))).toEqual(history)
      expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
      await db.compact()
    }
    await db.close()
    const again = open(storage, clock)
    expect(await picture(again, lastSeq)).toEqual(before.get(lastSeq) ?? (await picture(again, lastSeq)))
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await again.close()
  })

  test('names the horizon wherever something older is asked for', async () => {
    const [storage, clock] = [new MemoryBackend(), manualClock()]
    const db = open(storage, clock)
    const users = db.collection<{ n: number }>('users')
    await users.create({ $id: 'a', n: 1 })
    for (let n = 2; n <= 9; n++) await users.update('a', { $set: { n } })
    await users.delete('a')
    await users.create({ $id: 'b', n: 0 })
    await users.create({ $id: 'c', n: 0 })
    await db.retain({ policy: { mode, maxEvents: 1 } })
    const lost = { code: 'HISTORY_UNAVAILABLE', details: { ns: 'users', horizonSeq: 11, horizonTs: clock.nowMs() } }
    await expect(users.get('b', { asOf: 10 })).rejects.toMatchObject(lost)
    await expect(users.find({}, { asOf: 3 }).toArray()).rejects.toMatchObject(lost)
    await expect(users.history('b', { from: 2 }).toArray()).rejects.toMatchObject(lost)
    await expect(collect(db.events({ fromSeq: 11 }))).rejects.toMatchObject(lost)
    await expect(users.diff('b', 1)).rejects.toMatchObject(lost)
    await expect(users.revert('b', { asOf: 1 })).rejects.toMatchObject(lost)
    await expect(db.subscribe({ fromSeq: 1 }).next()).rejects.toMatchObject(lost)
    // What is later answers; a history without a start begins at the horizon.
    expect((await users.get('b', { asOf: 11 }))?.n).toBe(0)
    expect((await collect(db.events())).map(({ seq }) => seq)).toEqual([12])
    expect(await users.history('b').toArray()).toEqual([])
    await db.close()
  })
})

test('a deleted entity whose deletion is forgotten leaves no trace, and its id begins anew', async () => {
  const [storage, clock] = [new MemoryBackend(), manualClock()]
  const db = open(storage, clock)
  const users = db.collection<{ n: number }>('users')
  await users.create({ $id: 'a', n: 1 })
  await users.delete('a')
  await users.create({ $id: 'b', n: 1 })
  await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
  expect((await db.stats()).namespaces['users']).toMatchObject({ rows: 1 })
  expect(await users.get('a', { includeDeleted: true })).toBeUndefined()
  await expect(users.restore('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect((await users.create({ $id: 'a', n: 2 })).version).toBe(1)
  await db.flush()
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.close()
})

test('a follower that had read a deletion forgets it with the files', async () => {
  const storage = new MemoryBackend()
  const clock = manualClock()
  const db = open(storage, clock)
  const users = db.collection('users')
  await users.create({ $id: 'gone' })
  await users.delete('gone')
  await db.flush()
  const follower = new ParqueDB({ storage, clock, readOnly: true, followMs: 0 })
  const read = (): Promise<unknown> => follower.collection('users').get('gone', { includeDeleted: true })
  expect(await read()).toMatchObject({ version: 2 })
  await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
  expect(await read()).toBe(undefined)
  await follower.close()
  await db.close()
})

test('what was deleted before the horizon and brought back after it verifies', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend(), autoSnapshotThreshold: 2 })
  const users = db.collection<{ n: number }>('users')
  await users.createMany([{ $id: 'a', n: 1 }, { $id: 'b', n: 1 }])
  for (const id of ['a', 'b']) await users.delete(id)
  await users.restore('a')
  await users.revert('b', { asOf: 2 })
  await users.update('a', { $set: { n: 2 } })
  expect((await db.retain({ policy: { mode: 'drop', maxEvents: 3 } })).namespaces['users']?.horizonSeq).toBe(4)
  expect((await db.verify({ deep: true })).problems).toEqual([])
  expect([(await users.get('a', { asOf: 4 })) ?? null, (await users.get('a', { asOf: 5 }))?.version, (await users.get('a'))?.version]).toEqual([null, 3, 4])
  await db.close()
})

test('what was made as it was before, under a txId, is told again though that past is gone', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const users = db.collection<{ n: number }>('users')
  await users.create({ $id: 'a', n: 1 })
  await users.update('a', { $set: { n: 2 } })
  const reverted = await users.revert('a', { asOf: 1, txId: 'back' })
  await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })
  expect(await users.revert('a', { asOf: 1, txId: 'back' })).toEqual(reverted)
  await expect(users.revert('a', { asOf: 1, txId: 'again' })).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  await db.close()
})

test('dropping after archiving empties the archive, too', async () => {
  const [storage, clock] = [new MemoryBackend(), manualClock()]
  const db = open(storage, clock)
  await fill(db, clock)
  await db.retain({ policy: { mode: 'archive', maxEvents: 20 } })
  expect((await db.stats()).archive.events).toBeGreaterThan(50)
  await db.retain({ policy: { mode: 'drop', maxEvents: 20 } })
  expect((await db.stats()).archive.events).toBe(0)
  expect((await storage.list('archive/')).objects).toEqual([])
  await expect(db.collection('users').get('e1', { asOf: 1, includeArchived: true })).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  await db.close()
})

test('the background keeps to the policy by itself, and a reader keeps what it reads', async () => {
  const [storage, clock] = [new MemoryBackend(), manualClock()]
  const db = open(storage, clock, { retention: { mode: 'drop', maxAge: dayMs } })
  await db.collection('users').create({ $id: 'a', n: 1 })
  await db.flush()
  const reading = db.events()[Symbol.asyncIterator]()
  await db.collection('users').update('a', { $set: { n: 2 } })
  await db.flush()
  clock.advance(2 * dayMs)
  expect((await reading.next()).value?.seq).toBe(1)
  for (let turn = 0; turn < 50 && Object.keys((await db.stats()).horizons).length === 0; turn++) {
    clock.fire()
    await clock.sleep()
  }
  expect((await db.stats()).horizons).toMatchObject({ users: { seq: 2 } })
  // The view of the reader is from before: what it needs is still there.
  expect((await reading.next()).value?.seq).toBe(2)
  await reading.return?.()
  expect((await db.collection('users').get('a'))?.['n']).toBe(2)
  await db.close()
})

test('a follower that slept while retention passed it by reads on, and its subscribers hear of what is kept', async () => {
  const [storage, clock] = [new MemoryBackend(), manualClock()]
  const db = open(storage, clock)
  await db.collection('users').create({ $id: 'a', n: 0 })
  await db.flush()
  const follower = new ParqueDB({ storage, clock, readOnly: true, followMs: 0 })
  expect((await follower.collection('users').get('a'))?.['n']).toBe(0)
  for (let n = 1; n <= 60; n++) await db.collection('users').update('a', { $set: { n } })
  await db.collection('logs').create({ $id: 'late' })
  await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })
  expect((await follower.collection('users').get('a'))?.['n']).toBe(60)
  expect((await collect(follower.events())).map(({ seq }) => seq)).toEqual([61, 62])
  await follower.close()
  await db.close()
})

test.each(['drop', 'archive'] as const)('wherever a crash interrupts what is to %s, either all of it has happened or nothing has', async (mode) => {
  const policy = { mode, maxEvents: 10 }
  const outcomes = { untouched: 0, done: 0 }
  for (let changes = 0; changes < 14; changes++) {
    const [storage, clock] = [new DyingBackend(), manualClock()]
    const db = open(storage, clock)
    await fill(db, clock, 60)
    await db.compact()
    const { lastSeq } = await db.stats()
    const [early, now] = [await picture(db, 5), await picture(db, lastSeq)]
    storage.changesLeft = changes
    await db.retain({ policy }).catch(() => undefined)
    const left = storage.clone()
    await db.close().catch(() => undefined)
    // Another process draws other names for its files.
    const again = open(left, clock, { random: seededRandom(8) })
    const isDone = Object.keys((await again.stats()).horizons).length > 0
    outcomes[isDone ? 'done' : 'untouched'] += 1
    expect(await picture(again, lastSeq)).toEqual(now)
    if (!isDone || mode === 'archive') expect(await picture(again, 5, true)).toEqual(early)
    if (isDone) await expect(picture(again, 5)).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
    expect((await again.verify({ deep: true })).problems).toEqual([])
    // Done again it ends where it would have ended, and nothing that was half written stays.
    await again.retain({ policy })
    expect(Object.values((await again.stats()).horizons).length).toBeGreaterThan(0)
    expect(await picture(again, lastSeq)).toEqual(now)
    expect((await again.retain({ policy, dryRun: true })).events).toBe(0)
    await again.close()
  }
  expect(Math.min(outcomes.untouched, outcomes.done)).toBeGreaterThan(2)
})

test('a policy that is none is refused', () => {
  const storage = new MemoryBackend()
  expect(() => new ParqueDB({ storage, retention: { maxAge: 1 } })).toThrow(/retention.mode/)
  expect(() => new ParqueDB({ storage, retention: { mode: 'drop', maxAge: -1 } })).toThrow(/retention.maxAge/)
  expect(() => new ParqueDB({ storage, retention: { namespaces: { a: { mode: 'burn' as 'drop' } } } })).toThrow(/retention.namespaces.a.mode/)
})

test('an edge between collections of two policies is known of the past as far back as both of its ends are', async () => {
  for (const [short, long] of [['logs', 'users'], ['users', 'logs']] as const) {
    const [storage, clock] = [new MemoryBackend(), manualClock()]
    const db = open(storage, clock)
    await db.collection('logs').create({ $id: 'a' })
    await db.collection('users').create({ $id: 'a' })
    await db.collection('logs').link('a', 'of', 'users/a', { since: 1 })
    await db.collection('logs').link('a', 'of', 'users/a', { since: 2 })
    clock.advance(2 * dayMs)
    await db.collection(short).create({ $id: 'b' })
    await db.collection('logs').link('a', 'of', 'users/a', { since: 3 })
    const out = async (asOf: number): Promise<unknown[]> => (await db.collection('logs').related('a', 'of', { asOf }).toArray()).map(({ $edge }) => $edge.data)
    const back = async (asOf: number): Promise<unknown[]> => (await db.collection('users').related('a', 'of', { direction: 'in', asOf }).toArray()).map(({ $edge }) => $edge.data)
    expect([await out(3), await back(3)]).toEqual([[{ since: 1 }], [{ since: 1 }]])
    await db.retain({ policy: { namespaces: { [short]: { mode: 'drop', maxAge: dayMs }, [long]: { mode: 'keep' } } } })
    for (const read of [out, back]) {
      await expect(read(3)).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE', details: { ns: expect.stringMatching(new RegExp(`^${short}(:|$)`)), horizonSeq: 4 } })
      expect([await read(4), await read(6)]).toEqual([[{ since: 2 }], [{ since: 3 }]])
    }
    expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await db.close()
  }
})

test("a collection's policy covers the edges that stand with it, from either end, and leaves those of others", async () => {
  const [storage, clock] = [new MemoryBackend(), manualClock()]
  // As an option it would be kept to in the background, too, at a moment of its own.
  const db = open(storage, clock)
  await db.collection('logs').createMany([{ $id: 'a' }, { $id: 'b' }])
  await db.collection('users').createMany([{ $id: 'a' }, { $id: 'b' }])
  for (const ns of ['logs', 'users']) {
    await db.collection(ns).link('a', 'next', `${ns}/b`, { since: 1 })
    await db.collection(ns).link('a', 'next', `${ns}/b`, { since: 2 })
  }
  clock.advance(2 * dayMs)
  await db.collection('logs').link('a', 'next', 'logs/b', { since: 3 })
  await db.flush()
  const report = await db.retain({ policy: { namespaces: { logs: { maxAge: dayMs, mode: 'drop' } } } })
  expect(Object.keys(report.namespaces).toSorted()).toEqual(['logs', 'logs:in', 'logs:out'])
  const since = async (ns: string, id: string, options: { direction?: 'in'; asOf?: number } = {}) => (await db.collection(ns).related(id, 'next', options).toArray()).map(({ $edge }) => $edge.data)
  expect(await since('logs', 'a')).toEqual([{ since: 3 }])
  expect(await since('logs', 'b', { direction: 'in' })).toEqual([{ since: 3 }])
  await expect(since('logs', 'a', { asOf: 5 })).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  expect(await since('users', 'b', { direction: 'in', asOf: 7 })).toEqual([{ since: 1 }])
  const edges: unknown[] = []
  for await (const { op, target } of db.events({ op: 'REL_CREATE' })) edges.push([op, target])
  expect(edges).toEqual([
    ['REL_CREATE', 'users:a'],
    ['REL_CREATE', 'users:a'],
    ['REL_CREATE', 'logs:a'],
  ])
  await db.close()
})
