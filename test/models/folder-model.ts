import type { Model } from './explore.ts'
import { atRest, cutPower, etagOf, historyOf, newestEpoch, newestHead, synced, tailOf, truncated, update, written } from './folder-state.ts'
import type { Entry, EpochFile, FolderState, Head, Lane, Look, Pc, SidePc, Writer } from './folder-state.ts'

/*
 * The commit protocol of a folder (docs/adr/0002 and 0003), as steps of processes that may stall between any two of
 * them, for ever (as one that died), or lose the power together.
 *
 * A writer takes the role over: it creates the next epoch file (exclusively), reads the head and the log of the
 * head's epoch, copies what was not flushed into a log of its own, syncs it, publishes its head, and checks that no
 * newer epoch exists. Then it commits (write, sync, check, acknowledge), and beside that it sweeps, and flushes
 * (publish a head that names the flushed events, check, delete what that head does not need).
 *
 * A check looks whether the next epoch exists, then at the writer's own epoch file. If the first is absent, and the
 * second as it was when a listing of all epochs proved it, no newer epoch was ever there. Else the epochs are listed.
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
  /** A check looks at the next epoch only. */
  | 'next-only'
  /** Once a listing has proven it, a check is content with any file of its own epoch. */
  | 'own-exists'
  /** A check looks at its own epoch first, and at the next one after that. */
  | 'own-first'
  /** A writer takes what it has put itself for proven, without a listing. */
  | 'no-listing'
  /** A sweep deletes the newest of the older epochs first. */
  | 'sweep-down'

export interface FolderLimits {
  /** How many commits each writer makes; as many writers as numbers. */
  readonly commits: readonly number[]
  /** How many flushes each writer makes. */
  readonly flushes: readonly number[]
  readonly powerCuts: number
  /** How many more processes create an epoch and then stall for ever. */
  readonly stalled: number
}

