import type { FieldSpec } from './columns.ts'

/** Columns of a run before those of the documents, in file order. */
export const runSystemFields = [
  { kind: 'string', name: '$id', nulls: 'never' },
  { kind: 'int', name: '$version', nulls: 'never' },
  { kind: 'int', name: '$seq', nulls: 'never' },
  { kind: 'date', name: '$createdAt', nulls: 'never' },
  { kind: 'date', name: '$updatedAt', nulls: 'never' },
  { kind: 'string', name: '$createdBy', nulls: 'absent' },
  { kind: 'string', name: '$updatedBy', nulls: 'absent' },
  /** For others: the same as whether `$deletedAt` is there. */
  { kind: 'boolean', name: '$deleted', nulls: 'never' },
  { kind: 'date', name: '$deletedAt', nulls: 'absent' },
] as const satisfies readonly FieldSpec[]

/** Place of each column before those of the documents. */
export const runColumn = Object.fromEntries(runSystemFields.map((field, index) => [field.name, index])) as Readonly<Record<(typeof runSystemFields)[number]['name'], number>>

/** Extended JSON of what has no column or does not fit its column. The last column. */
export const restField = { kind: 'string', name: '$rest', nulls: 'absent' } as const satisfies FieldSpec

/** Names that a document's field cannot have as a column. */
export const reservedNames: readonly string[] = [...runSystemFields, restField].map((field) => field.name)

/** The sections of a run. */
export const shapeSection = 'shape'
