import { abortError } from '../base/abort.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkWholeNumber } from '../model/check-options.ts'
import type { SubscribeOptions } from '../model/database-options.ts'
import { collectionOf } from '../model/edge.ts'
import { isReserved, validateNamespace } from '../model/entity.ts'
import type { Event, EventOp, StoredEvent } from '../model/event.ts'
import { publicEvent } from '../model/public-event.ts'
import type { Engine } from '../storage/engine.ts'
import { withView } from '../storage/view.ts'
import { Collection } from './Collection.ts'
import { parseOps } from './read-events.ts'
import type { Session } from './session.ts'

/** Events that wait for a consumer, at most. A slower one reads the rest from the log: nothing is lost, and memory stays bounded. */
const readyEventsMax = 10_000
/** Events that are read from the log at once. No view is held between two reads, so a slow consumer keeps no file from being removed. */
const logEventsAtOnce = 1000

/** Events that a named consumer may get again after a crash while it is behind; when it has caught up, or is left, its position is kept at once. */
const eventsPerPosition = 100

export interface SubscriptionUse {
  /** Gives an event that was just committed as the subscriber sees it, or undefined; a view has such ones only. */
  readonly own: (event: StoredEvent) => StoredEvent | undefined
  /** Told once, whatever the end was. */
  readonly onEnd: () => void
  /** Of a named consumer: how far it has come. */
  readonly position?: { load(): Promise<number | undefined>; save(seq: number): Promise<void> } | undefined
}

/**
 * Events in seq order without a gap or a repetition, first from the log, then as they become durable. It begins when it is made, not when it is first
 * read. Remember the `seq` of the last event that was dealt with, and go on with `fromSeq: seq + 1` after a restart.
 */
