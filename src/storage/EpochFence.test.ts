import { describe, expect, test } from 'vitest'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { putOnly } from '../testing/put-only.ts'
import { EpochFence } from './EpochFence.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { deleteOldEpochs, epochPath, publishHead as publishIfMatch, readHead, takeEpoch as take, type Head } from './head.ts'
import type { StorageBackend } from './storage-backend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const headOf = (epoch: number, manifestId = 0): Head => ({ epoch, manifest: undefined, manifestId, flushedSeq: 0, logStart: 1, durableSeq: 0 })

const takeEpoch = async (storage: StorageBackend): Promise<number> => (await take(storage)).epoch

/** Whatever is there. */
async function publishHead(storage: StorageBackend, head: Head): Promise<void> {
  await publishIfMatch({ ...putOnly(storage), put: (path, bytes) => storage.put(path, bytes) }, head, '')
}

/** The effect of a fault: a process stands still there until the test ends it. */
class Standstill {
  readonly kind = 'stall'
  /** Settles when the process stands still. */
  readonly begun: Promise<void>
  end: () => void = () => undefined
  readonly #ended = new Promise<void>((resolve) => {
    this.end = resolve
  })
  #begin: () => void = () => undefined

  constructor() {
    this.begun = new Promise((resolve) => {
      this.#begin = resolve
    })
  }

  get until(): Promise<void> {
    this.#begin()
    return this.#ended
  }
}

/** A writer that has taken the next epoch over, as far as the epochs show it. */
async function takeOver(storage: MemoryBackend): Promise<void> {
  const epoch = await takeEpoch(storage)
  await publishHead(storage, headOf(epoch))
  await new EpochFence(storage, epoch).check()
  await deleteOldEpochs(storage, epoch)
}

describe('a check of the fence', () => {
  test('looks at two files, and lists the epochs only after a head was published', async () => {
    const storage = new FaultyBackend(new MemoryBackend())
    const fence = new EpochFence(storage, await takeEpoch(storage))
    await publishHead(storage, headOf(1))
    const listCount = storage.count('list')
    for (let index = 0; index < 5; index++) await fence.check()
    expect(storage.count('stat')).toBe(10)
    expect(storage.count('list')).toBe(listCount + 1)
    await publishHead(storage, headOf(1, 1))
    for (let index = 0; index < 5; index++) await fence.check()
    expect(storage.count('list')).toBe(listCount + 2)
  })

  test('passes for the newest epoch, whatever is published beside it', async () => {
    const storage = new MemoryBackend()
    const fence = new EpochFence(storage, await takeEpoch(storage))
    for (let round = 0; round < 50; round++) {
      await Promise.all([fence.check(), publishHead(storage, headOf(1, round)), fence.check(), Promise.resolve().then(() => fence.check())])
    }
    expect((await readHead(storage)).head?.manifestId).toBe(49)
  })

  test('fails once a newer epoch exists, though nobody has published in it', async () => {
    const storage = new MemoryBackend()
    const fence = new EpochFence(storage, await takeEpoch(storage))
    await fence.check()
    await takeEpoch(storage)
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED', details: { epoch: 1, newest: 2 } })
  })

  test('fails when its own epoch and the next were deleted long ago', async () => {
    const storage = new MemoryBackend()
    const fence = new EpochFence(storage, await takeEpoch(storage))
    await fence.check()
    for (let index = 0; index < 20; index++) await takeOver(storage)
    expect(await storage.stat(epochPath(2))).toBeUndefined()
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED', details: { epoch: 1, newest: 21 } })
  })

  test('fails when a newer epoch existed at its begin, and both are deleted between its looks', async () => {
    const storage = new MemoryBackend()
    const standstill = new Standstill()
    const faulty = new FaultyBackend(storage)
    const fence = new EpochFence(faulty, await takeEpoch(storage))
    await fence.check()
    await takeOver(storage)
    faulty.plan({ on: 'stat', nth: 2, when: 'before', effect: standstill })
    const checking = fence.check()
    await standstill.begun
    for (let index = 0; index < 20; index++) await takeOver(storage)
    standstill.end()
    await expect(checking).rejects.toMatchObject({ code: 'WRITER_FENCED', details: { epoch: 1, newest: 22 } })
  })

  test('fails for both when a process that listed the epochs long ago makes a deleted one again', async () => {
    const storage = new MemoryBackend()
    const fence = new EpochFence(storage, await takeEpoch(storage))
    await publishHead(storage, headOf(1))
    await fence.check()
    for (let index = 0; index < 20; index++) await takeOver(storage)
    await storage.put(epochPath(1), new Uint8Array(0), { ifAbsent: true })
    const late = new EpochFence(storage, 1)
    await publishHead(storage, headOf(1))
    await expect(late.check()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
  })

  test('fails again and again when the writer itself made its deleted epoch file again', async () => {
    const storage = new MemoryBackend()
    const fence = new EpochFence(storage, await takeEpoch(storage))
    await fence.check()
    for (let index = 0; index < 20; index++) await takeOver(storage)
    await publishHead(storage, headOf(1, 1))
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
  })

  test('does not take for proven what this writer replaced while the check stood still after its listing', async () => {
    const storage = new MemoryBackend()
    const standstill = new Standstill()
    const faulty = new FaultyBackend(storage)
    const fence = new EpochFence(faulty, await takeEpoch(storage))
    faulty.plan({ on: 'list', when: 'after', nth: 1, effect: standstill })
    const standing = fence.check()
    await standstill.begun
    for (let index = 0; index < 20; index++) await takeOver(storage)
    await publishHead(storage, headOf(1, 1))
    standstill.end()
    // It was the newest when it listed; what comes after must not pass any more.
    await standing
    await expect(fence.check()).rejects.toMatchObject({ code: 'WRITER_FENCED', details: { epoch: 1, newest: 21 } })
  })
})

describe('an engine', () => {
  const event = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })

  async function takeTurns(storage: MemoryBackend): Promise<void> {
    for (let index = 0; index < 20; index++) {
      const owner = withEventSourcing(storage)
      await owner.appendEvent(event(`owner${index}`))
      await owner.close()
    }
  }

  test('that stalled in its flush through twenty takeovers acknowledges nothing more', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const standstill = new Standstill()
    const faulty = new FaultyBackend(storage)
    const zombie = withEventSourcing(faulty)
    await zombie.appendEvent(event('a'))
    faulty.plan({ on: 'put', path: 'epoch/', when: 'before', effect: standstill })
    const flushing = zombie.flush()
    await standstill.begun
    await takeTurns(storage)
    standstill.end()
    await expect(flushing).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    expect(await storage.stat(epochPath(1))).toBeUndefined()
    await expect(zombie.appendEvent(event('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await zombie.close()
  })

  test('that listed the epochs before twenty takeovers is refused before it writes a log or a head', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const standstill = new Standstill()
    const faulty = new FaultyBackend(storage, [{ on: 'list', path: 'epoch/', nth: 1, when: 'after', effect: standstill }])
    const late = withEventSourcing(faulty)
    const appending = late.appendEvent(event('late'))
    await standstill.begun
    await takeTurns(storage)
    standstill.end()
    await expect(appending).rejects.toMatchObject({ code: 'WRITER_FENCED', details: { epoch: 1, newest: 20 } })
    expect(faulty.count('openLog')).toBe(0)
    expect(await storage.stat(epochPath(1))).toMatchObject({ sizeBytes: 6 })
    await late.close()
  })
})
