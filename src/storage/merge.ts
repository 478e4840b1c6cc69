import { compareStrings } from '../base/bytes.ts'

/** Rows that a merge hands on at once. */
const batchRows = 1024

interface Row {
  readonly id: string
  readonly seq: number
}

/** A position in an ordered source of batches. */
export interface Source<T> {
  readonly iterator: AsyncIterator<readonly T[]>
  batch: readonly T[]
  at: number
}

/**
 * Merges sources that are each ordered by id, without repeats inside one, into one: where several hold an id, the row
 * with the greatest seq wins. Memory: one batch a source. Closes the sources when the consumer stops early.
 */
export async function* mergeById<T extends Row>(inputs: readonly AsyncIterable<readonly T[]>[]): AsyncGenerator<readonly T[]> {
  const sources: Source<T>[] = inputs.map((input) => ({ iterator: input[Symbol.asyncIterator](), batch: [], at: 0 }))
  try {
    let live = await advanceAll(sources)
    let out: T[] = []
    while (live.length > 1) {
      const first = leastSource(live)
      const others = leastId(live, first)
      const row = first.batch[first.at] as T
      if (compareStrings(row.id, others) < 0) {
        copyBelow(first, { bound: others, out })
      } else {
        out.push(takeNewest(live, row.id))
      }
      if (live.some((source) => source.at >= source.batch.length)) live = await advanceAll(live)
      if (out.length >= batchRows) {
        yield out
        out = []
      }
    }
    if (out.length > 0) yield out
    const [last] = live
    if (last !== undefined) yield* drain(last)
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

function leastSource<T extends Row>(sources: readonly Source<T>[]): Source<T> {
  let least = sources[0] as Source<T>
  for (const source of sources) if (compareStrings(headId(source), headId(least)) < 0) least = source
  return least
}

/** The least id among all sources but one. */
function leastId<T extends Row>(sources: readonly Source<T>[], but: Source<T>): string {
  let least: string | undefined
  for (const source of sources) {
    if (source !== but && (least === undefined || compareStrings(headId(source), least) < 0)) least = headId(source)
  }
  return least as string
}

function headId<T extends Row>(source: Source<T>): string {
  return (source.batch[source.at] as T).id
}

/** Moves the rows of one source that come before every other source: runs written one after another hardly interleave. */
function copyBelow<T extends Row>(source: Source<T>, to: { bound: string; out: T[] }): void {
  const { batch } = source
  const last = batch[batch.length - 1] as T
  if (compareStrings(last.id, to.bound) < 0) {
    for (; source.at < batch.length; source.at++) to.out.push(batch[source.at] as T)
    return
  }
  for (; source.at < batch.length; source.at++) {
    const row = batch[source.at] as T
    if (compareStrings(row.id, to.bound) >= 0) return
    to.out.push(row)
  }
}

/** Takes the row of this id out of every source that holds it, and gives the newest. */
function takeNewest<T extends Row>(sources: readonly Source<T>[], id: string): T {
  let newest: T | undefined
  for (const source of sources) {
    const row = source.batch[source.at]
    if (row === undefined || row.id !== id) continue
    source.at++
    if (newest === undefined || row.seq > newest.seq) newest = row
  }
  return newest as T
}

async function* drain<T>(source: Source<T>): AsyncGenerator<readonly T[]> {
  yield source.at === 0 ? source.batch : source.batch.slice(source.at)
  for (;;) {
    const next = await source.iterator.next()
    if (next.done === true) return
    yield next.value
  }
}
