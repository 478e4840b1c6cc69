/*
 * What is in the folder of `folderModel`, and what each process knows. Plain data: a step makes a new state.
 */

export interface Entry {
  readonly seq: number
  readonly id: string
}

export interface Log {
  readonly synced: readonly Entry[]
  readonly cached: readonly Entry[]
}

export interface Head {
  readonly epoch: number
  /** Events 1, 2, … that are in files. */
  readonly flushed: readonly string[]
  /** Older logs that count, up to a seq; none in the good protocol. */
  readonly inherits: readonly { readonly epoch: number; readonly endSeq: number | null }[]
}

/** `writer` has put it; null while empty. One writer's heads of one epoch differ in what is flushed. */
export interface EpochFile {
  readonly writer: string
  readonly head: Head | null
}

/** What a check that was begun does next; `own` is the etag of the writer's epoch file as the check saw it. */
export type Look = { readonly at: 'next' | 'own' } | { readonly at: 'list'; readonly own: string }

export type Lane = 'look' | 'sideLook'

export type Pc = 'off' | 'create' | 'list' | 'read' | 'replay' | 'sync copy' | 'publish' | 'check' | 'idle' | 'write' | 'sync' | 'acknowledge' | 'dead'

/** What a writer does beside its commits. */
export type SidePc = 'none' | 'sweep' | 'delete epochs' | 'rest' | 'flush check' | 'flush publish' | 'flush verify' | 'flush delete'

export interface Writer {
  readonly name: string
  /** For ever, once it has created an epoch. */
  readonly stalls: boolean
  readonly commitsLeft: number
  readonly flushesLeft: number
  readonly pc: Pc
  readonly side: SidePc
  readonly epoch: number
  /** Of a takeover: the epoch whose head it is about to read, 0 for none. */
  readonly headEpoch: number
  readonly head: Head | null
  /** Durable or inherited events after the flushed ones, as the writer knows them. */
  readonly tail: readonly Entry[]
  readonly flushTo: number
  /** Of a sweep: epochs that it has listed and not yet deleted. */
  readonly swept: readonly number[]
  /** The etag that its epoch file had when a listing showed no newer epoch. */
  readonly proven: string
  /** The check of a takeover or a commit, and that of a flush: they may be under way together. */
  readonly look: Look | null
  readonly sideLook: Look | null
}

export interface FolderState {
  readonly epochs: Readonly<Record<number, EpochFile>>
  /** Only in 'single-head'. */
  readonly single: Head | null
  readonly logs: Readonly<Record<number, Log>>
  readonly writers: readonly Writer[]
  readonly acknowledged: readonly Entry[]
  readonly powerCutsLeft: number
}

/** What a writer knows before it begins, and after it died. */
export const atRest = { commitsLeft: 0, flushesLeft: 0, epoch: 0, headEpoch: 0, head: null, tail: [], flushTo: 0, swept: [], proven: '', look: null, sideLook: null }

/** A dead writer keeps nothing but its name, so that states which differ in nothing else are one. */
export function update(state: FolderState, index: number, change: Partial<Writer>): FolderState {
  const writers = state.writers.map((writer, at) => {
    if (at !== index) return writer
    const next = { ...writer, ...change }
    return next.pc === 'dead' ? { ...next, ...atRest } : next
  })
  return { ...state, writers }
}

export function newestEpoch(state: FolderState): number {
  return Math.max(0, ...Object.keys(state.epochs).map(Number))
}

export function newestHead(state: FolderState): Head | null {
  return Object.values(state.epochs).findLast(({ head }) => head !== null)?.head ?? null
}

/** '' of no file. */
export function etagOf(file: EpochFile | undefined): string {
  return file === undefined ? '' : `${file.writer} ${file.head?.flushed.length ?? 'empty'}`
}

/** Ids in the order of seq: what the head names as flushed, then the log. undefined unless that is dense. */
export function historyOf(state: FolderState, head: Head): string[] | undefined {
  const ids = [...head.flushed]
  for (const { seq, id } of tailOf(state, head)) {
    if (seq !== ids.length + 1) return undefined
    ids.push(id)
  }
  return ids
}

export function tailOf(state: FolderState, head: Head): Entry[] {
  const logs = [...head.inherits, { epoch: head.epoch, endSeq: null }]
  return logs.flatMap(({ epoch, endSeq }) =>
    entriesOf(state.logs[epoch]).filter(({ seq }) => seq > head.flushed.length && (endSeq === null || seq <= endSeq)),
  )
}

function entriesOf(log: Log | undefined): Entry[] {
  return log === undefined ? [] : [...log.synced, ...log.cached]
}

export function written(state: FolderState, epoch: number, entries: readonly Entry[]): FolderState['logs'] {
  const log = state.logs[epoch] ?? { synced: [], cached: [] }
  return { ...state.logs, [epoch]: { ...log, cached: [...log.cached, ...entries] } }
}

export function synced(state: FolderState, epoch: number): FolderState['logs'] {
  return { ...state.logs, [epoch]: { synced: entriesOf(state.logs[epoch]), cached: [] } }
}

export function truncated(state: FolderState, epoch: number, toSeq: number): FolderState['logs'] {
  const log = state.logs[epoch] ?? { synced: [], cached: [] }
  return { ...state.logs, [epoch]: { synced: log.synced.filter(({ seq }) => seq > toSeq), cached: log.cached.filter(({ seq }) => seq > toSeq) } }
}

export function cutPower(state: FolderState): FolderState {
  return {
    ...state,
    powerCutsLeft: state.powerCutsLeft - 1,
    logs: Object.fromEntries(Object.entries(state.logs).map(([name, log]) => [name, { synced: log.synced, cached: [] }])),
    writers: state.writers.map((writer) => (writer.pc === 'off' ? writer : { ...writer, ...atRest, pc: 'dead', side: 'none' })),
  }
}
