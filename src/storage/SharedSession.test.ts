import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import { FsBackend } from './backends/FsBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { decodeRequest, encodeAnswer } from './proposal.ts'
import { writerLocked } from './request-rules.ts'
import type { PutCondition, WriterLine, WriterLock } from './storage-backend.ts'

const create = (id: string): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { id } })
const hastyClock = { ...systemClock, sleep: () => systemClock.sleep(0) }

describe('a guest', () => {
  let root = ''
  let open: EventSourcedBackend[] = []
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'parquedb-guest-'))
    open = []
  })
  afterEach(async () => {
    for (const engine of open) await engine.close()
    await rm(root, { recursive: true })
  })

  async function shared(backend = new FsBackend(root)): Promise<EventSourcedBackend> {
    const engine = withEventSourcing(backend, { share: true })
    open.push(engine)
    await engine.stats()
    return engine
  }

  test('commits with a time of its own, keeps snapshots, and leaves to the writer what only that does', async () => {
    const owner = await shared()
    const guest = await shared()
    expect(await guest.appendEvent({ ...create('a'), ts: 1000 })).toMatchObject({ seq: 1, ts: 1000 })
    await guest.appendEvent({ ...create('b'), ts: 2000 })
    await expect(guest.checkpoint()).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
    expect(await owner.checkpoint()).toEqual({ seq: 2, at: new Date(2000) })
    await guest.appendEvent(create('c'))
    await guest.appendEvent({ op: 'UPDATE', target: 'n:c', after: { n: 1 } })
    expect((await owner.getLatestSnapshot('n', 'c'))?.seq).toBe(3)
    expect(await guest.createSnapshot('n', 'c')).toMatchObject({ seq: 4, version: 2, entity: { id: 'c', n: 1 } })
    expect((await owner.getLatestSnapshot('n', 'c'))?.seq).toBe(4)
  })

  test('that has taken the role over holds no files from before', async () => {
    const options = { share: true, graceMs: 0, compaction: { background: false } }
    const owner = withEventSourcing(new FsBackend(root), options)
    await owner.appendEvent(create('a'))
    await owner.flush()
    const guest = withEventSourcing(new FsBackend(root), options)
    open.push(guest)
    await guest.stats()
    await owner.close()
    await guest.appendEvent(create('b'))
    await guest.compact()
    expect(await guest.stats()).toMatchObject({ role: 'writer', garbage: { files: 0 }, segments: { count: 1 } })
  })

  test('is told what the writer was told when a flush fails, and goes on', async () => {
    class FullFolder extends FsBackend {
      isFull = false
      override put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
        return this.isFull && path.startsWith('events/') ? Promise.reject(new ParqueDBError('STORAGE_UNAVAILABLE', 'The disk is full.', { details: { path } })) : super.put(path, bytes, condition)
      }
    }
    const folder = new FullFolder(root)
    const owner = await shared(folder)
    const guest = await shared()
    await guest.appendEvent(create('a'))
    folder.isFull = true
    await expect(guest.flush()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: 'The disk is full.', details: { path: expect.stringMatching(/^events\//) as string } })
    folder.isFull = false
    await guest.flush()
    expect(await owner.stats()).toMatchObject({ flushedSeq: 1, role: 'writer' })
  })

  test.each([{ what: 'the log', nth: 1 }, { what: 'the manifest', nth: 2 }])('knows from $what what is being erased, and links nothing to it again', async ({ nth }) => {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    class SlowFolder extends FsBackend {
      segments = Number.NEGATIVE_INFINITY
      override async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
        if (path.startsWith('events/') && ++this.segments === nth) await released
        return super.put(path, bytes, condition)
      }
    }
    const folder = new SlowFolder(root)
    const owner = new ParqueDB({ storage: folder, share: true })
    for (const $id of ['a', 'b']) await owner.collection('users').create({ $id })
    await owner.collection('users').link('b', 'likes', 'users/a')
    await owner.flush()
    const guest = new ParqueDB({ storage: new FsBackend(root), share: true })
    expect(await guest.collection('users').link('b', 'likes', 'users/a')).toEqual({ changedCount: 0 })
    folder.segments = 0
    const erasing = owner.erase('users/a')
    while (folder.segments < nth) await systemClock.sleep(1)
    await expect(guest.collection('users').link('b', 'likes', 'users/a')).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT', details: { $id: 'users/a' } })
    release()
    await erasing
    expect(await guest.collection('users').link('b', 'likes', 'users/a')).toEqual({ changedCount: 1 })
    await guest.close()
    await owner.close()
  })

  test('whose requests fail as no store should finds the line broken, and says so in the end', async () => {
    class BrokenFolder extends FsBackend {
      override put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
        return path.startsWith('events/') ? Promise.reject(new TypeError('a bug')) : super.put(path, bytes, condition)
      }
    }
    await shared(new BrokenFolder(root))
    const guest = await shared()
    await guest.appendEvent(create('a'))
    await expect(guest.flush()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('went away 20 times') as string })
  })

  test('that has 10,000 writes under way takes no more, until some of them have ended', async () => {
    await shared()
    const guest = await shared()
    await guest.appendEvent(create('a'))
    const signal = AbortSignal.abort()
    const outcomes = await Promise.allSettled(Array.from({ length: 10_001 }, () => guest.commit({ keys: [], decide: () => [], signal })))
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'done'))
    expect(codes.filter((code) => code === 'ABORTED')).toHaveLength(10_000)
    expect(codes.at(-1)).toBe('LIMIT_EXCEEDED')
    expect(await guest.appendEvent(create('b'))).toMatchObject({ seq: 2 })
  })
})

