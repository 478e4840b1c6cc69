import type { Model } from './explore.ts'
import { applied, atRest, etagOf, historyOf, newestEpoch, newestHead, slotAt, tailOf, update } from './object-state.ts'
import type { Head, Lane, Look, ObjectState, Put, SidePc, Slot, Writer } from './object-state.ts'

/*
 * The commit protocol of an object store (docs/adr/0002, 0003 and 0008): the one of a folder, where an append is an object of its own.
 *
 * A writer takes the role over as in a folder: it creates the next epoch file, reads the head and the slots of the head's epoch, puts what
 * was not flushed as a slot of its own epoch, puts its head in place of the mark that it created, and checks that no newer epoch exists.
 * A commit is put as the next slot, only if nothing is there; then comes the check, and then it is acknowledged.
 *
 * What is different: every put may fail without having been done, be done though its reply is lost, be done later, or be done twice.
 * Whoever does not know what became of a put reads back: the bytes say whose they are.
 */

/** The protocol as it is, and what each of its rules is there to prevent. */
export type ObjectVariant =
  | 'good'
  /** A commit is acknowledged without a look at the epochs. */
  | 'no-check'
  /** The look at the epochs comes before the put, not after it. */
  | 'check-before'
  /** A put whose outcome is unknown is taken for not done: its caller is told so, and the next commit goes on. */
  | 'unknown-is-refused'
  /** A put whose outcome is unknown is taken for done. */
  | 'unknown-is-done'
  /** A head is put whatever is there: an old one that was under way comes back. */
  | 'blind-head'
  /** A flush deletes slots before its head is put. */
  | 'delete-before-head'
  /** A flush deletes slots before it checks the epochs. */
  | 'delete-before-check'
  /** A takeover puts its head before its copy of the slots. */
  | 'head-before-copy'
  /** An epoch is put whatever is there. */
  | 'shared-epoch'
  /** A reader reads slots below what the head has in files: those that are not deleted yet, and those that came late. */
  | 'late-slots'
  /** A check looks at the next epoch only. */
  | 'next-only'

export interface ObjectLimits {
  /** How many commits each writer makes; as many writers as numbers. */
  readonly commits: readonly number[]
  readonly flushes: readonly number[]
  /** How many puts go wrong. */
  readonly faults: number
}

export function objectModel(variant: ObjectVariant, limits: ObjectLimits): Model<ObjectState> {
  const writers = limits.commits.map((commitsLeft, index): Writer => ({ ...atRest, name: String.fromCodePoint(65 + index), commitsLeft, flushesLeft: limits.flushes[index] ?? 0, pc: 'off', side: 'none' }))
  const initial: ObjectState = { epochs: {}, slots: [], flying: [], writers, acknowledged: [], refused: [], faultsLeft: limits.faults }
  return { initial, violation: (state) => violation(state, variant), steps: (state) => allSteps(state, variant) }
}

// What must hold: whoever opened the database now would find every acknowledged event where it was, no gap, and nothing that was refused.

function violation(state: ObjectState, variant: ObjectVariant): string | undefined {
  const head = newestHead(state)
  const found = head === null ? [] : historyOf(head, tailOf(state, head, variant === 'late-slots'))
  if (found === undefined) return 'O6: the slots have a gap, or two events have one seq'
  if (new Set(found).size !== found.length) return 'an event is in the history twice'
  for (const { seq, id } of state.acknowledged) if (found[seq - 1] !== id) return `O2: the acknowledged event ${id} is lost`
  for (const id of state.refused) if (found.includes(id)) return `the event ${id}, which was refused, is in the history`
  return undefined
}

type Step = readonly [label: string, next: ObjectState]

function* allSteps(state: ObjectState, variant: ObjectVariant): Generator<Step> {
  for (const [index, writer] of state.writers.entries()) {
    const named = ([what, next]: Step): Step => [`${writer.name}: ${what}`, next]
    if (writer.pc === 'dead') continue
    if (writer.pc === 'off') {
      // Writers differ by name only, so they start in order; the later ones may overtake.
      if (index === 0 || state.writers[index - 1]?.pc !== 'off') yield named(['looks for the newest epoch', update(state, index, { pc: 'create', epoch: newestEpoch(state) + 1 })])
      continue
    }
    for (const step of mainSteps({ state, index, writer }, variant)) yield named(step)
    for (const step of sideSteps({ state, index, writer }, variant)) yield named(step)
  }
  for (const [at, put] of state.flying.entries()) {
    const landed = { ...state, flying: state.flying.filter((_, other) => other !== at) }
    yield [`a late put of ${put.kind === 'head' ? 'a head' : `a ${put.kind}`} arrives`, applied(landed, put) ?? landed]
  }
}

