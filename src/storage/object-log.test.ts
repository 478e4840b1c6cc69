import { describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { seededRandom } from '../base/random.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { putOnly } from '../testing/put-only.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { assertConditions, probeStore } from './probe.ts'
import { resolving } from './resolving.ts'
import type { StorageBackend } from './storage-backend.ts'

const event = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })
/** Time passes at once. */
const hastyClock: Clock = { ...systemClock, sleep: () => systemClock.sleep(0) }
const unknown = new ParqueDBError('STORAGE_UNAVAILABLE', 'The connection broke.', { details: { outcome: 'unknown' } })

async function logOf(storage: StorageBackend): Promise<string[]> {
  return (await storage.list('log/')).objects.map(({ path }) => path.slice(-45, -4).replaceAll(/0{10,}/g, ''))
}

async function ids(engine: EventSourcedBackend): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { target } of engine.readEvents()) found.push(target)
  return found
}

describe('a database in a store that only puts objects', () => {
  test('has an object for each append; a takeover copies them into one, and a flush deletes them', async () => {
    const storage = putOnly(new MemoryBackend())
    const first = withEventSourcing(storage)
    for (const id of ['a', 'b', 'c']) await first.appendEvent(event(id))
    expect(await logOf(storage)).toEqual(['1-1', '1-2', '1-3'])
    await first.close()
    const second = withEventSourcing(storage)
    await second.appendEvent(event('d'))
    await second.close()
    expect(await logOf(storage)).toEqual(['2-1', '2-4'])
    const third = withEventSourcing(storage)
    await third.flush()
    expect(await logOf(storage)).toEqual([])
    expect(await ids(third)).toEqual(['n:a', 'n:b', 'n:c', 'n:d'])
    await third.close()
  })

  test('is flushed after five hundred appends, however small', async () => {
    const storage = putOnly(new MemoryBackend())
    const engine = withEventSourcing(storage)
    for (let index = 0; index < 505; index++) await engine.appendEvent(event(`${index}`))
    await engine.close()
    expect((await engine.list('events/')).objects.length).toBe(1)
    expect((await logOf(storage)).length).toBeLessThan(10)
  })

  test('is taken over without a lock, and the former writer acknowledges nothing more', async () => {
    const storage = putOnly(new MemoryBackend())
    const zombie = withEventSourcing(storage)
    await zombie.appendEvent(event('a'))
    const owner = withEventSourcing(storage)
    await owner.appendEvent(event('b'))
    await expect(zombie.appendEvent(event('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await expect(zombie.flush()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await zombie.close()
    expect(await ids(owner)).toEqual(['n:a', 'n:b'])
    await owner.close()
  })

  test('a follower reads each object of the log once, as it comes', async () => {
    const storage = new FaultyBackend(putOnly(new MemoryBackend()))
    const writer = withEventSourcing(storage)
    await writer.appendEvent(event('a'))
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0 })
    expect(await ids(follower)).toEqual(['n:a'])
    await writer.appendEvent(event('b'))
    expect(await ids(follower)).toEqual(['n:a', 'n:b'])
    const reads = storage.count('read')
    expect(await ids(follower)).toEqual(['n:a', 'n:b'])
    // Of the head alone.
    expect(storage.count('read')).toBe(reads + 1)
    await follower.close()
    await writer.close()
  })

  test('an object of the log that is damaged is CORRUPT_FILE, also the last one: no append leaves half an object', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(putOnly(storage))
    for (const id of ['a', 'b']) await writer.appendEvent(event(id))
    const [, last] = (await storage.list('log/')).objects
    await storage.put(last?.path ?? '', (await storage.read(last?.path ?? '')).subarray(0, -1))
    await expect(withEventSourcing(putOnly(storage)).stats()).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: last?.path, offset: 0 } })
  })

  test('an object that comes late, when a flush has passed it, is not read again', async () => {
    const storage = putOnly(new MemoryBackend())
    const writer = withEventSourcing(storage)
    await writer.appendEvent(event('a'))
    const [slot] = (await storage.list('log/')).objects
    const bytes = await storage.read(slot?.path ?? '')
    await writer.flush()
    await storage.put(slot?.path ?? '', bytes, { ifAbsent: true })
    await writer.appendEvent(event('b'))
    await writer.close()
    const again = withEventSourcing(storage)
    expect(await ids(again)).toEqual(['n:a', 'n:b'])
    await again.close()
  })
})

