import type { Clock } from '../base/clock.ts'
import type { EntityState } from '../model/entity.ts'
import { rowsBetween } from '../parquet/Column.ts'
import { StateBatch } from '../storage/StateBatch.ts'
import { inOrder } from '../storage/strips.ts'
import type { ScanSlice } from '../storage/view.ts'
import type { Query } from './parse-query.ts'
import { selectRows, type QueryRun, type QueryTrace } from './select-rows.ts'
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

/** How a query is answered, and what that read. */
export interface Explanation extends Readonly<QueryTrace> {
  /** 'ids': point reads; 'range': a part of the collection between two ids; 'scan': all of it. */
  readonly plan: 'ids' | 'range' | 'scan'
  /** 'none': rows come in the order that is wanted; 'top': the first ones are kept while reading; 'all': all that match are held and sorted. */
  readonly sort: 'none' | 'top' | 'all'
  readonly rowsReturned: number
  readonly durationMs: number
}

/** Runs the query and tells how it went; its results are dropped. */
export async function explainQuery(query: Query, run: Omit<QueryRun, 'trace'>, clock: Clock): Promise<Explanation> {
  const trace: QueryTrace = { files: 0, prunedFiles: 0, rowGroups: 0, prunedRowGroups: 0, cachedRowGroups: 0, pages: 0, decodedPages: 0, requests: 0, bytes: 0, eventsFolded: 0, startSeq: 0, rowsScanned: 0, rowsAssembled: 0, rowsMatched: 0 }
  const startMs = clock.nowMs()
  let rowsReturned = 0
  for await (const states of runQuery(query, { ...run, trace }, statesOf)) rowsReturned += states.length
  return { plan: query.plan.kind, sort: query.sort.length === 0 ? 'none' : query.limit === undefined ? 'all' : 'top', ...trace, rowsReturned, durationMs: clock.nowMs() - startMs }
}
