import { expect, test } from 'vitest'
import type { StoredEvent } from '../model/event.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { withView, type View } from '../storage/view.ts'
import { ParqueDB } from './ParqueDB.ts'
import { Subscription } from './Subscription.ts'
import { defineProjection } from './EventProjection.ts'

function open(storage = new MemoryBackend()): ParqueDB {
  return new ParqueDB({ storage, graceMs: 0, flush: { eventsMax: 30 } })
}

async function take(count: number, events: AsyncIterable<{ seq: number; op: string }>): Promise<number[]> {
  const seqs: number[] = []
  if (count === 0) return seqs
  for await (const { seq } of events) if (seqs.push(seq) >= count) break
  return seqs
}

test('a subscription has no gap and no repetition at any seam, while what it reads is flushed, merged and erased', async () => {
  const db = open()
  const users = db.collection<{ n: number }>('users')
  await users.create({ $id: 'gone', n: 0 })
  const writing = (async () => {
    for (let n = 1; n <= 300; n++) {
      await users.upsert(`u${n % 9}`, { $set: { n } })
      if (n % 70 === 0) await db.compact()
      if (n === 150) await db.erase('users/gone')
    }
  })()
  // One that begins at the start, one in between, and one that is slow.
  const [all, late, slow] = await Promise.all([
    take(301, db.subscribe({ fromSeq: 1 })),
    take(200, db.subscribe({ fromSeq: 2, ns: 'users' })),
    (async () => {
      const seqs: number[] = []
      for await (const { seq } of db.subscribe({ fromSeq: 2, ops: 'UPDATE' })) {
        await new Promise((resolve) => setImmediate(resolve))
        if (seqs.push(seq) >= 250) break
      }
      return seqs
    })(),
  ])
  await writing
  const events: { seq: number; op: string }[] = []
  for await (const event of db.events()) events.push(event)
  // The first event was seen by those that came before the erasure, and is passed over by others.
  expect(all.filter((seq) => seq > 1)).toEqual(events.map(({ seq }) => seq).slice(0, all.filter((seq) => seq > 1).length))
  expect(late).toEqual(events.map(({ seq }) => seq).slice(0, 200))
  expect(slow).toEqual(events.filter(({ op }) => op === 'UPDATE').map(({ seq }) => seq).slice(0, 250))
  await db.close()
})

test('a subscription that fails has ended: it listens no more, and asked again it says why again', async () => {
  const engine = withEventSourcing(new MemoryBackend())
  const db = new ParqueDB({ storage: engine })
  await db.collection('users').create({ n: 1 })
  await db.collection('users').create({ n: 2 })
  await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })
  let listening = 0
  const onCommit = (listener: Parameters<typeof engine.onCommit>[0]): (() => void) => {
    const stop = engine.onCommit(listener)
    listening += 1
    return () => {
      listening -= 1
      stop()
    }
  }
  const subscription = new Subscription({ view: () => engine.view(), onCommit }, { fromSeq: 1 }, { own: (event) => event, onEnd: () => undefined })
  expect(listening).toBe(1)
  await expect(subscription.next()).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  expect(listening).toBe(0)
  await expect(subscription.next()).rejects.toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  await db.close()
})

test('a commit that is told of while it is being read comes once', async () => {
  const engine = withEventSourcing(new MemoryBackend())
  const db = new ParqueDB({ storage: engine })
  await db.collection('users').createMany([{ n: 1 }, { n: 2 }])
  const newest: StoredEvent[] = []
  await withView(engine, async (view) => {
    for await (const event of view.events({ fromSeq: 2 })) newest.push(event)
  })
  // As in a Worker, which learns of the newest event by asking for it: when what is read of the second view has begun. The first one tells where that is.
  let tell: (events: readonly StoredEvent[]) => void = () => undefined
  const onCommit = (listener: typeof tell): (() => void) => {
    tell = listener
    return engine.onCommit(listener)
  }
  let views = 0
  const view = async (): Promise<View> => {
    const made = await engine.view()
    const events: View['events'] = (options) => {
      const reading = made.events(options)
      if (views === 2) tell(newest)
      return reading
    }
    views++
    return { seq: made.seq, events, release: () => made.release() } as View
  }
  const subscription = new Subscription({ view, onCommit }, { fromSeq: 2 }, { own: (event) => event, onEnd: () => undefined })
  expect((await subscription.next()).value?.seq).toBe(2)
  await db.collection('users').create({ n: 3 })
  expect((await subscription.next()).value?.seq).toBe(3)
  await subscription.return()
  await db.close()
})

test('a named consumer goes on where it was, after a crash with at most the last events again, and its lag is known', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const users = db.collection<{ n: number }>('users')
  for (let n = 1; n <= 10; n++) await users.create({ n })
  expect(await take(4, db.subscribe({ consumer: 'mail', fromSeq: 1 }))).toEqual([1, 2, 3, 4])
  // Leaving a loop says nothing of its last event, which comes again.
  const second = db.subscribe({ consumer: 'mail', fromSeq: 1 })
  for (let seq = 4; seq <= 10; seq++) expect((await second.next()).value?.seq).toBe(seq)
  const waiting = second.next()
  while ((await db.stats()).consumers['mail']?.seq !== 10) await new Promise((resolve) => setImmediate(resolve))
  // What it is behind are the records of its own position: when it began, when it was left, and now.
  expect((await db.stats()).consumers).toEqual({ mail: { seq: 10, lag: 3 } })
  // As after a crash: the store as it is, with nothing closed.
  const crashed = open(storage.clone())
  await crashed.collection('users').create({ n: 11 })
  expect(await take(1, crashed.subscribe({ consumer: 'mail', fromSeq: 1 }))).toEqual([14])
  expect((await crashed.collections()).map(({ name }) => name)).toEqual(['users'])
  await crashed.close()
  await second.return()
  await waiting
  await db.close()
})

