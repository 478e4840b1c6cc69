import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { entityDocument } from '../model/entity-document.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { rowsBetween } from '../parquet/Column.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { ScanTrace } from '../parquet/TableReader.ts'
import { StateBatch } from '../storage/StateBatch.ts'
import type { AsOf, RowBatch, ScanSlice, View } from '../storage/view.ts'
import { resolveAsOf } from './as-of.ts'
import { marks, marksOf, rowsLeft } from './column-filter.ts'
import type { Query } from './parse-query.ts'

/** What a query has done so far. */
export interface QueryTrace extends ScanTrace {
  /** Newest rows looked at, tombstones included. */
  rowsScanned: number
  /** Of those, the ones that columns could not decide, so that a document was made. */
  rowsAssembled: number
  /** What the filter accepted. */
  rowsMatched: number
}

export interface QueryRun {
  readonly view: View
  /** The most rows that are held in memory for sorting. */
  readonly sortDocumentsMax: number
  /** Counts what the run does, for explain. */
  readonly trace?: QueryTrace
}

/**
 * The rows that a query's filter accepts, in strips: each strip's ids come after those of the one before it; inside of one each selection is in order,
 * and several interleave (see inOrder). Neither sort, skip, limit nor cursor count.
 */
export async function* selectRows(query: Query, view: View, trace?: QueryTrace): AsyncGenerator<readonly ScanSlice[]> {
  const select = rowSelector(query, trace)
  for await (const slices of candidates(query, view, trace)) {
    checkAborted(query.signal)
    const selections: ScanSlice[] = []
    for (const slice of slices) {
      const rows = select(slice)
      if (rows.length > 0) selections.push({ batch: slice.batch, rows })
    }
    if (selections.length > 0) yield selections
  }
}

/** Whether a state belongs to the query's answer, its position aside; undefined where every state does. */
export function acceptor({ ns, matches, readsSystemFields, includeDeleted }: Pick<Query, 'ns' | 'matches' | 'readsSystemFields' | 'includeDeleted'>): ((state: EntityState) => boolean) | undefined {
  const isShown = (state: EntityState): boolean => includeDeleted || state.deletedAt === undefined
  if (matches === undefined) return includeDeleted ? undefined : isShown
  if (readsSystemFields) return (state) => isShown(state) && matches(entityDocument(ns, state))
  return (state) => isShown(state) && matches(state.document)
}

function rowSelector(query: Query, trace: QueryTrace | undefined): (slice: ScanSlice) => Int32Array {
  const { columnFilter, includeDeleted } = query
  const accepts = acceptor(query)
  // A batch that interleaves with others comes in several slices.
  const known = new WeakMap<RowBatch, Uint8Array>()
  const ofBatch = (batch: RowBatch): Uint8Array => {
    const found = known.get(batch) ?? batchMarks(batch, query)
    known.set(batch, found)
    return found
  }
  return ({ batch, rows }) => {
    if (trace !== undefined) trace.rowsScanned += rows.length
    const isAll = columnFilter === undefined && (includeDeleted || batch.deleted === undefined)
    const selected = isAll ? rows : decided(batch, rows)
    if (trace !== undefined) trace.rowsMatched += selected.length
    return selected
  }

  function decided(batch: RowBatch, rows: Int32Array): Int32Array {
    const of = ofBatch(batch)
    const { rows: left, areSure } = rowsLeft(rows, of)
    if (areSure) return left
    const open = left.filter((row) => of[row] === marks.unknown)
    if (trace !== undefined) trace.rowsAssembled += open.length
    const states = batch.states(open)
    const refused = new Set(open.filter((_, index) => accepts?.(states[index] as EntityState) === false))
    return refused.size === 0 ? left : left.filter((row) => !refused.has(row))
  }
}

function batchMarks(batch: RowBatch, { columnFilter, includeDeleted }: Query): Uint8Array {
  const { columns, deleted } = batch
  let out: Uint8Array
  if (columnFilter === undefined) out = marksOf(batch.rowCount, marks.yes)
  else out = columns === undefined ? marksOf(batch.rowCount, marks.unknown) : columns.reading(() => columnFilter(columns))
  // The columns of a tombstone say nothing.
  if (deleted !== undefined) for (let row = 0; row < out.length; row++) if (deleted[row] === 1) out[row] = includeDeleted ? marks.unknown : marks.no
  return out
}

async function* candidates(query: Query, view: View, trace: QueryTrace | undefined): AsyncGenerator<readonly ScanSlice[]> {
  const { ns, plan, signal, prune } = query
  const asOf = resolveAsOf(query.asOf, view)
  // In the order of ids a cursor is where the scan begins; in another order it says nothing of the id.
  const afterId = query.sort.length === 0 ? query.after?.id : undefined
  if (plan.kind !== 'ids') return yield* view.scan(ns, { ...(plan.kind === 'scan' ? { afterId } : later(plan.range, afterId)), asOf, signal, prune, trace })
  const ids = afterId === undefined ? plan.ids : plan.ids.filter((id) => compareStrings(id, afterId) > 0)
  for await (const states of pointReads(view, ids.map((id) => ({ ns, id })), { asOf, signal })) {
    const found = states.filter((state) => state !== undefined)
    yield [{ batch: new StateBatch(found), rows: rowsBetween(0, found.length) }]
  }
}

function later(range: IdRange, afterId: string | undefined): IdRange {
  if (afterId === undefined) return range
  if (range.afterId !== undefined && compareStrings(range.afterId, afterId) >= 0) return range
  return { ...range, afterId }
}

/** Entities that are read together: neighbours share requests. */
const readsAtOnce = 1000

/** The states of the keys, in their order, some at a time; undefined for an entity that never was. */
export async function* pointReads(view: View, keys: readonly EntityKey[], at: { asOf: AsOf | undefined; signal: AbortSignal | undefined }): AsyncGenerator<readonly (EntityState | undefined)[]> {
  for (let start = 0; start < keys.length; start += readsAtOnce) {
    checkAborted(at.signal)
    yield await view.getMany(keys.slice(start, start + readsAtOnce), at.asOf)
  }
}
