/** An operation of a backend or of its log. */
export type FaultPoint = 'read' | 'readRange' | 'stat' | 'list' | 'put' | 'delete' | 'openLog' | 'append' | 'rotate' | 'truncate' | 'lockWriter'

/** Where a fault is. */
interface FaultPlace {
  /** 'any' counts every operation, so that a test can crash at each one in turn. */
  readonly point: FaultPoint | 'any'
  /** Only on paths that start with it; a listing's and a log's path is its prefix, a lock's is ''. */
  readonly path?: string
  /** Which of the operations that match, from 1, the next one when absent; or all of them. */
  readonly nth?: number | 'every'
  /** 'before' when absent. 'after': the operation has been done, as when only the answer is lost. */
  readonly when?: 'before' | 'after'
}

/**
 * fail: rejects with the error, or with a STORAGE_UNAVAILABLE.
 * stall: waits, as a stopped process does, and goes on.
 * crash: rejects this operation and every later one, and none of those reaches the store: the process is dead to it.
 */
export type Fault =
  | (FaultPlace & { readonly kind: 'fail'; readonly error?: Error })
  | (FaultPlace & { readonly kind: 'stall'; readonly until: Promise<void> })
  | (FaultPlace & { readonly kind: 'crash' })

/** What a backend or its log was asked to do. */
export interface Operation {
  readonly point: FaultPoint
  readonly path: string
}

/** Runs an operation with the faults that are planned for it. */
export type FaultyRun = <T>(operation: Operation, work: () => Promise<T>) => Promise<T>
