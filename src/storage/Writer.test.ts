import { describe, expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { stall } from '../testing/fault.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import type { EventInput } from './event-input.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const create = (id: string, text = ''): EventInput => ({ op: 'CREATE', target: `n:${id}`, after: { text } })
const fiveMiB = 'x'.repeat(5 * 1024 * 1024)
const elevenMiB = 'x'.repeat(11 * 1024 * 1024)
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a writer whose log fails', () => {
  test('refuses what waits for room, for a cut, and to be decided', async () => {
    const storage = new FaultyBackend(new MemoryBackend())
    const engine = withEventSourcing(storage)
    await engine.appendEvent(create('a'))
    const { effect, release } = stall()
    storage.plan({ on: 'append', nth: 1, when: 'before', effect })
    storage.plan({ on: 'append', nth: 1, when: 'before', effect: { kind: 'fail' } })
    const writes = [create('b'), ...['c', 'd', 'e', 'f'].map((id) => create(id, fiveMiB))].map((event) => engine.appendEvent(event))
    await settle()
    const outcomes = [...writes, engine.flush()].map((work) => work.then(() => 'done', (error: { code: string }) => error.code))
    await settle()
    release()
    expect(await Promise.all(outcomes)).toEqual(Array<string>(6).fill('STORAGE_UNAVAILABLE'))
    await engine.close()
    expect((await storage.list('events/')).objects).toEqual([])
  })

  test('refuses a commit that was reading a data file meanwhile', async () => {
    const storage = new FaultyBackend(new MemoryBackend())
    const engine = withEventSourcing(storage, { maxCachedEntities: 0, maxCachedColumnBytes: 0 })
    await engine.appendEvents([create('a'), create('b')])
    await engine.flush()
    const { effect, release } = stall()
    storage.plan({ on: 'readRange', path: 'entities/', nth: 1, when: 'before', effect })
    storage.plan({ on: 'append', nth: 1, when: 'before', effect: { kind: 'fail' } })
    const first = engine.appendEvent(create('c'))
    const reading = engine.appendEvent({ op: 'UPDATE', target: 'n:a', after: { text: 'new' } })
    await expect(first).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    release()
    await expect(reading).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await engine.close()
  })
})

test('batches of more than four MiB go to the log one after the other, and all of them arrive', async () => {
  const storage = new FaultyBackend(new MemoryBackend())
  const engine = withEventSourcing(storage)
  await engine.appendEvent(create('0'))
  const before = storage.count('append')
  await Promise.all(['a', 'b', 'c', 'd'].map((id) => engine.appendEvent(create(id, fiveMiB))))
  expect(storage.count('append')).toBe(before + 4)
  expect((await engine.stats()).lastSeq).toBe(5)
  await engine.close()
})

test('closing waits for what was asked for: of what is being decided and of what is on its way to the log', async () => {
  const memory = new MemoryBackend()
  const storage = new FaultyBackend(memory)
  const engine = withEventSourcing(storage)
  await engine.appendEvent(create('0'))
  const { effect, release } = stall()
  storage.plan({ on: 'append', nth: 1, when: 'before', effect })
  const writes = ['a', 'b', 'c'].map((id) => engine.appendEvent(create(id, fiveMiB)))
  await settle()
  const closing = engine.close()
  release()
  expect((await Promise.all(writes)).map(({ seq }) => seq)).toEqual([2, 3, 4])
  await closing
  const again = withEventSourcing(memory)
  expect((await again.stats()).lastSeq).toBe(4)
  await again.close()
})

test('a caller that starts more than 100,000 writes without awaiting any is told so; those before it are done', async () => {
  const engine = withEventSourcing(new MemoryBackend())
  await engine.appendEvent(create('a'))
  const signal = AbortSignal.abort()
  const outcomes = await Promise.allSettled(Array.from({ length: 100_001 }, () => engine.commit({ keys: [], decide: () => [], signal })))
  const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'done'))
  expect(codes.filter((code) => code === 'ABORTED')).toHaveLength(100_000)
  expect(codes.at(-1)).toBe('LIMIT_EXCEEDED')
  expect((await engine.appendEvent(create('b'))).seq).toBe(2)
  await engine.close()
})

describe('a commit', () => {
  test('of more than 20 Mi characters of JSON is refused whole, and the next one is decided as if it had never been', async () => {
    const storage = new FaultyBackend(new MemoryBackend())
    const engine = withEventSourcing(storage)
    await engine.appendEvent(create('a'))
    const { effect, release } = stall()
    storage.plan({ on: 'append', nth: 1, when: 'before', effect })
    const pending = engine.appendEvent({ op: 'UPDATE', target: 'n:a', after: { text: 'second' } })
    await settle()
    const refused = engine.appendEvents([{ op: 'UPDATE', target: 'n:a', after: { text: 'third' } }, create('b', elevenMiB), create('c', elevenMiB)])
    const next = engine.appendEvents([create('b'), { op: 'UPDATE', target: 'n:a', after: { n: 1 } }])
    const refusal = refused.catch((error: unknown) => error)
    await settle()
    release()
    expect(await refusal).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 'commitChars', max: 20_971_520 } })
    expect((await pending).version).toBe(2)
    expect((await next).map(({ seq, version }) => [seq, version])).toEqual([[3, 1], [4, 3]])
    expect(await engine.reconstructEntity('n', 'a')).toMatchObject({ version: 3, text: 'second', n: 1 })
    await engine.close()
  })

  test('whose event id is on its way to the log already is not committed again', async () => {
    const engine = withEventSourcing(new MemoryBackend())
    await engine.appendEvent(create('a'))
    const [left, right] = await Promise.all([engine.appendEvent({ ...create('b'), id: 'e' }), engine.appendEvent({ ...create('b'), id: 'e' })])
    expect(left).toEqual(right)
    expect((await engine.stats()).lastSeq).toBe(2)
    await engine.close()
  })

  test('of which some events were committed before is refused', async () => {
    const engine = withEventSourcing(new MemoryBackend())
    await engine.appendEvent({ ...create('a'), id: 'e1' })
    const both = engine.appendEvents([{ ...create('a'), id: 'e1' }, { ...create('b'), id: 'e2' }])
    await expect(both).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { committed: ['e1'] } })
    await engine.close()
  })

  test('while an entity is being erased may be about others, but neither about it nor about an edge to it', async () => {
    const storage = new FaultyBackend(new MemoryBackend())
    const db = new ParqueDB({ storage })
    const users = db.collection<{ n: number }>('users')
    for (const $id of ['a', 'b']) await users.create({ $id, n: 1 })
    await users.link('b', 'likes', 'users/a')
    await db.flush()
    const { effect, release } = stall()
    storage.plan({ on: 'put', path: 'events/', nth: 1, when: 'before', effect })
    const erasing = db.erase('users/a')
    await settle()
    await expect(users.create({ $id: 'a', n: 2 })).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT', details: { $id: 'users/a' } })
    for (const name of ['knows', 'likes']) {
      await expect(users.link('b', name, 'users/a')).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' })
      await expect(db.transaction((tx) => tx.collection('users').link('b', name, 'users/a'))).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' })
    }
    expect(await users.update('b', { $inc: { n: 1 } })).toMatchObject({ n: 2 })
    release()
    await erasing
    expect(await users.create({ $id: 'a', n: 3 })).toMatchObject({ version: 1 })
    await db.close()
  })
})
