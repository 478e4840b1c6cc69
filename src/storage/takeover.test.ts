import { mkdtemp, readdir, rm, appendFile, truncate, stat, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { FsBackend } from './backends/FsBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-takeover-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const create = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })

async function ids(engine: ReturnType<typeof withEventSourcing>): Promise<string[]> {
  const view = await engine.view()
  const found: string[] = []
  for await (const slices of view.scan('n')) for (const { batch, rows } of slices) found.push(...batch.states(rows).map((state) => state.id))
  view.release()
  return found
}

async function newestLogPart(): Promise<string> {
  const [name] = (await readdir(join(folder, 'log'))).toSorted().toReversed()
  return join(folder, 'log', name as string)
}

describe('one writer at a time', () => {
  test('a second writer is told who holds the folder', async () => {
    const first = withEventSourcing(new FsBackend(folder))
    await first.appendEvent(create('a'))
    const second = withEventSourcing(new FsBackend(folder))
    await expect(second.appendEvent(create('b'))).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
    await first.close()
    await second.appendEvent(create('b'))
    expect(await ids(second)).toEqual(['a', 'b'])
    await second.close()
  })

  test('a writer that was taken over acknowledges nothing more, and what it had acknowledged is kept', async () => {
    const zombie = withEventSourcing(new FsBackend(folder))
    await zombie.appendEvent(create('a'))
    const owner = withEventSourcing(new FsBackend(folder, { takeOver: true }))
    await owner.appendEvent(create('b'))
    await expect(zombie.appendEvent(create('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await expect(zombie.appendEvent(create('lost'))).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    expect(await ids(owner)).toEqual(['a', 'b'])
    await zombie.close()
    await owner.close()
    const again = withEventSourcing(new FsBackend(folder))
    expect(await ids(again)).toEqual(['a', 'b'])
    await again.close()
  })

  test('a follower goes on though the new writer knows an older list of files than its predecessor had published meanwhile', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const former = withEventSourcing(storage)
    await former.appendEvent(create('a'))
    await former.appendEvent(create('b'))
    // The new writer reads what is there now, and stops before it publishes.
    const seen = storage.clone()
    await former.flush()
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0 })
    expect(await ids(follower)).toEqual(['a', 'b'])
    const heard: number[] = []
    follower.onCommit((events) => heard.push(...events.map(({ seq }) => seq)))
    const owner = withEventSourcing(seen)
    await owner.appendEvent(create('c'))
    for (const { path } of (await seen.list('')).objects) {
      if (path.startsWith('log/') || path.startsWith('epoch/')) await storage.put(path, await seen.read(path))
    }
    expect(await ids(follower)).toEqual(['a', 'b', 'c'])
    expect(await follower.reconstructEntity('n', 'a', { asOf: 1 })).toMatchObject({ id: 'a', version: 1 })
    expect(heard).toEqual([3])
    await follower.close()
    await owner.close()
  })

  test('a follower that takes a stopped new writer for dead does not show what the former one may have appended in vain', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const former = withEventSourcing(storage)
    await former.appendEvent(create('a'))
    // The new writer reads what is there now, and stops before it says so.
    const seen = storage.clone()
    await former.appendEvent(create('in vain'))
    const owner = withEventSourcing(seen)
    await owner.appendEvent(create('b'))
    await owner.appendEvent(create('c'))
    await storage.put('epoch/00000000000000000002', new TextEncoder().encode('taken\n'))
    const time = { nowMs: 0 }
    const clock = { ...systemClock, nowMs: () => time.nowMs, sleep: async (ms: number) => void (time.nowMs += ms) }
    const follower = withEventSourcing(storage, { readOnly: true, followMs: 0, clock })
    expect(await ids(follower)).toEqual(['a'])
    for (const { path } of (await seen.list('')).objects) {
      if (path.startsWith('log/') || path.startsWith('epoch/')) await storage.put(path, await seen.read(path))
    }
    expect(await ids(follower)).toEqual(['a', 'b', 'c'])
    await follower.close()
    await owner.close()
  })

  test('a follower shows all that is certain of a writer while another one that died in taking over has the role: what it showed before, and what it had gone on from', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const former = withEventSourcing(storage)
    for (const id of ['a', 'b', 'c']) await former.appendEvent(create(id))
    const time = { nowMs: 0 }
    const clock = { ...systemClock, nowMs: () => time.nowMs, sleep: async (ms: number) => void (time.nowMs += ms) }
    const early = withEventSourcing(storage, { readOnly: true, followMs: 0, clock })
    expect(await ids(early)).toEqual(['a', 'b', 'c'])
    await storage.put('epoch/00000000000000000002', new TextEncoder().encode('taken\n'))
    const late = withEventSourcing(storage, { readOnly: true, followMs: 0, clock })
    expect(await ids(early)).toEqual(['a', 'b', 'c'])
    expect(await ids(late)).toEqual(['a', 'b'])
    const next = withEventSourcing(storage)
    await next.appendEvent(create('d'))
    for (const follower of [early, late]) expect(await ids(follower)).toEqual(['a', 'b', 'c', 'd'])
    for (const engine of [early, late, next]) await engine.close()
  })

  test('a follower of a writer that was closed shows all of it while another one is taking over', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const former = withEventSourcing(storage)
    for (const id of ['a', 'b']) await former.appendEvent(create(id))
    await former.close()
    await storage.put('epoch/00000000000000000002', new TextEncoder().encode('taken\n'))
    const time = { nowMs: 0 }
    const clock = { ...systemClock, nowMs: () => time.nowMs, sleep: async (ms: number) => void (time.nowMs += ms) }
    const follower = withEventSourcing(storage, { readOnly: true, clock })
    expect(await ids(follower)).toEqual(['a', 'b'])
    await follower.close()
  })

  test('a writer that was overtaken while it opened is told so, not that the log which the other one deleted is damaged', async () => {
    const storage = new MemoryBackend({ takeOver: true })
    const first = withEventSourcing(storage)
    await first.appendEvent(create('a'))
    await first.close()
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = withEventSourcing(new FaultyBackend(storage, [{ on: 'list', path: 'log', nth: 2, when: 'before', effect: { kind: 'stall', until } }]))
    const opening = slow.appendEvent(create('b'))
    // In memory everything up to the stall is one turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
    const quick = withEventSourcing(storage)
    await quick.appendEvent(create('c'))
    await quick.close()
    release()
    await expect(opening).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await slow.close()
  })

  test('a flush of a writer that was taken over changes nothing for the new one', async () => {
    const zombie = withEventSourcing(new FsBackend(folder))
    await zombie.appendEvent(create('a'))
    const owner = withEventSourcing(new FsBackend(folder, { takeOver: true }))
    await owner.appendEvent(create('b'))
    await expect(zombie.flush()).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    await zombie.close()
    await owner.flush()
    await owner.appendEvent(create('c'))
    await owner.close()
    const again = withEventSourcing(new FsBackend(folder))
    expect(await ids(again)).toEqual(['a', 'b', 'c'])
    expect((await again.verify({ deep: true })).problems).toEqual([])
    await again.close()
  })
})

