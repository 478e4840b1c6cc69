import type { Model } from './explore.ts'

/*
 * A Durable Object's log in SQLite, its files and their head in R2 (docs/adr/0010): two instances, of which the older may not know that it is one. Only the owner can write to
 * SQLite; requests to R2 that are under way go on. The log may be put back to an older state, once.
 */

export type ObjectVariant =
  | 'good'
  /** Replaces the head with the files whatever stands there. */
  | 'no-compare'
  /** Trims the log when the file is there, before the head names it. */
  | 'trim-early'
  /** Deletes files that no head names when it opens, before it has published itself. */
  | 'sweep-early'
  /** Takes a swap without an answer for one that was not done. */
  | 'no-read-back'
  /** Looks at the head with the files when a swap is refused, not when it opens, and then goes on from it whatever history it is of. */
  | 'look-late'

const eventsMax = 3
type Name = 'X' | 'Y'
/** Ids of events: equal ones are the same event. */
type Ids = readonly number[]

interface Instance {
  readonly step: 'off' | 'open' | 'idle' | 'put' | 'swap' | 'unknown' | 'done' | 'stopped'
  /** Version of the head that this instance knows. */
  readonly version: number
  readonly range: Ids
}

export interface ObjectState {
  readonly owner: Name
  /** The log in SQLite: the events after the `flushed` ones that are in files. */
  readonly log: Ids
  readonly flushed: number
  /** Of the event at `flushed`; 0 for none. */
  readonly lastId: number
  readonly knownVersion: number
  readonly head: { readonly version: number; readonly ids: Ids; readonly files: readonly string[] }
  readonly files: readonly string[]
  readonly acknowledged: readonly { readonly id: number; readonly seq: number }[]
  readonly nextId: number
  readonly instances: Readonly<Record<Name, Instance>>
  readonly crashes: number
  readonly lostReplies: number
  /** What the log is put back to; 'used' afterwards. */
  readonly backup: { readonly log: Ids; readonly flushed: number; readonly lastId: number; readonly knownVersion: number } | 'none' | 'used'
}

const off: Instance = { step: 'off', version: 0, range: [] }

export function durableObjectModel(variant: ObjectVariant): Model<ObjectState> {
  return {
    initial: {
      owner: 'X',
      log: [],
      flushed: 0,
      lastId: 0,
      knownVersion: 0,
      head: { version: 0, ids: [], files: [] },
      files: [],
      acknowledged: [],
      nextId: 1,
      instances: { X: { ...off, step: 'idle' }, Y: off },
      crashes: 0,
      lostReplies: 0,
      backup: 'none',
    },
    steps: (state) => steps(state, variant),
    violation,
  }
}

function violation({ head, log, files, acknowledged }: ObjectState): string | undefined {
  if (new Set(head.ids).size < head.ids.length) return `D1: the head reaches an event twice: ${head.ids.join(' ')}`
  const missing = head.files.find((file) => !files.includes(file))
  if (missing !== undefined) return `D3: the head reaches the file ${missing}, which is not there`
  const lost = acknowledged.find(({ id }) => !log.includes(id) && !head.ids.includes(id))
  if (lost !== undefined) return `D2: the acknowledged event ${lost.id} is lost`
  const moved = acknowledged.find(({ id, seq }) => head.ids.includes(id) && head.ids.indexOf(id) !== seq - 1)
  return moved === undefined ? undefined : `D1: event ${moved.id} was acknowledged as ${moved.seq} and is another one`
}

function* steps(state: ObjectState, variant: ObjectVariant): Generator<readonly [string, ObjectState]> {
  for (const name of ['X', 'Y'] as const) yield* instanceSteps(state, { name, variant })
  const { X, Y } = state.instances
  if (state.owner === 'X' && Y.step === 'off') yield ['the object is moved', { ...state, owner: 'Y', instances: { X, Y: { ...off, step: 'open' } } }]
  if (state.backup === 'none' && state.log.length > 0) yield ['the log is backed up', { ...state, backup: { log: state.log, flushed: state.flushed, lastId: state.lastId, knownVersion: state.knownVersion } }]
  if (state.backup !== 'none' && state.backup !== 'used') {
    const { backup } = state
    // What only the newer log had is gone with it, by the will of who put it back.
    const acknowledged = state.acknowledged.filter(({ id }) => backup.log.includes(id) || state.head.ids.includes(id))
    yield ['the log is put back', { ...state, ...backup, acknowledged, backup: 'used', instances: { ...state.instances, [state.owner]: { ...off, step: 'open' } } }]
  }
}

