/** One atomic unit of the log: the events of one or more whole commits. All of it is there after a crash, or none. */
export interface LogFrame {
  readonly epoch: number
  /** seq of its first event. */
  readonly firstSeq: number
  /** How many events it holds; the next frame's firstSeq is firstSeq + count. */
  readonly count: number
  readonly payload: Uint8Array
}

/**
 * The log of one writer in one epoch. It does not fence: whoever appends checks after the append resolves that its
 * epoch is still the newest, and acknowledges only then. Every implementation runs `logContract`.
 */
export interface AppendLog {
  /**
   * Appends frames in order; resolves when all are durable. One call at a time (an overlapping call is a bug: asserted).
   * After a failure the log is poisoned: every later append rejects with STORAGE_UNAVAILABLE; what is there is decided by reading it back.
   */
  append(frames: readonly LogFrame[]): Promise<void>
  /** Later appends go to a new part, so that all parts before it can be truncated. Resolves to the new part's start seq. Not during an append. */
  rotate(nextSeq: number): Promise<void>
  /** Deletes parts of this epoch whose events all have a seq below `seq`. May keep more than it must, never less. */
  truncate(beforeSeq: number): Promise<void>
  close(): Promise<void>
}