export function folderModel(variant: FolderVariant, limits: FolderLimits): Model<FolderState> {
  const writers = Array.from({ length: limits.commits.length + limits.stalled }, (_, index): Writer => {
    const { [index]: commitsLeft = 0 } = limits.commits
    const stalls = index >= limits.commits.length
    return { ...atRest, name: String.fromCodePoint(65 + index), stalls, commitsLeft, flushesLeft: limits.flushes[index] ?? 0, pc: 'off', side: 'none' }
  })
  const initial: FolderState = { epochs: {}, single: null, logs: {}, writers, acknowledged: [], powerCutsLeft: limits.powerCuts }
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
  const goTo = (pc: Pc, change: Partial<Writer> = {}): FolderState => update(state, index, { ...change, pc })
  const check = (passed: (proven: FolderState) => Step): Step =>
    checkStep(state, { index, lane: 'look', variant }, { passed, fenced: () => ['is fenced', goTo('dead', { side: 'none' })] })
  switch (writer.pc) {
    case 'create':
      if (writer.epoch in state.epochs) yield ['finds its epoch taken', start(state, index)]
      else yield ['creates its epoch', update(put(state, index, { head: null, variant }), index, { pc: writer.stalls ? 'dead' : 'list' })]
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
      yield ['publishes its first head', put(goTo(variant === 'head-before-sync' ? 'sync copy' : 'check'), index, { head: writer.head, variant })]
      return
    case 'check':
      yield check((proven) => ['is the writer', update(proven, index, { pc: 'idle', side: 'sweep' })])
      return
    case 'idle':
      if (writer.commitsLeft === 0) return
      if (variant === 'check-before') yield check((proven) => ['checks the epochs', update(proven, index, { pc: 'write' })])
      else yield writeCommit(state, index)
      return
    case 'write':
      yield writeCommit(state, index)
      return
    case 'sync':
      yield ['syncs', { ...goTo('acknowledge'), logs: synced(state, writer.epoch) }]
      return
    case 'acknowledge':
      if (variant === 'no-check' || variant === 'check-before') yield ['acknowledges', acknowledged(state, index)]
      else yield check((proven) => ['acknowledges', acknowledged(proven, index)])
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
  const goTo = (side: SidePc, change: Partial<Writer> = {}): FolderState => update(state, index, { ...change, side })
  const check = (passed: (proven: FolderState) => Step): Step =>
    checkStep(state, { index, lane: 'sideLook', variant }, { passed, fenced: () => ['gives its flush up', goTo('none', { flushTo: 0, sideLook: null })] })
  const flushedHead: Head = { ...head, flushed: [...head.flushed, ...tail.filter(({ seq }) => seq <= flushTo).map(({ id }) => id)] }
  switch (writer.side) {
    case 'sweep':
      yield sweep(state, index, variant)
      return
    case 'delete epochs':
      yield deleteEpoch(state, index)
      return
    case 'rest':
      if (writer.flushesLeft > 0 && tail.length > 0) yield ['begins a flush', goTo('flush check', { flushTo: head.flushed.length + tail.length, flushesLeft: writer.flushesLeft - 1 })]
      return
    case 'flush check':
      yield check((proven) => ['checks the epochs', update(proven, index, { side: 'flush publish' })])
      return
    case 'flush publish':
      yield ['publishes its flush', put(goTo(variant === 'delete-before-check' ? 'flush delete' : 'flush verify'), index, { head: flushedHead, variant })]
      return
    case 'flush verify': {
      const installed = { head: flushedHead, tail: tail.filter(({ seq }) => seq > flushTo), flushTo: variant === 'delete-before-check' ? 0 : flushTo }
      yield check((proven) => ['sees its flush in force', update(proven, index, { ...installed, side: variant === 'delete-before-check' ? 'rest' : 'flush delete' })])
      return
    }
    case 'flush delete':
      yield ['deletes the flushed log', { ...(variant === 'delete-before-check' ? goTo('flush verify') : goTo('rest', { flushTo: 0 })), logs: truncated(state, writer.epoch, flushTo) }]
      return
    case 'none':
  }
}

/** The next step of a check. A pass is one step with what follows it, since the writer does both alone. */
function checkStep(state: FolderState, by: { index: number; lane: Lane; variant: FolderVariant }, then: { passed: (proven: FolderState) => Step; fenced: () => Step }): Step {
  const { index, lane, variant } = by
  const { epoch = 0, proven = '', [lane]: begun = null } = state.writers[index] ?? {}
  const look: Look = begun ?? { at: variant === 'own-first' ? 'own' : 'next' }
  const own = etagOf(state.epochs[epoch])
  const goOn = (next: Look): FolderState => update(state, index, { [lane]: next })
  const pass = (change: Partial<Writer> = {}): Step => then.passed(update(state, index, { ...change, [lane]: null }))
  switch (look.at) {
    case 'next':
      // The listing that follows would find it too.
      if (epoch + 1 in state.epochs) return then.fenced()
      return variant === 'next-only' || variant === 'own-first' ? pass() : ['misses the next epoch', goOn({ at: 'own' })]
    case 'own':
      if (proven === '' || (own !== proven && variant !== 'own-exists') || own === '') return ['sees another file as its epoch', goOn({ at: 'list', own })]
      return variant === 'own-first' ? ['sees its epoch', goOn({ at: 'next' })] : pass()
    case 'list':
      return newestEpoch(state) === epoch ? pass({ proven: look.own }) : then.fenced()
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
  const head = state.epochs[headEpoch]?.head ?? null
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

/** Creates or replaces the writer's epoch file. */
function put(state: FolderState, index: number, { head, variant }: { head: Head | null; variant: FolderVariant }): FolderState {
  const { name: writer = '', epoch = 0 } = state.writers[index] ?? {}
  if (variant === 'single-head' && head !== null) return { ...state, single: head }
  const file: EpochFile = { writer, head }
  const next = { ...state, epochs: { ...state.epochs, [epoch]: file } }
  return variant === 'no-listing' ? update(next, index, { proven: etagOf(file) }) : next
}

/** Deletes the logs that the head does not inherit, and begins with the epochs. The real sweep keeps some of those, the model keeps none. */
function sweep(state: FolderState, index: number, variant: FolderVariant): Step {
  const { epoch = 0, head = null } = state.writers[index] ?? {}
  const keptLogs = new Set(head?.inherits.map((log) => log.epoch))
  const older = Object.keys(state.epochs)
    .map(Number)
    .filter((name) => name < epoch)
  const next = update(state, index, { side: older.length > 0 ? 'delete epochs' : 'rest', swept: variant === 'sweep-down' ? older.toReversed() : older })
  const logs = Object.fromEntries(Object.entries(state.logs).filter(([name]) => Number(name) >= epoch || keptLogs.has(Number(name))))
  return ['deletes older logs and lists older epochs', { ...next, logs }]
}

function deleteEpoch(state: FolderState, index: number): Step {
  const [epoch, ...rest] = state.writers[index]?.swept ?? []
  const epochs = Object.fromEntries(Object.entries(state.epochs).filter(([name]) => Number(name) !== epoch))
  return [`deletes epoch ${epoch}`, { ...update(state, index, { side: rest.length > 0 ? 'delete epochs' : 'rest', swept: rest }), epochs }]
}

