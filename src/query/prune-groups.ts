import { compareStrings } from '../base/bytes.ts'
import { compareValues, typeRank } from '../model/compare.ts'
import type { FilterNode } from '../model/filter/filter-node.ts'
import { compileTest } from '../model/filter/compile-filter.ts'
import type { Value } from '../model/values.ts'
import type { ColumnBounds, GroupFilter } from '../parquet/GroupStatistics.ts'
import { kindRanks } from './column-filter.ts'

type BoundsOf = Parameters<GroupFilter>[0]

/** True where no row of a row group with these bounds can be accepted. undefined: the filter has nothing that bounds could rule out. */
export function groupFilter(node: FilterNode): GroupFilter | undefined {
  return canPrune(node) ? (boundsOf) => isRuledOut(node, boundsOf) : undefined
}

function canPrune(node: FilterNode): boolean {
  if (node.kind === 'and') return node.nodes.some(canPrune)
  if (node.kind === 'or') return node.nodes.length > 0 && node.nodes.every(canPrune)
  return isBounded(node) && node.path[0] !== '$id'
}

/** Whether bounds may say that no value fits. */
function isBounded(node: FilterNode): node is Extract<FilterNode, { kind: 'compare' | 'in' | 'exists' }> | { kind: 'startsWith'; path: readonly string[]; text: string } {
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
function isOutside(op: 'eq' | 'gt' | 'gte' | 'lt' | 'lte', value: Value, { kind, isList, hasNulls, least, greatest }: ColumnBounds): boolean {
  if (value === null) return !hasNulls && !isList
  if (Array.isArray(value) && isList) return false
  if (kind === 'absent' || typeRank(value) !== kindRanks[kind]) return true
  // Bytes are ordered by their length first, which bounds are not.
  if (least === undefined || greatest === undefined || kind === 'bytes' || Number.isNaN(value)) return false
  const below = compareValues(value, least)
  const above = compareValues(value, greatest)
  switch (op) {
    case 'eq':
      return below < 0 || above > 0
    case 'gt':
      return above >= 0
    case 'gte':
      return above > 0
    case 'lt':
      return below <= 0
    case 'lte':
      return below < 0
  }
}
