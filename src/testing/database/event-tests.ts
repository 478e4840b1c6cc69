import type { Event } from '../../model/event.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, collect } from './observe.ts'
import { systemClock } from '../../base/clock.ts'

export function eventTests(test: DatabaseTest, { expect }: TestTools): void {
  test('events come in order, whole, and narrowed as asked', async ({ db }) => {
    const a = db.collection('a')
    await a.create({ $id: 'x', n: 1 }, { actor: 'ada', metadata: { via: 'test' }, txId: 't' })
    await db.collection('b').create({ $id: 'y' })
    await a.update('x', { $inc: { n: 1 } })
    await systemClock.sleep(5)
    await a.delete('x', { actor: 'bob' })
    for (let round = 0; round < 2; round++) {
      const events = await collect(db.events())
      expect(events.map(({ seq, op, target, version }) => [seq, op, target, version])).toEqual([
        [1, 'CREATE', 'a:x', 1],
        [2, 'CREATE', 'b:y', 1],
        [3, 'UPDATE', 'a:x', 2],
        [4, 'DELETE', 'a:x', 3],
      ])
      const [first, , third, last] = events
      expect({ ...first, id: '', ts: 0 }).toEqual({ seq: 1, id: '', ts: 0, op: 'CREATE', target: 'a:x', version: 1, after: { n: 1 }, actor: 'ada', txId: 't', metadata: { via: 'test' } })
      expect(third?.patch).toEqual({ set: { n: 2 } })
      const seqs = async (options: Parameters<typeof db.events>[0]): Promise<number[]> => (await collect(db.events(options))).map(({ seq }) => seq)
      expect(await seqs({ ns: 'b' })).toEqual([2])
      expect(await seqs({ fromSeq: 2, toSeq: 3 })).toEqual([2, 3])
      expect(await seqs({ op: ['UPDATE', 'DELETE'] })).toEqual([3, 4])
      expect(await seqs({ op: 'CREATE', ns: 'a' })).toEqual([1])
      expect(await seqs({ actor: 'bob' })).toEqual([4])
      expect(await seqs({ from: new Date(last?.ts ?? 0) })).toEqual([4])
      expect(await seqs({ to: new Date(third?.ts ?? 0).toISOString() })).toEqual([1, 2, 3])
      expect(await seqs({ fromSeq: 99 })).toEqual([])
      await db.flush()
    }
  })

  test('events of another database are appended as they are, those that are there are passed over, and what does not follow is refused', async ({ db, reopen }) => {
    const a = db.collection<{ n: number }>('a')
    await a.create({ $id: 'x', n: 1 })
    await a.link('x', 'next', 'b/y', { weight: 1 })
    await a.update('x', { $inc: { n: 1 } }, { actor: 'ada', txId: 'once' })
    const there = await collect(db.events())
    expect(await db.importEvents(there)).toEqual({ appendedCount: 0, repeatedCount: 3 })
    const last = there[2] as Event
    const more: Event[] = [
      { ...last, seq: 0, id: 'new-1', version: 3, patch: { set: { n: 7 } }, actor: 'bob', txId: 'other', metadata: { at: new Date(5) } },
      { seq: 0, id: 'new-2', ts: last.ts + 1, op: 'CREATE', target: 'c:z', version: 1, after: { n: 2 } },
      { seq: 0, id: 'new-3', ts: last.ts + 1, op: 'REL_CREATE', target: 'a:x', version: 1, predicate: 'next', to: 'b/w', data: { weight: 2 } },
    ]
    await systemClock.sleep(5)
    expect(await db.importEvents(more)).toEqual({ appendedCount: 3, repeatedCount: 0 })
    expect(await db.importEvents([...there, ...more])).toEqual({ appendedCount: 0, repeatedCount: 6 })
    const events = (await collect(db.events({ fromSeq: 4 }))).map((event) => ({ ...event, seq: 0 }))
    expect(events).toEqual(more)
    expect((await a.get('x'))?.n).toBe(7)
    expect(await a.countRelated('x', 'next')).toBe(0)
    await db.collection('b').createMany([{ $id: 'y' }, { $id: 'w' }])
    expect(await a.countRelated('x', 'next')).toBe(2)
    const wrong = { ...more[0], id: 'new-4', txId: 'wrong', version: 3 } as Event
    expect(await codeOf(() => db.importEvents([wrong]))).toBe('VERSION_CONFLICT')
    expect(await codeOf(() => db.importEvents('x' as never))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(async () => (await reopen({ readOnly: true })).importEvents([{ ...wrong, version: 4 }]))).toBe('READ_ONLY')
  })

  test('a subscription brings what there is and then what comes, each event once', async ({ db }) => {
    const a = db.collection<{ n: number }>('a')
    for (let n = 1; n <= 5; n++) await a.create({ n })
    await db.flush()
    for (let n = 6; n <= 8; n++) await a.create({ n })
    const seen: number[] = []
    const writing = (async () => {
      for (let n = 9; n <= 60; n++) await a.create({ n })
    })()
    for await (const event of db.subscribe({ fromSeq: 3 })) {
      seen.push(event.seq)
      if (event.seq === 30) await db.flush()
      if (event.seq === 60) break
    }
    await writing
    expect(seen).toEqual(Array.from({ length: 58 }, (_, index) => index + 3))
  })

  test('a subscription without a start begins where it is made, and may be narrowed to a collection', async ({ db }) => {
    await db.collection('a').create({ $id: 'before' })
    const all = db.subscribe()
    const ofB = db.subscribe({ ns: 'b' })
    // The start is settled by the time of the next write.
    await db.stats()
    await db.collection('a').create({ $id: 'x' })
    await db.collection('b').create({ $id: 'y' })
    expect((await all.next()).value.target).toBe('a:x')
    expect((await all.next()).value.target).toBe('b:y')
    expect((await ofB.next()).value.target).toBe('b:y')
    await all.return()
    expect((await all.next()).done).toBe(true)
    await ofB.return()
  })

  test('a consumer that is far behind gets every event all the same', async ({ db }) => {
    const a = db.collection<{ n: number }>('a')
    const subscription = db.subscribe({ fromSeq: 1 })
    await a.createMany(Array.from({ length: 12_000 }, (_, n) => ({ n })))
    let count = 0
    for await (const event of subscription) {
      count += 1
      expect(event.seq).toBe(count)
      if (count === 5000) await a.createMany(Array.from({ length: 1000 }, (_, n) => ({ n })))
      if (count === 13_000) break
    }
    expect(count).toBe(13_000)
  })

  test('a subscription ends by its signal, by closing, and refuses to begin in the future', async ({ db }) => {
    await db.collection('a').create({ n: 1 })
    const controller = new AbortController()
    const aborted = db.subscribe({ signal: controller.signal })
    const waiting = codeOf(() => aborted.next())
    await systemClock.sleep(5)
    controller.abort()
    expect(await waiting).toBe('ABORTED')
    expect(await codeOf(() => db.subscribe({ fromSeq: 3 }).next())).toBe('INVALID_ARGUMENT')
    const closed = db.subscribe({ fromSeq: 1 })
    expect((await closed.next()).value.seq).toBe(1)
    const next = codeOf(() => closed.next())
    await db.close()
    expect(await next).toBe('CLOSED')
  })

  test('a follower reads what the writer committed, and cannot write', async ({ db, reopen }) => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    await db.flush()
    await db.collection('a').update('x', { $inc: { n: 1 } })
    const follower = await reopen({ readOnly: true })
    expect((await follower.collection('a').get('x'))?.n).toBe(2)
    expect((await follower.stats()).readOnly).toBe(true)
    for (const write of [
      () => follower.collection('a').create({ n: 1 }),
      () => follower.collection('a').update('x', { $inc: { n: 1 } }),
      () => follower.collection('a').delete('x'),
      () => follower.collection('a').createMany([{ n: 1 }]),
      () => follower.collection('a').updateMany({}, { $inc: { n: 1 } }),
      () => follower.transaction((tx) => tx.collection('a').create({ n: 1 })),
      () => follower.compact(),
      () => follower.flush(),
    ]) {
      expect(await codeOf(write)).toBe('READ_ONLY')
    }
    expect(await collect(follower.events()).then((events) => events.length)).toBe(2)
  })
}
