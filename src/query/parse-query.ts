import { ParqueDBError } from '../base/ParqueDBError.ts'
import { compileFilter } from '../model/filter/compile-filter.ts'
import { filterFields } from '../model/filter/filter-fields.ts'
import type { FilterNode } from '../model/filter/filter-node.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { parseProjection, type ProjectionNode } from '../model/projection.ts'
import { parseSort, type SortKey } from '../model/sort.ts'
import { systemFields } from '../model/system-fields.ts'
import type { Document } from '../model/values.ts'
import type { GroupFilter } from '../parquet/GroupStatistics.ts'
import type { AsOf } from '../storage/view.ts'
import { parseAsOf } from './as-of.ts'
import { checkFlag, checkWholeNumber } from '../model/check-options.ts'
import { compileColumnFilter, type ColumnFilter } from './column-filter.ts'
import { decodeCursor, fingerprintOf } from './page-cursor.ts'
import { planScan, type ScanPlan } from './plan.ts'
import { groupFilter } from './prune-groups.ts'
import { qualifyIds } from './qualify-ids.ts'
import { effectiveSort, type Position } from './row-order.ts'

/** Unparsed: what users gave, option names checked already. */
export interface QueryInput {
  readonly filter?: unknown
  readonly sort?: unknown
  readonly skip?: unknown
  readonly limit?: unknown
  readonly cursor?: unknown
  readonly project?: unknown
  readonly asOf?: unknown
  readonly includeDeleted?: unknown
  readonly includeArchived?: unknown
  readonly signal?: AbortSignal | undefined
}

/** A query that has been checked wholly; nothing in it can fail for the user's sake any more but a seq that has not happened. */
export interface Query {
  readonly ns: string
  readonly filter: FilterNode
  /** undefined: every entity matches. */
  readonly matches: ((document: Document) => boolean) | undefined
  /** The same over columns, and over what row groups are known to hold; undefined where that is of no use. */
  readonly columnFilter: ColumnFilter | undefined
  readonly prune: GroupFilter | undefined
  /** Whether `matches` reads what the database writes into an entity, as `$id` or `version`. */
  readonly readsSystemFields: boolean
  readonly plan: ScanPlan
  /** Empty: in the order of ids. */
  readonly sort: readonly SortKey[]
  /** Rows to leave out at the start; 0 when `after` is given, as the first page left them out. */
  readonly skip: number
  readonly limit: number | undefined
  /** Only rows behind this position. */
  readonly after: Position | undefined
  readonly projection: ProjectionNode
  readonly asOf: AsOf | undefined
  readonly includeDeleted: boolean
  /** Whether the view has to be one that sees the archive. */
  readonly includeArchived: boolean
  readonly signal: AbortSignal | undefined
  /** What a cursor of this query carries. */
  readonly fingerprint: number
}

/** INVALID_FILTER or INVALID_ARGUMENT with the part that is wrong. */
export function parseQuery(ns: string, input: QueryInput): Query {
  const filter = qualifyIds(ns, parseFilter(input.filter === undefined ? {} : input.filter))
  const sort = effectiveSort(parseSort(input.sort))
  const skip = checkWholeNumber(input.skip, { option: 'skip', least: 0 }) ?? 0
  const asOf = parseAsOf(input.asOf)
  const includeDeleted = checkFlag(input.includeDeleted, 'includeDeleted')
  const fingerprint = fingerprintOf([ns, filter, sort, skip, asOf, includeDeleted])
  const after = input.cursor === undefined ? undefined : decodeCursor(input.cursor, { fingerprint, keyCount: sort.length })
  return {
    ns,
    filter,
    ...compiled(ns, filter),
    plan: planScan(ns, filter),
    sort,
    skip: after === undefined ? skip : 0,
    limit: checkWholeNumber(input.limit, { option: 'limit', least: 1 }),
    after,
    projection: parseProjection(input.project),
    asOf,
    includeDeleted,
    includeArchived: checkFlag(input.includeArchived, 'includeArchived'),
    signal: input.signal,
    fingerprint,
  }
}

/** A predicate over documents, with what it needs of them. */
function compiled(ns: string, filter: FilterNode): Pick<Query, 'matches' | 'columnFilter' | 'prune' | 'readsSystemFields'> {
  const matchesAll = filter.kind === 'and' && filter.nodes.length === 0
  return {
    matches: matchesAll ? undefined : compileFilter(filter),
    columnFilter: matchesAll ? undefined : compileColumnFilter(ns, filter),
    prune: groupFilter(filter),
    readsSystemFields: [...filterFields(filter)].some((field) => systemFields.has(field)),
  }
}

/** A limit would be exceeded that the database sets for itself, and that the caller can raise or avoid. */
export function tooManyToSort(rowsMax: number): ParqueDBError {
  return new ParqueDBError('LIMIT_EXCEEDED', `The query would sort more than ${rowsMax} documents; add a limit, narrow the filter, or raise sortDocumentsMax.`, {
    details: { limit: 'sortDocumentsMax', most: rowsMax },
  })
}
