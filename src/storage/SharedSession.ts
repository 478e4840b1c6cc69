import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import type { IdSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { EntityKey } from '../model/entity.ts'
import { Courtesy } from './Courtesy.ts'
import type { CommitRequest, CommitResult } from './engine.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { FollowerSession } from './FollowerSession.ts'
import { KeyMap } from './KeyMap.ts'
import type { CommitListener, Partition } from './Partition.ts'
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, propose, ProposalConflict, type GuestRequest } from './proposal.ts'
import { outcomeOf } from './repeated.ts'
import type { StorageBackend, WriterLine } from './storage-backend.ts'
import { WriterSession } from './WriterSession.ts'

/** How often a guest decides anew because others were faster, or the line broke, before it gives up. */
const attemptsMax = 1000
/** Upper bound of the wait before each, in milliseconds: 1, 2, 4, … up to this. */
const backoffMsMax = 32
/** Between two writers the role is free, and the next one is not there at once. */
const connectAttemptsMax = 20
const connectDelayMs = 25
/** Commits of a guest that have not ended. */
const commitCountMax = 10_000

/**
 * A process among several that write. It has the writer role and answers the others, or is a guest: it follows, decides on what it knows, and proposes that to the one with
 * the role, which commits it where all that was looked at is still so. When the line breaks, it takes the role itself or calls whoever has; what became of a proposal is then
 * read from the log, by the ids of its events. Of two proposals of one commit only one can be committed: each rests on the state of what it changes.
 */
export class SharedSession {
  readonly kind = 'shared'
  readonly refresh: WriterSession['refresh'] = () => this.current.refresh()
  readonly flush: WriterSession['flush'] = () => this.#do((writer) => writer.flush(), { kind: 'flush' })
  /** A guest learns of no progress and cannot stop the one that does it. */
  readonly compact: WriterSession['compact'] = (options) => this.#do((writer) => writer.compact(options), { kind: 'compact' })
  readonly #backend: StorageBackend
  readonly #options: ResolvedOptions
  readonly #ids: IdSource
  readonly #courtesy: Courtesy
  #session: WriterSession | FollowerSession | undefined
  /** Of a guest; undefined while it has none. */
  #line: WriterLine | undefined
  #connecting: Promise<void> | undefined
  #isClosed = false
  readonly #listeners = new Map<CommitListener, () => void>()
  /** The commit under way that was given last for each entity, and all of them. None of these promises rejects. */
  readonly #lastOf = new KeyMap<Promise<void>>()
  readonly #running = new Set<Promise<void>>()

  private constructor(backend: StorageBackend, options: ResolvedOptions, ids: IdSource) {
    this.#backend = backend
    this.#options = options
    this.#ids = ids
    this.#courtesy = new Courtesy(options.clock)
  }

