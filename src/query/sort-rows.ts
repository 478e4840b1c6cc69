import type { Entity } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import type { FieldPath } from '../model/path.ts'
import { sortValue, type SortKey } from '../model/sort.ts'
import type { Document, Value } from '../model/values.ts'
import { compareValues, typeRank, typeRanks } from '../model/compare.ts'
import type { FilterNode } from '../model/filter/filter-node.ts'
import { scalarsOf } from '../parquet/column-values.ts'
import type { RunBatch } from '../parquet/RunBatch.ts'
import type { GroupFilter } from '../parquet/GroupStatistics.ts'
import type { Scratch } from '../storage/Scratch.ts'
import type { ScanSlice } from '../storage/view.ts'
import { compileColumnFilter, rowsLeft } from './column-filter.ts'
import { tooManyToSort, type Query } from './parse-query.ts'
import { comparePositions, rowMaker, type Position, type Row } from './row-order.ts'
import { selectRows, type QueryRun } from './select-rows.ts'
import { SpilledRows } from './SpilledRows.ts'
import { TopRows } from './top-rows.ts'
import { windowed } from './windowed.ts'

/** Up to so many first rows only their places are kept while reading: each may keep its row group in memory. */
const latePlacesMax = 100
/** Rows of a slice that are compared with what is kept before the bar is raised; twice as many each time, as raising it looks at the whole batch. */
const candidatesAtOnce = 256

/** Of candidates that the sort keys do not tell apart so many ids are read one by one, before all are. */
const alikeMax = 16

/** A row whose document is not made before it is known to be among the first. */
interface Candidate extends Position {
  readonly take: () => EntityState
}

/** The states that match, sorted, behind the query's cursor, without those to skip and up to its limit. LIMIT_EXCEEDED where there is no place for more than `sortDocumentsMax` of them. */
export async function* sortRows(query: Query, run: QueryRun): AsyncGenerator<readonly EntityState[]> {
  const rowsWanted = query.skip + (query.limit ?? Number.POSITIVE_INFINITY)
  if (rowsWanted <= run.sortDocumentsMax) yield await firstRows(query, run, rowsWanted)
  else yield* sortAll(query, run)
}

async function firstRows(query: Query, run: QueryRun, rowsWanted: number): Promise<EntityState[]> {
  const top = new TopRows<Candidate>(rowsWanted, comparePositions(query.sort))
  const candidatesOf = candidateMaker(query, rowsWanted <= latePlacesMax)
  const isBehind = behindCursor(query)
  const prune: GroupFilter = (boundsOf) => query.prune?.(boundsOf) === true || comesTooLate(query, top, boundsOf)
  for await (const strip of selectRows({ ...query, prune }, run.view, run.trace)) {
    for (const slice of strip) {
      let { rows } = slice
      for (let most = candidatesAtOnce; rows.length > 0; most *= 2) {
        rows = aboveBar({ batch: slice.batch, rows }, { query, top, isAlone: strip.length === 1 })
        const next = rows.subarray(0, top.worst === undefined ? Math.max(1, top.room) : most)
        for (const candidate of candidatesOf({ batch: slice.batch, rows: next }).filter(isBehind)) top.add(candidate)
        rows = rows.subarray(next.length)
      }
    }
  }
  return Array.from(top.sorted().slice(query.skip), ({ take }) => take())
}

/** Whether every row of a row group that is still to be read comes after all that are kept, by the bounds of the first sort key. */
function comesTooLate({ sort }: Query, { worst }: TopRows<Candidate>, boundsOf: Parameters<GroupFilter>[0]): boolean {
  const [key] = sort
  const value = worst?.values[0]
  const bounds = key && boundsOf(key.path)
  if (key === undefined || value === undefined || bounds === undefined || bounds.isList) return false
  // Null and absent come first; rows to come have greater ids, so that those that only equal what is kept are too late.
  if (key.direction === 1 && bounds.hasNulls) return false
  if (bounds.kind === 'absent') return key.direction === -1 && typeRank(value) !== typeRanks.null
  const nearest = key.direction === 1 ? bounds.least : bounds.greatest
  if (nearest === undefined || bounds.kind === 'bytes' || typeRank(value) !== typeRank(nearest)) return false
  const order = compareValues(nearest, value) * key.direction
  return order > 0 || (order === 0 && sort.length === 1)
}

