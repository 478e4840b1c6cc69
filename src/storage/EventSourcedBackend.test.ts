import { describe, expect, test, vi } from 'vitest'
import type { Clock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import type { EngineOptions } from './engine-options.ts'
import type { EntityState } from '../model/entity.ts'
import type { EventInput } from './event-input.ts'
import type { ScanSlice } from './view.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { storageContract } from '../testing/storage-contract.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

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

storageContract({ describe, test, expect }, 'EventSourcedBackend', async () => {
  const storage = new MemoryBackend()
  return { backend: withEventSourcing(storage), reopen: async () => withEventSourcing(storage.clone()), cleanup: async () => undefined }
})

async function states(strips: AsyncIterable<readonly ScanSlice[]>): Promise<EntityState[]> {
  return (await collect(strips)).flat().flatMap(({ batch, rows }) => batch.states(rows)).toSorted((left, right) => (left.id < right.id ? -1 : 1))
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

  test("an edge's event is appended as any other, from what is there, and read from both ends", async () => {
    const { engine } = open()
    const db = new ParqueDB({ storage: engine })
    const ends = { target: 'posts:a', predicate: 'author', to: 'users/ada' }
    await expect(engine.appendEvent({ op: 'REL_CREATE', ...ends })).rejects.toMatchObject({ code: 'NOT_FOUND', details: { $id: 'posts/a' } })
    await engine.appendEvents([{ op: 'CREATE', ns: 'users', entityId: 'ada', after: {} }, { op: 'CREATE', ns: 'posts', entityId: 'a', after: {} }, { op: 'REL_CREATE', ...ends, data: { role: 'lead' } }])
    const event = await engine.appendEvent({ op: 'REL_CREATE', ...ends, data: { role: 'editor' }, version: 2, actor: 'eve' })
    expect(event).toMatchObject({ op: 'REL_CREATE', ...ends, data: { role: 'editor' }, version: 2, actor: 'eve' })
    expect((await db.collection('users').related('ada', 'author', { direction: 'in' }).toArray()).map(({ $id, $edge }) => [$id, $edge.data])).toEqual([['posts/a', { role: 'editor' }]])
    expect(await engine.appendEvent({ op: 'REL_DELETE', ...ends })).toMatchObject({ op: 'REL_DELETE', version: 3 })
    expect(await db.collection('posts').countRelated('a', 'author')).toBe(0)
    for (const [input, code] of [
      [{ op: 'REL_DELETE', ...ends }, 'NOT_FOUND'],
      [{ op: 'REL_CREATE', target: 'posts:a', predicate: 'author' }, 'INVALID_ARGUMENT'],
      [{ op: 'REL_CREATE', target: 'posts:a', to: 'users/ada' }, 'INVALID_ARGUMENT'],
      [{ op: 'REL_CREATE', ...ends, after: {} }, 'INVALID_ARGUMENT'],
      [{ op: 'REL_DELETE', ...ends, data: {} }, 'INVALID_ARGUMENT'],
      [{ op: 'DELETE', ...ends }, 'INVALID_ARGUMENT'],
      [{ op: 'ERASE', target: 'posts:a' }, 'INVALID_ARGUMENT'],
    ] as const) await expect(engine.appendEvent(input as EventInput), JSON.stringify(input)).rejects.toMatchObject({ code })
    await engine.close()
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
    const newest = await states(before.scan('n'))
    const events = await collect(engine.readEvents())
    const past = await states(before.scan('n', { asOf: { seq: 70 } }))
    await engine.compact()
    expect((await engine.stats()).namespaces['n']).toMatchObject({ runs: 1, rows: newest.length })
    const after = await engine.view()
    expect(await states(after.scan('n'))).toEqual(newest)
    expect(await states(before.scan('n'))).toEqual(newest)
    expect(await states(after.scan('n', { asOf: { seq: 70 } }))).toEqual(past)
    expect(await collect(engine.readEvents())).toEqual(events)
    expect((await engine.stats()).garbage.files).toBeGreaterThan(0)
    before.release()
    after.release()
    await engine.compact()
    expect((await engine.stats()).garbage.files).toBe(0)
    expect((await engine.verify({ deep: true })).problems).toEqual([])
  })
})

