import type { Model } from './explore.ts'

/*
 * The commit protocol of a folder (docs/adr/0002 and 0003), as steps of processes that may stall between any two of
 * them, for ever (as one that died), or lose the power together.
 *
 * A writer takes the role over: it creates the next epoch file (exclusively), reads the head and the log of the
 * head's epoch, copies what was not flushed into a log of its own, syncs it, publishes its head, and checks that no
 * newer epoch exists. Then it commits (write, sync, check, acknowledge), and beside that it sweeps, and flushes
 * (publish a head that names the flushed events, check, delete what that head does not need).
 *
 * Creating, replacing and deleting a file is one step, durable at once: the backend syncs files and folders before it
 * resolves. Only a log's bytes are written first and synced later; what is written is seen by other processes, and is
 * lost with the power.
 */

/** The protocol as it is, and what each of its rules is there to prevent. */
export type FolderVariant =
  | 'good'
  /** A commit is acknowledged without a look at the epochs. */
  | 'no-check'
  /** The look at the epochs comes before the write, not after the sync. */
  | 'check-before'
  /** One file HEAD, replaced by a rename of whoever believes to be the writer. */
  | 'single-head'
  /** A flush deletes the flushed log before it checks the epochs. */
  | 'delete-before-check'
  /** A takeover publishes its head before the copied log is synced. */
  | 'head-before-sync'
  /** A takeover does not copy: its head says how far the old log counts. */
  | 'seal-in-place'
  /** As 'seal-in-place', but the old log counts to its end, whatever is added to it. */
  | 'no-seal'

export interface FolderLimits {
  /** How many commits each writer makes; as many writers as numbers. */
  readonly commits: readonly number[]
  readonly flushes: number
}

interface Entry {
  readonly seq: number
  readonly id: string
}

interface Log {
  readonly synced: readonly Entry[]
  readonly cached: readonly Entry[]
}

interface Head {
  readonly epoch: number
  /** Events 1, 2, … that are in files. */
  readonly flushed: readonly string[]
  /** Older logs that count, up to a seq; none in the good protocol. */
  readonly inherits: readonly { readonly epoch: number; readonly endSeq: number | null }[]
}

type Pc = 'off' | 'create' | 'list' | 'read' | 'replay' | 'sync copy' | 'publish' | 'check' | 'idle' | 'write' | 'sync' | 'acknowledge' | 'dead'

/** What a writer does beside its commits. */
type SidePc = 'none' | 'sweep' | 'rest' | 'flush check' | 'flush publish' | 'flush verify' | 'flush delete'

interface Writer {
  readonly name: string
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
}

export interface FolderState {
  /** Epoch files: null while empty. */
  readonly epochs: Readonly<Record<number, Head | null>>
  /** Only in 'single-head'. */
  readonly single: Head | null
  readonly logs: Readonly<Record<number, Log>>
  readonly writers: readonly Writer[]
  readonly acknowledged: readonly Entry[]
  readonly powerCutsLeft: number
}

export function folderModel(variant: FolderVariant, limits: FolderLimits): Model<FolderState> {
  const writers = limits.commits.map((commitsLeft, index): Writer => {
    const name = String.fromCodePoint(65 + index)
    return { name, commitsLeft, flushesLeft: limits.flushes, pc: 'off', side: 'none', epoch: 0, headEpoch: 0, head: null, tail: [], flushTo: 0 }
  })
  const initial: FolderState = { epochs: {}, single: null, logs: {}, writers, acknowledged: [], powerCutsLeft: 1 }
  return { initial, violation: violationOf(variant), steps: (state) => allSteps(state, variant) }
}

// What must hold: whoever opened the database now would find every acknowledged event where it was, and no gap.

function violationOf(variant: FolderVariant): (state: FolderState) => string | undefined {
  return (state) => {
    const head = variant === 'single-head' ? state.single : newestHead(state)
    const found = head === null ? [] : historyOf(state, head)
    if (found === undefined) return 'F4: the history has a gap or two events with one seq'
    if (new Set(found).size !== found.length) return 'an event is in the history twice'
    for (const { seq, id } of state.acknowledged) if (found[seq - 1] !== id) return `F1: the acknowledged event ${id} is lost`
    return undefined
  }
}

