import { abortError } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { SubscribeOptions } from '../model/database-options.ts'
import { collectionOf } from '../model/edge.ts'
import { validateNamespace } from '../model/entity-id.ts'
import type { Event, EventOp, StoredEvent } from '../model/event.ts'
import { checkWholeNumber } from '../model/check-options.ts'
import type { Engine } from '../storage/engine.ts'
import { parseOps } from './read-events.ts'
import { publicEvent } from '../model/public-event.ts'

/** Events that wait for a consumer, at most. A slower one reads the rest from the log: nothing is lost, and memory stays bounded. */
const readyEventsMax = 10_000
/** Events that are read from the log at once. No view is held between two reads, so a slow consumer keeps no file from being removed. */
const logEventsAtOnce = 1000

/** Events that a named consumer may get again after a crash while it is behind; when it has caught up, its position is kept at once. */
const eventsPerPosition = 100

export interface SubscriptionUse {
  /** Gives an event as the subscriber sees it, or undefined. */
  readonly own: (event: StoredEvent) => StoredEvent | undefined
  /** Told once, whatever the end was. */
  readonly onEnd: () => void
  /** The namespace that is wanted, as it is stored; undefined where events of all have to be looked at. */
  readonly storedNs?: string | undefined
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
  readonly #onEnd: () => void
  readonly #own: (event: StoredEvent) => StoredEvent | undefined
  readonly #ops: readonly EventOp[] | undefined
  readonly #use: SubscriptionUse
  readonly #stopListening: () => void
  readonly #wakeUp = (): void => this.#wake?.()
  readonly #started: Promise<void>
  /** Of the event that was given last: it counts as dealt with when the next one is asked for. */
  #givenSeq = 0
  #savedSeq = 0
  /** All that are wanted up to `#nextSeq`, exclusive. */
  #ready: StoredEvent[] = []
  #nextSeq = 0
  /** The newest event that is known to be durable. */
  #newestSeq = 0
  #wake: (() => void) | undefined
  #failure: ParqueDBError | undefined
  #isOver = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(engine: Pick<Engine, 'view' | 'onCommit'>, options: SubscribeOptions, use: SubscriptionUse) {
    const fromSeq = checkWholeNumber(options.fromSeq, { option: 'fromSeq', least: 1 })
    this.#engine = engine
    this.#onEnd = use.onEnd
    this.#own = use.own
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
    const result = this.#last.then(() => this.#take())
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Ends the subscription; called when a loop over it is left. */
  return(): Promise<IteratorResult<Event>> {
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The database is being closed: whoever waits gets CLOSED. */
  close(): void {
    this.#failure ??= new ParqueDBError('CLOSED', 'The database was closed, which ended the subscription.')
    this.#end()
  }

  async #start(given: number | undefined): Promise<void> {
    const keptSeq = await this.#use.position?.load()
    const fromSeq = keptSeq === undefined ? given : keptSeq + 1
    this.#savedSeq = keptSeq ?? 0
    const view = await this.#engine.view()
    const { seq } = view
    view.release()
    if (fromSeq !== undefined && fromSeq > seq + 1) {
      throw new ParqueDBError('INVALID_ARGUMENT', `The option 'fromSeq' is ${fromSeq}, but the newest event is ${seq}: a subscription begins at ${seq + 1} at the latest.`, {
        details: { option: 'fromSeq', newestSeq: seq },
      })
    }
    this.#nextSeq = fromSeq ?? seq + 1
    this.#newestSeq = Math.max(this.#newestSeq, seq)
  }

  async #take(): Promise<IteratorResult<Event>> {
    await this.#started
    const doneSeq = this.#givenSeq
    if (doneSeq - this.#savedSeq >= eventsPerPosition) await this.#savePosition(doneSeq)
    for (;;) {
      if (this.#signal?.aborted === true) this.#failure ??= abortError(this.#signal)
      if (this.#failure !== undefined) {
        this.#end()
        throw this.#failure
      }
      if (this.#isOver) return { done: true, value: undefined }
      const event = this.#ready.shift()
      const own = event === undefined ? undefined : this.#own(event)
      if (event !== undefined && own !== undefined && this.#wants(own)) {
        this.#givenSeq = event.seq
        return { done: false, value: publicEvent(own) }
      }
      if (event !== undefined) continue
      if (doneSeq > this.#savedSeq) {
        await this.#savePosition(doneSeq)
        // What came meanwhile is ready, and wakes nobody.
        continue
      }
      if (this.#newestSeq < this.#nextSeq) await this.#nextCommit()
      else await this.#readLog()
    }
  }

  /** The database's own records are nobody's events. */
  #wants(event: StoredEvent): boolean {
    const ns = collectionOf(event.ns)
    return !ns.startsWith('$') && (this.#ns === undefined || ns === this.#ns) && (this.#ops === undefined || this.#ops.includes(event.op))
  }

  async #savePosition(seq: number): Promise<void> {
    this.#savedSeq = seq
    await this.#use.position?.save(seq)
  }

  async #readLog(): Promise<void> {
    const view = await this.#engine.view()
    try {
      for await (const event of view.events({ ns: this.#use.storedNs, fromSeq: this.#nextSeq, signal: this.#signal })) {
        // A commit may be offered while this reads: it is newer than what is next, and read in its turn. What was erased is passed over.
        assert(event.seq >= this.#nextSeq, 'I3: the log has no gaps')
        this.#push(event)
        if (this.#ready.length >= logEventsAtOnce) return
      }
      this.#nextSeq = Math.max(this.#nextSeq, view.seq + 1)
    } finally {
      view.release()
    }
  }

  async #nextCommit(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
  }

  #offer(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#newestSeq = Math.max(this.#newestSeq, event.seq)
      if (event.seq === this.#nextSeq && this.#ready.length < readyEventsMax) this.#push(event)
    }
    this.#wake?.()
  }

  #push(event: StoredEvent): void {
    this.#ready.push(event)
    this.#nextSeq = event.seq + 1
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onEnd()
    this.#ready = []
    this.#stopListening()
    this.#signal?.removeEventListener('abort', this.#wakeUp)
    this.#wake?.()
  }
}