describe('snapshots', () => {
  async function versions(engine: EventSourcedBackend, count: number): Promise<void> {
    await engine.appendEvent({ op: 'CREATE', target: 'u:a', after: { n: 1 } })
    for (let n = 2; n <= count; n++) await engine.appendEvent({ op: 'UPDATE', target: 'u:a', after: { n } })
  }

  test('are kept at the first event and at every threshold after it', async () => {
    const { engine } = open(undefined, { autoSnapshotThreshold: 10 })
    await versions(engine, 25)
    expect(await engine.getLatestSnapshot('u', 'a')).toMatchObject({ version: 21, entity: { n: 21 } })
    const view = await engine.view()
    const kept = (await collect(view.entityEvents({ ns: 'u', id: 'a' }))).filter((event) => event.state !== undefined)
    view.release()
    expect(kept.map(({ version }) => version)).toEqual([1, 11, 21])
  })

  test('are kept as far apart in merged segments, and answer every version', async () => {
    const { engine } = open(undefined, { autoSnapshotThreshold: 10, compaction: { background: false } })
    await versions(engine, 7)
    await engine.flush()
    for (let n = 8; n <= 30; n++) await engine.appendEvent({ op: 'UPDATE', target: 'u:a', after: { n } })
    await engine.compact()
    const view = await engine.view()
    const kept = (await collect(view.entityEvents({ ns: 'u', id: 'a' }))).filter((event) => event.state !== undefined)
    view.release()
    expect(kept.map(({ version }) => version)).toEqual([1, 11, 21])
    for (let n = 1; n <= 30; n++) expect(await engine.reconstructEntity('u', 'a', { asOf: n })).toMatchObject({ version: n, n })
  })

  test('one is made on demand, of the present state', async () => {
    const { engine } = open()
    await versions(engine, 5)
    expect(await engine.createSnapshot('u', 'a')).toMatchObject({ version: 5, entity: { n: 5 } })
    expect(await engine.getLatestSnapshot('u', 'a')).toMatchObject({ version: 5, seq: 5 })
    await expect(engine.createSnapshot('u', 'nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await engine.getLatestSnapshot('u', 'nobody')).toBeUndefined()
  })
})

describe('a commit', () => {
  test('with a txId is done once, also after a flush and a reopening', async () => {
    const { storage, engine, clock } = open()
    const events = [
      { op: 'CREATE' as const, target: 'a:x', after: { v: 1 } },
      { op: 'CREATE' as const, target: 'b:y', after: { v: 2 } },
    ]
    const first = await engine.appendEvents(events, { txId: 'import-1' })
    expect(await engine.appendEvents(events, { txId: 'import-1' })).toEqual(first)
    await engine.flush()
    expect(await engine.appendEvents(events, { txId: 'import-1' })).toEqual(first)
    await engine.close()
    const again = withEventSourcing(storage, { clock, random: seededRandom(3) })
    expect(await again.appendEvents(events, { txId: 'import-1' })).toEqual(first)
    expect((await again.stats()).lastSeq).toBe(2)
  })

  test('two with one txId at the same moment are one', async () => {
    const { engine } = open()
    const commit = (): Promise<unknown> => engine.appendEvents([{ op: 'CREATE', target: 'a:x', after: {} }], { txId: 't' })
    const [left, right] = await Promise.all([commit(), commit()])
    expect(left).toEqual(right)
    expect((await engine.stats()).lastSeq).toBe(1)
  })

  test('many that arrive together share a few syncs', async () => {
    const { engine } = open()
    await Promise.all(Array.from({ length: 200 }, (_, index) => engine.appendEvent({ op: 'CREATE', target: `n:${index}`, after: {} })))
    const { commits } = await engine.stats()
    expect(commits).toMatchObject({ count: 200, events: 200 })
    expect(commits.syncs).toBeLessThan(10)
  })

  test('is decided on what those before it leave, durable or not', async () => {
    const { engine } = open()
    await engine.appendEvent({ op: 'CREATE', target: 'n:a', after: { n: 0 } })
    const increment = (): Promise<unknown> =>
      engine.commit({
        keys: [{ ns: 'n', id: 'a' }],
        decide: (context) => [{ op: 'UPDATE', ns: 'n', id: 'a', patch: { set: { n: Number(context.state({ ns: 'n', id: 'a' })?.document['n']) + 1 } } }],
      })
    await Promise.all(Array.from({ length: 50 }, increment))
    expect(await engine.reconstructEntity('n', 'a')).toMatchObject({ n: 50, version: 51 })
  })

  test('that writes nothing because of one before it is told only after that one is durable', async () => {
    const storage = new MemoryBackend()
    const faulty = new FaultyBackend(storage)
    const engine = withEventSourcing(faulty)
    await engine.appendEvent({ op: 'CREATE', target: 'n:a', after: {} })
    faulty.plan({ on: 'append', nth: 1, when: 'before', effect: { kind: 'fail' } })
    const writes = engine.appendEvent({ op: 'CREATE', target: 'n:b', after: {} })
    const writesNothing = engine.commit({ keys: [{ ns: 'n', id: 'b' }], decide: () => [] })
    const refused = engine.appendEvent({ op: 'CREATE', target: 'n:b', after: {} })
    for (const outcome of [writes, writesNothing, refused]) await expect(outcome).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })

  test('has one time, which never steps back though the clock does', async () => {
    const { engine, clock } = open()
    await engine.appendEvent({ op: 'CREATE', target: 'n:a', after: {} })
    clock.advance(-500)
    const [left, right] = await engine.appendEvents([
      { op: 'CREATE', target: 'n:b', after: {} },
      { op: 'CREATE', target: 'n:c', after: {} },
    ])
    expect([left?.ts, right?.ts]).toEqual([1_000_000, 1_000_000])
  })
})

describe('in the background', () => {
  test('the log is flushed and runs are merged while writing goes on', async () => {
    const { engine } = open(undefined, { flush: { eventsMax: 20 }, compaction: { fanIn: 2 }, graceMs: 0 })
    for (let index = 0; index < 400; index++) await engine.appendEvent({ op: 'CREATE', target: `n:${String(index).padStart(4, '0')}`, after: { index } })
    // Writing to memory never leaves the turn of the event loop that merging waits for.
    await vi.waitFor(async () => expect((await engine.stats()).background.compactions).toBeGreaterThan(1))
    const { background, lastSeq } = await engine.stats()
    expect(lastSeq).toBe(400)
    expect(background.flushes).toBeGreaterThan(3)
    expect(background.lastError).toBeUndefined()
    const view = await engine.view()
    expect((await states(view.scan('n'))).map((state) => state.document['index'])).toEqual(Array.from({ length: 400 }, (_, index) => index))
    view.release()
  })

  test('writing that is faster than flushing waits for it, and goes on', async () => {
    const { engine } = open(undefined, { flush: { eventsMax: 7 } })
    const batch = (round: number): EventInput[] => Array.from({ length: 50 }, (_, index) => ({ op: 'CREATE', target: `n:${round}-${index}`, after: {} }))
    await Promise.all(Array.from({ length: 10 }, (_, round) => engine.appendEvents(batch(round))))
    await engine.flush()
    expect(await engine.stats()).toMatchObject({ lastSeq: 500, flushedSeq: 500, background: { lastError: undefined } })
  })

  test('a merge that is cancelled changes nothing and leaves no file', async () => {
    const { storage, engine } = open(undefined, { compaction: { background: false } })
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 5; index++) await engine.appendEvent({ op: 'CREATE', target: `n:${round}-${index}`, after: {} })
      await engine.flush()
    }
    const before = (await storage.list('')).objects.map(({ path }) => path)
    const abort = new AbortController()
    abort.abort()
    await expect(engine.compact({ signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await storage.list('')).objects.map(({ path }) => path)).toEqual(before)
  })
})

test('a data file that is gone is damage with a name, not an entity that is not there', async () => {
  const { storage, engine } = open()
  await engine.appendEvent({ op: 'CREATE', target: 'n:a', after: {} })
  await engine.flush()
  await engine.close()
  const [run] = (await storage.list('entities/')).objects
  await storage.delete(run?.path ?? '')
  const again = withEventSourcing(storage)
  await expect(again.reconstructEntity('n', 'a')).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: run?.path } })
})