describe('a put of unknown outcome', () => {
  const faulty = (): FaultyBackend => new FaultyBackend(putOnly(new MemoryBackend()))
  const open = (storage: StorageBackend): EventSourcedBackend => withEventSourcing(storage, { clock: hastyClock })

  test.each([
    { what: 'that was done is found to be', when: 'after', puts: 1 },
    { what: 'that was not done is done again', when: 'before', puts: 2 },
  ] as const)('of an append $what', async ({ when, puts }) => {
    const storage = faulty()
    const writer = open(storage)
    await writer.appendEvent(event('a'))
    const before = storage.count('put')
    storage.plan({ on: 'put', path: 'log/', nth: 1, when, effect: { kind: 'fail', error: unknown } })
    await writer.appendEvent(event('b'))
    expect(storage.count('put')).toBe(before + puts)
    expect(await ids(writer)).toEqual(['n:a', 'n:b'])
    await writer.close()
  })

  test.each(['before', 'after'] as const)('of a head, lost %s it was done, leaves a flush that counts', async (when) => {
    const storage = faulty()
    const writer = open(storage)
    await writer.appendEvent(event('a'))
    storage.plan({ on: 'put', path: 'epoch/', nth: 1, when, effect: { kind: 'fail', error: unknown } })
    await writer.flush()
    await writer.appendEvent(event('b'))
    await writer.flush()
    expect((await writer.stats()).flushedSeq).toBe(2)
    await writer.close()
  })

  test('of a head that nobody can read back fails the flush, and the next flush goes on from what is there', async () => {
    const storage = faulty()
    const writer = open(storage)
    await writer.appendEvent(event('a'))
    storage.plan({ on: 'put', path: 'epoch/', nth: 1, when: 'after', effect: { kind: 'fail' } })
    storage.plan({ on: 'stat', path: 'epoch/', nth: 3, when: 'before', effect: { kind: 'fail' } })
    await expect(writer.flush()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await writer.flush()
    await writer.close()
    const again = open(storage)
    expect(await ids(again)).toEqual(['n:a'])
    await again.close()
  })

  test('of an epoch leaves it to nobody, and the next one is taken', async () => {
    const storage = faulty()
    storage.plan({ on: 'put', path: 'epoch/', nth: 1, when: 'after', effect: { kind: 'fail', error: unknown } })
    const writer = open(storage)
    expect((await writer.stats()).epoch).toBe(2)
    await writer.close()
  })

  test('is given up after some attempts, and is said to be unknown', async () => {
    const storage = faulty()
    const writer = open(storage)
    await writer.appendEvent(event('a'))
    storage.plan({ on: 'put', path: 'log/', when: 'before', effect: { kind: 'fail', error: unknown } })
    await expect(writer.appendEvent(event('b'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
    await writer.close()
  })

  test('of other bytes than those that are there stays a refusal', async () => {
    const storage = resolving(putOnly(new MemoryBackend()), { clock: hastyClock, random: seededRandom(1) })
    await storage.put('a', Uint8Array.of(1), { ifAbsent: true })
    await expect(storage.put('a', Uint8Array.of(1), { ifAbsent: true })).resolves.toBeDefined()
    await expect(storage.put('a', Uint8Array.of(2), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })
})

describe('a store that cannot hold a database is refused before anything is written to it', () => {
  const memory = (): StorageBackend => putOnly(new MemoryBackend())
  const stores: readonly (readonly [failed: string, spoil: (store: StorageBackend) => Partial<StorageBackend>])[] = [
    ['create-if-absent', (store) => ({ put: (path, bytes, condition = {}) => store.put(path, bytes, 'ifAbsent' in condition ? {} : condition) })],
    ['compare-and-swap', (store) => ({ put: (path, bytes, condition = {}) => store.put(path, bytes, 'ifMatch' in condition ? {} : condition) })],
    ['read after write', (store) => ({ read: async (path) => (await store.read(path)).fill(0) })],
    ['ranges', (store) => ({ readRange: (path) => store.read(path) })],
    ['list after write', () => ({ list: async () => ({ objects: [] }) })],
    ['delete', () => ({ delete: async () => undefined })],
  ]
  test.each(stores)('one that fails at %s', async (failed, spoil) => {
    const sound = memory()
    const store = { ...sound, ...spoil(sound) }
    const refusal = { code: 'STORAGE_UNAVAILABLE', details: { failed } }
    await expect(probeStore(store, seededRandom(1))).rejects.toMatchObject(refusal)
    await expect(withEventSourcing(store).appendEvent(event('a'))).rejects.toMatchObject(refusal)
    expect(await sound.stat('FORMAT')).toBeUndefined()
  })

  test('a sound one is left as it was', async () => {
    const store = memory()
    await probeStore(store, seededRandom(1))
    expect((await store.list('')).objects).toEqual([])
  })

  test('a database that was copied to one that ignores conditions is not opened for writing', async () => {
    const sound = memory()
    const writer = withEventSourcing(sound)
    await writer.appendEvent(event('a'))
    await writer.close()
    const careless = withEventSourcing({ ...sound, put: (path, bytes) => sound.put(path, bytes) })
    await expect(careless.appendEvent(event('b'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { failed: 'create-if-absent' } })
    const again = withEventSourcing(sound)
    expect(await ids(again)).toEqual(['n:a'])
    await again.close()
  })

  test('an opening later costs two requests more', async () => {
    const store = new FaultyBackend(memory())
    await store.put('a', Uint8Array.of(1))
    await assertConditions(store, { path: 'a', bytes: Uint8Array.of(1) })
    expect(store.count('put')).toBe(3)
  })
})