export class Subscription implements AsyncIterableIterator<Event> {
  readonly #engine: Pick<Engine, 'view' | 'onCommit'>
  readonly #ns: string | undefined
  readonly #signal: AbortSignal | undefined
  readonly #ops: readonly EventOp[] | undefined
  readonly #use: SubscriptionUse
  readonly #stopListening: () => void
  readonly #wakeUp = (): void => this.#wake?.()
  readonly #started: Promise<void>
  /** Of the event that was given last: it counts as dealt with when the next one is asked for. */
  #givenSeq = 0
  #doneSeq = 0
  #savedSeq = 0
  /** All that are wanted up to `#nextSeq`, exclusive. */
  #ready: StoredEvent[] = []
  #nextSeq = 0
  /** The newest event that is known to be durable. */
  #newestSeq = 0
  #wake: (() => void) | undefined
  /** What ended it; asked again, it says so again. */
  #failure: Error | undefined
  #isOver = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(engine: Pick<Engine, 'view' | 'onCommit'>, options: SubscribeOptions, use: SubscriptionUse) {
    const fromSeq = checkWholeNumber(options.fromSeq, { option: 'fromSeq', least: 1 })
    this.#engine = engine
    this.#use = use
    this.#ops = parseOps(options.ops, 'ops')
    this.#ns = options.ns === undefined ? undefined : validateNamespace(options.ns)
    this.#signal = options.signal
    this.#stopListening = engine.onCommit((events) => this.#offer(events))
    this.#signal?.addEventListener('abort', this.#wakeUp)
    this.#started = this.#start(fromSeq)
    // A failure is kept for the first call of next(), which may come much later.
    this.#started.catch(() => this.#end())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Calls may overlap: each is answered after the one before it. */
  next(): Promise<IteratorResult<Event>> {
    const result = this.#last.then(() => this.#take()).catch((error: unknown) => this.#fail(error))
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Ends the subscription; called when a loop over it is left. A named consumer keeps its position before the event that was given last. */
  async return(): Promise<IteratorResult<Event>> {
    const isLeft = !this.#isOver
    this.#end()
    if (isLeft && this.#doneSeq > this.#savedSeq) await this.#savePosition(this.#doneSeq)
    return { done: true, value: undefined }
  }

  /** The database is being closed: whoever waits gets CLOSED. */
  close(): void {
    this.#failure ??= new ParqueDBError('CLOSED', 'The database was closed, which ended the subscription.')
    this.#end()
  }

  async #start(given: number | undefined): Promise<void> {
    const keptSeq = await this.#use.position?.load()
    // What is behind it was dealt with; one that is ahead of it passes over what is between, which may be gone.
    const fromSeq = keptSeq === undefined ? given : Math.max(keptSeq + 1, given ?? 0)
    const seq = await withView(this.#engine, async (view) => view.seq)
    if (fromSeq !== undefined && fromSeq > seq + 1) {
      throw new ParqueDBError('INVALID_ARGUMENT', `The option 'fromSeq' is ${fromSeq}, but the newest event is ${seq}: a subscription begins at ${seq + 1} at the latest.`, { details: { option: 'fromSeq', newestSeq: seq } })
    }
    this.#nextSeq = fromSeq ?? seq + 1
    this.#newestSeq = Math.max(this.#newestSeq, seq)
    // Where it begins is kept before anything is given: READ_ONLY where that cannot be.
    if (this.#use.position !== undefined) await this.#savePosition(this.#nextSeq - 1)
  }

  async #take(): Promise<IteratorResult<Event>> {
    await this.#started
    const doneSeq = (this.#doneSeq = this.#givenSeq)
    if (doneSeq - this.#savedSeq >= eventsPerPosition) await this.#savePosition(doneSeq)
    for (;;) {
      if (this.#signal?.aborted === true) throw abortError(this.#signal)
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isOver) return { done: true, value: undefined }
      const event = this.#ready.shift()
      if (event !== undefined && this.#wants(event)) {
        this.#givenSeq = event.seq
        return { done: false, value: publicEvent(event) }
      }
      if (event !== undefined) continue
      if (doneSeq > this.#savedSeq) {
        await this.#savePosition(doneSeq)
        // What came meanwhile is ready, and wakes nobody.
        continue
      }
      if (this.#newestSeq < this.#nextSeq) await new Promise<void>((resolve) => (this.#wake = resolve))
      else await this.#readLog()
    }
  }

  /** The database's own records are nobody's events. */
  #wants(event: StoredEvent): boolean {
    const ns = collectionOf(event.ns)
    return !isReserved(ns) && (this.#ns === undefined || ns === this.#ns) && (this.#ops === undefined || this.#ops.includes(event.op))
  }

  async #savePosition(seq: number): Promise<void> {
    this.#savedSeq = seq
    await this.#use.position?.save(seq)
  }

  async #readLog(): Promise<void> {
    await withView(this.#engine, async (view) => {
      for await (const event of view.events({ ns: this.#ns, fromSeq: this.#nextSeq, signal: this.#signal })) {
        // What is offered while this reads may be in the view, too: a Worker learns of commits by asking for them. What was erased is passed over.
        if (event.seq < this.#nextSeq) continue
        this.#ready.push(event)
        this.#nextSeq = event.seq + 1
        if (this.#ready.length >= logEventsAtOnce) return
      }
      this.#nextSeq = Math.max(this.#nextSeq, view.seq + 1)
    })
  }

  /** A loop that an error leaves does not call return(). */
  #fail(error: unknown): never {
    this.#failure ??= error as Error
    this.#end()
    throw this.#failure
  }

  #offer(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#newestSeq = Math.max(this.#newestSeq, event.seq)
      if (event.seq !== this.#nextSeq || this.#ready.length >= readyEventsMax) continue
      const own = this.#use.own(event)
      if (own !== undefined) this.#ready.push(own)
      this.#nextSeq = event.seq + 1
    }
    this.#wake?.()
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#use.onEnd()
    this.#ready = []
    this.#stopListening()
    this.#signal?.removeEventListener('abort', this.#wakeUp)
    this.#wake?.()
  }
}

/** Where the positions of named consumers are kept: no collection of a user's begins with '$'. */
const space = '$consumers'

/** How far each named consumer has come, and how many events the log is ahead of it: the database's own records, and those that it does not want, counted in. */
export type ConsumerLags = { readonly [name: string]: { readonly seq: number; readonly lag: number } }

export function consumerPosition(session: Session, name: string): NonNullable<SubscriptionUse['position']> {
  const records = new Collection<{ seq: number }>(session, space)
  return { load: async () => (await records.get(name))?.seq, save: async (seq) => void (await records.upsert(name, { $set: { seq } })) }
}

export async function consumerLags(session: Session, stats: { lastSeq: number; namespaces: object }): Promise<ConsumerLags> {
  const lags: { [name: string]: { seq: number; lag: number } } = {}
  if (!Object.hasOwn(stats.namespaces, space)) return lags
  for await (const { $id, seq } of new Collection<{ seq: number }>(session, space).find()) lags[$id.slice(space.length + 1)] = { seq, lag: stats.lastSeq - seq }
  return lags
}