describe('a damaged log', () => {
  test('an unfinished append at the end is cut off, and said', async () => {
    const engine = withEventSourcing(new FsBackend(folder))
    await engine.appendEvent(create('a'))
    await engine.appendEvent(create('b'))
    const part = await newestLogPart()
    const head = await readFile(join(folder, 'epoch', '1'.padStart(20, '0')))
    await engine.close()
    // As a crash leaves it: closing says how far the log goes.
    await writeFile(join(folder, 'epoch', '1'.padStart(20, '0')), head)
    await truncate(part, (await stat(part)).size - 3)
    await appendFile(part, new Uint8Array(2))
    const again = withEventSourcing(new FsBackend(folder))
    expect(await ids(again)).toEqual(['a'])
    expect((await again.stats()).open.tornBytes).toBeGreaterThan(0)
    await again.appendEvent(create('c'))
    await again.close()
  })

  test('an end that is missing or damaged after the database was closed is refused: it had been durable', async () => {
    const engine = withEventSourcing(new FsBackend(folder))
    await engine.appendEvent(create('a'))
    const part = await newestLogPart()
    const firstEnd = (await stat(part)).size
    await engine.appendEvent(create('b'))
    await engine.close()
    await truncate(part, (await stat(part)).size - 3)
    const again = withEventSourcing(new FsBackend(folder))
    await expect(again.appendEvent(create('c'))).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { offset: firstEnd } })
    await again.close()
  })

  test.each([1, 2])('a head that was deleted is missed where its log is there, by writers and readers, and the state before it is not taken for the newest (of %s)', async (count) => {
    for (let index = 1; index <= count; index++) {
      const writer = withEventSourcing(new FsBackend(folder))
      await writer.appendEvent(create(`${index}`))
      await writer.close()
    }
    const path = `epoch/${`${count}`.padStart(20, '0')}`
    await rm(join(folder, path))
    const refusal = { code: 'CORRUPT_FILE', details: { path, offset: 0 } }
    await expect(withEventSourcing(new FsBackend(folder), { readOnly: true }).stats()).rejects.toMatchObject(refusal)
    await expect(withEventSourcing(new FsBackend(folder)).stats()).rejects.toMatchObject(refusal)
    // The first attempt has left nothing that hides it from the second.
    await expect(withEventSourcing(new FsBackend(folder)).stats()).rejects.toMatchObject(refusal)
  })
  test('a head that was emptied does not pass for one that never was', async () => {
    for (const id of ['a', 'b']) {
      const engine = withEventSourcing(new FsBackend(folder))
      await engine.appendEvent(create(id))
      await engine.close()
    }
    await truncate(join(folder, 'epoch', '2'.padStart(20, '0')), 0)
    const again = withEventSourcing(new FsBackend(folder))
    await expect(again.view()).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: 'epoch/00000000000000000002', offset: 0 } })
    await again.close()
  })

  test('damage before the end is refused with file and offset, and can be read around', async () => {
    const engine = withEventSourcing(new FsBackend(folder))
    await engine.appendEvent(create('a'))
    const part = await newestLogPart()
    const firstEnd = (await stat(part)).size
    await engine.appendEvent(create('b'))
    await engine.appendEvent(create('c'))
    await engine.close()
    const bytes = await readFile(part)
    bytes[firstEnd + 40] = (bytes[firstEnd + 40] ?? 0) ^ 1
    await writeFile(part, bytes)
    const again = withEventSourcing(new FsBackend(folder))
    await expect(again.appendEvent(create('d'))).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { offset: firstEnd } })
    await again.close()
  })
})

