import { checkAborted } from '../base/abort.ts'

/** What one commit is made of. */
export interface Batch<Item> {
  readonly firstIndex: number
  readonly items: Item[]
  /** What its items have for themselves: no two of one commit have the same. */
  readonly names: Set<string>
  bytes: number
}

export interface BulkRules {
  /** Items of one commit, at most. */
  readonly itemsMax: number
  /** Estimated bytes at which a batch is full; one larger item is a batch of its own. Default 1 MiB. */
  readonly bytesMax?: number
  /** Batches that are decided and not yet durable. Default 4. */
  readonly committingMax?: number
  /** Batch n is committed as `txId#n`: the same items under the same txId go on where they were interrupted. */
  readonly txId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Commits a batch. `onDecided` lets the next one be filled before this one is durable. */
export type CommitBatch<Item> = (batch: Batch<Item>, commit: { txId: string | undefined; onDecided: () => void }) => Promise<void>

/** Items without end in commits of bounded size: the batch that fills, and those that are being committed. The next ones are filled and decided while the last ones become durable. */
export class BulkWrite<Item> {
  readonly #rules: BulkRules & { readonly bytesMax: number; readonly committingMax: number }
  readonly #commit: CommitBatch<Item>
  #batch: Batch<Item> = newBatch(0)
  #batchIndex = 0
  /** In order. Each settles without ever rejecting, so that a failure waits until it is asked for. */
  #committing: Promise<{ error: unknown } | undefined>[] = []

  constructor(rules: BulkRules, commit: CommitBatch<Item>) {
    this.#rules = { bytesMax: 1024 * 1024, committingMax: 4, ...rules }
    this.#commit = commit
  }

  /** Of the next item. */
  get index(): number {
    return this.#batch.firstIndex + this.#batch.items.length
  }

  /** undefined when the next item can come at once. */
  add(item: Item, bytes: number, names: readonly string[] = []): Promise<void> | undefined {
    checkAborted(this.#rules.signal)
    // Within a commit every item sees the state before it, so a second one of the same name has to wait for the next.
    const waits = names.some((name) => this.#batch.names.has(name))
    return waits ? this.#submit().then(() => this.#put(item, bytes, names)) : this.#put(item, bytes, names)
  }

  #put(item: Item, bytes: number, names: readonly string[]): Promise<void> | undefined {
    const batch = this.#batch
    batch.items.push(item)
    for (const name of names) batch.names.add(name)
    batch.bytes += bytes
    return batch.items.length >= this.#rules.itemsMax || batch.bytes >= this.#rules.bytesMax ? this.#submit() : undefined
  }

  /** Resolves when all is durable. */
  async end(): Promise<void> {
    if (this.#batch.items.length > 0) {
      checkAborted(this.#rules.signal)
      await this.#submit()
    }
    await this.#settle(0)
  }

  /** What went wrong first, once nothing is under way: a batch that was being committed comes before whatever stopped the adding. */
  async failure(thrown: unknown): Promise<unknown> {
    return ((await Promise.all(this.#committing)).find((failure) => failure !== undefined) ?? { error: thrown }).error
  }

  /** Goes on once the batch is decided: one that is refused comes before any after it. What is decided fails only with all that is decided behind it. */
  async #submit(): Promise<void> {
    const { bytesMax, committingMax, txId } = this.#rules
    const batch = this.#batch
    this.#batch = newBatch(this.index)
    // A larger batch may be past a commit's limit, which is seen after it was decided.
    const isLarge = batch.bytes > 2 * bytesMax
    await this.#settle(isLarge ? 0 : committingMax - 1)
    let onDecided = (): void => undefined
    const decided = new Promise<undefined>((resolve) => (onDecided = () => resolve(undefined)))
    const committing = this.#commit(batch, { txId: txId === undefined ? undefined : `${txId}#${this.#batchIndex++}`, onDecided }).then(() => undefined, (error: unknown) => ({ error }))
    this.#committing.push(committing)
    const failure = await Promise.race([committing, decided])
    if (failure !== undefined) throw failure.error
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
