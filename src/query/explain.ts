import type { Clock } from '../base/clock.ts'
import type { Query } from './parse-query.ts'
import { runQuery, statesOf } from './run-query.ts'
import type { QueryRun, QueryTrace } from './select-rows.ts'

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
  const trace: QueryTrace = { files: 0, prunedFiles: 0, rowGroups: 0, prunedRowGroups: 0, cachedRowGroups: 0, pages: 0, decodedPages: 0, requests: 0, bytes: 0, rowsScanned: 0, rowsAssembled: 0, rowsMatched: 0 }
  const startMs = clock.nowMs()
  let rowsReturned = 0
  for await (const states of runQuery(query, { ...run, trace }, statesOf)) rowsReturned += states.length
  return { plan: query.plan.kind, sort: query.sort.length === 0 ? 'none' : query.limit === undefined ? 'all' : 'top', ...trace, rowsReturned, durationMs: clock.nowMs() - startMs }
}
