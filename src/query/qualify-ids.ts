import type { FilterNode } from '../model/filter/filter-node.ts'
import type { Value } from '../model/values.ts'
import { isId } from './plan.ts'

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