describe('verify', () => {
  test('finds a flipped byte in any file, and names the file', async () => {
    const { storage, engine, clock } = open()
    for (let index = 0; index < 30; index++) await engine.appendEvent({ op: 'CREATE', target: `n:${index}`, after: { index, text: 'abc' } })
    await engine.flush()
    await engine.appendEvent({ op: 'UPDATE', target: 'n:3', after: { text: 'later' } })
    await engine.appendEvent({ op: 'UPDATE', target: 'n:4', after: { text: 'later' } })
    await engine.close()
    const paths = (await storage.list('')).objects.map(({ path }) => path)
    expect(paths.map((path) => path.split('/')[0])).toEqual(expect.arrayContaining(['FORMAT', 'epoch', 'manifest', 'log', 'events', 'entities']))
    for (const path of paths) {
      const damaged = storage.clone()
      const bytes = await damaged.read(path)
      if (bytes.length === 0) continue
      const at = path === 'FORMAT' ? 1 : Math.floor(bytes.length / 3)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      await damaged.put(path, bytes)
      const reader = withEventSourcing(damaged, { clock, readOnly: true })
      const found = await reader.verify({ deep: true }).then(
        (report) => report.problems.map((problem) => problem.path),
        (error: { details: { path: string } }) => [error.details.path],
      )
      // The newest manifest is the one that counts; an old one is nobody's.
      expect({ path, found }).toEqual({ path, found: expect.arrayContaining([path]) as unknown })
    }
  })
})

