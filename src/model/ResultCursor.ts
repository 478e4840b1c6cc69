/** Some of the results, and how to get those behind them. */
export interface Page<Item> {
  readonly items: Item[]
  /** Give it as the option `cursor` of the same call; absent on the last page. */
  readonly cursor?: string
}

export interface ResultSource<Item> {
  /** A new run; whatever it holds is given back when it ends or is left. */
  batches(): AsyncIterable<readonly Item[]>
  /** Absent: all of them are one page. */
  page?(): Promise<Page<Item>>
}

/**
 * Results that are read when they are asked for. Every use is a run of its own over the newest state at its beginning, and
 * sees nothing that is written after that.
 */
export class ResultCursor<Item> implements AsyncIterable<Item> {
  readonly #source: ResultSource<Item>

  constructor(source: ResultSource<Item>) {
    this.#source = source
  }

  /** One after the other, in bounded memory. Leaving the loop ends the run. */
  async *[Symbol.asyncIterator](): AsyncIterator<Item> {
    for await (const batch of this.#source.batches()) for (const item of batch) yield item
  }

  /** All of them, in memory. */
  async toArray(): Promise<Item[]> {
    return gathered(this.#source.batches())
  }

  /** The first `limit` of them (100 when there is none) behind `cursor`. */
  async page(): Promise<Page<Item>> {
    return this.#source.page?.() ?? { items: await this.toArray() }
  }
}

export type Batches<Item> = AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>

/** All that comes in batches, in memory. */
export async function gathered<Item>(batches: Batches<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const batch of batches) for (const item of batch) items.push(item)
  return items
}
