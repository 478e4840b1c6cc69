import type { Query } from './parse-query.ts'
import { runQuery, type QueryProgress, type QueryRun } from './run-query.ts'

/** How a query is answered, and what that read. */
export interface Explanation {
  /** 'ids': point reads; 'range': a part of the collection between two ids; 'scan': all of it. */
  readonly plan: 'ids' | 'range' | 'scan'
  /** 'none': rows come in the order that is wanted; 'top': the first ones are kept while reading; 'all': all that match are held and sorted. */
  readonly sort: 'none' | 'top' | 'all'
  /** Entities looked at, deleted ones included. */
  readonly rowsScanned: number
  /** Entities that the filter accepted. */
  readonly rowsMatched: number
  readonly rowsReturned: number
}

/** Runs the query and tells how it went; its results are dropped. */
export async function explainQuery(query: Query, run: Omit<QueryRun, 'progress'>): Promise<Explanation> {
  const progress: QueryProgress = { rowsScanned: 0, rowsMatched: 0 }
  let rowsReturned = 0
  for await (const states of runQuery(query, { ...run, progress })) rowsReturned += states.length
  return { plan: query.plan.kind, sort: sortKind(query), ...progress, rowsReturned }
}

function sortKind(query: Query): Explanation['sort'] {
  if (query.sort.length === 0) return 'none'
  return query.limit === undefined ? 'all' : 'top'
}
