/** An operation of a backend or of its log. */
export type FaultPoint = 'read' | 'readRange' | 'stat' | 'list' | 'put' | 'delete' | 'openLog' | 'append' | 'rotate' | 'truncate' | 'lockWriter'

export interface Fault {
  /** 'any' counts every operation, so that a test can crash at each one in turn. */
  readonly on: FaultPoint | 'any'
  /** Only on paths that start with it; a listing's and a log's path is its prefix, a lock's is ''. */
  readonly path?: string
  /** Which of the operations that match, from 1; all of them when absent. */
  readonly nth?: number
  /** 'after': the operation has been done, as when only the answer is lost. */
  readonly when: 'before' | 'after'
  readonly effect: FaultEffect
}

export type FaultEffect =
  /** Rejects with the error, or with a STORAGE_UNAVAILABLE. */
  | { readonly kind: 'fail'; readonly error?: Error }
  /** Waits, as a stopped process does, and goes on. */
  | { readonly kind: 'stall'; readonly until: Promise<void> }
  /** Rejects this operation and every later one, and none of those reaches the store: the process is dead to it. */
  | { readonly kind: 'crash' }

/** What a backend or its log was asked to do. */
export interface Operation {
  readonly point: FaultPoint
  readonly path: string
}

/** Runs an operation with the faults that are planned for it. */
export type FaultyRun = <T>(operation: Operation, work: () => Promise<T>) => Promise<T>

/** The effect of a fault: who meets it stands still until it is released. */
export function stall(): { readonly effect: FaultEffect; readonly release: () => void } {
  let release = (): void => undefined
  const until = new Promise<void>((resolve) => (release = resolve))
  return { effect: { kind: 'stall', until }, release }
}
