import { describe, expect, test } from 'vitest'
import { utf8Encode } from '../../src/base/bytes.ts'
import { ParqueDBError } from '../../src/base/ParqueDBError.ts'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { withEventSourcing } from '../../src/storage/EventSourcedBackend.ts'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { recover, type RecoverReport } from '../../src/storage/recover.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { FaultyBackend } from '../../src/testing/FaultyBackend.ts'

async function salvage(source: StorageBackend): Promise<{ report: RecoverReport; targets: string[] }> {
  const target = withEventSourcing(new MemoryBackend())
  const report = await recover({ backend: source, logBackend: source, target })
  const targets: string[] = []
  for await (const event of target.readEvents()) targets.push(event.target)
  await target.close()
  return { report, targets }
}

/** `flushes` flushes of two entities each, then one more in the log; as a process leaves it that was killed. */
async function filled(flushes: number): Promise<MemoryBackend> {
  const storage = new MemoryBackend({ takeOver: true })
  const engine = withEventSourcing(storage, { compaction: { background: false } })
  for (let index = 0; index < 2 * flushes + 1; index++) {
    await engine.appendEvent({ op: 'CREATE', target: `n:${index}`, after: { index } })
    if (index % 2 === 1) await engine.flush()
  }
  return storage
}

async function without(storage: MemoryBackend, pattern: RegExp): Promise<MemoryBackend> {
  for (const { path } of (await storage.list('')).objects) if (pattern.test(path)) await storage.delete(path)
  return storage
}

const all = (count: number): string[] => Array.from({ length: count }, (_, index) => `n:${index}`)

describe('recovering', () => {
  test('a database that was never flushed brings its log', async () => {
    expect(await salvage(await filled(0))).toEqual({ report: { ok: true, events: 1, bridges: 0, unfolded: 0, missing: [], lost: [] }, targets: ['n:0'] })
  })

  test('goes by the data files when the manifest is gone, merged ones beside those that they were merged from included, and reads every page of the listing', async () => {
    const storage = await filled(2)
    const writer = withEventSourcing(storage, { compaction: { background: false } })
    await writer.compact()
    await without(storage, /^manifest/)
    const [newest] = (await storage.list('epoch/')).objects.toReversed()
    await storage.delete(newest?.path ?? '')
    await storage.put('events/notes.txt', Uint8Array.of(1))
    const list = storage.list.bind(storage)
    storage.list = (prefix, options) => list(prefix, { ...options, limit: 1 })
    const { report, targets } = await salvage(storage)
    expect(targets).toEqual(all(5))
    expect(report).toMatchObject({ events: 5, missing: [] })
    expect(report.lost.map(({ path }) => path)).not.toContain('events/notes.txt')
  })

  test('a manifest that is gone is told, and what it named is found all the same', async () => {
    const { report, targets } = await salvage(await without(await filled(1), /^manifest/))
    expect(targets).toEqual(all(3))
    expect(report.lost).toMatchObject([{ code: 'NOT_FOUND', path: expect.stringMatching(/^manifest\//) as string }])
  })

  test('events that stand in the log and in files are brought once, and logs of former epochs are not looked at', async () => {
    const storage = await filled(0)
    const [slot] = (await storage.list('log/')).objects
    const bytes = await storage.read(slot?.path ?? '')
    const engine = withEventSourcing(storage)
    await engine.appendEvent({ op: 'CREATE', target: 'n:1', after: {} })
    const ofSecond = new Map<string, Uint8Array>()
    for (const { path } of (await storage.list('log/')).objects) ofSecond.set(path, await storage.read(path))
    await engine.flush()
    await engine.appendEvent({ op: 'CREATE', target: 'n:2', after: {} })
    for (const [path, part] of ofSecond) await storage.put(path, part)
    await storage.put(slot?.path ?? '', bytes.fill(0, 0, 40))
    expect(await salvage(storage)).toEqual({ report: { ok: true, events: 3, bridges: 0, unfolded: 0, missing: [], lost: [] }, targets: all(3) })
  })

  test('edges are brought from where they begin', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const db = new ParqueDB({ storage })
    await db.collection('n').create({ $id: 'a' })
    await db.collection('n').create({ $id: 'b' })
    await db.collection('n').link('a', 'likes', 'n/b')
    await db.flush()
    expect((await salvage(storage)).report).toEqual({ ok: true, events: 3, bridges: 0, unfolded: 0, missing: [], lost: [] })
  })

  test.each([
    ['rubbish', 'CORRUPT_FILE'],
    ['{"format":9,"minReader":9,"features":[]}', 'UNSUPPORTED_FORMAT'],
  ])('a FORMAT that says %s is told, and every file speaks for itself', async (text, code) => {
    const storage = await filled(1)
    await storage.put('FORMAT', utf8Encode(text))
    const { report, targets } = await salvage(storage)
    expect(targets).toEqual(all(3))
    expect(report).toMatchObject({ ok: true, lost: [{ path: 'FORMAT', code }] })
  })

  test('a store that does not say what it misses leaves the path empty', async () => {
    const fault = { on: 'read', path: 'log/', when: 'before', effect: { kind: 'fail', error: new ParqueDBError('NOT_FOUND', 'Gone.') } } as const
    expect((await salvage(new FaultyBackend(await filled(0), [fault]))).report).toMatchObject({ events: 0, lost: [{ path: '', code: 'NOT_FOUND' }] })
  })

  test.each([
    ['FORMAT', 'readRange'],
    ['epoch/', 'read'],
    ['manifest/', 'readRange'],
    ['log/', 'read'],
  ] as const)('ends when the store fails at %s: that is no damage', async (path, on) => {
    const storage = new FaultyBackend(await filled(1), [{ on, path, when: 'before', effect: { kind: 'fail' } }])
    await expect(salvage(storage)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })

  test('can be stopped', async () => {
    const source = await filled(1)
    const target = withEventSourcing(new MemoryBackend())
    const abort = new AbortController()
    let calls = 0
    const onProgress = (): void => {
      calls++
      abort.abort()
    }
    await expect(recover({ backend: source, logBackend: source, target, signal: abort.signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(calls).toBe(1)
    await target.close()
  })
})
