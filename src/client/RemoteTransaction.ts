import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { IdSource } from '../base/ids.ts'
import type { DatabaseCollection } from '../model/database.ts'
import type { TransactionOptions } from '../model/database-options.ts'
import { validateNamespace } from '../model/entity.ts'
import type { Json } from '../model/ejson.ts'
import { collectionOperations, databaseOperations, type Operation } from '../model/operations.ts'
import type { Page } from '../model/ResultCursor.ts'
import { encodeValue, type Arguments } from './encode-arguments.ts'
import { remoteCollection, type Remote } from './remote-collection.ts'
import { errorOf, objectOf, type Transport } from './Transport.ts'

interface TransactionParts extends Pick<TransactionOptions, 'actor' | 'signal'> {
  readonly transport: Transport
  readonly ids: IdSource
}

interface BatchAnswer {
  readonly results: readonly ({ readonly value: unknown; readonly check: string } | { readonly error: Json; readonly check: string })[]
  readonly at: number
  readonly repeated: boolean
}

/**
 * One attempt of a transaction. Each call is answered by a dry run of all calls so far, so that it sees what the ones before it wrote; the commit carries them all out,
 * and holds only if every answer is the same again. So the attempt is serializable, and nothing is kept on the server.
 */
export class RemoteTransaction implements Remote {
  readonly #parts: TransactionParts
  readonly #steps: string[] = []
  #isWriting = false
  #at: number | undefined
  #running = 0
  #isOver = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: TransactionParts) {
    this.#parts = parts
  }

  collection<T extends object>(name: string): DatabaseCollection<T> {
    return remoteCollection<T>(this, validateNamespace(name))
  }

  /** One call after the other, so that each sees those before it. */
  async call(name: string, args: Arguments): Promise<unknown> {
    this.#assertOpen()
    if (args.texts.has('txId')) throw new ParqueDBError('INVALID_ARGUMENT', 'Inside a transaction a write has no txId of its own; give it to transaction().', { details: { option: 'txId' } })
    this.#running += 1
    const result = this.#last.then(() => this.#dryRun(name, args.texts))
    this.#last = result.catch(() => undefined)
    try {
      return await result
    } finally {
      this.#running -= 1
      this.#assertOpen()
    }
  }

  async *batches(name: string, { texts, signal }: Arguments): AsyncGenerator<readonly unknown[]> {
    let left = texts.has('limit') ? Number(texts.get('limit')) : Number.POSITIVE_INFINITY
    const own = new Map(texts)
    const isPaged = (collectionOperations as Readonly<Record<string, Operation>>)[name]?.options?.includes('limit') === true
    while (left > 0) {
      if (isPaged && (Number.isFinite(left) || !texts.has('limit'))) own.set('limit', String(Math.min(left, pageItemsMax)))
      const { items, cursor } = (await this.call(name, { texts: own, signal })) as Page<unknown>
      yield items
      left -= items.length
      if (cursor === undefined) return
      own.set('cursor', encodeValue('cursor', cursor))
    }
  }

  /** Whether the txId was committed before. */
  async isRepeated(txId: string): Promise<boolean> {
    return (await this.#send({ txId: encodeValue('txId', txId), dryRun: 'true' }, [])).repeated
  }

  /** Every later use is CLOSED. */
  close(): void {
    this.#isOver = true
  }

  /** Commits what was written; false when that had been done before. TRANSACTION_CONFLICT when an answer would be another one now. */
  async commit(txId: string): Promise<boolean> {
    this.close()
    if (this.#running > 0) throw new ParqueDBError('INVALID_ARGUMENT', 'The transaction ended while some of its calls were still running, so it was rolled back; await every call.')
    return !this.#isWriting || !(await this.#send({ txId: encodeValue('txId', txId) }, this.#steps)).repeated
  }

  async #dryRun(name: string, texts: ReadonlyMap<string, string>): Promise<unknown> {
    const operation: Operation = collectionOperations[name as keyof typeof collectionOperations]
    const args = new Map(texts)
    // Ids are chosen here, as a commit that made others would give other answers.
    for (const [argument, text] of texts) if (name.startsWith('create') && argument.startsWith('document')) args.set(argument, this.#withIds(text))
    const step = [['operation', encodeValue('operation', name)] as const, ...args]
    const { results, at } = await this.#send({ dryRun: 'true', ...(this.#at !== undefined && { at: String(this.#at) }) }, [...this.#steps, objectOf(step)])
    const [outcome] = results
    this.#at = at
    if (outcome === undefined) throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The server answered a call within a transaction with nothing.')
    this.#assertOpen()
    this.#steps.push(objectOf([...step, ['check', encodeValue('check', outcome.check)]]))
    if ('error' in outcome) throw errorOf(outcome.error)
    this.#isWriting ||= operation.verbs.includes('write')
    return name === 'getMany' ? (outcome.value as unknown[]).map((item) => item ?? undefined) : (outcome.value ?? undefined)
  }

  async #send(more: { [name: string]: string }, steps: readonly string[]): Promise<BatchAnswer> {
    const texts = new Map([...Object.entries(more), ['operations', `[${steps.join(',')}]`]])
    const { transport, actor, signal } = this.#parts
    if (actor !== undefined) texts.set('actor', encodeValue('actor', actor))
    return (await transport.json(databaseOperations.transaction, { texts, signal })) as unknown as BatchAnswer
  }

  #withIds(text: string): string {
    const parsed = JSON.parse(text) as { $id?: string } | { $id?: string }[]
    for (const document of [parsed].flat()) if (typeof document === 'object' && document !== null && document.$id === undefined) document.$id = this.#parts.ids.next()
    return JSON.stringify(parsed)
  }

  #assertOpen(): void {
    if (this.#isOver) throw new ParqueDBError('CLOSED', 'The transaction has ended; use its collections only inside the callback, and await every call.')
  }
}

/** Of one call within a transaction. */
const pageItemsMax = 1000
