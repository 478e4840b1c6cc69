import { describe, expect, test } from 'vitest'
import type { Clock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import type { EngineOptions } from './engine-options.ts'
import { MemoryBackend } from './MemoryBackend.ts'

/** A clock that stands until it is moved; sleeping takes no time. */
function manualClock(startMs = 1_000_000): Clock & { advance(ms: number): void } {
  let nowMs = startMs
  return {
    nowMs: () => nowMs,
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    after: () => () => undefined,
    advance(ms) {
      nowMs += ms
    },
  }
}

function open(storage = new MemoryBackend(), options: EngineOptions = {}): { storage: MemoryBackend; engine: EventSourcedBackend; clock: ReturnType<typeof manualClock> } {
  const clock = manualClock()
  return { storage, clock, engine: withEventSourcing(storage, { clock, random: seededRandom(1), ...options }) }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('appendEvent and reconstructEntity', () => {
  test('an event is numbered, and the state follows from it', async () => {
    const { engine } = open()
    const created = await engine.appendEvent({ op: 'CREATE', target: 'users:abc123', after: { name: 'Ada', n: 1n } })
    expect(created).toMatchObject({ seq: 1, version: 1, ts: 1_000_000, op: 'CREATE', target: 'users:abc123' })
    await engine.appendEvent({ op: 'UPDATE', target: 'users:abc123', after: { age: 36 } })
    expect(await engine.reconstructEntity('users', 'abc123')).toEqual({
      $id: 'users/abc123',
      version: 2,
      createdAt: new Date(1_000_000),
      updatedAt: new Date(1_000_000),
      name: 'Ada',
      n: 1n,
      age: 36,
    })
  })

  test('an event id that was committed before is not committed again', async () => {
    const { engine } = open()
    const first = await engine.appendEvent({ id: 'e1', op: 'CREATE', target: 'a:x', after: { v: 1 } })
    expect(await engine.appendEvent({ id: 'e1', op: 'CREATE', target: 'a:x', after: { v: 1 } })).toEqual(first)
    await engine.flush()
    expect(await engine.appendEvent({ id: 'e1', op: 'CREATE', target: 'a:x', after: { v: 1 } })).toEqual(first)
    expect((await engine.stats()).lastSeq).toBe(1)
  })

  test('a refused event leaves no trace', async () => {
    const { engine } = open()
    await expect(engine.appendEvent({ op: 'UPDATE', target: 'a:x', after: {} })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(
      engine.appendEvents([
        { op: 'CREATE', target: 'a:x', after: {} },
        { op: 'CREATE', target: 'a:x', after: {} },
      ]),
    ).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect((await engine.stats()).lastSeq).toBe(0)
  })
})

describe('flush, compaction and reopening', () => {
  async function write(engine: EventSourcedBackend, count: number): Promise<void> {
    for (let index = 0; index < count; index++) await engine.appendEvent({ op: 'CREATE', target: `n:${String(index).padStart(4, '0')}`, after: { index, text: `t${index}` } })
  }

  test('what is in the log is there after reopening, with what came after a flush on top', async () => {
    const { storage, engine, clock } = open()
    await write(engine, 20)
    await engine.flush()
    clock.advance(10)
    await engine.appendEvent({ op: 'UPDATE', target: 'n:0003', after: { text: 'changed' } })
    await engine.appendEvent({ op: 'DELETE', target: 'n:0004' })
    const expected = await collect(engine.readEvents())
    await engine.close()
    const again = withEventSourcing(storage, { clock, random: seededRandom(2) })
    expect(await collect(again.readEvents())).toEqual(expected)
    expect(await again.reconstructEntity('n', '0003')).toMatchObject({ version: 2, text: 'changed', index: 3 })
    expect(await again.reconstructEntity('n', '0003', { asOf: 20 })).toMatchObject({ version: 1, text: 't3' })
    expect(await again.reconstructEntity('n', '0004')).toBeUndefined()
    expect(await again.reconstructEntity('n', '0004', { asOf: 21 })).toMatchObject({ text: 't4' })
    expect((await again.stats()).open.replayedEvents).toBe(2)
    expect((await again.verify({ deep: true })).problems).toEqual([])
  })

  test('merging runs and segments changes no answer, and a view that was taken before reads on', async () => {
    const { engine, clock } = open(undefined, { graceMs: 0, compaction: { background: false } })
    for (let round = 0; round < 5; round++) {
      clock.advance(1000)
      for (let index = 0; index < 30; index++) {
        const target = `n:${String(index * 7 + round).padStart(4, '0')}`
        await engine.appendEvent({ op: 'CREATE', target, after: { round, index } }).catch(() => engine.appendEvent({ op: 'UPDATE', target, after: { round } }))
      }
      await engine.flush()
    }
    const before = await engine.view()
    const states = (await collect(before.scan('n'))).flat()
    const events = await collect(engine.readEvents())
    const past = (await collect(before.scan('n', { asOf: { seq: 70 } }))).flat()
    await engine.compact()
    expect((await engine.stats()).namespaces['n']).toMatchObject({ runs: 1, rows: states.length })
    const after = await engine.view()
    expect((await collect(after.scan('n'))).flat()).toEqual(states)
    expect((await collect(before.scan('n'))).flat()).toEqual(states)
    expect((await collect(after.scan('n', { asOf: { seq: 70 } }))).flat()).toEqual(past)
    expect(await collect(engine.readEvents())).toEqual(events)
    expect((await engine.stats()).garbage.files).toBeGreaterThan(0)
    before.release()
    after.release()
    await engine.compact()
    expect((await engine.stats()).garbage.files).toBe(0)
    expect((await engine.verify({ deep: true })).problems).toEqual([])
  })
})
