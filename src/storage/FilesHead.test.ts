import { describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import type { Fault } from '../testing/fault.ts'
import { EventSourcedBackend } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import type { StorageBackend } from './storage-backend.ts'

/** No waiting for the second that R2 wants between two heads. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal) }

/** A log in one store and files in another, as in a Durable Object; flushed when the test says. */
function open(stores: { files: StorageBackend; log: StorageBackend }): EventSourcedBackend {
  return new EventSourcedBackend(stores.files, { log: stores.log, headWithFiles: true, schedule: () => undefined, graceMs: 0, compaction: { fanIn: 2 }, flush: { ageMsMax: 0 }, clock })
}

function makeStores(): { files: MemoryBackend; log: MemoryBackend } {
  return { files: new MemoryBackend(), log: new MemoryBackend({ takeOver: true }) }
}

async function create(engine: EventSourcedBackend, id: string): Promise<void> {
  await engine.appendEvent({ op: 'CREATE', target: `a:${id}`, after: { id } })
}

/** Ids of all events in seq order, which must be dense. */
async function history(engine: EventSourcedBackend): Promise<string[]> {
  const ids: string[] = []
  for await (const event of engine.readEvents()) {
    expect(event.seq).toBe(ids.length + 1)
    ids.push(event.target.slice(2))
  }
  return ids
}

/** What a reader has that sees the files alone. */
async function flushed(files: StorageBackend): Promise<string[]> {
  const follower = new EventSourcedBackend(files, { readOnly: true })
  const ids = await history(follower)
  await follower.close()
  return ids
}

/** A put that was done, or not. */
const lost = new ParqueDBError('STORAGE_UNAVAILABLE', 'The reply was lost.', { details: { outcome: 'unknown' } })

describe('a head with the files', () => {
  test('shows a reader of the files what is flushed, and nothing of the log', async () => {
    const stores = makeStores()
    const engine = open(stores)
    await create(engine, 'x')
    await engine.maintain()
    await create(engine, 'y')
    expect(await flushed(stores.files)).toEqual(['x'])
    expect(await history(engine)).toEqual(['x', 'y'])
    expect(await history(open(stores))).toEqual(['x', 'y'])
  })

  test('a lost reply of the head is looked up, and the flush goes on', async () => {
    const { files, log } = makeStores()
    const engine = open({ files: new FaultyBackend(files, [{ on: 'put', path: 'epoch/', nth: 1, when: 'after', effect: { kind: 'fail', error: lost } }]), log })
    await create(engine, 'x')
    await engine.maintain()
    expect((await engine.stats()).flushedSeq).toBe(1)
    expect(await flushed(files)).toEqual(['x'])
  })

  test('a log begins with what the files have, under a newer epoch', async () => {
    const folder = new MemoryBackend()
    const elsewhere = new EventSourcedBackend(folder)
    await create(elsewhere, 'x')
    await elsewhere.flush()
    await elsewhere.close()
    const stores = { files: folder, log: new MemoryBackend() }
    const engine = open(stores)
    await create(engine, 'y')
    await engine.maintain()
    expect((await engine.stats()).epoch).toBe(2)
    expect(await flushed(folder)).toEqual(['x', 'y'])
    expect(await history(open({ ...stores, log: stores.log.clone() }))).toEqual(['x', 'y'])
  })

  test('a writer elsewhere that takes an epoch of the files is noticed at the next flush', async () => {
    const stores = makeStores()
    const engine = open(stores)
    await create(engine, 'x')
    await engine.maintain()
    const other = new EventSourcedBackend(stores.files)
    await create(other, 'z')
    await create(engine, 'y')
    await expect(engine.maintain()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await other.close()
  })
})

describe('a writer that was taken over and does not know it', () => {
  /** X stalls at its first head with the files, Y opens and writes `y`. */
  async function stalled(): Promise<{ stores: ReturnType<typeof makeStores>; goOn: () => void; ending: Promise<unknown>; y: EventSourcedBackend }> {
    const stores = makeStores()
    let goOn = (): void => undefined
    const until = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const files = new FaultyBackend(stores.files, [{ on: 'put', path: 'epoch/', nth: 1, when: 'before', effect: { kind: 'stall', until } }])
    const x = open({ files, log: stores.log })
    await create(x, 'x')
    const ending = x.maintain().catch((error: unknown) => error)
    while (files.count('put') < 4) await systemClock.sleep(1)
    const y = open(stores)
    await create(y, 'y')
    return { stores, goOn, ending, y }
  }

  test('comes too late with its head when the new one has published', async () => {
    const { stores, goOn, ending, y } = await stalled()
    await y.maintain()
    goOn()
    expect(await ending).toMatchObject({ code: 'WRITER_FENCED' })
    expect(await flushed(stores.files)).toEqual(['x', 'y'])
    expect(await history(open(stores))).toEqual(['x', 'y'])
  })

  test('comes first: the new one finds its head, opens again and goes on from it', async () => {
    const { stores, goOn, ending, y } = await stalled()
    goOn()
    await ending
    expect(await flushed(stores.files)).toEqual(['x'])
    await expect(y.maintain()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    const again = open(stores)
    await create(again, 'z')
    await again.maintain()
    expect(await flushed(stores.files)).toEqual(['x', 'y', 'z'])
    expect(await history(again)).toEqual(['x', 'y', 'z'])
  })
})

describe('what was put back to an older state', () => {
  test('files: nothing is written, and the error says so', async () => {
    const stores = makeStores()
    const engine = open(stores)
    await create(engine, 'x')
    await engine.maintain()
    const files = stores.files.clone()
    await create(engine, 'y')
    await engine.maintain()
    await expect(create(open({ files, log: stores.log }), 'z')).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { knownSeq: 2, foundSeq: 1 } })
    await expect(create(open({ files: new MemoryBackend(), log: stores.log }), 'z')).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { foundSeq: 0 } })
  })

  test('a log: nothing is written, also where its next events have the same numbers', async () => {
    const stores = makeStores()
    const engine = open(stores)
    await create(engine, 'x')
    await engine.maintain()
    const log = stores.log.clone()
    await create(engine, 'y')
    await engine.maintain()
    await expect(create(open({ files: stores.files, log }), 'z')).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { flushedSeq: 2 } })
  })
})

