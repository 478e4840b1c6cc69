import { compareStrings } from '../base/bytes.ts'
import { limitExceeded, type ParqueDBError } from '../base/ParqueDBError.ts'
import { checkFlag, checkWholeNumber } from '../model/check-options.ts'
import { compareValues, typeRank } from '../model/compare.ts'
import { compileFilter, compileTest, orderHolds } from '../model/filter/compile-filter.ts'
import { filterFields, type CompareOp, type FilterNode, type NodeOf } from '../model/filter/filter-node.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { parseProjection } from '../model/projection.ts'
import { parseSort } from '../model/sort.ts'
import { systemFields } from '../model/entity-document.ts'
import type { Value } from '../model/values.ts'
import type { ColumnBounds, GroupFilter } from '../parquet/GroupStatistics.ts'
import { parseAsOf } from './as-of.ts'
import { compileColumnFilter, kindRanks } from './column-filter.ts'
import { decodeCursor, fingerprintOf } from './page-cursor.ts'
import { planScan, qualifyIds } from './plan.ts'
import { effectiveSort } from './row-order.ts'

/** Unparsed: what users gave, option names checked already. */
export interface QueryInput extends Unparsed<'filter' | 'sort' | 'skip' | 'limit' | 'cursor' | 'project' | 'asOf' | 'includeDeleted' | 'includeArchived'> {
  readonly signal?: AbortSignal | undefined
}

/** Options as users gave them, names checked already. */
export type Unparsed<Names extends string> = { readonly [Name in Names]?: unknown }

/** A query that has been checked wholly; nothing in it can fail for the user's sake any more but a seq that has not happened. */
export type Query = Readonly<ReturnType<typeof parseQuery>>

/** INVALID_FILTER or INVALID_ARGUMENT with the part that is wrong. */
export function parseQuery(ns: string, input: QueryInput) {
  const filter = qualifyIds(ns, parseFilter(input.filter === undefined ? {} : input.filter))
  const sort = effectiveSort(parseSort(input.sort))
  const skip = checkWholeNumber(input.skip, { option: 'skip', least: 0 }) ?? 0
  const asOf = parseAsOf(input.asOf)
  const includeDeleted = checkFlag(input.includeDeleted, 'includeDeleted')
  const fingerprint = fingerprintOf([ns, filter, sort, skip, asOf, includeDeleted])
  const after = input.cursor === undefined ? undefined : decodeCursor(input.cursor, { fingerprint, keyCount: sort.length })
  const matchesAll = filter.kind === 'and' && filter.nodes.length === 0
  return {
    ns,
    filter,
    /** undefined: every entity matches. */
    matches: matchesAll ? undefined : compileFilter(filter),
    /** The same over columns, and over what row groups are known to hold; undefined where that is of no use. */
    columnFilter: matchesAll ? undefined : compileColumnFilter(ns, filter),
    /** True where no row of a row group with these bounds can be accepted. undefined: the filter has nothing that bounds could rule out. */
    prune: canPrune(filter) ? (boundsOf: BoundsOf): boolean => isRuledOut(filter, boundsOf) : undefined,
    /** Whether `matches` reads what the database writes into an entity, as `$id` or `version`. */
    readsSystemFields: [...filterFields(filter)].some((field) => systemFields.has(field)),
    plan: planScan(ns, filter),
    /** Empty: in the order of ids. */
    sort,
    /** Rows to leave out at the start; 0 when `after` is given, as the first page left them out. */
    skip: after === undefined ? skip : 0,
    limit: checkWholeNumber(input.limit, { option: 'limit', least: 1 }),
    /** Only rows behind this position. */
    after,
    projection: parseProjection(input.project),
    asOf,
    includeDeleted,
    /** Whether the view has to be one that sees the archive. */
    includeArchived: checkFlag(input.includeArchived, 'includeArchived'),
    signal: input.signal,
    /** What a cursor of this query carries. */
    fingerprint,
  }
}

/** A limit would be exceeded that the database sets for itself, and that the caller can raise or avoid. */
export function tooManyToSort(rowsMax: number): ParqueDBError {
  return limitExceeded({ sortDocumentsMax: rowsMax }, `The query would sort more than ${rowsMax} documents; add a limit, narrow the filter, or raise limits.sortDocumentsMax.`)
}

type BoundsOf = Parameters<GroupFilter>[0]

function canPrune(node: FilterNode): boolean {
  if (node.kind === 'and') return node.nodes.some(canPrune)
  if (node.kind === 'or') return node.nodes.length > 0 && node.nodes.every(canPrune)
  return isBounded(node) && node.path[0] !== '$id'
}

/** Whether bounds may say that no value fits. */
function isBounded(node: FilterNode): node is NodeOf<'compare' | 'in' | 'startsWith' | 'exists'> {
  return node.kind === 'compare' || node.kind === 'in' || node.kind === 'startsWith' || node.kind === 'exists'
}

function isRuledOut(node: FilterNode, boundsOf: BoundsOf): boolean {
  if (node.kind === 'and') return node.nodes.some((inner) => isRuledOut(inner, boundsOf))
  if (node.kind === 'or') return node.nodes.length > 0 && node.nodes.every((inner) => isRuledOut(inner, boundsOf))
  if (!isBounded(node)) return false
  const bounds = boundsOf(node.path)
  if (bounds === undefined) return false
  if (bounds.kind === 'absent') return !compileTest({ ...node, path: [] })(undefined)
  if (node.kind === 'exists') return false
  if (node.kind === 'compare') return isOutside(node.op, node.value, bounds)
  if (node.kind === 'in') return node.patterns.length === 0 && node.values.every((value) => isOutside('eq', value, bounds))
  return isOutside('gte', node.text, bounds) || (typeof bounds.least === 'string' && !bounds.least.startsWith(node.text) && compareStrings(bounds.least, node.text) > 0)
}

/** No value within the bounds compares so with the operand. A null may stand in any column, and a list may be compared as a whole. */
function isOutside(op: CompareOp, value: Value, { kind, isList, hasNulls, least, greatest }: ColumnBounds): boolean {
  if (value === null) return !hasNulls && !isList
  if (Array.isArray(value) && isList) return false
  if (kind === 'absent' || typeRank(value) !== kindRanks[kind]) return true
  // Bytes are ordered by their length first, which bounds are not.
  if (least === undefined || greatest === undefined || kind === 'bytes' || Number.isNaN(value)) return false
  if (op === 'eq') return compareValues(least, value) > 0 || compareValues(greatest, value) < 0
  // Where the likeliest value does not compare so, none does.
  const likeliest = op === 'gt' || op === 'gte' ? greatest : least
  return !orderHolds[op](compareValues(likeliest, value))
}
