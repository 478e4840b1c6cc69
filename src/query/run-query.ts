import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { entityDocument } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import type { View } from '../storage/view.ts'
import { resolveAsOf } from './as-of.ts'
import { tooManyToSort, type Query } from './parse-query.ts'
import type { IdRange } from './plan.ts'
import { pointReads } from './point-reads.ts'
import { comparePositions, rowMaker, type Row } from './row-order.ts'
import { TopRows } from './top-rows.ts'

export interface QueryRun {
  readonly view: View
  /** The most rows that may be held for sorting; LIMIT_EXCEEDED past it. */
  readonly sortDocumentsMax: number
  /** What the run has read so far, for explain. */
  readonly progress?: QueryProgress
}

export interface QueryProgress {
  /** States looked at, tombstones included. */
  rowsScanned: number
  /** Of those, what the filter accepted. */
  rowsMatched: number
}

/**
 * The states that a query is answered with, in its order, in batches of bounded size. Without a sort it streams; with one it holds
 * at most `skip + limit` rows, or all that match where there is no limit. States are shared: copy before handing them out.
 */
export async function* runQuery(query: Query, run: QueryRun): AsyncGenerator<readonly EntityState[]> {
  const matching = matchingStates(query, run)
  yield* query.sort.length === 0 ? window(matching, query) : sortedStates(query, run, matching)
}

/** The states that a query's filter accepts, in the order of ids; neither sort, skip, limit nor cursor count. */
export async function* matchingStates(query: Query, run: QueryRun): AsyncGenerator<readonly EntityState[]> {
  const accepts = acceptor(query)
  for await (const batch of candidates(query, run.view)) {
    checkAborted(query.signal)
    const accepted = accepts === undefined ? batch : batch.filter(accepts)
    if (run.progress !== undefined) {
      run.progress.rowsScanned += batch.length
      run.progress.rowsMatched += accepted.length
    }
    if (accepted.length > 0) yield accepted
  }
}

/** Whether a state belongs to the query's answer, its position aside; undefined where every state does. */
export function acceptor({ ns, matches, readsSystemFields, includeDeleted }: Pick<Query, 'ns' | 'matches' | 'readsSystemFields' | 'includeDeleted'>): ((state: EntityState) => boolean) | undefined {
  const isShown = (state: EntityState): boolean => includeDeleted || state.deletedAt === undefined
  if (matches === undefined) return includeDeleted ? undefined : isShown
  if (readsSystemFields) return (state) => isShown(state) && matches(entityDocument(ns, state))
  return (state) => isShown(state) && matches(state.document)
}

async function* candidates(query: Query, view: View): AsyncGenerator<readonly EntityState[]> {
  const { ns, plan, signal } = query
  const asOf = resolveAsOf(query.asOf, view)
  // In the order of ids a cursor is where the scan begins; in another order it says nothing of the id.
  const afterId = query.sort.length === 0 ? query.after?.id : undefined
  switch (plan.kind) {
    case 'ids': {
      const ids = afterId === undefined ? plan.ids : plan.ids.filter((id) => compareStrings(id, afterId) > 0)
      const keys = ids.map((id) => ({ ns, id }))
      for await (const states of pointReads(view, keys, { asOf, signal })) yield states.filter((state) => state !== undefined)
      return
    }
    case 'range':
      return yield* view.scan(ns, { ...later(plan.range, afterId), asOf, signal })
    case 'scan':
      return yield* view.scan(ns, { afterId, asOf, signal })
  }
}

function later(range: IdRange, afterId: string | undefined): IdRange {
  if (afterId === undefined) return range
  if (range.afterId !== undefined && compareStrings(range.afterId, afterId) >= 0) return range
  return { ...range, afterId }
}

/** Skips and stops. The source is left as soon as the last row is known. */
async function* window(batches: AsyncIterable<readonly EntityState[]>, { skip, limit }: Query): AsyncGenerator<readonly EntityState[]> {
  let toSkip = skip
  let left = limit ?? Number.POSITIVE_INFINITY
  for await (const batch of batches) {
    if (toSkip >= batch.length) {
      toSkip -= batch.length
      continue
    }
    const part = toSkip === 0 && left >= batch.length ? batch : batch.slice(toSkip, toSkip + left)
    toSkip = 0
    left -= part.length
    yield part
    if (left <= 0) return
  }
}

async function* sortedStates(query: Query, run: QueryRun, matching: AsyncIterable<readonly EntityState[]>): AsyncGenerator<readonly EntityState[]> {
  const { sort, skip, limit, after } = query
  const compare = comparePositions(sort)
  const toRow = rowMaker(query.ns, sort)
  const rowsWanted = skip + (limit ?? Number.POSITIVE_INFINITY)
  if (limit !== undefined && rowsWanted > run.sortDocumentsMax) throw tooManyToSort(run.sortDocumentsMax)
  const top = limit === undefined ? undefined : new TopRows<Row>(rowsWanted, compare)
  const all: Row[] = []
  for await (const batch of matching) {
    for (const state of batch) {
      const row = toRow(state)
      if (after !== undefined && compare(row, after) <= 0) continue
      if (top === undefined) all.push(row)
      else top.add(row)
    }
    if (all.length > run.sortDocumentsMax) throw tooManyToSort(run.sortDocumentsMax)
  }
  const rows = top === undefined ? all.toSorted(compare) : top.sorted()
  if (rows.length > skip) yield rows.slice(skip).map((row) => row.state)
}
