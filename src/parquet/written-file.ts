import type { Section } from './sparse-index.ts'

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
