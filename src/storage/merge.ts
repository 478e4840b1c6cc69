/** Rows that a merge hands on at once. */
const batchRows = 1024

/** A position in an ordered source of batches. */
export interface Source<T> {
  readonly iterator: AsyncIterator<readonly T[]>
  batch: readonly T[]
  at: number
}

/** Merges sources that are each in order into one. Memory: one batch a source. Closes the sources when the consumer stops early. */
export async function* mergeSorted<T>(inputs: readonly AsyncIterable<readonly T[]>[], compare: (left: T, right: T) => number): AsyncGenerator<readonly T[]> {
  const sources = inputs.map((input): Source<T> => ({ iterator: input[Symbol.asyncIterator](), batch: [], at: 0 }))
  const headOf = ({ batch, at }: Source<T>): T => batch[at] as T
  try {
    let out: T[] = []
    for (let live = await advanceAll(sources); live.length > 0; ) {
      const least = live.reduce((best, source) => (compare(headOf(source), headOf(best)) < 0 ? source : best))
      out.push(headOf(least))
      least.at++
      if (least.at >= least.batch.length) live = await advanceAll(live)
      if (out.length < batchRows && live.length > 0) continue
      yield out
      out = []
    }
  } finally {
    for (const { iterator } of sources) await iterator.return?.()
  }
}

/** Fetches the next batch of every source that has used up its own; gives those that have rows. */
export async function advanceAll<T>(sources: readonly Source<T>[]): Promise<Source<T>[]> {
  await Promise.all(
    sources.map(async (source) => {
      while (source.at >= source.batch.length) {
        const next = await source.iterator.next()
        if (next.done === true) return
        source.batch = next.value
        source.at = 0
      }
    }),
  )
  return sources.filter((source) => source.at < source.batch.length)
}
