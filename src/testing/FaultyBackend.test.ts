import { describe, expect, test } from 'vitest'
import type { LogFrame } from '../storage/append-log.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { FaultyBackend } from './FaultyBackend.ts'
import { logContract } from './log-contract.ts'
import { storageContract } from './storage-contract.ts'
import type { StorageFixture } from './storage-contract.ts'

const tools = { describe, test, expect }
const one = Uint8Array.of(1)
const frame = (firstSeq: number): LogFrame => ({ epoch: 1, firstSeq, count: 1, payload: one })

const withoutFaults = async (): Promise<StorageFixture> => {
  const inner = new MemoryBackend()
  return { backend: new FaultyBackend(inner), reopen: async () => new FaultyBackend(inner.clone()), cleanup: async () => undefined }
}

storageContract(tools, 'FaultyBackend without faults', withoutFaults)
logContract(tools, 'FaultyBackend without faults', withoutFaults)

describe('a fault', () => {
  test('before an operation keeps it from the store; after it only the answer is lost', async () => {
    const inner = new MemoryBackend()
    const backend = new FaultyBackend(inner, [
      { on: 'put', nth: 1, when: 'before', effect: { kind: 'fail' } },
      { on: 'put', nth: 2, when: 'after', effect: { kind: 'fail' } },
    ])
    await expect(backend.put('a', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { point: 'put', path: 'a' } })
    expect(await inner.stat('a')).toBeUndefined()
    await expect(backend.put('a', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(await inner.read('a')).toEqual(one)
    await backend.put('b', one)
    expect(backend.count('put')).toBe(3)
  })
  test('may be on some paths only, and may have an error of its own', async () => {
    const error = new Error('planned')
    const backend = new FaultyBackend(new MemoryBackend(), [{ on: 'any', path: 'manifest/', when: 'before', effect: { kind: 'fail', error } }])
    await backend.put('log/1', one)
    await expect(backend.put('manifest/1', one)).rejects.toBe(error)
    await expect(backend.read('manifest/1')).rejects.toBe(error)
    await expect(backend.list('manifest/')).rejects.toBe(error)
    await backend.list('')
  })
  test('may be planned later, and counts from then', async () => {
    const backend = new FaultyBackend(new MemoryBackend())
    await backend.put('a', one)
    backend.plan({ on: 'put', nth: 2, when: 'before', effect: { kind: 'fail' } })
    await backend.put('b', one)
    await expect(backend.put('c', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })
  test('may stall an operation until the test lets it go', async () => {
    const inner = new MemoryBackend()
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const backend = new FaultyBackend(inner, [{ on: 'put', path: 'slow', when: 'before', effect: { kind: 'stall', until } }])
    const stalled = backend.put('slow', one)
    await backend.put('quick', one)
    expect(await inner.stat('slow')).toBeUndefined()
    release()
    await stalled
    expect(await inner.read('slow')).toEqual(one)
  })
})

describe('a crash', () => {
  test('may be at any operation, and nothing after it reaches the store', async () => {
    for (let nth = 1; nth <= 3; nth++) {
      const inner = new MemoryBackend()
      const backend = new FaultyBackend(inner, [{ on: 'any', nth, when: 'after', effect: { kind: 'crash' } }])
      const work = async (): Promise<void> => {
        for (const path of ['1', '2', '3', '4']) await backend.put(path, one)
      }
      await expect(work()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
      expect((await inner.clone().list('')).objects.length).toBe(nth)
      await expect(backend.read('1')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
      expect(backend.crashed).toBe(true)
    }
  })
  test('also stops what was stalled', async () => {
    const inner = new MemoryBackend()
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const backend = new FaultyBackend(inner, [
      { on: 'put', path: 'slow', when: 'before', effect: { kind: 'stall', until } },
      { on: 'put', path: 'crash', when: 'before', effect: { kind: 'crash' } },
    ])
    const stalled = backend.put('slow', one)
    await expect(backend.put('crash', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    release()
    await expect(stalled).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect((await inner.list('')).objects).toEqual([])
  })
})

describe('the log', () => {
  test('fails by plan, and takes nothing after a failed append', async () => {
    const inner = new MemoryBackend()
    const backend = new FaultyBackend(inner, [
      { on: 'append', nth: 2, when: 'after', effect: { kind: 'fail' } },
      { on: 'rotate', when: 'before', effect: { kind: 'fail' } },
    ])
    const log = await backend.openLog?.({ prefix: 'log', epoch: 1 })
    await log?.append([frame(1)])
    await expect(log?.rotate(2)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await expect(log?.append([frame(2)])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { point: 'append', path: 'log' } })
    await expect(log?.append([frame(3)])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await log?.close()
    expect((await inner.list('log/')).objects[0]?.sizeBytes).toBe(58)
  })
})

test('what the store cannot do, the faulty one cannot do either', () => {
  const inner = new MemoryBackend()
  const plain: StorageBackend = {
    kind: 'plain',
    read: (path) => inner.read(path),
    readRange: (path, range) => inner.readRange(path, range),
    stat: (path) => inner.stat(path),
    list: (prefix, options) => inner.list(prefix, options),
    put: (path, bytes, condition) => inner.put(path, bytes, condition),
    delete: (path) => inner.delete(path),
  }
  const backend = new FaultyBackend(plain)
  expect(backend.openLog).toBeUndefined()
  expect(backend.lockWriter).toBeUndefined()
})
