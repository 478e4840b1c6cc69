import { checkAborted } from '../base/abort.ts'
import type { ParsedWrite } from './parse-input.ts'

/** Estimated bytes at which a batch is full; one larger item is a batch of its own. */
const batchBytesMax = 1024 * 1024
/** Batches that are decided and not yet durable. */
const committingMax = 4

/** What one commit is made of. */
export interface Batch<Item> {
  readonly firstIndex: number
  readonly items: Item[]
  /** What its items have for themselves: no two of one commit have the same. */
  readonly names: Set<string>
  bytes: number
}

/** Commits a batch. To be told when it is decided, which is before it is durable. */
export type CommitBatch<Item> = (batch: Batch<Item>, write: ParsedWrite, onDecided: () => void) => Promise<void>

/**
 * Items without end in commits of bounded size: the batch that fills, and those that are being committed. The next ones are filled and decided while the last ones become durable. With a
 * `txId`, batch n is committed as `txId#n`: the same items under the same txId go on where they were interrupted.
 */
export class BulkWrite<Item> {
  readonly #write: ParsedWrite
  readonly #itemsMax: number
  readonly #commit: CommitBatch<Item>
  #batch: Batch<Item> = newBatch(0)
  #batchIndex = 0
  /** In order. Each settles without ever rejecting, so that a failure waits until it is asked for. */
  #committing: Promise<{ error: unknown } | undefined>[] = []

  constructor({ write, itemsMax }: { write: ParsedWrite; itemsMax: number }, commit: CommitBatch<Item>) {
    this.#write = write
    this.#itemsMax = itemsMax
    this.#commit = commit
  }

  /** Of the next item. */
  get index(): number {
    return this.#batch.firstIndex + this.#batch.items.length
  }

  /** undefined when the next item can come at once. */
  add(item: Item, names: readonly string[], bytes: number): Promise<void> | undefined {
    checkAborted(this.#write.signal)
    // Within a commit every item sees the state before it, so a second one of the same name has to wait for the next.
    const waits = names.some((name) => this.#batch.names.has(name))
    return waits ? this.#submit().then(() => this.#put(item, names, bytes)) : this.#put(item, names, bytes)
  }

  #put(item: Item, names: readonly string[], bytes: number): Promise<void> | undefined {
    const batch = this.#batch
    batch.items.push(item)
    for (const name of names) batch.names.add(name)
    batch.bytes += bytes
    return batch.items.length >= this.#itemsMax || batch.bytes >= batchBytesMax ? this.#submit() : undefined
  }

  /** Resolves when all is durable. */
  async end(): Promise<void> {
    if (this.#batch.items.length > 0) await this.#submit()
    await this.#settle(0)
  }

  /** What went wrong first: a batch that is still being committed comes before whatever stopped the adding. */
  async failure(thrown: unknown): Promise<unknown> {
    const failed = (await Promise.all(this.#committing)).find((failure) => failure !== undefined)
    return failed === undefined ? thrown : failed.error
  }

  /** Goes on once the batch is decided: one that is refused comes before any after it. What is decided fails only with all that is decided behind it. */
  async #submit(): Promise<void> {
    const batch = this.#batch
    this.#batch = newBatch(this.index)
    // A larger batch may be past a commit's limit, which is seen after it was decided.
    const isLarge = batch.bytes > 2 * batchBytesMax
    await this.#settle(isLarge ? 0 : committingMax - 1)
    const { txId } = this.#write
    const write = { ...this.#write, txId: txId === undefined ? undefined : `${txId}#${this.#batchIndex++}` }
    await new Promise<void>((decided) => {
      const committing = this.#commit(batch, write, decided).then(() => undefined, (error: unknown) => ({ error }))
      void committing.then(() => decided())
      this.#committing.push(committing)
    })
    if (isLarge) await this.#settle(0)
  }

  /** Waits until no more than `most` batches are being committed; throws what went wrong with one. */
  async #settle(most: number): Promise<void> {
    while (this.#committing.length > most) {
      const failure = await this.#committing[0]
      if (failure !== undefined) throw failure.error
      this.#committing = this.#committing.slice(1)
    }
  }
}

function newBatch<Item>(firstIndex: number): Batch<Item> {
  return { firstIndex, items: [], names: new Set(), bytes: 0 }
}
