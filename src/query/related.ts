import { entityDocument } from '../model/entity-document.ts'
import { isLive, type EntityKey, type EntityState } from '../model/entity.ts'
import { compileFilter } from '../model/filter/compile-filter.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import type { Relation } from '../model/relations.ts'
import { parseSort, type SortKey } from '../model/sort.ts'
import type { View } from '../storage/view.ts'
import { parseAsOf, resolveAsOf } from './as-of.ts'
import { checkFlag, checkWholeNumber } from '../model/check-options.ts'
import { hop, type HopRow } from './hop.ts'
import { decodeCursor, fingerprintOf } from './page-cursor.ts'
import { tooManyToSort, type QueryInput } from './parse-query.ts'
import { qualifyIds } from './plan.ts'
import { comparePositions, effectiveSort, rowMaker, type Position } from './row-order.ts'
import { TopRows } from './top-rows.ts'

/** An empty sort: by `$id`. `fingerprint`: what a cursor belongs to. */
export type RelatedQuery = ReturnType<typeof parseRelated>

interface RelatedRow extends HopRow, Position {}

/** INVALID_FILTER or INVALID_ARGUMENT with the part that is wrong. `near` is a part of what a cursor belongs to. */
export function parseRelated(relation: Relation, near: EntityKey | undefined, input: Pick<QueryInput, 'filter' | 'sort' | 'limit' | 'cursor' | 'asOf' | 'includeArchived' | 'signal'>) {
  const { predicate, direction, far } = relation
  const parsed = parseFilter(input.filter === undefined ? {} : input.filter)
  const filter = far === undefined ? parsed : qualifyIds(far, parsed)
  const sort = effectiveSort(parseSort(input.sort))
  const asOf = parseAsOf(input.asOf)
  const fingerprint = (): number => fingerprintOf(['related', near, predicate, direction, filter, sort, asOf])
  const matches = input.filter === undefined ? undefined : compileFilter(filter)
  return {
    predicate,
    direction,
    accepts: matches === undefined ? undefined : (key: EntityKey, state: EntityState) => matches(entityDocument(key.ns, state)),
    sort,
    limit: checkWholeNumber(input.limit, { option: 'limit', least: 1 }),
    after: input.cursor === undefined ? undefined : decodeCursor(input.cursor, { fingerprint: fingerprint(), keyCount: sort.length }),
    asOf,
    includeArchived: checkFlag(input.includeArchived, 'includeArchived'),
    signal: input.signal,
    fingerprint,
  }
}

/**
 * What an entity's edges of one kind lead to, in the query's order; nothing where the entity itself is not there. Without a sort it streams, whatever the number of
 * edges; with one it holds `limit` rows, or all where there is none: LIMIT_EXCEEDED past `sortDocumentsMax`.
 */
export async function relatedRows(query: RelatedQuery, near: EntityKey, run: { view: View; sortDocumentsMax: number }): Promise<AsyncIterable<readonly HopRow[]> | Iterable<readonly HopRow[]>> {
  const { view } = run
  const asOf = resolveAsOf(query.asOf, view)
  // Of the past the near end is read first, as its collection has a horizon of its own.
  if (asOf !== undefined && !isLive(await view.get(near, asOf))) return []
  const { sort, limit, after } = query
  const isSorted = sort.length > 0
  const rows = hop(view, { ...query, nears: [near], checksNear: asOf === undefined, asOf, limit: isSorted ? undefined : limit, after: isSorted ? undefined : after?.id })
  if (!isSorted) return rows
  if (limit !== undefined && limit > run.sortDocumentsMax) throw tooManyToSort(run.sortDocumentsMax)
  const compare = comparePositions(sort)
  const toRow = positioned(sort)
  const top = new TopRows<RelatedRow>(limit ?? run.sortDocumentsMax + 1, compare)
  let count = 0
  for await (const batch of rows) {
    for (const row of batch.map(toRow)) {
      if (after !== undefined && compare(row, after) <= 0) continue
      count += 1
      top.add(row)
    }
    if (limit === undefined && count > run.sortDocumentsMax) throw tooManyToSort(run.sortDocumentsMax)
  }
  return count > 0 ? [top.sorted()] : []
}

/** How many entities there are at the other ends: edges are counted where both ends are there and nothing is held. */
export async function countRelated(query: RelatedQuery, near: EntityKey, run: { view: View; sortDocumentsMax: number }): Promise<number> {
  let count = 0
  for await (const rows of await relatedRows({ ...query, sort: [] }, near, run)) count += rows.length
  return count
}

/** Rows with what the sort sees in them; a row's id is its whole `$id`, as it may be of any collection. */
export function positioned(sort: readonly SortKey[]): (row: HopRow) => RelatedRow {
  const makers = new Map<string, (state: EntityState) => Position>()
  return (row) => {
    const { ns } = row.key
    const maker = makers.get(ns) ?? rowMaker(ns, sort)
    makers.set(ns, maker)
    return { ...row, values: maker(row.state).values, id: row.$id }
  }
}