describe('a store that fails', () => {
  test('after a failed sync nothing more is acknowledged, and reopening decides what is there', async () => {
    const storage = new MemoryBackend()
    const faulty = new FaultyBackend(storage)
    const engine = withEventSourcing(faulty)
    await engine.appendEvent(create('a'))
    faulty.plan({ on: 'append', nth: 1, when: 'before', effect: { kind: 'fail' } })
    await expect(engine.appendEvent(create('b'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
    await expect(engine.appendEvent(create('c'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(await ids(engine)).toEqual(['a'])
    await engine.close()
    const again = withEventSourcing(storage)
    expect(await ids(again)).toEqual(['a'])
    await again.close()
  })

  test('a flush that fails loses nothing and is made good by the next', async () => {
    const storage = new MemoryBackend()
    const faulty = new FaultyBackend(storage)
    const engine = withEventSourcing(faulty)
    for (const id of ['a', 'b', 'c']) await engine.appendEvent(create(id))
    faulty.plan({ on: 'put', nth: 1, when: 'before', effect: { kind: 'fail' } })
    await expect(engine.flush()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await engine.appendEvent(create('d'))
    await engine.flush()
    expect(await ids(engine)).toEqual(['a', 'b', 'c', 'd'])
    await engine.close()
    const again = withEventSourcing(storage)
    expect(await ids(again)).toEqual(['a', 'b', 'c', 'd'])
    expect((await again.verify({ deep: true })).problems).toEqual([])
    await again.close()
  })
})

describe('a follower', () => {
  test('sees what the writer committed, through flushes, merges and takeovers, and never goes back', async () => {
    const writer = withEventSourcing(new FsBackend(folder), { graceMs: 0 })
    await writer.appendEvent(create('00'))
    const follower = withEventSourcing(new FsBackend(folder), { readOnly: true, followMs: 0 })
    const heard: number[] = []
    follower.onCommit((events) => heard.push(...events.map((event) => event.seq)))
    expect(await ids(follower)).toEqual(['00'])
    const expected = ['00']
    for (let index = 1; index < 30; index++) {
      const id = String(index).padStart(2, '0')
      await writer.appendEvent(create(id))
      expected.push(id)
      if (index % 7 === 0) await writer.flush()
      if (index % 11 === 0) await writer.compact()
      expect(await ids(follower)).toEqual(expected)
    }
    expect(heard).toEqual(Array.from({ length: 29 }, (_, index) => index + 2))
    await writer.close()
    const next = withEventSourcing(new FsBackend(folder))
    await next.appendEvent(create('99'))
    expect(await ids(follower)).toEqual([...expected, '99'])
    await expect(follower.appendEvent(create('x'))).rejects.toMatchObject({ code: 'READ_ONLY' })
    await next.close()
    await follower.close()
  })

  test('tells a subscriber of commits by itself, without being read', async () => {
    const writer = new ParqueDB({ storage: new FsBackend(folder) })
    await writer.collection('n').create({ $id: 'a' })
    const follower = new ParqueDB({ storage: new FsBackend(folder), readOnly: true, followMs: 0 })
    const subscription = follower.subscribe({ fromSeq: 1 })
    expect((await subscription.next()).value).toMatchObject({ seq: 1, target: 'n:a' })
    const next = subscription.next()
    await writer.collection('n').create({ $id: 'b' })
    expect((await next).value).toMatchObject({ seq: 2, target: 'n:b' })
    await follower.close()
    await writer.close()
  })

  test('of a folder without a database says so and makes none', async () => {
    const follower = withEventSourcing(new FsBackend(folder), { readOnly: true })
    await expect(follower.view()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await readdir(folder)).toEqual([])
    await follower.close()
  })
})
