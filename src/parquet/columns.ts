/** Types of single values. `int`: a safe integer kept as a JavaScript number, unlike `bigint`; `double`: any number. */
export type ScalarKind = 'string' | 'int' | 'bigint' | 'double' | 'boolean' | 'date' | 'bytes'

/** What a column keeps of a value: a date as its milliseconds, all else as it is. */
export type LeafValue = string | number | bigint | boolean | Uint8Array

/**
 * What a Parquet null in a column of a document says: that the field is absent, or that it holds null. Whichever is
 * commoner; the other is told in `$rest`. `never`: every row has a value.
 */
export type Nulls = 'absent' | 'null' | 'never'

/** One field of documents, in the order that fields usually have. JSON-safe. */
export type FieldSpec =
  | { readonly kind: ScalarKind; readonly name: string; readonly nulls: Nulls }
  | { readonly kind: 'list'; readonly name: string; readonly nulls: Nulls; readonly element: ScalarKind }
  | { readonly kind: 'group'; readonly name: string; readonly nulls: Nulls; readonly fields: readonly FieldSpec[] }
  /** Has no column; always in `$rest`. Listed for its place in the order. */
  | { readonly kind: 'rest'; readonly name: string }

/** One physical column. */
export interface Leaf {
  /** As in the Parquet schema, list wrappers included. */
  readonly path: readonly string[]
  readonly kind: ScalarKind
  /** Definition level of a value. */
  readonly maxDefinition: number
  /** 1 for a list's elements. */
  readonly maxRepetition: 0 | 1
}

/** The physical columns of a schema, in file order. */
export function leavesOf(fields: readonly FieldSpec[]): Leaf[] {
  const leaves: Leaf[] = []
  for (const field of fields) addLeaves(field, { path: [], definition: 0 }, leaves)
  return leaves
}

function addLeaves(field: FieldSpec, at: { path: readonly string[]; definition: number }, leaves: Leaf[]): void {
  const path = [...at.path, field.name]
  if (field.kind === 'rest') return
  const definition = at.definition + (field.nulls === 'never' ? 0 : 1)
  if (field.kind === 'group') {
    for (const inner of field.fields) addLeaves(inner, { path, definition }, leaves)
  } else if (field.kind === 'list') {
    leaves.push({ path: [...path, 'list', 'element'], kind: field.element, maxDefinition: definition + 1, maxRepetition: 1 })
  } else {
    leaves.push({ path, kind: field.kind, maxDefinition: definition, maxRepetition: 0 })
  }
}
