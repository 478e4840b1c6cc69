import { describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import { stall } from '../testing/fault.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import { epochPath, takenMark } from './head.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const create = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: {} })

/** Time passes only by sleeping, and then at once. */
function hastyClock(): Clock {
  let nowMs = 1_000_000
  return { ...systemClock, nowMs: () => nowMs, sleep: (ms) => ((nowMs += ms), systemClock.sleep(0)) }
}

/** A follower that looks only when it is read. */
const idleClock: Clock = { ...systemClock, sleep: (_ms, signal) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error))) }

async function lastSeq(engine: EventSourcedBackend): Promise<number> {
  return (await engine.stats()).lastSeq
}

describe('a follower', () => {
  test.each([
    [3, [3]],
    [1000, [1000]],
    [1001, [1000, 1]],
  ])('hears of %i events that were flushed before it looked, once and in order', async (count, sizes) => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvent(create('first'))
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0, clock: idleClock })
    expect(await lastSeq(follower)).toBe(1)
    const heard: number[][] = []
    const stop = follower.onCommit((events) => heard.push(events.map(({ seq }) => seq)))
    await writer.appendEvents(Array.from({ length: count }, (_, index) => create(`${index}`)))
    await writer.flush()
    expect(await lastSeq(follower)).toBe(count + 1)
    expect(heard.map((seqs) => seqs.length)).toEqual(sizes)
    expect(heard.flat()).toEqual(Array.from({ length: count }, (_, index) => index + 2))
    stop()
    stop()
    await writer.appendEvent(create('last'))
    expect(await lastSeq(follower)).toBe(count + 2)
    expect(heard.flat()).toHaveLength(count)
    await follower.close()
    await writer.close()
  })

  test('that one listener has left goes on for the others, and two listeners do not look twice as often', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvent(create('a'))
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0 })
    await lastSeq(follower)
    const heard: number[] = []
    const stop = follower.onCommit(() => heard.push(-1))
    const told = new Promise<void>((resolve) => {
      follower.onCommit((events) => {
        heard.push(...events.map(({ seq }) => seq))
        resolve()
      })
    })
    await lastSeq(follower)
    stop()
    await writer.appendEvent(create('b'))
    await told
    expect(heard).toEqual([2])
    await follower.close()
    await writer.close()
  })

  test('that is read while a look is under way looks again: that one may have passed what was committed since', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvent(create('a'))
    const faulty = new FaultyBackend(storage)
    const follower = withEventSourcing(faulty, { readOnly: true, followMs: 0, clock: idleClock })
    await lastSeq(follower)
    const { effect, release } = stall()
    // The look has read the log, and asks last whether the head is still the same.
    faulty.plan({ on: 'list', path: 'epoch', nth: 2, when: 'before', effect })
    const first = lastSeq(follower)
    await new Promise((resolve) => setImmediate(resolve))
    await writer.appendEvent(create('b'))
    const second = lastSeq(follower)
    release()
    expect([await first, await second]).toEqual([1, 2])
    await follower.close()
    await writer.close()
  })

  test('lets go of events that have been flushed since it read them', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvents([create('a'), create('b')])
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0, clock: idleClock })
    expect((await follower.stats()).log.unflushedEvents).toBe(2)
    await writer.flush()
    await writer.appendEvent(create('c'))
    expect(await follower.stats()).toMatchObject({ lastSeq: 3, flushedSeq: 2, log: { unflushedEvents: 1 } })
    await follower.close()
    await writer.close()
  })

  test('has a view at once as long as it has looked less than followMs ago', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvent(create('a'))
    let nowMs = 1_000_000
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 100, clock: { ...systemClock, nowMs: () => nowMs } })
    expect(follower.viewNow()).toBeUndefined()
    await lastSeq(follower)
    nowMs += 99
    const view = follower.viewNow()
    expect(view?.seq).toBe(1)
    view?.release()
    nowMs += 1
    expect(follower.viewNow()).toBeUndefined()
    await follower.close()
    await writer.close()
  })

  test('waits with closing for the look that is under way', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.appendEvent(create('a'))
    const faulty = new FaultyBackend(storage)
    const follower = withEventSourcing(faulty, { readOnly: true, followMs: 0, clock: idleClock })
    await lastSeq(follower)
    const { effect, release } = stall()
    faulty.plan({ on: 'list', path: 'epoch', nth: 1, when: 'before', effect })
    const looking = lastSeq(follower)
    await new Promise((resolve) => setImmediate(resolve))
    let isClosed = false
    const closing = follower.close().then(() => (isClosed = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    release()
    await closing
    expect(await looking).toBe(1)
    await writer.close()
  })

  test('reads a log that is elsewhere than the files', async () => {
    const [files, log] = [new MemoryBackend(), new MemoryBackend()]
    const writer = withEventSourcing(files, { log })
    await writer.appendEvent(create('a'))
    await writer.flush()
    await writer.appendEvent(create('b'))
    const follower = withEventSourcing(files, { log, readOnly: true })
    expect(await follower.stats()).toMatchObject({ lastSeq: 2, flushedSeq: 1, epoch: 1 })
    await follower.close()
    await writer.close()
  })

  test('of a database whose first writer has published nothing yet finds it empty', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    await writer.stats()
    await storage.put(epochPath(1), takenMark)
    const follower = withEventSourcing(storage, { readOnly: true })
    expect(await follower.stats()).toMatchObject({ lastSeq: 0, epoch: 0 })
    await follower.close()
  })

  test('gives up when the database changes hands at each of its looks for more than five seconds', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const writer = withEventSourcing(storage)
    for (const id of ['a', 'b']) await writer.appendEvent(create(id))
    const list = storage.list.bind(storage)
    let epoch = 1
    storage.list = async (prefix, options) => {
      const page = await list(prefix, options)
      if (prefix === 'epoch/') await storage.put(epochPath(++epoch), takenMark)
      return page
    }
    const follower = withEventSourcing(storage, { readOnly: true, clock: hastyClock() })
    await expect(follower.stats()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('changes hands again and again') as string })
    storage.list = list
    // Nobody has said yet whether the last one counts.
    expect(await lastSeq(follower)).toBe(1)
    await follower.close()
  })
})
