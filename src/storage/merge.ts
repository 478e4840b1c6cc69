/** A position in an ordered source of batches. */
export interface Source<T> {
  readonly iterator: AsyncIterator<readonly T[]>
  batch: readonly T[]
  at: number
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