/** Ids in the order of seq: what the head names as flushed, then the log. undefined unless that is dense. */
function historyOf(state: FolderState, head: Head): string[] | undefined {
  const ids = [...head.flushed]
  for (const { seq, id } of tailOf(state, head)) {
    if (seq !== ids.length + 1) return undefined
    ids.push(id)
  }
  return ids
}

function tailOf(state: FolderState, head: Head): Entry[] {
  const logs = [...head.inherits, { epoch: head.epoch, endSeq: null }]
  return logs.flatMap(({ epoch, endSeq }) =>
    entriesOf(state.logs[epoch]).filter(({ seq }) => seq > head.flushed.length && (endSeq === null || seq <= endSeq)),
  )
}

function newestHead(state: FolderState): Head | null {
  return Object.values(state.epochs).findLast((head) => head !== null) ?? null
}

type Step = readonly [label: string, next: FolderState]

function* allSteps(state: FolderState, variant: FolderVariant): Generator<Step> {
  for (const [index, writer] of state.writers.entries()) {
    const label = (what: string): string => `${writer.name}: ${what}`
    if (writer.pc === 'off') {
      // Writers differ by name only, so they start in order; the later ones may overtake.
      if (index === 0 || state.writers[index - 1]?.pc !== 'off') yield [label('look for the newest epoch'), start(state, index)]
      continue
    }
    if (writer.pc === 'dead') continue
    for (const [what, next] of mainSteps(state, index, variant)) yield [label(what), next]
    for (const [what, next] of sideSteps(state, index, variant)) yield [label(what), next]
  }
  if (state.powerCutsLeft > 0) yield ['the power is cut', cutPower(state)]
}

function start(state: FolderState, index: number): FolderState {
  return update(state, index, { pc: 'create', epoch: newestEpoch(state) + 1 })
}

function* mainSteps(state: FolderState, index: number, variant: FolderVariant): Generator<Step> {
  const writer = state.writers[index]
  if (writer === undefined) return
  const fenced = newestEpoch(state) !== writer.epoch
  const goTo = (pc: Pc, change: Partial<Writer> = {}): FolderState => update(state, index, { ...change, pc })
  switch (writer.pc) {
    case 'create':
      if (writer.epoch in state.epochs) yield ['finds its epoch taken', start(state, index)]
      else yield ['creates its epoch', { ...goTo('list'), epochs: { ...state.epochs, [writer.epoch]: null } }]
      return
    case 'list':
      yield ['looks which epoch has a head', goTo('read', { headEpoch: listedHead(state, variant) })]
      return
    case 'read':
      yield readHead(state, index, variant)
      return
    case 'replay':
      yield ['reads the log and writes its copy', replay(state, index, variant)]
      return
    case 'sync copy':
      yield ['syncs the copy', { ...goTo(variant === 'head-before-sync' ? 'check' : 'publish'), logs: synced(state, writer.epoch) }]
      return
    case 'publish':
      yield ['publishes its first head', published(goTo(variant === 'head-before-sync' ? 'sync copy' : 'check'), writer.head, variant)]
      return
    case 'check':
      yield fenced ? ['is fenced', goTo('dead')] : ['is the writer', goTo('idle', { side: 'sweep' })]
      return
    case 'idle':
      if (writer.commitsLeft === 0) return
      if (variant === 'check-before') yield fenced ? ['is fenced', goTo('dead', { side: 'none' })] : ['checks the epochs', goTo('write')]
      else yield writeCommit(state, index)
      return
    case 'write':
      yield writeCommit(state, index)
      return
    case 'sync':
      yield ['syncs', { ...goTo('acknowledge'), logs: synced(state, writer.epoch) }]
      return
    case 'acknowledge':
      if (fenced && variant !== 'no-check' && variant !== 'check-before') yield ['is fenced', goTo('dead', { side: 'none' })]
      else yield ['acknowledges', acknowledged(state, index)]
      return
    case 'off':
    case 'dead':
  }
}