interface Acting {
  readonly state: ObjectState
  readonly index: number
  readonly writer: Writer
}

function* mainSteps(acting: Acting, variant: ObjectVariant): Generator<Step> {
  const { state, index, writer } = acting
  const { epoch, head, tail } = writer
  const goTo = (change: Partial<Writer>, from = state): ObjectState => update(from, index, change)
  const check = (passed: (proven: ObjectState) => Step): Step => checkStep(acting, { lane: 'look', variant }, { passed, fenced: () => ['is fenced', goTo({ pc: 'dead' })] })
  switch (writer.pc) {
    case 'create':
      // Whether a creation whose reply was lost was done does not matter: the epoch is there and nobody's, and the next one is tried.
      return yield* putSteps(state, { kind: 'epoch', epoch, isExclusive: variant !== 'shared-epoch' }, {
        label: 'creates its epoch',
        done: (next) => goTo({ pc: 'read' }, next),
        refused: (next) => goTo({ epoch: newestEpoch(next) + 1 }, next),
        unknown: (next) => goTo({ epoch: newestEpoch(next) + 1 }, next),
      })
    case 'read': {
      if (newestEpoch(state) !== epoch) return yield ['finds a newer epoch', goTo({ pc: 'dead' })]
      return yield ['reads the head', goTo({ pc: 'replay', head: newestHead(state) ?? { epoch, flushed: [] } })]
    }
    case 'replay':
      return yield* readSlots(acting, variant)
    case 'copy': {
      const ids = tail.flatMap((slot) => slot.ids)
      const copy: Slot = { epoch, first: (head?.flushed.length ?? 0) + 1, ids }
      const then = variant === 'head-before-copy' ? 'check' : 'publish'
      if (ids.length === 0) return yield ['has nothing to copy', goTo({ pc: then })]
      return yield* putSteps(state, { kind: 'slot', slot: copy }, {
        label: 'puts its copy of the slots',
        done: (next) => goTo({ pc: then, tail: [copy] }, next),
        refused: (next) => goTo({ pc: 'resolve copy' }, next),
        unknown: (next) => goTo({ pc: 'resolve copy' }, next),
      })
    }
    case 'resolve copy': {
      const copy = slotAt(state, epoch, (head?.flushed.length ?? 0) + 1)
      return yield copy === undefined ? ['misses its copy', goTo({ pc: 'copy' })] : ['finds its copy', goTo({ pc: variant === 'head-before-copy' ? 'check' : 'publish', tail: [copy] })]
    }
    case 'publish':
    case 'resolve publish':
      if (head === null) return
      return yield* headSteps(acting, { head, ifMatch: variant === 'blind-head' ? 'any' : 'taken' }, {
        isUnknown: writer.pc === 'resolve publish',
        done: (next) => goTo({ pc: variant === 'head-before-copy' ? 'copy' : 'check' }, next),
        again: (next) => goTo({ pc: 'publish' }, next),
        unknown: (next) => goTo({ pc: 'resolve publish' }, next),
      })
    case 'check':
      return yield check((proven) => ['is the writer', update(proven, index, { pc: 'idle', side: 'sweep' })])
    case 'idle':
      if (writer.commitsLeft === 0) return
      if (variant === 'check-before') return yield check((proven) => ['checks the epochs', update(proven, index, { pc: 'put' })])
      return yield* putCommit(acting)
    case 'put':
      return yield* putCommit(acting)
    case 'resolve':
      return yield resolveCommit(acting, variant)
    case 'acknowledge':
      if (variant === 'no-check' || variant === 'check-before') return yield ['acknowledges', acknowledged(state, index)]
      return yield check((proven) => ['acknowledges', acknowledged(proven, index)])
    case 'off':
    case 'dead':
  }
}

