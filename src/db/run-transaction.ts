import { checkAborted, untilAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { isParqueDBError, limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import { checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { TransactionOptions } from '../model/database-options.ts'
import { edgeKey, edgeSpace, isEdgeSpace, isMirrorSpace, parseEdgeKey } from '../model/edge.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import { eventOf, type EventDraft } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { CommitRequest, DecisionContext } from '../storage/engine.ts'
import { isWithin } from '../storage/range-scan.ts'
import { mergeStates } from '../storage/strips.ts'
import type { AsOf, View, ViewOptions } from '../storage/view.ts'
import type { Committed, Session, Transacted } from './session.ts'

/**
 * One attempt of a transaction: it reads from one view under its own writes, decides at once, and keeps what it decided. Its owner commits
 * the drafts, or drops them.
 */
class TransactionAttempt {
  /** What the transaction's callback reads from and writes to. */
  readonly session: Session
  readonly #outer: Session
  readonly #base: View
  /** Of all writes that bring none of their own. */
  readonly #actor: string | undefined
  readonly #reads = new ReadSet()
  readonly #own = new Map<string, Map<string, EntityState[]>>()
  readonly #drafts: EventDraft[] = []
  #entityCount = 0
  #writesRunning = 0
  #isOver = false

  constructor(outer: Session, base: View, actor: string | undefined) {
    this.#outer = outer
    this.#base = base
    this.#actor = actor
    // What is read has to be noted, so nothing is there without a wait.
    this.session = { ...outer, isTransaction: true, view: (options) => this.#view(options), viewNow: () => undefined, commit: (request) => this.#commit(request), transact: async (work) => ({ result: await work(this.session), states: [] }) }
  }

  async #view(options: ViewOptions = {}): Promise<View> {
    this.#assertOpen()
    if (options.includeArchived === true) throw new ParqueDBError('INVALID_ARGUMENT', 'A transaction does not read the archive; read it before.', { details: { option: 'includeArchived' } })
    return transactionView(this.#base, this.#own, this.#reads)
  }

  async #commit(request: CommitRequest): Promise<Committed> {
    this.#assertOpen()
    checkAborted(request.signal)
    this.#writesRunning += 1
    try {
      for (const key of request.keys) this.#reads.noteEntity(key)
      const unwritten = request.keys.filter((key) => this.#ownState(key) === undefined)
      const states = await this.#base.getMany(unwritten)
      const flushed = new Map(unwritten.map((key, index) => [formatEntityId(key), states[index]]))
      this.#assertOpen()
      // From here on nothing waits, so two writes at once cannot decide on the same state.
      const committed = await this.#decided(request, (key) => this.#ownState(key) ?? flushed.get(formatEntityId(key)))
      // Edges that stay as they are may be those of what is being erased: the writer refuses that.
      const unchanged = request.keys.filter((key) => isEdgeSpace(key.ns) && this.#ownState(key) === undefined)
      if (unchanged.length > 0) await this.#outer.commit({ keys: unchanged, decide: () => [] })
      return committed
    } finally {
      this.#writesRunning -= 1
    }
  }

  /** Every later use is CLOSED. */
  close(): void {
    this.#isOver = true
  }

  /**
   * Ends the attempt, and gives what it wants to have committed; `decide` fails with TRANSACTION_CONFLICT once anything that it read has changed. INVALID_ARGUMENT when a write
   * has not been awaited and would be lost.
   */
  end(): CommitRequest | undefined {
    this.close()
    if (this.#writesRunning > 0) throw new ParqueDBError('INVALID_ARGUMENT', 'The transaction ended while some of its writes were still running, so it was rolled back; await every call.')
    if (this.#drafts.length === 0) return undefined
    const written = [...this.#own].flatMap(([ns, entities]) => isMirrorSpace(ns) ? [] : [...entities.keys()].map((id) => ({ ns, id })))
    const { seq } = this.#base
    return {
      keys: [...this.#reads.keys(), ...written],
      decide: (context) => {
        const changed = this.#reads.changedSince(seq, context)
        if (changed === undefined) return this.#drafts
        throw new ParqueDBError('TRANSACTION_CONFLICT', `Another write changed '${changed}' while the transaction ran; run it again.`, { details: { changed } })
      },
    }
  }

  async #decided(request: CommitRequest, stateOf: (key: EntityKey) => EntityState | undefined): Promise<Committed> {
    try {
      return this.#decide(request, stateOf)
    } catch (error) {
      // What is in another partition seems not to be there: who commits knows.
      if (isParqueDBError(error, 'NOT_FOUND')) await this.#outer.commit({ keys: request.keys, decide: () => [] })
      throw error
    }
  }

  #decide(request: CommitRequest, stateOf: (key: EntityKey) => EntityState | undefined): Committed {
    const nowMs = this.session.clock.nowMs()
    const context: DecisionContext = { state: stateOf, namespaceSeq: () => this.#base.seq, nowMs }
    const states: EntityState[] = []
    for (const draft of request.decide(context)) {
      const own = { ...draft, actor: draft.actor ?? this.#actor }
      // Provisional: the seq and the ts that the commit will give are others.
      const state = fold(stateOf(own), eventOf(own, { seq: this.#base.seq + this.#drafts.length + 1, ts: Math.max(nowMs, this.#base.ts), version: (stateOf(own)?.version ?? 0) + 1 }))
      this.#keep(own, state)
      if (isEdgeSpace(own.ns)) {
        const far = edgeKey(parseEdgeKey(own), 'in')
        this.#keep(far, { ...state, id: far.id })
      }
      this.#drafts.push(own)
      states.push(state)
    }
    return { states, repeated: false }
  }

  #keep(draft: EntityKey, state: EntityState): void {
    const entities = this.#own.get(draft.ns) ?? new Map<string, EntityState[]>()
    const states = entities.get(draft.id) ?? []
    if (states.length === 0 && !isMirrorSpace(draft.ns)) this.#entityCount += 1
    const { transactionEntitiesMax } = this.session.limits
    if (this.#entityCount > transactionEntitiesMax) throw limitExceeded({ transactionEntitiesMax }, `A transaction may change at most ${transactionEntitiesMax} entities; split it, or raise transactionEntitiesMax.`)
    states.push(state)
    this.#own.set(draft.ns, entities.set(draft.id, states))
  }

  #ownState(key: EntityKey): EntityState | undefined {
    return this.#own.get(key.ns)?.get(key.id)?.at(-1)
  }

  #assertOpen(): void {
    if (this.#isOver) throw new ParqueDBError('CLOSED', 'The transaction has ended; use its collections only inside the callback, and await every call.')
  }
}

/** Upper bounds of the wait before each retry, in milliseconds: 1, 2, 4, … up to this. */
const backoffMsMax = 64
const retriesDefault = 10

/**
 * Runs `work` on a session that sees one state of the database and its own writes, and commits what it wrote as one: all or nothing.
 * Serializable: when anything that was read has changed by then, nothing is written and `work` runs again, on the newest state. TRANSACTION_CONFLICT when that
 * has happened too often. What `work` throws rolls back and is thrown on unchanged. Under a txId that was committed before, `work` does not run: undefined.
 */
export async function runTransaction<Result>(outer: Session, work: (session: Session) => Promise<Result>, given: { [Name in keyof TransactionOptions]: TransactionOptions[Name] | undefined } | undefined): Promise<Transacted<Result> | undefined> {
  const options = checkOptions('transaction', given, ['retries', 'txId', 'actor', 'signal'])
  const retries = checkWholeNumber(options.retries, { option: 'retries', least: 0, most: 1000 }) ?? retriesDefault
  const txId = checkName(options.txId, 'txId')
  const actor = checkName(options.actor, 'actor')
  const { signal } = options
  for (let attempt = 0; ; attempt++) {
    checkAborted(signal)
    // A commit of nothing tells whether its txId is known.
    if (txId !== undefined && (await outer.commit({ keys: [], decide: () => [], txId })).repeated) return undefined
    const { result, request } = await runOnce(outer, (session) => untilAborted(work(session), signal), actor)
    if (request === undefined) return { result, states: [] }
    try {
      const { states, repeated } = await outer.commit({ ...request, txId, signal })
      return repeated ? undefined : { result, states }
    } catch (error) {
      if (!isParqueDBError(error, 'TRANSACTION_CONFLICT') || attempt >= retries) throw error
    }
    await outer.clock.sleep(backoffMs(attempt, outer.random), signal).catch(() => checkAborted(signal))
  }
}

async function runOnce<Result>(outer: Session, work: (session: Session) => Promise<Result>, actor: string | undefined) {
  const base = await outer.view()
  const attempt = new TransactionAttempt(outer, base, actor)
  try {
    const result = await work(attempt.session)
    return { result, request: attempt.end() }
  } finally {
    attempt.close()
    base.release()
  }
}

/** Spread at random, so that two that met do not meet again. */
function backoffMs(attempt: number, random: Random): number {
  const most = Math.min(2 ** attempt, backoffMsMax)
  const [byte = 0] = random.bytes(1)
  return Math.ceil((most * (byte + 1)) / 256)
}

/** States that a transaction has written and nobody else sees, by namespace and id: oldest first, never none. */
export type OwnWrites = ReadonlyMap<string, ReadonlyMap<string, readonly EntityState[]>>

/**
 * The view that a transaction began with, under its own writes; what is read is noted, so that the commit can check that it still
 * holds. The past is read as it was, and cannot change. Events are those of the view.
 */
function transactionView(base: View, own: OwnWrites, reads: ReadSet): View {
  const note = (ns: string, asOf: AsOf | undefined): void => {
    // A time at or after the view's last event may still get more events, so it is not past yet.
    const isOver = asOf !== undefined && ((asOf.seq !== undefined && asOf.seq <= base.seq) || (asOf.ts !== undefined && asOf.ts < base.ts))
    if (!isOver) reads.noteNamespace(ns)
  }
  const get = async (key: EntityKey, asOf?: AsOf): Promise<EntityState | undefined> => {
    const states = own.get(key.ns)?.get(key.id)
    if (asOf === undefined) reads.noteEntity(key)
    else note(key.ns, asOf)
    const { seq } = asOf ?? { seq: Number.POSITIVE_INFINITY }
    const written = seq === undefined ? undefined : states?.findLast((state) => state.seq <= seq)
    return written ?? base.get(key, asOf)
  }
  /** What was written and is not of the past, in the order of ids. A copy: writing while a scan goes on does not change what it brings. */
  const writtenIn = (ns: string, asOf: AsOf | undefined, ranges: readonly IdRange[]): EntityState[] => {
    note(ns, asOf)
    const states = asOf === undefined ? [...(own.get(ns)?.values() ?? [])].flatMap((each) => each.slice(-1)) : []
    return states.filter(({ id }) => ranges.some((range) => isWithin(id, range))).toSorted((left, right) => compareStrings(left.id, right.id))
  }
  return {
    seq: base.seq,
    ts: base.ts,
    get,
    getMany: (keys, asOf) => Promise.all(keys.map((key) => get(key, asOf))),
    scanRanges(ns, ranges, options = {}) {
      const written = writtenIn(ns, options.asOf, ranges)
      const states = base.scanRanges(ns, ranges, options)
      return written.length === 0 ? states : mergeStates([states, [written]])
    },
    scan(ns, options = {}) {
      const over = writtenIn(ns, options.asOf, [options])
      return base.scan(ns, over.length === 0 ? options : { ...options, over })
    },
    events: (options) => base.events(options),
    entityEvents(key, options) {
      reads.noteEntity(key)
      if (options?.edges === true) reads.noteNamespace(edgeSpace(key.ns, 'out'))
      return base.entityEvents(key, options)
    },
    namespaces: () => [...new Set([...base.namespaces(), ...own.keys()])].filter((ns) => !isEdgeSpace(ns)).toSorted(compareStrings),
    horizon: (ns) => base.horizon(ns),
    scratch: () => base.scratch(),
    // The transaction releases the view that this one stands on.
    release: () => undefined,
  }
}

/** Entities of one namespace that are noted one by one; past it the namespace is, which conflicts more often and stays small. */
const entitiesMax = 1000

/** What a transaction has read: entities one by one, or whole namespaces. */
class ReadSet {
  readonly #entities = new Map<string, Map<string, EntityKey>>()
  readonly #namespaces = new Set<string>()

  noteEntity(key: EntityKey): void {
    if (this.#namespaces.has(key.ns)) return
    const noted = this.#entities.get(key.ns) ?? new Map<string, EntityKey>()
    this.#entities.set(key.ns, noted.set(key.id, key))
    if (noted.size > entitiesMax) this.noteNamespace(key.ns)
  }

  noteNamespace(ns: string): void {
    this.#namespaces.add(ns)
    this.#entities.delete(ns)
  }

  /** The entities whose states `changedSince` asks for. */
  keys(): EntityKey[] {
    return [...this.#entities.values()].flatMap((noted) => [...noted.values()])
  }

  /** What was read and has an event after `seq`, as 'ns' or 'ns/id'; undefined when all of it still holds. */
  changedSince(seq: number, context: DecisionContext): string | undefined {
    for (const ns of this.#namespaces) if (context.namespaceSeq(ns) > seq) return ns
    const key = this.keys().find((noted) => (context.state(noted)?.seq ?? 0) > seq)
    return key === undefined ? undefined : `${key.ns}/${key.id}`
  }
}
