import type { FilterNode } from './filter-node.ts'

/** The top-level fields that the filter reads. */
export function filterFields(node: FilterNode): ReadonlySet<string> {
  const fields = new Set<string>()
  collect(node, fields)
  return fields
}

function collect(node: FilterNode, fields: Set<string>): void {
  switch (node.kind) {
    case 'and':
    case 'or':
    case 'nor':
      for (const inner of node.nodes) collect(inner, fields)
      return
    case 'not':
      return collect(node.node, fields)
    case 'compare':
    case 'in':
    case 'exists':
    case 'type':
    case 'regex':
    case 'startsWith':
    case 'endsWith':
    case 'contains':
    case 'size':
    case 'mod':
    case 'elemMatch':
    case 'elemMatchValue': {
      const field = node.path[0]
      if (field !== undefined) fields.add(field)
    }
  }
}
