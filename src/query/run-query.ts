import type { EntityState } from '../model/entity.ts'
import { rowsBetween } from '../parquet/Column.ts'
import { StateBatch } from '../storage/StateBatch.ts'
import { inOrder } from '../storage/strips.ts'
import type { ScanSlice } from '../storage/view.ts'
import type { Query } from './parse-query.ts'
import { selectRows, type QueryRun } from './select-rows.ts'
import { sortRows } from './sort-rows.ts'

/** Rows that are made at once, about: a consumer may leave after the first one. */
const rowsAtOnce = 1024

/**
 * What `make` gives of the rows that a query is answered with, in its order, in batches of bounded size. Without a sort it streams; with one it holds
 * little more than `skip + limit` rows, or all that match where there is no limit.
 */
export async function* runQuery<Item>(query: Query, run: QueryRun, make: (slice: ScanSlice) => readonly Item[]): AsyncGenerator<readonly Item[]> {
  if (query.sort.length === 0) return yield* window(selectRows(query, run.view, run.trace), query, make)
  for await (const states of sortRows(query, run)) {
    for (let at = 0; at < states.length; at += rowsAtOnce) {
      const batch = new StateBatch(states.slice(at, at + rowsAtOnce))
      yield make({ batch, rows: rowsBetween(0, batch.rowCount) })
    }
  }
}

/** How many rows a query is answered with; no document is made for it. */
export async function countRows(query: Query, run: QueryRun): Promise<number> {
  let count = 0
  for await (const selections of selectRows(query, run.view, run.trace)) for (const { rows } of selections) count += rows.length
  return count
}

/** States as a view has them: shared, to be copied before they are handed out. */
export function statesOf({ batch, rows }: ScanSlice): readonly EntityState[] {
  return batch.states(rows)
}

/** Skips and stops. The source is left as soon as the last row is known. */
async function* window<Item>(strips: AsyncIterable<readonly ScanSlice[]>, { skip, limit }: Query, make: (slice: ScanSlice) => readonly Item[]): AsyncGenerator<readonly Item[]> {
  let toSkip = skip
  let left = limit ?? Number.POSITIVE_INFINITY
  for await (const strip of strips) {
    const count = strip.reduce((sum, { rows }) => sum + rows.length, 0)
    if (toSkip >= count) {
      toSkip -= count
      continue
    }
    const end = Math.min(count, toSkip + left)
    left -= end - toSkip
    const [first] = strip
    // Slices that interleave have to be made whole to be put in order; they are the rarer case.
    if (first === undefined || strip.length > 1) yield inOrder(strip, make).slice(toSkip, end)
    else for (const rows of first.batch.cut(first.rows.subarray(toSkip, end), rowsAtOnce)) yield make({ batch: first.batch, rows })
    toSkip = 0
    if (left <= 0) return
  }
}
