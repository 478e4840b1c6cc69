import type { IdSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { isEdgeSpace, mirrorSpace } from '../model/edge.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft, StoredEvent } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import type { CommitRequest, DecisionContext } from './engine.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { KeyMap } from './KeyMap.ts'
import { encodeEvents } from './log-payload.ts'
import type { Partition } from './Partition.ts'
import { RequestedStates } from './RequestedStates.ts'

/** JSON of one commit, in UTF-16 units: three bytes each at the worst keep it within a frame. */
const commitCharsMax = 20 * 1024 * 1024

/** What a commit will write: its events in order, the state after each, and their JSON. */
export interface StagedCommit {
  readonly events: readonly StoredEvent[]
  readonly states: readonly EntityState[]
  readonly text: string
}

interface Pending {
  readonly state: EntityState
  /** Events since the entity's last snapshot. */
  readonly sinceSnapshot: number
}

/** The states of commits that are decided but not yet durable, and what the next one will be numbered. */
export class Staging {
  readonly #partition: Partition
  readonly #parts: { readonly ids: IdSource; readonly options: ResolvedOptions }
  /** Newest undurable state of each entity. */
  readonly #pending = new KeyMap<Pending>()
  readonly #commits = new Set<StagedCommit>()
  readonly #namespaceSeqs = new Map<string, number>()
  /** Where the log was cut: each entity's first event after it carries a snapshot. */
  #cutSeq = 0
  #nextSeq: number
  #lastTs: number

  constructor(parts: { partition: Partition; ids: IdSource; options: ResolvedOptions }) {
    this.#partition = parts.partition
    this.#parts = parts
    this.#nextSeq = parts.partition.overlay.lastSeq + 1
    this.#lastTs = parts.partition.overlay.lastTs
  }

  /** States of the keys: at once unless a data file has to be read. */
  load(keys: readonly EntityKey[]): RequestedStates | Promise<RequestedStates> {
    const states: (EntityState | undefined)[] = []
    const unread: number[] = []
    for (const key of keys) {
      const state = this.#pending.get(key)?.state ?? this.#partition.inMemory(key)
      if (state === 'in files') unread.push(states.length)
      states.push(state === 'in files' ? undefined : state)
    }
    return unread.length === 0 ? new RequestedStates(keys, states) : this.#read(keys, states, unread)
  }

  /** Reads the states at the places `unread`. */
  async #read(keys: readonly EntityKey[], states: (EntityState | undefined)[], unread: readonly number[]): Promise<RequestedStates> {
    const read = await this.#partition.newestOfMany(unread.map((place) => keys[place] as EntityKey))
    for (const [index, place] of unread.entries()) states[place] = read[index]
    return new RequestedStates(keys, states)
  }

  /** Decides a request and stages its events; undefined when there are none. Throws what the decision throws, and changes nothing then. */
  decide(request: CommitRequest, states: RequestedStates): StagedCommit | undefined {
    if (!this.#partition.erasing.isEmpty) this.#partition.refuseErased(request.keys)
    const nowMs = Math.max(this.#parts.options.clock.nowMs(), this.#lastTs)
    const context: DecisionContext = { nowMs, state: (key) => states.get(key), namespaceSeq: (ns) => this.#namespaceSeqs.get(ns) ?? this.#partition.namespaceSeq(ns) }
    const drafts = request.decide(context)
    if (drafts.length === 0) return undefined
    const ts = this.#commitTs(drafts, nowMs)
    const { replaced, ...staged } = this.#number(drafts, { ts, txId: request.txId, states })
    const text = encodeEvents(staged.events)
    if (text.length > commitCharsMax) {
      for (let index = replaced.length - 1; index >= 0; index--) this.#restore(staged.events[index] as StoredEvent, replaced[index])
      throw new ParqueDBError('LIMIT_EXCEEDED', `The commit has ${text.length} characters of JSON; ${commitCharsMax} is the most that one commit may have. Split it.`, { details: { limit: 'commitChars', found: text.length, max: commitCharsMax } })
    }
    const commit = { ...staged, text }
    this.#keep(commit, ts)
    return commit
  }

  /** From here on each entity begins with a snapshot again: what is staged next will be read without what came before. */
  cut(): void {
    this.#cutSeq = this.#nextSeq - 1
  }

  /** A commit became durable: readers see its states now. */
  settled(commit: StagedCommit): void {
    this.#commits.delete(commit)
    if (this.#commits.size === 0) this.#pending.clear()
    else for (const event of commit.events) if (this.#pending.get(event)?.state.seq === event.seq) this.#pending.delete(event)
  }

  clear(): void {
    this.#pending.clear()
    this.#commits.clear()
  }

  /** Whether the request's txId or one of its event ids is staged and not yet durable. */
  holdsAny({ txId, eventIds = [] }: CommitRequest): boolean {
    for (const { events } of this.#commits) {
      if (txId !== undefined && events[0]?.txId === txId) return true
      if (eventIds.length > 0 && events.some(({ eventId }) => eventIds.includes(eventId))) return true
    }
    return false
  }

  /** All events of a commit share one ts: now, or the latest that the drafts bring, and never before the last. */
  #commitTs(drafts: readonly EventDraft[], nowMs: number): number {
    const given = drafts.reduce<number | undefined>((latest, { ts }) => (ts === undefined ? latest : Math.max(ts, latest ?? 0)), undefined)
    return given === undefined ? nowMs : Math.max(given, this.#lastTs)
  }

  /** Numbers the events and puts their states among the pending; `replaced`: what was pending before each of them. */
  #number(drafts: readonly EventDraft[], commit: { ts: number; txId: string | undefined; states: RequestedStates }): { events: StoredEvent[]; states: EntityState[]; replaced: (Pending | undefined)[] } {
    const events: StoredEvent[] = []
    const after: EntityState[] = []
    const replaced: (Pending | undefined)[] = []
    for (const draft of drafts) {
      const pending = this.#pending.get(draft)
      const before = pending?.state ?? commit.states.get(draft)
      const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
        seq: this.#nextSeq + events.length,
        ts: commit.ts,
        eventId: draft.eventId ?? this.#parts.ids.next(),
        op: draft.op,
        ns: draft.ns,
        id: draft.id,
        version: (before?.version ?? 0) + 1,
        after: draft.after,
        patch: draft.patch,
        actor: draft.actor,
        txId: commit.txId,
        metadata: draft.metadata,
        state: undefined,
        afterText: draft.after === undefined ? undefined : stringifyExtendedJson(draft.after),
      }
      const state = fold(before, event)
      const count = event.op === 'CREATE' || isEdgeSpace(event.ns) ? undefined : this.#sinceSnapshot(event, pending)
      const takesSnapshot = count === undefined || count + 1 >= this.#parts.options.autoSnapshotThreshold
      if (takesSnapshot) event.state = state
      this.#pending.set(event, { state, sinceSnapshot: takesSnapshot ? 0 : count + 1 })
      replaced.push(pending)
      events.push(event)
      after.push(state)
    }
    return { events, states: after, replaced }
  }

  /** Events of the entity since its last snapshot, since the log was cut; undefined when there is none. */
  #sinceSnapshot(key: EntityKey, pending: Pending | undefined): number | undefined {
    if (pending !== undefined) return pending.state.seq > this.#cutSeq ? pending.sinceSnapshot : undefined
    let change = this.#partition.overlay.newest(key)
    if (change === undefined || change.event.seq <= this.#cutSeq) return undefined
    let count = 0
    for (; change !== undefined && change.event.state === undefined; change = change.before) count++
    return count
  }

  #restore(key: EntityKey, pending: Pending | undefined): void {
    if (pending === undefined) this.#pending.delete(key)
    else this.#pending.set(key, pending)
  }

  #keep(commit: StagedCommit, ts: number): void {
    this.#commits.add(commit)
    this.#nextSeq += commit.events.length
    this.#lastTs = ts
    let ns: string | undefined
    for (let index = commit.events.length - 1; index >= 0; index--) {
      const event = commit.events[index] as StoredEvent
      if (event.op === 'ERASE' && event.id !== '') this.#partition.erasing.set(event, true)
      if (event.ns !== ns) this.#raise(event.ns, event.seq)
      // Far ends are of any collection.
      if (isEdgeSpace(event.ns)) this.#raise(mirrorSpace(event), event.seq)
      ns = event.ns
    }
  }

  #raise(ns: string, seq: number): void {
    if ((this.#namespaceSeqs.get(ns) ?? 0) < seq) this.#namespaceSeqs.set(ns, seq)
  }
}
