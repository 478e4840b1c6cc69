import type { FilterNode } from '../model/filter/filter-node.ts'
import type { Value } from '../model/values.ts'

/**
 * The filter with the namespace put before every id that it compares `$id` with and that lacks it, so that { $id: 'abc' } finds
 * 'posts/abc'. Regular expressions, $endsWith and $contains see the whole `$id` as it is.
 */
export function qualifyIds(ns: string, node: FilterNode): FilterNode {
  switch (node.kind) {
    case 'and':
    case 'or':
    case 'nor':
      return { kind: node.kind, nodes: node.nodes.map((inner) => qualifyIds(ns, inner)) }
    case 'not':
      return { kind: 'not', node: qualifyIds(ns, node.node) }
    case 'compare':
      return isId(node.path) ? { ...node, value: qualified(ns, node.value) } : node
    case 'in':
      return isId(node.path) ? { ...node, values: node.values.map((value) => qualified(ns, value)) } : node
    case 'startsWith':
      return isId(node.path) ? { ...node, text: withNamespace(ns, node.text) } : node
    case 'endsWith':
    case 'contains':
    case 'exists':
    case 'type':
    case 'regex':
    case 'size':
    case 'mod':
    case 'elemMatch':
    case 'elemMatchValue':
      return node
  }
}

function isId(path: readonly string[]): boolean {
  return path.length === 1 && path[0] === '$id'
}

function qualified(ns: string, value: Value): Value {
  return typeof value === 'string' ? withNamespace(ns, value) : value
}

function withNamespace(ns: string, id: string): string {
  return id.startsWith(`${ns}/`) ? id : `${ns}/${id}`
}