function* instanceSteps(state: ObjectState, { name, variant }: { name: Name; variant: ObjectVariant }): Generator<readonly [string, ObjectState]> {
  const me = state.instances[name]
  const owns = state.owner === name
  const go = (label: string, mine: Partial<Instance>, rest: Partial<ObjectState> = {}): readonly [string, ObjectState] => [
    `${name}: ${label}`,
    { ...state, ...rest, instances: { ...state.instances, [name]: { ...me, ...mine } } },
  ]
  if (me.step === 'off' || me.step === 'stopped') return
  if (owns && state.crashes < 1 && me.step !== 'open') yield go('ends and begins again', { ...off, step: 'open' }, { crashes: state.crashes + 1 })
  if (owns && me.step !== 'open' && state.nextId <= eventsMax) {
    yield go('commits', {}, { log: [...state.log, state.nextId], acknowledged: [...state.acknowledged, { id: state.nextId, seq: state.flushed + state.log.length + 1 }], nextId: state.nextId + 1 })
  }
  switch (me.step) {
    case 'open':
      if (owns) yield open(state, { go, variant, isRefused: me.version === -1 })
      return
    case 'idle':
      // The intent is a write to SQLite: whoever does not own it any more stops here.
      if (owns && state.log.length > 0) yield go('notes its intent', { step: 'put', range: state.log, version: state.knownVersion })
      return
    case 'put':
      yield go('puts its file', { step: 'swap' }, { files: [...new Set([...state.files, fileOf(name, me)])], ...(variant === 'trim-early' && owns && { log: state.log.filter((id) => !me.range.includes(id)), flushed: state.flushed + me.range.length }) })
      return
    case 'swap': {
      const holds = variant === 'no-compare' || state.head.version === me.version
      const head = { version: state.head.version + 1, ids: [...state.head.ids, ...me.range], files: [...state.head.files, fileOf(name, me)] }
      if (!holds) yield go('is refused and begins again', { ...off, step: owns ? 'open' : 'stopped', version: -1 })
      else yield go('publishes', { step: 'done', version: head.version }, { head })
      if (state.lostReplies < 1) yield go('publishes, or not, and hears nothing', { step: 'unknown' }, { lostReplies: 1, ...(holds && { head }) })
      return
    }
    case 'unknown':
      if (variant === 'no-read-back') yield go('takes it for not done', { step: 'swap', version: state.head.version })
      else if (state.head.files.includes(fileOf(name, me))) yield go('finds its own', { step: 'done', version: state.head.version })
      else yield go('finds it not done', { step: 'swap' })
      return
    case 'done':
      if (!owns) yield go('cannot write any more', { ...off, step: 'stopped' })
      else yield go('trims the log', { step: 'idle', range: [] }, { log: state.log.filter((id) => !me.range.includes(id)), flushed: state.head.ids.length, lastId: me.range.at(-1) ?? state.lastId, knownVersion: me.version, files: state.files.filter((file) => state.head.files.includes(file)) })
  }
}

type Go = (label: string, mine: Partial<Instance>, rest?: Partial<ObjectState>) => readonly [string, ObjectState]

/** Compares the log with the head that stands with the files. */
function open(state: ObjectState, { go, variant, isRefused }: { go: Go; variant: ObjectVariant; isRefused: boolean }): readonly [string, ObjectState] {
  const { head, log } = state
  const files = variant === 'sweep-early' ? state.files.filter((file) => head.files.includes(file)) : state.files
  if (head.version === state.knownVersion || (variant === 'look-late' && !isRefused)) return go('opens', { step: 'idle', version: 0 }, { files })
  const last = head.ids.at(-1) ?? 0
  const isSame = log.includes(last) || last === state.lastId
  if (!isSame && variant !== 'look-late') return go('stops: the log is of another history', { ...off, step: 'stopped' })
  return go('goes on from what was published', { step: 'idle', version: 0 }, { files, log: log.filter((id) => !head.ids.includes(id)), flushed: head.ids.length, lastId: last, knownVersion: head.version })
}

function fileOf(name: Name, { range }: Instance): string {
  return `${name}${range.join('-')}`
}
