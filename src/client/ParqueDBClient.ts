import { checkAborted } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { ulidSource, type IdSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom } from '../base/random.ts'
import { checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { AskedDatabase, type AskedMethod } from '../model/asked-database.ts'
import type { Database, DatabaseCollection, DatabaseTransaction, EventStream } from '../model/database.ts'
import type { EventQueryOptions, SubscribeOptions, TransactionOptions } from '../model/database-options.ts'
import type { Traversed, TraverseOptions, TraverseStep } from '../model/graph-options.ts'
import { validateNamespace } from '../model/entity.ts'
import type { Event } from '../model/event.ts'
import { collectionOperations, databaseOperations, type Operation } from '../model/operations.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import type { Document } from '../model/values.ts'
import { encodeArguments, encodeValue, type Arguments } from './encode-arguments.ts'
import { EventSubscription } from './EventSubscription.ts'
import { remoteCollection, type Remote } from './remote-collection.ts'
import { RemoteTransaction } from './RemoteTransaction.ts'
import { Transport, type ParqueDBClientOptions } from './Transport.ts'

const operations: Readonly<Record<string, Operation>> = { ...collectionOperations, ...databaseOperations }
const transactionRetriesDefault = 10

/** A database at the other end of HTTP. Every write carries a txId, so that one whose answer was lost is not done twice; updateMany, deleteMany and findOneAndUpdate are not tried again. */
export class ParqueDBClient extends AskedDatabase implements Database {
  readonly #transport: Transport
  readonly #retries: number
  readonly #ids: IdSource
  readonly #remote: Remote
  readonly #subscriptions = new Set<EventSubscription>()
  #isClosed = false

  constructor(options: ParqueDBClientOptions) {
    super()
    const { url, token, clock = systemClock, random = systemRandom, ...rest } = checkOptions('ParqueDBClient', options, ['url', 'token', 'fetch', 'retries', 'timeoutMs', 'clock', 'random'])
    if (typeof url !== 'string' || !/^https?:\/\/[^?#]+$/.test(url)) throw new ParqueDBError('INVALID_ARGUMENT', "The client needs the 'url' of a server, as 'https://db.example.com'.", { details: { option: 'url' } })
    this.#retries = checkWholeNumber(rest.retries, { option: 'retries', least: 0, most: 100 }) ?? 5
    const timeoutMs = checkWholeNumber(rest.timeoutMs, { option: 'timeoutMs', least: 1 }) ?? 30_000
    this.#ids = ulidSource(clock, random)
    this.#transport = new Transport({ url: url.replace(/\/$/, ''), token, fetch: rest.fetch ?? fetch, retries: this.#retries, timeoutMs, clock, random })
    this.#remote = { call: (name, args) => this.#call(name, args), batches: (name, args) => this.#lines(name, args) }
  }

  collection<T extends object = Document>(name: string): DatabaseCollection<T> {
    this.#assertOpen()
    return remoteCollection<T>(this.#remote, validateNamespace(name))
  }

  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options: TransactionOptions & { txId: string }): Promise<Result | undefined>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions & { txId?: never }): Promise<Result>
  async transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions): Promise<Result | undefined> {
    this.#assertOpen()
    if (typeof work !== 'function') throw new ParqueDBError('INVALID_ARGUMENT', 'transaction takes a function that is given the transaction.')
    const { retries: given, txId, ...own } = checkOptions('transaction', options, ['retries', 'txId', 'actor', 'signal'])
    const retries = checkWholeNumber(given, { option: 'retries', least: 0, most: 1000 }) ?? transactionRetriesDefault
    const attempt = async (): Promise<Result | undefined> => {
      checkAborted(own.signal)
      const tx = new RemoteTransaction({ transport: this.#transport, ids: this.#ids, ...own })
      try {
        if (txId !== undefined && (await tx.isRepeated(txId))) return undefined
        const result = await work(tx)
        return (await tx.commit(txId ?? this.#ids.next())) || txId === undefined ? result : undefined
      } finally {
        tx.close()
      }
    }
    return this.#transport.retrying(attempt, { signal: own.signal, retries, mayPass: (error) => isParqueDBError(error, 'TRANSACTION_CONFLICT') })
  }

  events(options?: EventQueryOptions): AsyncIterableIterator<Event> {
    return oneByOne(this.#lines('events', this.#encode('events', options)) as AsyncIterable<Event[]>)
  }

  subscribe(options?: SubscribeOptions): EventStream {
    const { texts, signal } = this.#encode('subscribe', options)
    const subscription = new EventSubscription(this.#transport, { texts, signal, retries: this.#retries, onEnd: () => this.#subscriptions.delete(subscription) })
    this.#subscriptions.add(subscription)
    this.#transport.after(subscription.started)
    return subscription
  }

  traverse<T extends object = Document>(start: string | readonly string[], steps: TraverseStep | readonly TraverseStep[], options?: TraverseOptions<T>): ResultCursor<Traversed<T>> {
    const args = this.#encode('traverse', start, steps, options)
    return new ResultCursor({ batches: () => this.#lines('traverse', args) as AsyncIterable<readonly Traversed<T>[]>, page: async () => (await this.#call('traverse', args)) as Page<Traversed<T>> })
  }

  async ask(method: AskedMethod, args: readonly unknown[]): Promise<unknown> {
    const answer = await this.#call(method, this.#encode(method, ...args))
    return method === 'shortestPath' ? (answer ?? undefined) : answer
  }

  /** Ends the subscriptions. The server and its database go on. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const subscription of this.#subscriptions) subscription.close(closed())
  }

  #encode(name: keyof typeof databaseOperations, ...given: unknown[]): Arguments {
    this.#assertOpen()
    return encodeArguments({ name, operation: databaseOperations[name], ns: undefined }, given.length === 0 ? [undefined] : given)
  }

  async #call(name: string, args: Arguments): Promise<unknown> {
    this.#assertOpen()
    const operation = operations[name] as Operation
    const { gives } = operation
    // A name of its own for each write, which stays the same however often it is sent.
    if (operation.options?.includes('txId') === true && !args.texts.has('txId')) args.texts.set('txId', encodeValue('txId', this.#ids.next()))
    const answer = await this.#transport.json(operation, args).catch((error: unknown) => {
      if (isParqueDBError(error, 'NOT_FOUND') && error.details.absent === true) return undefined
      throw error
    })
    if (['entity', 'found', 'page', 'object', 'nothing'].includes(gives)) return answer
    const value = (answer as { [name: string]: unknown })[gives]
    return name === 'getMany' ? (value as unknown[]).map((item) => item ?? undefined) : value
  }

  #lines(name: string, args: Arguments): AsyncGenerator<readonly unknown[]> {
    this.#assertOpen()
    return this.#transport.lines(operations[name] as Operation, args)
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closed()
  }
}

async function* oneByOne<Item>(batches: AsyncIterable<Item[]>): AsyncGenerator<Item> {
  for await (const batch of batches) yield* batch
}

function closed(): ParqueDBError {
  return new ParqueDBError('CLOSED', 'The client is closed; make a new one.')
}
