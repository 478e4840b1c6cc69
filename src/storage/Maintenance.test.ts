import { describe, expect, test, vi } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stall } from '../testing/fault.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import type { EngineOptions } from './engine-options.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import { epochPath } from './head.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const create = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const background = async (engine: EventSourcedBackend): Promise<{ flushes: number; lastError: string | undefined }> => (await engine.stats()).background

function open(options: EngineOptions = {}): { memory: MemoryBackend; storage: FaultyBackend; engine: EventSourcedBackend } {
  const memory = new MemoryBackend({ takeOver: true })
  const storage = new FaultyBackend(memory)
  return { memory, storage, engine: withEventSourcing(storage, options) }
}

describe('a flush in the background', () => {
  test.each([
    ['an error', undefined, 'fails before it is done, as planned'],
    ['something else', 'no luck' as unknown as Error, 'no luck'],
  ])('that fails with %s is told by stats, loses nothing, and is made good with the next commit', async (_, error, message) => {
    const { storage, engine } = open({ flush: { eventsMax: 2 } })
    await engine.appendEvent(create('a'))
    storage.plan({ on: 'put', path: 'events/', nth: 1, when: 'before', effect: error === undefined ? { kind: 'fail' } : { kind: 'fail', error } })
    await engine.appendEvent(create('b'))
    await vi.waitFor(async () => expect((await background(engine)).lastError).toContain(message))
    await engine.appendEvent(create('c'))
    await vi.waitFor(async () => expect(await background(engine)).toMatchObject({ flushes: 1, lastError: undefined }))
    expect((await engine.stats()).lastSeq).toBe(3)
    await engine.close()
  })

  test('is put off while more writes wait, and then takes all of them', async () => {
    const { storage, engine } = open({ flush: { eventsMax: 10 } })
    await engine.appendEvent(create('first'))
    const many = (name: string): Promise<unknown> => engine.appendEvents(Array.from({ length: 12 }, (_, index) => create(`${name}${index}`)))
    const [first, second] = [stall(), stall()]
    storage.plan({ on: 'append', path: '', nth: 1, when: 'before', effect: first.effect })
    storage.plan({ on: 'append', path: '', nth: 2, when: 'before', effect: second.effect })
    const writes = [many('a')]
    await settle()
    writes.push(many('b'))
    await settle()
    first.release()
    await settle()
    writes.push(many('c'))
    await settle()
    second.release()
    await Promise.all(writes)
    await vi.waitFor(async () => expect(await background(engine)).toMatchObject({ flushes: 1 }))
    expect((await engine.stats()).segments).toMatchObject({ count: 1, events: 37 })
    await engine.close()
  })

  test('of a writer that was taken over meanwhile ends that writer', async () => {
    const { memory, storage, engine } = open({ flush: { eventsMax: 2 } })
    await engine.appendEvent(create('a'))
    const { effect, release } = stall()
    storage.plan({ on: 'put', path: 'manifest/', nth: 1, when: 'before', effect })
    await engine.appendEvent(create('b'))
    await settle()
    const owner = withEventSourcing(memory)
    await owner.appendEvent(create('c'))
    release()
    await vi.waitFor(async () => expect((await background(engine)).lastError).toContain('Another writer took over'))
    const appends = storage.count('append')
    await expect(engine.appendEvent(create('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    expect(storage.count('append')).toBe(appends)
    await engine.close()
    expect((await owner.stats()).lastSeq).toBe(3)
    await owner.close()
  })

  test('is finished when the database is closed, and so is one that was asked for', async () => {
    const { memory, storage, engine } = open()
    await engine.appendEvent(create('a'))
    const { effect, release } = stall()
    storage.plan({ on: 'put', path: 'events/', nth: 1, when: 'before', effect })
    const flushing = engine.flush()
    await settle()
    const closing = engine.close()
    await settle()
    release()
    await flushing
    await closing
    const again = withEventSourcing(memory)
    expect(await again.stats()).toMatchObject({ flushedSeq: 1, lastSeq: 1 })
    await again.close()
  })
})

test('a merge that is under way when the database is closed is given up, and leaves no file', async () => {
  const { memory, storage, engine } = open({ compaction: { background: false } })
  for (const id of ['a', 'b']) {
    await engine.appendEvent(create(id))
    await engine.flush()
  }
  const before = (await memory.list('e')).objects.filter(({ path }) => path.endsWith('.parquet')).map(({ path }) => path)
  const { effect, release } = stall()
  storage.plan({ on: 'put', path: 'entities/', nth: 1, when: 'before', effect })
  const merging = engine.compact().catch((error: unknown) => error)
  await vi.waitFor(() => expect(storage.count('put')).toBeGreaterThan(0))
  await settle()
  const closing = engine.close()
  await settle()
  release()
  expect(await merging).toMatchObject({ code: 'CLOSED' })
  await closing
  expect((await memory.list('e')).objects.filter(({ path }) => path.endsWith('.parquet')).map(({ path }) => path)).toEqual(before)
})

describe('a writer whose owner has the background work done', () => {
  const scheduled = (): ReturnType<typeof open> & { asked: number[] } => {
    const asked: number[] = []
    const clock = { ...systemClock, nowMs: () => 1000 }
    return { ...open({ flush: { eventsMax: 2 }, schedule: (atMs) => asked.push(atMs), clock }), asked }
  }
  const fill = async (engine: EventSourcedBackend, count: number): Promise<void> => {
    for (let index = 0; index < count; index++) await engine.appendEvent(create(`${index}`))
  }

  test('begins a flush by itself when the log is at its limit', async () => {
    const { engine, asked } = scheduled()
    await fill(engine, 8)
    expect(await background(engine)).toMatchObject({ flushes: 0 })
    await engine.appendEvent(create('more'))
    expect(await engine.stats()).toMatchObject({ flushedSeq: 8, lastSeq: 9 })
    expect(asked[0]).toBe(601_000)
    expect(asked).toContain(1000)
    await engine.close()
  })

  const sliced = async (): Promise<ReturnType<typeof open> & { asked: number[] }> => {
    const asked: number[] = []
    const opened = open({ flush: { eventsMax: 100, ageMsMax: 0 }, compaction: { fanIn: 2, sliceRowsMax: 500 }, graceMs: 0, schedule: (atMs) => asked.push(atMs) })
    for (const from of [0, 1]) {
      const events = Array.from({ length: 3000 }, (_, index) => create(String(index * 2 + from).padStart(5, '0')))
      await opened.engine.appendEvents(events)
      await opened.engine.flush()
    }
    return { ...opened, asked }
  }
  const idsOf = async (engine: EventSourcedBackend): Promise<number> => (await engine.stats()).namespaces['n']?.rows ?? 0

  test('merges in slices, asks for the next one at once, and serves reads and writes in between', async () => {
    const { engine, asked } = await sliced()
    let slices = 0
    for (; (await engine.stats()).background.compactions === 0; slices++) {
      await engine.maintain()
      if (slices !== 2) continue
      await engine.appendEvents([{ op: 'UPDATE', target: 'n:00003', after: { id: 'new' } }])
      await engine.flush()
      expect((await engine.stats()).namespaces['n']?.runs).toBe(3)
      expect(asked.at(-1)).toBeLessThanOrEqual(systemClock.nowMs())
    }
    expect(slices).toBeGreaterThan(5)
    expect(slices).toBeLessThan(13)
    expect((await engine.stats()).namespaces['n']?.runs).toBe(2)
    expect((await engine.reconstructEntity<{ id: string }>('n', '00003'))?.id).toBe('new')
    expect((await engine.verify({ deep: true })).problems).toEqual([])
    await engine.close()
  })

  test('that ends between two slices leaves nothing but files that the next one sweeps', async () => {
    const { memory, engine } = await sliced()
    await engine.maintain()
    await engine.maintain()
    expect((await engine.stats()).background.compactions).toBe(0)
    const next = withEventSourcing(memory, { graceMs: 0 })
    await next.appendEvent(create('next'))
    await next.compact()
    expect(await idsOf(next)).toBe(6001)
    expect((await next.verify({ deep: true })).problems).toEqual([])
    const named = (await next.stats()).namespaces['n']?.runs
    expect([named, (await memory.list('entities/')).objects.length]).toEqual([1, 1])
    await next.close()
    await engine.close()
  })

  test('ends a held merge at once when everything is to be compacted, and gives it up when it closes', async () => {
    const { engine } = await sliced()
    await engine.maintain()
    await engine.compact()
    expect(await engine.stats()).toMatchObject({ background: { compactions: 2 }, namespaces: { n: { runs: 1, rows: 6000 } } })
    await engine.close()
    const other = await sliced()
    await other.engine.maintain()
    await other.engine.close()
    expect((await other.memory.list('entities/')).objects.length).toBe(2)
  })

  test('takes no more writes when the log is at its limit and cannot be flushed, and asks for another attempt five seconds later', async () => {
    const { storage, engine, asked } = scheduled()
    await fill(engine, 2)
    storage.plan({ on: 'put', path: 'events/', nth: 1, when: 'before', effect: { kind: 'fail' } })
    await expect(engine.maintain()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(asked.at(-1)).toBe(6000)
    await engine.appendEvents(Array.from({ length: 6 }, (_, index) => create(`more ${index}`)))
    await expect(engine.appendEvent(create('refused'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { limit: 'unflushed', retryable: true } })
    await engine.maintain()
    expect((await engine.appendEvent(create('again'))).seq).toBe(9)
    await engine.close()
  })
})

describe('erasing', () => {
  test('by two callers at once is done once, and both are told when it is', async () => {
    const { engine } = open()
    for (const id of ['a', 'b']) await engine.appendEvent(create(id))
    await engine.flush()
    const reports = await Promise.all(['a', 'b'].map((id) => engine.erase({ keys: [{ ns: 'n', id }] })))
    // The newest event, which of the first may be the second one's already.
    expect(reports.map(({ seq }) => seq).filter((seq) => seq < 3 || seq > 4)).toEqual([])
    expect(reports.map(({ rewrittenFiles }) => rewrittenFiles).toSorted((left, right) => left - right)[0]).toBe(0)
    expect(await engine.reconstructEntity('n', 'a')).toBeUndefined()
    expect((await engine.verify({ deep: true })).problems).toEqual([])
    await engine.close()
  })

  test('that failed half-way is finished with the next flush in the background', async () => {
    const { memory, storage, engine } = open({ flush: { eventsMax: 3 }, graceMs: 0 })
    for (const id of ['secret', 'b']) await engine.appendEvent(create(id))
    await engine.flush()
    storage.plan({ on: 'put', path: 'events/', nth: 2, when: 'before', effect: { kind: 'fail' } })
    await expect(engine.erase({ keys: [{ ns: 'n', id: 'secret' }] })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    for (const id of ['c', 'd', 'e']) await engine.appendEvent(create(id))
    const holders = async (): Promise<string[]> => {
      const found: string[] = []
      for (const { path } of (await memory.list('')).objects) if (Buffer.from(await memory.read(path)).includes('secret')) found.push(path)
      return found
    }
    await vi.waitFor(async () => expect(await holders()).toEqual([]))
    await engine.close()
  })
})

test('a head whose file is gone is not made anew: whoever deleted it has the database', async () => {
  const { memory, storage, engine } = open()
  await engine.appendEvent(create('a'))
  storage.plan({ on: 'put', path: 'epoch/', nth: 1, when: 'before', effect: { kind: 'fail', error: new ParqueDBError('STORAGE_UNAVAILABLE', 'Down.') } })
  await expect(engine.flush()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  const stat = memory.stat.bind(memory)
  let looks = 0
  memory.stat = async (path) => {
    // The fence has looked at it; now the writer asks which head is there.
    if (path === epochPath(1) && ++looks === 2) await memory.delete(path)
    return stat(path)
  }
  await expect(engine.flush()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
  expect(await memory.stat(epochPath(1))).toBeUndefined()
})

test('what writes files anew and is asked for at once goes one after the other', async () => {
  const { engine } = open({ compaction: { background: false } })
  for (const id of ['a', 'b', 'c']) {
    await engine.appendEvent(create(id))
    await engine.flush()
  }
  const asked = [engine.compact(), engine.compact(), engine.retain({ policy: { mode: 'archive', maxEvents: 1 } }), engine.compact(), engine.retain({ policy: { mode: 'archive', maxEvents: 0 } })]
  await Promise.all(asked)
  expect((await engine.verify({ deep: true })).problems).toEqual([])
  expect((await engine.stats()).horizons['n']?.seq).toBe(3)
  await engine.close()
})
