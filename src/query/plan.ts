import { compareStrings } from '../base/bytes.ts'
import type { CompareOp, FilterNode } from '../model/filter/filter-node.ts'
import type { Value } from '../model/values.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import { isWithin } from '../storage/range-scan.ts'

/** Where the rows of a query come from. Each brings at least every row that the filter accepts, in the order of ids. */
export type ScanPlan =
  /** Point reads; ids are distinct and in order. */
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  /** A part of the namespace; at least one bound is given. */
  | { readonly kind: 'range'; readonly range: IdRange }
  | { readonly kind: 'scan' }

/** Up to here a point read each costs less than a scan between the ids. */
const pointReadsMax = 10_000

/**
 * Chooses, from what the filter demands of `$id`, the least that must be read. Pure. The filter stays to be evaluated on every row:
 * the plan may bring more than it accepts, never less.
 */
export function planScan(ns: string, filter: FilterNode): ScanPlan {
  const bound = boundOf(`${ns}/`, filter)
  if (bound === undefined) return { kind: 'scan' }
  if (bound.kind === 'ids' && bound.ids.length > pointReadsMax) return { kind: 'scan' }
  return bound
}

type Bound = Exclude<ScanPlan, { kind: 'scan' }>

/** undefined: the node says nothing of `$id` that narrows the scan. */
function boundOf(prefix: string, node: FilterNode): Bound | undefined {
  if (node.kind === 'and') return node.nodes.map((inner) => boundOf(prefix, inner)).reduce(intersection, undefined)
  if (node.kind === 'or') return node.nodes.map((inner) => boundOf(prefix, inner)).reduce(union, { kind: 'ids', ids: [] })
  if (!('path' in node) || !isId(node.path)) return undefined
  if (node.kind === 'compare') return compareBound(prefix, node.op, node.value)
  if (node.kind === 'in' && node.patterns.length === 0) return idsBound(prefix, node.values)
  return node.kind === 'startsWith' && node.text.startsWith(prefix) ? prefixBound(node.text.slice(prefix.length)) : undefined
}

/** Whether a path is the id's. */
export function isId(path: readonly string[]): boolean {
  return path.length === 1 && path[0] === '$id'
}

function idsBound(prefix: string, values: readonly Value[]): Bound {
  const ids = new Set<string>()
  for (const value of values) if (typeof value === 'string' && value.length > prefix.length && value.startsWith(prefix)) ids.add(value.slice(prefix.length))
  return { kind: 'ids', ids: [...ids].toSorted(compareStrings) }
}

function compareBound(prefix: string, op: CompareOp, value: Value): Bound | undefined {
  if (op === 'eq') return idsBound(prefix, [value])
  // An id is a string, and comparison never leaves its type. A bound outside of the namespace is rare: the filter alone decides it.
  if (typeof value !== 'string' || !value.startsWith(prefix)) return undefined
  const id = value.slice(prefix.length)
  // The least string that is greater than an id has a U+0000 behind it: ids may hold that.
  const ranges = { gt: { afterId: id }, gte: { fromId: id }, lt: { beforeId: id }, lte: { beforeId: `${id}\0` } }
  return { kind: 'range', range: ranges[op] }
}

function prefixBound(text: string): Bound | undefined {
  if (text === '') return undefined
  const last = text.codePointAt(text.length - 1) as number
  // The end of the range is the next code point; where there is none, or it would be a surrogate, the filter alone decides.
  const isPlain = last < 0xd7ff
  return { kind: 'range', range: isPlain ? { fromId: text, beforeId: text.slice(0, -1) + String.fromCodePoint(last + 1) } : { fromId: text } }
}

function intersection(left: Bound | undefined, right: Bound | undefined): Bound | undefined {
  if (left === undefined || right === undefined) return left ?? right
  if (left.kind === 'ids') return { kind: 'ids', ids: left.ids.filter(membership(right)) }
  if (right.kind === 'ids') return { kind: 'ids', ids: right.ids.filter(membership(left)) }
  return {
    kind: 'range',
    range: {
      fromId: farther(left.range.fromId, right.range.fromId, 1),
      afterId: farther(left.range.afterId, right.range.afterId, 1),
      beforeId: farther(left.range.beforeId, right.range.beforeId, -1),
    },
  }
}

/** Only point reads are joined: a union of ranges would have to be a list of them. */
function union(left: Bound | undefined, right: Bound | undefined): Bound | undefined {
  if (left?.kind !== 'ids' || right?.kind !== 'ids') return undefined
  return { kind: 'ids', ids: [...new Set([...left.ids, ...right.ids])].toSorted(compareStrings) }
}

function membership(bound: Bound): (id: string) => boolean {
  if (bound.kind === 'ids') {
    const ids = new Set(bound.ids)
    return (id) => ids.has(id)
  }
  const { range } = bound
  return (id) => isWithin(id, range)
}

/** The one that is the greater, or with a sign of -1 the lesser. */
function farther(left: string | undefined, right: string | undefined, sign: 1 | -1): string | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return compareStrings(left, right) * sign >= 0 ? left : right
}

/**
 * The filter with the namespace put before every id that it compares `$id` with and that lacks it, so that { $id: 'abc' } finds
 * 'posts/abc'. Regular expressions, $endsWith and $contains see the whole `$id` as it is.
 */
export function qualifyIds(ns: string, node: FilterNode): FilterNode {
  if (!('path' in node)) return node.kind === 'not' ? { kind: 'not', node: qualifyIds(ns, node.node) } : { kind: node.kind, nodes: node.nodes.map((inner) => qualifyIds(ns, inner)) }
  if (!isId(node.path)) return node
  if (node.kind === 'compare') return { ...node, value: qualified(ns, node.value) }
  if (node.kind === 'in') return { ...node, values: node.values.map((value) => qualified(ns, value)) }
  return node.kind === 'startsWith' ? { ...node, text: withNamespace(ns, node.text) } : node
}

function qualified(ns: string, value: Value): Value {
  return typeof value === 'string' ? withNamespace(ns, value) : value
}

function withNamespace(ns: string, id: string): string {
  return id.startsWith(`${ns}/`) ? id : `${ns}/${id}`
}
