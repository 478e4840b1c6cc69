import type { FieldPath } from '../path.ts'
import type { Value } from '../values.ts'
import type { Pattern } from './pattern.ts'

/**
 * A parsed filter: everything is checked, sugar is gone, and a planner or a column kernel can read it. A path is never empty,
 * except inside `elemMatchValue`, where the empty path is the element itself. $ne, $nin and { $exists: false } are `not` of what they negate;
 * $all is `and`; an empty filter is an `and` of nothing, true; an `or` of nothing is false.
 */
export type FilterNode =
  | { readonly kind: 'and' | 'or' | 'nor'; readonly nodes: readonly FilterNode[] }
  | { readonly kind: 'not'; readonly node: FilterNode }
  | { readonly kind: 'compare'; readonly path: FieldPath; readonly op: CompareOp; readonly value: Value }
  | { readonly kind: 'in'; readonly path: FieldPath; readonly values: readonly Value[]; readonly patterns: readonly Pattern[] }
  | { readonly kind: 'exists'; readonly path: FieldPath }
  | { readonly kind: 'type'; readonly path: FieldPath; readonly types: ReadonlySet<TypeName> }
  | { readonly kind: 'regex'; readonly path: FieldPath; readonly pattern: Pattern }
  | { readonly kind: 'startsWith' | 'endsWith' | 'contains'; readonly path: FieldPath; readonly text: string }
  | { readonly kind: 'size'; readonly path: FieldPath; readonly size: number }
  | { readonly kind: 'mod'; readonly path: FieldPath; readonly divisor: bigint; readonly remainder: bigint }
  /** Some element of the array is an object that matches; the inner paths start at the element. */
  | { readonly kind: 'elemMatch'; readonly path: FieldPath; readonly node: FilterNode }
  /** Some element of the array matches; the inner paths are empty. */
  | { readonly kind: 'elemMatchValue'; readonly path: FieldPath; readonly node: FilterNode }

/** The node of a kind, which some have in common. */
export type NodeOf<Kind, Node = FilterNode> = Node extends { readonly kind: infer Kinds } ? (Kind extends Kinds ? Node : never) : never

export type CompareOp = 'eq' | 'gt' | 'gte' | 'lt' | 'lte'

export type TypeName = 'number' | 'double' | 'int' | 'long' | 'string' | 'object' | 'array' | 'binData' | 'bool' | 'date' | 'null'

/** The top-level fields that the filter reads. */
export function filterFields(node: FilterNode): ReadonlySet<string> {
  if ('path' in node) return new Set(node.path.slice(0, 1))
  return new Set((node.kind === 'not' ? [node.node] : node.nodes).flatMap((each) => [...filterFields(each)]))
}