/** Beside the commits: the sweep after a takeover, then flushes. */
function* sideSteps(state: FolderState, index: number, variant: FolderVariant): Generator<Step> {
  const writer = state.writers[index]
  if (writer === undefined || writer.head === null) return
  const { head, flushTo, tail } = writer
  const fenced = newestEpoch(state) !== writer.epoch
  const goTo = (side: SidePc, change: Partial<Writer> = {}): FolderState => update(state, index, { ...change, side })
  const flushedHead: Head = { ...head, flushed: [...head.flushed, ...tail.filter(({ seq }) => seq <= flushTo).map(({ id }) => id)] }
  switch (writer.side) {
    case 'sweep':
      yield ['deletes older epochs and logs', swept(goTo('rest'), writer)]
      return
    case 'rest':
      if (writer.flushesLeft > 0 && tail.length > 0) yield ['begins a flush', goTo('flush check', { flushTo: head.flushed.length + tail.length, flushesLeft: writer.flushesLeft - 1 })]
      return
    case 'flush check':
      yield fenced ? ['gives its flush up', goTo('none', { flushTo: 0 })] : ['checks the epochs', goTo('flush publish')]
      return
    case 'flush publish':
      yield ['publishes its flush', published(goTo(variant === 'delete-before-check' ? 'flush delete' : 'flush verify'), flushedHead, variant)]
      return
    case 'flush verify': {
      const installed = { head: flushedHead, tail: tail.filter(({ seq }) => seq > flushTo), flushTo: variant === 'delete-before-check' ? 0 : flushTo }
      yield fenced ? ['gives its flush up', goTo('none', { flushTo: 0 })] : ['sees its flush in force', goTo(variant === 'delete-before-check' ? 'rest' : 'flush delete', installed)]
      return
    }
    case 'flush delete':
      yield ['deletes the flushed log', { ...(variant === 'delete-before-check' ? goTo('flush verify') : goTo('rest', { flushTo: 0 })), logs: truncated(state, writer.epoch, flushTo) }]
      return
    case 'none':
  }
}

function listedHead(state: FolderState, variant: FolderVariant): number {
  return (variant === 'single-head' ? state.single : newestHead(state))?.epoch ?? 0
}

/** The list and the head are read one after the other; a head that was deleted between is looked for again. */
function readHead(state: FolderState, index: number, variant: FolderVariant): Step {
  const epoch = state.writers[index]?.epoch ?? 0
  const headEpoch = state.writers[index]?.headEpoch ?? 0
  const empty: Head = { epoch, flushed: [], inherits: [] }
  if (variant === 'single-head') return ['reads the head', update(state, index, { pc: 'replay', headEpoch: 0, head: state.single ?? empty })]
  if (headEpoch === 0) return ['has no head to read', update(state, index, { pc: 'replay', head: empty })]
  const head = state.epochs[headEpoch] ?? null
  if (head === null) return ['finds the head deleted', update(state, index, { pc: 'list', headEpoch: 0 })]
  return ['reads the head', update(state, index, { pc: 'replay', headEpoch: 0, head })]
}

/** Nobody reads a log that no head names, so reading the old one and writing the copy may be one step. */
function replay(state: FolderState, index: number, variant: FolderVariant): FolderState {
  const { epoch = 0, head = null } = state.writers[index] ?? {}
  if (head === null) return state
  const tail = tailOf(state, head)
  const old = { epoch: head.epoch, endSeq: variant === 'no-seal' ? null : head.flushed.length + tail.length }
  const copies = variant !== 'seal-in-place' && variant !== 'no-seal'
  const inherits = copies ? [] : [...head.inherits, old].filter((log) => log.epoch !== epoch)
  const next = update(state, index, { pc: variant === 'head-before-sync' ? 'publish' : 'sync copy', tail, head: { ...head, epoch, inherits } })
  return copies && tail.length > 0 ? { ...next, logs: written(state, epoch, tail) } : next
}