describe('bad input', () => {
  const refusals: readonly [string, (engine: EventSourcedBackend) => Promise<unknown>, string][] = [
    ['an unknown op', (engine) => engine.appendEvent({ op: 'MERGE' as 'CREATE', target: 'a:x' }), 'INVALID_ARGUMENT'],
    ['a target without a namespace', (engine) => engine.appendEvent({ op: 'CREATE', target: 'x', after: {} }), 'INVALID_ARGUMENT'],
    ['a CREATE without a document', (engine) => engine.appendEvent({ op: 'CREATE', target: 'a:x' }), 'INVALID_ARGUMENT'],
    ['an UPDATE that says nothing', (engine) => engine.appendEvent({ op: 'UPDATE', target: 'a:here' }), 'INVALID_ARGUMENT'],
    ['a field that events do not have', (engine) => engine.appendEvent({ op: 'DELETE', target: 'a:here', colour: 1 } as never), 'INVALID_ARGUMENT'],
    ['a document that cannot be stored', (engine) => engine.appendEvent({ op: 'CREATE', target: 'a:x', after: { f: () => 1 } }), 'VALIDATION_FAILED'],
    ['a time that has not come', (engine) => engine.appendEvent({ op: 'DELETE', target: 'a:here', ts: 9e12 }), 'INVALID_ARGUMENT'],
    ['another version than the next', (engine) => engine.appendEvent({ op: 'DELETE', target: 'a:here', version: 7 }), 'VERSION_CONFLICT'],
    ['a second CREATE', (engine) => engine.appendEvent({ op: 'CREATE', target: 'a:here', after: {} }), 'ALREADY_EXISTS'],
    ['a DELETE of what is not there', (engine) => engine.appendEvent({ op: 'DELETE', target: 'a:x' }), 'NOT_FOUND'],
    ['a patch into the prototype', (engine) => engine.appendEvent({ op: 'UPDATE', target: 'a:here', patch: { set: { '__proto__.x': 1 } } }), 'VALIDATION_FAILED'],
    ['ids on some events only', (engine) => engine.appendEvents([{ op: 'CREATE', target: 'a:x', after: {}, id: 'e' }, { op: 'CREATE', target: 'a:y', after: {} }]), 'INVALID_ARGUMENT'],
    ['an asOf that is no point in time', (engine) => engine.reconstructEntity('a', 'here', { asOf: Number.NaN }), 'INVALID_ARGUMENT'],
    ['a namespace with a slash', (engine) => engine.reconstructEntity('a/b', 'x'), 'INVALID_ARGUMENT'],
    ["a write to the engine's own files", (engine) => engine.put('events/x', new Uint8Array(1)), 'INVALID_ARGUMENT'],
    ["a deletion of the engine's own files", (engine) => engine.delete('FORMAT'), 'INVALID_ARGUMENT'],
  ]

  test.each(refusals)('%s is refused, and nothing changes', async (_name, act, code) => {
    const { engine } = open()
    await engine.appendEvent({ op: 'CREATE', target: 'a:here', after: { v: 1 } })
    await expect(act(engine)).rejects.toMatchObject({ name: 'ParqueDBError', code })
    expect((await engine.stats()).lastSeq).toBe(1)
    expect(await engine.reconstructEntity('a', 'here')).toMatchObject({ version: 1, v: 1 })
    expect((await collect(engine.readEvents())).length).toBe(1)
  })

  test.each([
    ['an unknown option', { snapshots: 1 } as EngineOptions],
    ['an unknown flush option', { flush: { rows: 1 } } as EngineOptions],
    ['a threshold of 0', { autoSnapshotThreshold: 0 }],
    ['a flag that is none', { readOnly: 1 } as unknown as EngineOptions],
  ])('%s is refused when it is given', (_name, options) => {
    expect(() => withEventSourcing(new MemoryBackend(), options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
  })

  test('everything after close is CLOSED', async () => {
    const { engine } = open()
    await engine.appendEvent({ op: 'CREATE', target: 'a:x', after: {} })
    await engine.close()
    await engine.close()
    await expect(engine.appendEvent({ op: 'DELETE', target: 'a:x' })).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(engine.reconstructEntity('a', 'x')).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(engine.stats()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
