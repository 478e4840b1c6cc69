import type { FieldSpec } from './columns.ts'

/** Columns of a segment, in file order. Documents are Extended JSON. */
export const segmentFields = [
  { kind: 'string', name: 'ns', nulls: 'never' },
  { kind: 'string', name: 'id', nulls: 'never' },
  { kind: 'int', name: 'seq', nulls: 'never' },
  { kind: 'date', name: 'ts', nulls: 'never' },
  { kind: 'string', name: 'op', nulls: 'never' },
  { kind: 'int', name: 'version', nulls: 'never' },
  { kind: 'string', name: 'eventId', nulls: 'never' },
  { kind: 'string', name: 'actor', nulls: 'absent' },
  { kind: 'string', name: 'txId', nulls: 'absent' },
  { kind: 'string', name: 'patch', nulls: 'absent' },
  /** The document of a CREATE, whose snapshot follows from it. */
  { kind: 'string', name: 'after', nulls: 'absent' },
  /** The snapshot: { version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document }; times in milliseconds. */
  { kind: 'string', name: 'state', nulls: 'absent' },
  { kind: 'string', name: 'metadata', nulls: 'absent' },
  /** Of edges' events; the first two only where they stand for the first time. */
  { kind: 'string', name: 'predicate', nulls: 'absent' },
  { kind: 'string', name: 'to', nulls: 'absent' },
  { kind: 'string', name: 'data', nulls: 'absent' },
] as const satisfies readonly FieldSpec[]

export type SegmentColumn = (typeof segmentFields)[number]['name']

/** Place of each column. */
export const segmentColumn = Object.fromEntries(segmentFields.map((field, index) => [field.name, index])) as Readonly<Record<SegmentColumn, number>>

/** Metadata of a data file: the version of the fold that made its states. */
export const foldKey = 'parquedb.fold'
