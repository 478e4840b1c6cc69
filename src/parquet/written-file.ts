import type { RowGroupEntry, Section } from './sparse-index.ts'

/** A finished file, and the facts about it that a manifest keeps: all but `bytes` survive a trip through JSON. */
export interface WrittenFile {
  readonly bytes: Uint8Array
  readonly rows: number
  /** Of a segment: rows that repeat an edge's event for its far end. Absent for none. */
  readonly mirrors?: number
  /** Of a run: [id]; of a segment: [ns, id]. Empty when the file has no rows. */
  readonly minKey: readonly string[]
  readonly maxKey: readonly string[]
  /** Inclusive; 0 when the file has no rows. */
  readonly minSeq: number
  readonly maxSeq: number
  /** Inclusive, milliseconds; 0 when the file has no rows. Of a run: of updatedAt. */
  readonly minTs: number
  readonly maxTs: number
  /** The file's own sparse index. */
  readonly index: Section
  /** Of the Thrift footer that other readers start from. */
  readonly footerCrc32: number
}

/** What a reader must know before it asks for a file's first byte. */
export type FileFacts = Omit<WrittenFile, 'bytes'>

/** What the row groups of a file say of it. */
export function rowFacts(groups: readonly RowGroupEntry[], maxKey: readonly string[]): Omit<FileFacts, 'index' | 'footerCrc32'> {
  const [first] = groups
  if (first === undefined) return { rows: 0, minKey: [], maxKey: [], minSeq: 0, maxSeq: 0, minTs: 0, maxTs: 0 }
  const least = (name: 'minSeq' | 'minTs'): number => groups.reduce((so, group) => Math.min(so, group[name]), first[name])
  const greatest = (name: 'maxSeq' | 'maxTs'): number => groups.reduce((so, group) => Math.max(so, group[name]), first[name])
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  return { rows, minKey: first.firstKey, maxKey, minSeq: least('minSeq'), maxSeq: greatest('maxSeq'), minTs: least('minTs'), maxTs: greatest('maxTs') }
}