describe('a process that ends at any step', () => {
  /** Writes and flushes, with merges and deletions among it, until it ends or is done. */
  async function work(stores: { files: StorageBackend; log: StorageBackend }): Promise<string[]> {
    const acknowledged: string[] = []
    const engine = open(stores)
    for (let round = 0; round < 3; round++) {
      for (const id of [`${round}a`, `${round}b`]) {
        await create(engine, id).then(
          () => acknowledged.push(id),
          () => undefined,
        )
      }
      await engine.maintain().catch(() => undefined)
    }
    return acknowledged
  }

  test.each(['files', 'log'] as const)('of the store of the %s: what was acknowledged is there, once', async (store) => {
    let deaths = 0
    for (let nth = 1; ; nth++) {
      const stores = makeStores()
      const fault: Fault = { on: 'any', nth, when: nth % 2 === 0 ? 'before' : 'after', effect: { kind: 'crash' } }
      const faulty = new FaultyBackend(stores[store], [fault])
      const acknowledged = await work({ ...stores, [store]: faulty })
      if (faulty.count('any') < nth) break
      deaths += faulty.crashed ? 1 : 0
      const again = open(stores)
      const found = await history(again)
      expect(acknowledged.filter((id) => !found.includes(id))).toEqual([])
      await create(again, 'last')
      await again.maintain()
      expect(await flushed(stores.files)).toEqual([...found, 'last'])
      expect(new Set(found).size).toBe(found.length)
    }
    expect(deaths).toBeGreaterThan(60)
  })
})