function writeCommit(state: FolderState, index: number): Step {
  const writer = state.writers[index]
  if (writer === undefined) return ['does nothing', state]
  return ['writes a commit', { ...update(state, index, { pc: 'sync' }), logs: written(state, writer.epoch, [nextEntry(writer)]) }]
}

function nextEntry(writer: Writer): Entry {
  const flushedCount = writer.head?.flushed.length ?? 0
  return { seq: flushedCount + writer.tail.length + 1, id: `${writer.name}${writer.commitsLeft}` }
}

function acknowledged(state: FolderState, index: number): FolderState {
  const writer = state.writers[index]
  if (writer === undefined) return state
  const entry = nextEntry(writer)
  const next = update(state, index, { pc: 'idle', commitsLeft: writer.commitsLeft - 1, tail: [...writer.tail, entry] })
  return { ...next, acknowledged: [...state.acknowledged, entry] }
}

function published(state: FolderState, head: Head | null, variant: FolderVariant): FolderState {
  if (head === null) return state
  return variant === 'single-head' ? { ...state, single: head } : { ...state, epochs: { ...state.epochs, [head.epoch]: head } }
}

/** Logs that the head does not inherit, and epoch files: the real sweep keeps some of those, the model keeps none. */
function swept(state: FolderState, { epoch, head }: Writer): FolderState {
  const keptLogs = new Set(head?.inherits.map((log) => log.epoch))
  const isKept = (name: string): boolean => Number(name) >= epoch
  return {
    ...state,
    epochs: Object.fromEntries(Object.entries(state.epochs).filter(([name]) => isKept(name))),
    logs: Object.fromEntries(Object.entries(state.logs).filter(([name]) => isKept(name) || keptLogs.has(Number(name)))),
  }
}

function cutPower(state: FolderState): FolderState {
  return {
    ...state,
    powerCutsLeft: state.powerCutsLeft - 1,
    logs: Object.fromEntries(Object.entries(state.logs).map(([name, log]) => [name, { synced: log.synced, cached: [] }])),
    writers: state.writers.map((writer) => (writer.pc === 'off' ? writer : { ...writer, pc: 'dead', side: 'none' })),
  }
}

function written(state: FolderState, epoch: number, entries: readonly Entry[]): FolderState['logs'] {
  const log = state.logs[epoch] ?? { synced: [], cached: [] }
  return { ...state.logs, [epoch]: { ...log, cached: [...log.cached, ...entries] } }
}

function synced(state: FolderState, epoch: number): FolderState['logs'] {
  return { ...state.logs, [epoch]: { synced: entriesOf(state.logs[epoch]), cached: [] } }
}

function truncated(state: FolderState, epoch: number, toSeq: number): FolderState['logs'] {
  const log = state.logs[epoch] ?? { synced: [], cached: [] }
  return { ...state.logs, [epoch]: { synced: log.synced.filter(({ seq }) => seq > toSeq), cached: log.cached.filter(({ seq }) => seq > toSeq) } }
}

function entriesOf(log: Log | undefined): Entry[] {
  return log === undefined ? [] : [...log.synced, ...log.cached]
}

function newestEpoch(state: FolderState): number {
  return Math.max(0, ...Object.keys(state.epochs).map(Number))
}

/** A dead writer keeps nothing but its name, so that states which differ in nothing else are one. */
function update(state: FolderState, index: number, change: Partial<Writer>): FolderState {
  const writers = state.writers.map((writer, at) => {
    if (at !== index) return writer
    const next = { ...writer, ...change }
    return next.pc === 'dead' ? { ...next, commitsLeft: 0, flushesLeft: 0, epoch: 0, headEpoch: 0, head: null, tail: [], flushTo: 0 } : next
  })
  return { ...state, writers }
}