/** Beside the commits: the sweep after a takeover, then flushes. */
function* sideSteps(acting: Acting, variant: ObjectVariant): Generator<Step> {
  const { state, index, writer } = acting
  const { head, tail, flushTo, epoch } = writer
  if (head === null) return
  const goTo = (side: SidePc, change: Partial<Writer> = {}, from = state): ObjectState => update(from, index, { ...change, side })
  const check = (passed: (proven: ObjectState) => Step): Step => checkStep(acting, { lane: 'sideLook', variant }, { passed, fenced: () => ['gives its flush up', goTo('none', { flushTo: 0, sideLook: null })] })
  const flushedHead: Head = { ...head, flushed: [...head.flushed, ...tail.filter((slot) => slot.first <= flushTo).flatMap((slot) => slot.ids)] }
  const installed = { head: flushedHead, tail: tail.filter((slot) => slot.first > flushTo) }
  switch (writer.side) {
    case 'sweep': {
      const older = Object.keys(state.epochs).map(Number).filter((name) => name < epoch) // prettier-ignore
      const next = goTo(older.length > 0 ? 'delete epochs' : 'rest', { swept: older })
      return yield ['deletes older slots and lists older epochs', { ...next, slots: state.slots.filter((slot) => slot.epoch >= epoch) }]
    }
    case 'delete epochs': {
      const [gone, ...swept] = writer.swept
      const epochs = Object.fromEntries(Object.entries(state.epochs).filter(([name]) => Number(name) !== gone))
      return yield [`deletes epoch ${gone}`, { ...goTo(swept.length > 0 ? 'delete epochs' : 'rest', { swept }), epochs }]
    }
    case 'rest':
      if (writer.flushesLeft > 0 && tail.length > 0) yield ['begins a flush', goTo('flush check', { flushTo: lastSeq(writer), flushesLeft: writer.flushesLeft - 1 })]
      return
    case 'flush check':
      return yield check((proven) => ['checks the epochs', update(proven, index, { side: variant === 'delete-before-head' ? 'flush delete' : 'flush publish' })])
    case 'flush publish':
    case 'resolve flush':
      return yield* headSteps(acting, { head: flushedHead, ifMatch: variant === 'blind-head' ? 'any' : etagOf(head) }, {
        isUnknown: writer.side === 'resolve flush',
        done: (next) => goTo(variant === 'delete-before-check' ? 'flush delete' : 'flush verify', {}, next),
        again: (next) => goTo('flush publish', {}, next),
        unknown: (next) => goTo('resolve flush', {}, next),
      })
    case 'flush verify':
      return yield check((proven) => {
        const rests = variant === 'delete-before-head' || variant === 'delete-before-check'
        return ['sees its flush in force', update(proven, index, { ...installed, side: rests ? 'rest' : 'flush delete', flushTo: rests ? 0 : flushTo })]
      })
    case 'flush delete': {
      const [gone] = state.slots.filter((slot) => slot.epoch === epoch && slot.first <= flushTo)
      const early = variant === 'delete-before-head' || variant === 'delete-before-check'
      if (gone !== undefined) return yield ['deletes a slot', { ...state, slots: state.slots.filter((slot) => slot !== gone) }]
      return yield ['has deleted its slots', early ? goTo(variant === 'delete-before-head' ? 'flush publish' : 'flush verify') : goTo('rest', { flushTo: 0 })]
    }
    case 'none':
  }
}

interface PutOutcomes {
  readonly label: string
  readonly done: (next: ObjectState) => ObjectState
  readonly refused: (next: ObjectState) => ObjectState
  readonly unknown: (next: ObjectState) => ObjectState
}

/** A put, and all that can become of it. */
function* putSteps(state: ObjectState, put: Put, { label, done, refused, unknown }: PutOutcomes): Generator<Step> {
  const after = applied(state, put)
  yield [label, after === undefined ? refused(state) : done(after)]
  if (state.faultsLeft === 0) return
  const faulty = { ...state, faultsLeft: state.faultsLeft - 1 }
  const flying = [...state.flying, put]
  yield [`${label}: it fails`, unknown(faulty)]
  yield [`${label}: it is under way`, unknown({ ...faulty, flying })]
  if (after === undefined) return
  yield [`${label}: the reply is lost`, unknown({ ...after, faultsLeft: faulty.faultsLeft })]
  yield [`${label}: a copy is under way`, done({ ...after, faultsLeft: faulty.faultsLeft, flying })]
}

