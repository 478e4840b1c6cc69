import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft, StoredEvent } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import type { CommitRequest, DecisionContext } from './engine.ts'
import { KeyMap } from './KeyMap.ts'
import { encodeEvents } from './log-payload.ts'
import type { Partition } from './Partition.ts'

/** JSON of one commit, in UTF-16 units: three bytes each at the worst keep it within a frame. */
const commitCharsMax = 20 * 1024 * 1024

/** What a commit will write: its events in order, the state after each, and their JSON. */
export interface StagedCommit {
  readonly events: readonly StoredEvent[]
  readonly states: readonly EntityState[]
  readonly text: string
}

export type LoadedStates = KeyMap<EntityState | undefined>

/** The states of commits that are decided but not yet durable, and what the next one will be numbered. */
export class Staging {
  readonly #partition: Partition
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #snapshotThreshold: number
  /** Newest undurable state of each entity. */
  readonly #pending = new KeyMap<EntityState>()
  readonly #pendingIds = new Set<string>()
  readonly #namespaceSeqs = new Map<string, number>()
  /** Events of each entity since its last snapshot, since the log was cut. An entity that is not here gets one next. */
  #sinceSnapshot = new KeyMap<number>()
  #nextSeq: number
  #lastTs: number

  constructor(parts: { partition: Partition; clock: Clock; ids: IdSource; autoSnapshotThreshold: number }) {
    this.#partition = parts.partition
    this.#clock = parts.clock
    this.#ids = parts.ids
    this.#snapshotThreshold = parts.autoSnapshotThreshold
    this.#nextSeq = parts.partition.overlay.lastSeq + 1
    this.#lastTs = parts.partition.overlay.lastTs
  }

  /** States of the keys: at once unless a data file has to be read. */
  load(keys: readonly EntityKey[]): LoadedStates | Promise<LoadedStates> {
    const states: LoadedStates = new KeyMap()
    const unread: EntityKey[] = []
    for (const key of keys) {
      const state = this.#pending.get(key) ?? this.#partition.inMemory(key)
      if (state === 'in files') unread.push(key)
      else states.set(key, state)
    }
    return unread.length === 0 ? states : this.#read(unread, states)
  }

  async #read(keys: readonly EntityKey[], states: LoadedStates): Promise<LoadedStates> {
    const read = await this.#partition.newestOfMany(keys)
    keys.forEach((key, index) => states.set(key, read[index]))
    return states
  }

  /** Decides a request and stages its events; undefined when there are none. Throws what the decision throws, and changes nothing then. */
  decide(request: CommitRequest, states: LoadedStates): StagedCommit | undefined {
    const nowMs = Math.max(this.#clock.nowMs(), this.#lastTs)
    const context: DecisionContext = {
      nowMs,
      state(key) {
        const state = states.get(key)
        assert(state !== undefined || states.has(key), 'a decision asks only for the keys of its request')
        return state
      },
      namespaceSeq: (ns) => this.#namespaceSeqs.get(ns) ?? this.#partition.namespaceSeq(ns),
    }
    const drafts = request.decide(context)
    if (drafts.length === 0) return undefined
    const ts = this.#commitTs(drafts, nowMs)
    const staged = this.#number(drafts, { ts, txId: request.txId, states })
    const text = encodeEvents(staged.events)
    if (text.length > commitCharsMax) {
      throw new ParqueDBError('LIMIT_EXCEEDED', `The commit has ${text.length} characters of JSON; ${commitCharsMax} is the most that one commit may have. Split it.`, { details: { limit: 'commitChars', found: text.length, max: commitCharsMax } })
    }
    this.#keep(staged, ts)
    return { ...staged, text }
  }

  /** From here on each entity begins with a snapshot again: what is staged next will be read without what came before. */
  cut(): void {
    this.#sinceSnapshot = new KeyMap()
  }

  /** A commit became durable: readers see its states now. */
  settled(commit: StagedCommit): void {
    for (const event of commit.events) {
      if (this.#pending.get(event)?.seq === event.seq) this.#pending.delete(event)
      this.#pendingIds.delete(event.eventId)
      if (event.txId !== undefined) this.#pendingIds.delete(event.txId)
    }
  }

  clear(): void {
    this.#pending.clear()
    this.#pendingIds.clear()
  }

  /** Whether the request's txId or one of its event ids is staged and not yet durable. */
  holdsAny(request: CommitRequest): boolean {
    return (request.txId !== undefined && this.#pendingIds.has(request.txId)) || (request.eventIds ?? []).some((id) => this.#pendingIds.has(id))
  }

  /** All events of a commit share one ts: now, or the latest that the drafts bring, and never before the last. */
  #commitTs(drafts: readonly EventDraft[], nowMs: number): number {
    const given = drafts.reduce<number | undefined>((latest, { ts }) => (ts === undefined ? latest : Math.max(ts, latest ?? 0)), undefined)
    return given === undefined ? nowMs : Math.max(given, this.#lastTs)
  }

  #number(drafts: readonly EventDraft[], commit: { ts: number; txId: string | undefined; states: LoadedStates }): { events: StoredEvent[]; states: EntityState[] } {
    const events: StoredEvent[] = []
    const after: EntityState[] = []
    const changed = new KeyMap<{ state: EntityState; sinceSnapshot: number }>()
    for (const draft of drafts) {
      assert(commit.states.has(draft), 'a decision changes only the keys of its request')
      const earlier = changed.get(draft)
      const before = earlier?.state ?? commit.states.get(draft)
      const event: { -readonly [Field in keyof StoredEvent]: StoredEvent[Field] } = {
        seq: this.#nextSeq + events.length,
        ts: commit.ts,
        eventId: draft.eventId ?? this.#ids.next(),
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
      }
      const state = fold(before, event)
      const count = earlier?.sinceSnapshot ?? this.#sinceSnapshot.get(draft)
      const takesSnapshot = event.op === 'CREATE' || count === undefined || count + 1 >= this.#snapshotThreshold
      changed.set(draft, { state, sinceSnapshot: takesSnapshot ? 0 : count + 1 })
      if (takesSnapshot) event.state = state
      events.push(event)
      after.push(state)
    }
    return { events, states: after }
  }

  #keep(staged: { events: StoredEvent[]; states: EntityState[] }, ts: number): void {
    staged.events.forEach((event, index) => {
      this.#pending.set(event, staged.states[index] as EntityState)
      this.#pendingIds.add(event.eventId)
      if (event.txId !== undefined) this.#pendingIds.add(event.txId)
      this.#namespaceSeqs.set(event.ns, event.seq)
      this.#sinceSnapshot.set(event, event.state === undefined ? (this.#sinceSnapshot.get(event) ?? 0) + 1 : 0)
    })
    this.#nextSeq += staged.events.length
    this.#lastTs = ts
  }
}