/** A store whose writer role another process has, which answers to all but a greeting in one way. */
class HeldBackend extends MemoryBackend {
  asked = 0
  readonly #answer: () => Uint8Array | Error

  constructor(answer: () => Uint8Array | Error) {
    super()
    this.#answer = answer
  }

  override lockWriter(): Promise<WriterLock> {
    return Promise.reject(writerLocked({ root: 'This store' }))
  }

  async callWriter(): Promise<WriterLine> {
    return {
      ask: async (request) => {
        if (decodeRequest(request).kind === 'hello') return encodeAnswer('done')
        this.asked++
        const answer = this.#answer()
        if (answer instanceof Error) throw answer
        return answer
      },
      close: () => undefined,
    }
  }

  async filled(): Promise<this> {
    const former = new MemoryBackend()
    const writer = withEventSourcing(former)
    await writer.appendEvent(create('a'))
    await writer.close()
    for (const { path } of (await former.list('')).objects) await this.put(path, await former.read(path))
    return this
  }
}

describe('a process that wants to share', () => {
  /** The holder refuses to talk, as often as it is called; it says who it is, or does not. */
  class RefusingBackend extends HeldBackend {
    called = 0
    readonly #details: { readonly pid?: number }
    constructor(details: { readonly pid?: number }) {
      super(() => encodeAnswer('done'))
      this.#details = details
    }
    override callWriter(): Promise<WriterLine> {
      this.called++
      return Promise.reject(new ParqueDBError('WRITER_LOCKED', 'Somebody has it.', { details: this.#details }))
    }
  }

  test.each([
    [{ pid: 17 }, 1],
    [{}, 20],
  ])('asks a holder that refuses it, and says %j of itself, %i times', async (details, times) => {
    const store = await new RefusingBackend(details).filled()
    const guest = withEventSourcing(store, { share: true, clock: hastyClock })
    await expect(guest.stats()).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
    expect(store.called).toBe(times)
    await guest.close()
  })
})

describe('a guest of a writer', () => {
  const guestOf = (store: HeldBackend): EventSourcedBackend => withEventSourcing(store, { share: true, clock: hastyClock })

  test('that refuses every proposal gives up after 1,000, and nothing was written', async () => {
    const store = await new HeldBackend(() => encodeAnswer('conflict')).filled()
    const guest = guestOf(store)
    await expect(guest.appendEvent(create('b'))).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT', details: { attempts: 1000 } })
    expect(store.asked).toBe(1000)
    expect((await guest.stats()).lastSeq).toBe(1)
    await guest.close()
  })

  test('that never answers a proposal says that its outcome is unknown', async () => {
    const store = await new HeldBackend(() => new ParqueDBError('STORAGE_UNAVAILABLE', 'The line broke.')).filled()
    const guest = guestOf(store)
    await expect(guest.appendEvent(create('b'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
    await guest.close()
  })

  test('whose line cannot carry the proposal is told so at once', async () => {
    const store = await new HeldBackend(() => new ParqueDBError('LIMIT_EXCEEDED', 'Too much for one message.')).filled()
    const guest = guestOf(store)
    await expect(guest.appendEvent(create('b'))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    expect(store.asked).toBe(1)
    await guest.close()
  })

  test('that went away asks nobody for a flush any more once it is closed', async () => {
    let closing: Promise<void> | undefined
    const store = await new HeldBackend(() => {
      closing ??= guest.close()
      return new ParqueDBError('STORAGE_UNAVAILABLE', 'The line broke.')
    }).filled()
    const guest = guestOf(store)
    await expect(guest.flush()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(store.asked).toBe(1)
    await closing
  })
})
