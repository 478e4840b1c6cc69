import { checkAborted } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import { checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { TransactionOptions } from '../model/database-options.ts'
import { edgeKey, isEdgeSpace, isMirrorSpace, parseEdgeKey } from '../model/edge.ts'
import { formatEntityId } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { eventOf, type EventDraft } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import type { Relations } from '../model/relations.ts'
import type { CommitRequest, DecisionContext } from '../storage/engine.ts'
import type { View } from '../storage/view.ts'
import { ReadSet, TransactionView } from './TransactionView.ts'
import type { Committed, DatabaseLimits, Session, ViewOptions } from './session.ts'
import { nameLengthMax } from './write-options.ts'

/** What all writes of a transaction carry that bring nothing of their own. */
export interface TransactionDefaults {
  readonly actor: string | undefined
}

/**
 * One attempt of a transaction: it reads from one view under its own writes, decides at once, and keeps what it decided. Its owner commits
 * the drafts, or drops them.
 */
class TransactionSession implements Session {
  readonly clock: Clock
  readonly ids: IdSource
  readonly random: Random
  readonly limits: DatabaseLimits
  readonly relations: Relations
  readonly isTransaction = true
  readonly #base: View
  readonly #defaults: TransactionDefaults
  readonly #reads = new ReadSet()
  readonly #own = new Map<string, Map<string, EntityState[]>>()
  readonly #drafts: EventDraft[] = []
  #entityCount = 0
  #writesRunning = 0
  #isOver = false

  constructor(outer: Session, base: View, defaults: TransactionDefaults) {
    this.clock = outer.clock
    this.ids = outer.ids
    this.random = outer.random
    this.limits = outer.limits
    this.relations = outer.relations
    this.#base = base
    this.#defaults = defaults
  }

  async view(options: ViewOptions = {}): Promise<View> {
    this.#assertOpen()
    if (options.includeArchived === true) throw new ParqueDBError('INVALID_ARGUMENT', 'A transaction does not read the archive; read it before.', { details: { option: 'includeArchived' } })
    return new TransactionView(this.#base, this.#own, this.#reads)
  }

  /** What it reads has to be noted. */
  viewNow(): undefined {
    return undefined
  }

  async commit(request: CommitRequest): Promise<Committed> {
    this.#assertOpen()
    checkAborted(request.signal)
    this.#writesRunning += 1
    try {
      for (const key of request.keys) this.#reads.noteEntity(key)
      const unwritten = request.keys.filter((key) => this.#ownState(key) === undefined)
      const states = await this.#base.getMany(unwritten)
      const flushed = new Map(unwritten.map((key, index) => [formatEntityId(key), states[index]]))
      this.#assertOpen()
      // From here to the end nothing waits, so two writes at once cannot decide on the same state.
      return this.#decide(request, (key) => this.#ownState(key) ?? flushed.get(formatEntityId(key)))
    } finally {
      this.#writesRunning -= 1
    }
  }

  transact<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return work(this)
  }

  /** Every later use is CLOSED. */
  close(): void {
    this.#isOver = true
  }

  /** Ends the attempt for good or fails with INVALID_ARGUMENT, when a write has not been awaited and would be lost. */
  end(): void {
    this.close()
    if (this.#writesRunning === 0) return
    throw new ParqueDBError('INVALID_ARGUMENT', 'The transaction ended while some of its writes were still running, so it was rolled back; await every call.')
  }

  /** What the attempt wants to have committed; `decide` fails with TRANSACTION_CONFLICT once anything that it read has changed. */
  request(): CommitRequest | undefined {
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

  #decide(request: CommitRequest, stateOf: (key: EntityKey) => EntityState | undefined): Committed {
    const nowMs = this.clock.nowMs()
    const context: DecisionContext = { state: stateOf, namespaceSeq: () => this.#base.seq, nowMs }
    const states: EntityState[] = []
    for (const draft of request.decide(context)) {
      const own = { ...draft, actor: draft.actor ?? this.#defaults.actor }
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
    const most = this.limits.transactionEntitiesMax
    if (this.#entityCount > most) {
      throw new ParqueDBError('LIMIT_EXCEEDED', `A transaction may change at most ${most} entities; split it, or raise transactionEntitiesMax.`, {
        details: { limit: 'transactionEntitiesMax', most },
      })
    }
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
export async function runTransaction<Result>(
  outer: Session,
  work: (session: Session) => Promise<Result>,
  run: { options: { [Name in keyof TransactionOptions]: TransactionOptions[Name] | undefined } | undefined; random: Random },
): Promise<Result | undefined> {
  const options = checkOptions('transaction', run.options, ['retries', 'txId', 'actor', 'signal'])
  const retries = checkWholeNumber(options.retries, { option: 'retries', least: 0, most: 1000 }) ?? retriesDefault
  const txId = checkName(options.txId, { option: 'txId', charactersMax: nameLengthMax })
  const actor = checkName(options.actor, { option: 'actor', charactersMax: nameLengthMax })
  const { signal } = options
  for (let attempt = 0; ; attempt++) {
    checkAborted(signal)
    if (txId !== undefined && (await isCommitted(outer, txId))) return undefined
    const { result, request } = await runOnce(outer, work, actor)
    if (request === undefined) return result
    try {
      const { repeated } = await outer.commit({ ...request, txId, signal })
      return repeated ? undefined : result
    } catch (error) {
      if (!isParqueDBError(error, 'TRANSACTION_CONFLICT') || attempt >= retries) throw error
    }
    await outer.clock.sleep(backoffMs(attempt, run.random), signal).catch(() => checkAborted(signal))
  }
}

async function runOnce<Result>(outer: Session, work: (session: Session) => Promise<Result>, actor: string | undefined) {
  const base = await outer.view()
  const session = new TransactionSession(outer, base, { actor })
  try {
    const result = await work(session)
    session.end()
    return { result, request: session.request() }
  } finally {
    session.close()
    base.release()
  }
}

/** A commit of nothing tells whether its txId is known. */
async function isCommitted(session: Session, txId: string): Promise<boolean> {
  const { repeated } = await session.commit({ keys: [], decide: () => [], txId })
  return repeated
}

/** Spread at random, so that two that met do not meet again. */
function backoffMs(attempt: number, random: Random): number {
  const most = Math.min(2 ** attempt, backoffMsMax)
  const [byte = 0] = random.bytes(1)
  return Math.ceil((most * (byte + 1)) / 256)
}