/** What memory should not hold is put aside, in sorted parts. */
async function* sortAll(query: Query, run: QueryRun): AsyncGenerator<readonly EntityState[]> {
  const compare = comparePositions(query.sort)
  const toRow = rowMaker(query.ns, query.sort)
  const isBehind = behindCursor(query)
  let held: Row[] = []
  let scratch: Scratch | undefined
  let spilled: SpilledRows | undefined
  try {
    for await (const strip of selectRows(query, run.view, run.trace)) {
      for (const { batch, rows } of strip) for (const row of batch.states(rows).map(toRow).filter(isBehind)) held.push(row)
      if (held.length <= run.sortDocumentsMax) continue
      scratch ??= run.view.scratch()
      if (scratch === undefined) throw tooManyToSort(run.sortDocumentsMax)
      spilled ??= new SpilledRows(scratch, compare)
      await spilled.add(held)
      held = []
    }
    if (spilled !== undefined) await spilled.add(held)
    for await (const rows of windowed(spilled?.merged() ?? [held.toSorted(compare)], query)) yield rows.map(({ state }) => state)
  } finally {
    await scratch?.dispose()
  }
}

function behindCursor({ sort, after }: Query): (position: Position) => boolean {
  const compare = comparePositions(sort)
  return after === undefined ? () => true : (position) => compare(position, after) > 0
}

function candidateMaker({ ns, sort }: Query, isLate: boolean): (slice: ScanSlice) => Candidate[] {
  const toRow = rowMaker(ns, sort)
  const fields = new Set(sort.map(({ path }) => path[0] ?? ''))
  return ({ batch, rows }) => {
    const { columns } = batch
    if (!isLate || columns === undefined) {
      return batch.states(rows).map((state) => {
        const { id, values } = toRow(state)
        return { id, values, take: () => state }
      })
    }
    let made: Entity[] | undefined
    let asked = 0
    const entitiesAt = (some: Int32Array): Entity[] => columns.entities(some, { ns, fields })
    const entity = (index: number): Entity => (made === undefined && ++asked <= alikeMax ? entitiesAt(rows.subarray(index, index + 1))[0] : (made ??= entitiesAt(rows))[index]) as Entity
    const keys = sort.map(({ path }) => scalarsAt(columns, path, rows))
    const valuesAt = keys.includes(undefined) ? (index: number) => sort.map((key) => sortValue(entity(index) as unknown as Document, key)) : (index: number) => keys.map((values) => values?.[index] ?? null)
    return Array.from(rows, (row, index) => ({
      values: valuesAt(index),
      // Only rows that the keys do not tell apart are asked for it, and those that are kept.
      get id() {
        return entity(index).$id.slice(ns.length + 1)
      },
      take: () => batch.states(Int32Array.of(row))[0] as EntityState,
    }))
  }
}

/** A field's values in some rows; undefined where only their documents tell. */
function scalarsAt(columns: RunBatch, path: FieldPath, rows: Int32Array): readonly (Value | undefined)[] | undefined {
  const found = columns.find(path)
  if (found === undefined || columns.restsWith(path[0] ?? '').length > 0) return undefined
  if (found === 'absent') return []
  return found.isList ? undefined : columns.reading(() => scalarsOf(columns.column(found.index), rows))
}

/** Of the rows those that may be among the first: the first sort key is compared on its column with the last that is kept. `isAlone`: nothing interleaves with them. */
function aboveBar({ batch, rows }: ScanSlice, { query: { ns, sort }, top: { worst }, isAlone }: { query: Query; top: TopRows<Candidate>; isAlone: boolean }): Int32Array {
  const { columns } = batch
  const [key] = sort
  if (columns === undefined || key === undefined || worst === undefined) return rows
  // Rows come in the order of ids, so one that only equals what is kept comes too late, unless others interleave with it.
  const below = belowBar(key, worst.values[0], sort.length === 1 && isAlone)
  const found = columns.find(key.path)
  if (below === undefined || found === undefined || (found !== 'absent' && found.isList)) return rows
  return rowsLeft(rows, columns.reading(() => compileColumnFilter(ns, { kind: 'not', node: below })(columns))).rows
}

/** What surely comes after a row with this value, as a filter; undefined where a filter's comparison cannot say it. */
function belowBar({ path, direction }: SortKey, value: Value | undefined, isStrict: boolean): FilterNode | undefined {
  const rank = typeRank(value)
  if (value === undefined || Number.isNaN(value) || rank === typeRanks.null || rank === typeRanks.array || rank === typeRanks.object) return undefined
  const beyond: FilterNode = { kind: 'compare', path, op: direction === 1 ? (isStrict ? 'gte' : 'gt') : isStrict ? 'lte' : 'lt', value }
  // Null and absent come before every other value.
  return direction === 1 ? beyond : { kind: 'or', nodes: [beyond, { kind: 'compare', path, op: 'eq', value: null }] }
}
