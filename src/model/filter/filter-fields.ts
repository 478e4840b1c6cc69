import type { FilterNode } from './filter-node.ts'

/** The top-level fields that the filter reads. */
export function filterFields(node: FilterNode): ReadonlySet<string> {
  const fields = new Set<string>()
  collect(node, fields)
  return fields
}

function collect(node: FilterNode, fields: Set<string>): void {
  if ('path' in node) {
    const [field] = node.path
    if (field !== undefined) fields.add(field)
    return
  }
  for (const inner of node.kind === 'not' ? [node.node] : node.nodes) collect(inner, fields)
}