/** Puts a head; when what became of that is unknown, the epoch file tells. */
function* headSteps({ state, index, writer }: Acting, put: { head: Head; ifMatch: string }, then: { isUnknown: boolean; done: PutOutcomes['done']; again: PutOutcomes['done']; unknown: PutOutcomes['unknown'] }): Generator<Step> {
  if (!then.isUnknown) return yield* putSteps(state, { kind: 'head', ...put }, { label: 'puts its head', ...then, refused: then.unknown })
  const found = etagOf(state.epochs[writer.epoch])
  if (found === etagOf(put.head)) yield ['finds its head', then.done(state)]
  else if (found === put.ifMatch || (put.ifMatch === 'any' && found !== '')) yield ['misses its head', then.again(state)]
  else yield ['finds that its epoch is gone', update(state, index, { pc: 'dead' })]
}

/** The next step of a check, as in the folder. A pass is one step with what follows it, since the writer does both alone. */
function checkStep({ state, index, writer }: Acting, by: { lane: Lane; variant: ObjectVariant }, then: { passed: (proven: ObjectState) => Step; fenced: () => Step }): Step {
  const { epoch, proven } = writer
  const look: Look = writer[by.lane] ?? { at: 'next' }
  const own = etagOf(state.epochs[epoch])
  const goOn = (next: Look): ObjectState => update(state, index, { [by.lane]: next })
  const pass = (change: Partial<Writer> = {}): Step => then.passed(update(state, index, { ...change, [by.lane]: null }))
  switch (look.at) {
    case 'next':
      // The listing that follows would find it too.
      if (epoch + 1 in state.epochs) return then.fenced()
      return by.variant === 'next-only' ? pass() : ['misses the next epoch', goOn({ at: 'own' })]
    case 'own':
      return proven === '' || own !== proven ? ['sees another file as its epoch', goOn({ at: 'list', own })] : pass()
    case 'list':
      return newestEpoch(state) === epoch ? pass({ proven: look.own }) : then.fenced()
  }
}

/** Listing and reading them may be one step: what a listing shows is immutable, and is deleted only where a head has moved past it. */
function* readSlots({ state, index, writer }: Acting, variant: ObjectVariant): Generator<Step> {
  const { head, epoch } = writer
  if (head === null) return
  const tail = tailOf(state, head, variant === 'late-slots')
  yield ['reads the slots', update(state, index, { pc: variant === 'head-before-copy' ? 'publish' : 'copy', head: { ...head, epoch }, tail })]
}

function lastSeq({ head, tail }: Writer): number {
  return (head?.flushed.length ?? 0) + tail.reduce((sum, slot) => sum + slot.ids.length, 0)
}

function nextSlot(writer: Writer): Slot {
  return { epoch: writer.epoch, first: lastSeq(writer) + 1, ids: [`${writer.name}${writer.commitsLeft}`] }
}

function putCommit({ state, index, writer }: Acting): Generator<Step> {
  const unknown = (next: ObjectState): ObjectState => update(next, index, { pc: 'resolve' })
  return putSteps(state, { kind: 'slot', slot: nextSlot(writer) }, { label: 'puts a commit', done: (next) => update(next, index, { pc: 'acknowledge' }), refused: unknown, unknown })
}

/** The object is there: then it is this writer's, for nobody else writes to its epoch. It is not: then the same bytes are put again. */
function resolveCommit({ state, index, writer }: Acting, variant: ObjectVariant): Step {
  const slot = nextSlot(writer)
  const found = slotAt(state, slot.epoch, slot.first)
  if (variant === 'unknown-is-done') return ['takes it for done', update(state, index, { pc: 'acknowledge' })]
  if (variant === 'unknown-is-refused') {
    const next = update(state, index, { pc: 'idle', commitsLeft: writer.commitsLeft - 1 })
    return ['says that it was not written', { ...next, refused: [...state.refused, ...slot.ids] }]
  }
  if (found === undefined) return ['misses its commit', update(state, index, { pc: 'put' })]
  return found.ids[0] === slot.ids[0] ? ['finds its commit', update(state, index, { pc: 'acknowledge' })] : ['finds another commit', update(state, index, { pc: 'dead' })]
}

function acknowledged(state: ObjectState, index: number): ObjectState {
  const writer = state.writers[index]
  if (writer === undefined) return state
  const slot = nextSlot(writer)
  const next = update(state, index, { pc: 'idle', commitsLeft: writer.commitsLeft - 1, tail: [...writer.tail, slot] })
  return { ...next, acknowledged: [...state.acknowledged, { seq: slot.first, id: slot.ids[0] ?? '' }] }
}