test('a named consumer that takes a few events a time comes to the end, and leaves what retention has taken by a later fromSeq', async () => {
  const db = open()
  const users = db.collection<{ n: number }>('users')
  for (let n = 1; n <= 90; n++) await users.create({ n })
  // The event in hand when the loop is left comes again.
  for (let run = 0; run < 9; run++) expect(await take(10, db.subscribe({ consumer: 'mail', fromSeq: 1 }))).toEqual(Array.from({ length: 10 }, (_, index) => run * 9 + index + 1))
  const { seq = 0 } = (await db.stats()).consumers['mail'] ?? {}
  for (let n = 0; n < 20; n++) await users.create({ n })
  await db.retain({ policy: { mode: 'drop', maxEvents: 2 } })
  const refusal = await db.subscribe({ consumer: 'mail' }).next().catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'HISTORY_UNAVAILABLE' })
  const { horizonSeq } = (refusal as { details: { horizonSeq: number } }).details
  expect(horizonSeq).toBeGreaterThan(seq)
  expect(await take(1, db.subscribe({ consumer: 'mail', fromSeq: horizonSeq + 1 }))).toEqual([horizonSeq + 1])
  // It never goes back.
  expect((await take(1, db.subscribe({ consumer: 'mail', fromSeq: 1 })))[0]).toBe(horizonSeq + 1)
  await db.close()
})

test('a named consumer of a database that is read gets nothing, as its position cannot be kept', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  for (let n = 1; n <= 5; n++) await db.collection('users').create({ n })
  await take(2, db.subscribe({ consumer: 'mail', fromSeq: 1 }))
  const reader = new ParqueDB({ storage, readOnly: true })
  for (const consumer of ['mail', 'new']) await expect(reader.subscribe({ consumer, fromSeq: 1 }).next()).rejects.toMatchObject({ code: 'READ_ONLY' })
  await reader.close()
  await db.close()
})

test('a projection is built, kept with its position, built anew when its definition changes, and without what was erased', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const users = db.collection<{ city: string }>('users')
  await users.create({ $id: 'a', city: 'Oslo' })
  await users.create({ $id: 'b', city: 'Rome' })
  let runs = 0
  const cities = defineProjection<{ [city: string]: number }>({
    name: 'cities',
    ns: 'users',
    init: () => ({}),
    apply: (state, event) => {
      runs += 1
      const city = event.after?.['city'] as string
      return { ...state, [city]: (state[city] ?? 0) + 1 }
    },
  })
  const first = db.project(cities)
  expect(await first.current()).toEqual({ state: { Oslo: 1, Rome: 1 }, seq: 2, version: 1 })
  await users.create({ $id: 'c', city: 'Rome' })
  expect((await first.current()).state).toEqual({ Oslo: 1, Rome: 2 })
  expect(runs).toBe(3)
  await db.close()

  const again = open(storage)
  const second = again.project(cities)
  expect((await second.current()).state).toEqual({ Oslo: 1, Rome: 2 })
  // Nothing was folded twice.
  expect(runs).toBe(3)
  await again.erase('users/a')
  expect((await second.current()).state).toEqual({ Rome: 2 })
  expect((await second.read())?.state).toEqual({ Rome: 2 })
  const changed = again.project({ name: 'cities', version: 2, ns: 'users', init: () => ({ count: 0 }), apply: ({ count }) => ({ count: count + 1 }) })
  expect(await changed.current()).toMatchObject({ state: { count: 2 }, version: 2 })
  expect((await again.stats()).lastSeq).toBeGreaterThan(5)
  const seen: string[] = []
  for await (const { target } of again.events()) seen.push(target)
  expect(seen.every((target) => target.startsWith('users:'))).toBe(true)
  expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await again.close()
})

test.each([['acme~orders', 'orders/a'], ['orders', 'acme~orders/a']])('what is erased on one side of a tenant is in no projection on the other: one of %s, when %s is erased', async (ns, target) => {
  const storage = new MemoryBackend()
  const db = open(storage)
  const acme = db.tenant('acme')
  const [reader, eraser] = ns === 'orders' ? [acme, db] : [db, acme]
  await acme.collection('orders').create({ $id: 'a', city: 'SECRET' })
  const cities = reader.project<{ [city: string]: number }>({ name: 'cities', ns, init: () => ({}), apply: (state, { op, after }) => (op === 'CREATE' ? { ...state, [after?.['city'] as string]: 1 } : state) })
  expect((await cities.current()).state).toEqual({ SECRET: 1 })
  await db.flush()
  await eraser.erase(target)
  expect((await cities.current()).state).toEqual({})
  await db.flush()
  await db.compact()
  await db.close()
  for (const { path } of (await storage.list('')).objects) expect(new TextDecoder('latin1').decode(await storage.read(path)), path).not.toContain('SECRET')
})

test('a projection that fails says so, and a definition that is none is refused', async () => {
  const db = open()
  await db.collection('users').create({ n: 1 })
  const broken = db.project({ name: 'broken', init: () => ({}), apply: () => { throw new Error('no') } })
  await expect(broken.current()).rejects.toThrow('no')
  const silent = db.project({ name: 'silent', init: () => ({ count: 0 }), apply: ((state: { count: number }) => { state.count++ }) as never })
  await expect(silent.current()).rejects.toThrow("The projection 'silent' has undefined for its state")
  expect(() => db.project({ name: 'x' } as never)).toThrow(/init and apply/)
  await db.close()
})
