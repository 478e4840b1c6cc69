import { isParqueDBError } from '../base/ParqueDBError.ts'
import type { EventStream } from '../model/database.ts'
import type { Event } from '../model/event.ts'
import { databaseOperations } from '../model/operations.ts'
import { errorOf, isPassing, type Transport } from './Transport.ts'

/** Events as they come; a connection that is lost is made again, and goes on behind the last event that was given. It begins when it is made. */
export class EventSubscription implements EventStream {
  /** Settles when the server has begun, or cannot. */
  readonly started: Promise<unknown>
  readonly #controller = new AbortController()
  readonly #events: AsyncGenerator<Event | undefined>
  readonly #onEnd: () => void
  #isLeft = false

  constructor(transport: Transport, run: { texts: ReadonlyMap<string, string>; signal: AbortSignal | undefined; retries: number; onEnd: () => void }) {
    const { signal } = run
    this.#onEnd = run.onEnd
    const abort = (): void => this.#controller.abort(signal?.reason)
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    this.#events = this.#read(transport, run)
    // A failure is kept for the first call of next(), which may come much later.
    this.started = this.#events.next()
    this.started.catch(() => undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Event>> {
    try {
      await this.started
      const { done, value } = await this.#events.next()
      return done !== true && value !== undefined ? { done: false, value } : { done: true, value: undefined }
    } catch (error) {
      this.#onEnd()
      if (this.#isLeft) return { done: true, value: undefined }
      throw isParqueDBError(error, 'ABORTED') && isParqueDBError(error.cause) ? error.cause : error
    }
  }

  async return(): Promise<IteratorResult<Event>> {
    this.#isLeft = true
    this.close(undefined)
    return { done: true, value: undefined }
  }

  /** Whoever waits gets `reason`. */
  close(reason: unknown): void {
    this.#controller.abort(reason)
    this.#onEnd()
  }

  /** Gives undefined once, when the position is known. */
  async *#read(transport: Transport, { texts, retries }: { texts: ReadonlyMap<string, string>; retries: number }): AsyncGenerator<Event | undefined> {
    const { signal } = this.#controller
    let seq: number | undefined
    for (let attempt = 0; ; attempt++) {
      try {
        const own = seq === undefined ? new Map(texts) : new Map([...texts, ['fromSeq', String(seq + 1)]])
        for await (const { event, id, data } of transport.events(databaseOperations.subscribe, { texts: own, signal })) {
          if (event === 'error') throw errorOf(data)
          // A server that begins again and again, and fails each time, is not asked for ever.
          if (event !== 'open') attempt = 0
          if (event === 'alive') continue
          if (event !== 'open') yield data as unknown as Event
          else if (seq === undefined) yield undefined
          seq = id
        }
      } catch (error) {
        if (!isPassing(error) || attempt >= retries) throw error
        await transport.pause(attempt, signal)
      }
    }
  }
}