  /** WRITER_LOCKED when the process that has the role does not share it. */
  static async open(this: void, backend: StorageBackend, options: ResolvedOptions, ids: IdSource): Promise<SharedSession> {
    const session = new SharedSession(backend, options, ids)
    await session.#connect().catch((error: unknown) => {
      session.#line?.close()
      throw error
    })
    return session
  }

  /** The session behind it: a guest's follows. */
  get current(): WriterSession | FollowerSession {
    assert(this.#session !== undefined, 'a shared session is handed out once it has connected')
    return this.#session
  }

  get partition(): Partition {
    return this.current.partition
  }

  get isFresh(): boolean {
    return this.current.isFresh
  }

  onCommit(listener: CommitListener): () => void {
    this.#listeners.set(listener, this.current.onCommit(listener))
    return () => {
      this.#listeners.get(listener)?.()
      this.#listeners.delete(listener)
    }
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const { keys } = request
    if (this.current.kind === 'writer') {
      const guestsTurn = this.#courtesy.before(keys)
      if (guestsTurn === undefined && !keys.some((key) => this.#lastOf.has(key))) return this.current.commit(request)
      await this.#inTurn(keys, async () => guestsTurn)
      return this.#commit(request)
    }
    if (this.#running.size < commitCountMax) return this.#inTurn(keys, () => this.#commit(request))
    throw new ParqueDBError('LIMIT_EXCEEDED', `${commitCountMax} writes are waiting already. Await some of them before starting more.`, { details: { commitCountMax } })
  }

  /** The session of the writer role, for what only its holder does; WRITER_LOCKED where that is another process. */
  async writerHere(): Promise<WriterSession> {
    const cause = await this.#connected()
    const { current } = this
    if (current.kind === 'writer') return current
    throw new ParqueDBError('WRITER_LOCKED', 'Retention, checkpoints and erasing are done by the process that has the writer role, and that is another one. Do it there.', { cause })
  }

  keepSnapshot({ ns, id }: EntityKey): Promise<void> {
    return this.#do(async ({ partition }) => partition.overlay.keepSnapshot({ ns, id }), { kind: 'snapshot', entities: [[ns, id, 0]] })
  }

  /** Finishes what was begun; the role goes to one of the others. */
  async close(): Promise<void> {
    await Promise.all(this.#running)
    this.#isClosed = true
    await this.#connecting?.catch(() => undefined)
    this.#line?.close()
    await this.current.close()
  }

  /** Commits that share an entity go one after the other: together they would only meet in conflicts. */
  async #inTurn<T>(keys: readonly EntityKey[], work: () => Promise<T>): Promise<T> {
    const mine = Promise.all(keys.flatMap((key) => this.#lastOf.get(key) ?? [])).then(work)
    const ended = mine.then(...ignoring)
    this.#running.add(ended)
    for (const key of keys) this.#lastOf.set(key, ended)
    try {
      return await mine
    } finally {
      this.#running.delete(ended)
      for (const key of keys) if (this.#lastOf.get(key) === ended) this.#lastOf.delete(key)
    }
  }

  async #commit(request: CommitRequest): Promise<CommitResult> {
    /** Event ids of the proposals that were sent. */
    const sent: string[][] = []
    let cause: unknown
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      cause = await this.#connected()
      const { current } = this
      if (current.kind === 'follower') cause = (await current.refresh(0).then(...settled)) ?? cause
      const known = await outcomeOf(this.partition, request, sent)
      if (known !== undefined) return known
      if (cause !== undefined) break
      if (current.kind === 'writer') return current.commit(request)
      if (sent.length === 0) checkAborted(request.signal)
      const { message, eventIds } = await propose(current.partition, request, { ids: this.#ids, nowMs: this.#options.clock.nowMs() })
      if (eventIds.length === 0) return { events: [], states: [], seq: current.partition.overlay.lastSeq, repeated: false }
      const answer = await this.#ask(message)
      if (answer !== 'conflict') sent.push(eventIds)
      if (answer !== 'done') await this.#backOff(attempt)
    }
    if (sent.length > 0) {
      throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The process that has the writer role went away before it said whether the write is in the database, and no other can be asked. Open the database again and read, or write again under the same txId.', { details: { outcome: 'unknown' }, cause })
    }
    if (cause instanceof Error) throw cause
    throw new ParqueDBError('TRANSACTION_CONFLICT', `Other processes changed what the write rests on ${attemptsMax} times before it could be committed; nothing of it was written. Try again.`, { details: { attempts: attemptsMax } })
  }

  /** Does it here or asks the one with the role for it; when that one goes away, it may be done twice. */
  async #do(here: (writer: WriterSession) => Promise<void>, request: GuestRequest): Promise<void> {
    for (let attempt = 0; attempt < connectAttemptsMax; attempt++) {
      const cause = await this.#connected()
      if (cause !== undefined) throw cause
      const { current } = this
      if (current.kind === 'writer') return here(current)
      if ((await this.#ask(encodeRequest(request))) === 'done') return current.refresh(0)
      await this.#backOff(attempt)
    }
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `The processes that had the writer role went away ${connectAttemptsMax} times before they had done it. Try again.`)
  }

  /** 'conflict' when nothing was done; 'lost' when the line broke: whether it was done is unknown. */
  async #ask(message: Uint8Array): Promise<'done' | 'conflict' | 'lost'> {
    const line = this.#line
    if (line === undefined) return 'conflict'
    let answer: Uint8Array
    try {
      answer = await line.ask(message)
    } catch (error) {
      if (!isParqueDBError(error, 'STORAGE_UNAVAILABLE')) throw error
      line.close()
      if (this.#line === line) this.#line = undefined
      return 'lost'
    }
    return decodeAnswer(answer)
  }

  /** Waits for the role or a line; gives why there is neither. */
  async #connected(): Promise<Error | undefined> {
    if (this.#isClosed) return new ParqueDBError('CLOSED', 'The database is closed.')
    if (this.current.kind === 'writer' || this.#line !== undefined) return undefined
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined))
    return this.#connecting.then(...settled)
  }

  async #connect(): Promise<void> {
    const got = await takeOrCall(this.#backend, this.#options)
    const former = this.#session
    if (!(got instanceof WriterSession)) {
      this.#line = got
      this.#session ??= await FollowerSession.open(this.#backend, this.#options)
      return
    }
    await former?.close()
    this.#session = got
    // Listeners hear of what this process had not read yet when it took over, before anything is added to it.
    const view = got.partition.view()
    for await (const event of view.events({ fromSeq: (former ?? got).partition.overlay.lastSeq + 1 })) for (const listener of this.#listeners.keys()) listener([event])
    view.release()
    for (const listener of this.#listeners.keys()) this.#listeners.set(listener, got.onCommit(listener))
    got.lock?.serve?.((bytes) => answerGuest(got, bytes, this.#courtesy))
  }

  async #backOff(attempt: number): Promise<void> {
    const [byte = 0] = this.#options.random.bytes(1)
    await this.#options.clock.sleep(Math.ceil((Math.min(2 ** attempt, backoffMsMax) * (byte + 1)) / 256))
  }
}

const ignoring = [() => undefined, () => undefined] as const
const settled = [() => undefined, (error: Error): Error => error] as const

/** The writer role, or a line to the process that has it and is ready. */
async function takeOrCall(backend: StorageBackend, options: ResolvedOptions): Promise<WriterSession | WriterLine> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await WriterSession.open(backend, options)
    } catch (error) {
      if (!isParqueDBError(error, 'WRITER_LOCKED')) throw error
      const line = await (options.log ?? backend).callWriter?.().catch((refusal: unknown) => {
        // A holder that did not even say who it is may only be slow.
        if (!isParqueDBError(refusal, 'WRITER_LOCKED') || refusal.details['pid'] !== undefined) throw refusal
        return undefined
      })
      const broken = await line?.ask(encodeRequest({ kind: 'hello' })).then(...settled)
      if (line !== undefined && broken === undefined) return line
      if (attempt === connectAttemptsMax) throw error
      await options.clock.sleep(connectDelayMs)
    }
  }
}

/** As the one with the role. When it fails for good, it leaves the role, and the line breaks: guests find another. */
async function answerGuest(writer: WriterSession, bytes: Uint8Array, courtesy: Courtesy): Promise<Uint8Array> {
  const { kind, commit } = decodeRequest(bytes)
  try {
    if (kind === 'commit') {
      await writer.commit(commit)
      courtesy.end(commit.keys)
    } else if (kind === 'flush') await writer.flush()
    else if (kind === 'compact') await writer.compact({})
    else if (kind === 'snapshot') commit.keys.forEach((key) => writer.partition.overlay.keepSnapshot(key))
    return encodeAnswer('done')
  } catch (error) {
    if (error instanceof ProposalConflict) {
      courtesy.give(commit.keys)
      return encodeAnswer('conflict')
    }
    const isOver = isParqueDBError(error, 'WRITER_FENCED') || isParqueDBError(error, 'CLOSED') || (isParqueDBError(error) && error.details.outcome === 'unknown')
    if (isOver) await writer.lock?.release()
    if (isOver || !isParqueDBError(error)) throw error
    return encodeAnswer(error)
  }
}
