import { toHex, utf8Encode } from '../../base/bytes.ts'
import { sha256 } from '../../base/sha256.ts'
import type { RetentionReport } from '../../model/database-options.ts'
import { edgeSpace } from '../../model/edge.ts'
import type { Event } from '../../model/event.ts'
import type { Command } from './commands.ts'
import { ReferenceDatabase, type Outcome } from './ReferenceDatabase.ts'
import { collectionOf } from './ReferenceGraph.ts'
import type { Change } from './Timelines.ts'

/** A write of the workload and what became of it. */
export interface Write {
  readonly name: string
  readonly command: Command
  readonly txId: string | undefined
  /** How many writes had been acknowledged when it was begun: it happens after those. */
  readonly afterWrites: number
  /** The newest epoch of a writer that it was given to. */
  epoch: number
  state: 'under way' | 'acknowledged' | 'refused' | 'unknown' | 'settled'
  /** Whether any attempt was acknowledged or refused. */
  isAnswered: boolean
  /** What an acknowledged one returned, or a refused one's code. */
  told: string
  /** seq of its last event, once that was read back, and how many there are. */
  seq: number | undefined
  changeCount: number
}

/** What a reader saw of the present, to be found among the states that there were. */
interface Observation {
  readonly reader: Reader
  readonly what: string
  readonly found: string
  /** How many acknowledged writes it has to show. */
  readonly afterWrites: number
  readonly expected: (seq: number) => string
}

/** A process's reading so far: what it sees later is never older. */
export interface Reader {
  readonly name: string
  seq: number
}

export class Violation extends Error {}

/**
 * Judges what the engine says. The order of commits is the log's; everything else follows: each commit is a write of
 * the workload, once and whole, and does what the reference does at that place; what was acknowledged is there; every
 * read is of a state that there was, none older than what its reader had seen or knew to be acknowledged.
 */
export class Oracle {
  readonly reference = new ReferenceDatabase()
  readonly writes = new Map<string, Write>()
  readonly #events: LoggedEvent[] = []
  readonly #hit: (point: string) => void
  #observations: Observation[] = []
  #heard: { readonly subscriber: string; readonly afterSeq: number; readonly event: Event }[] = []
  /** Up to which seq retention may have dropped what is in a collection or edge space; '': in any. */
  readonly #dropped = new Map<string, number>()
  readonly #acknowledged: { readonly write: Write; readonly atMs: number }[] = []

  constructor(hit: (point: string) => void) {
    this.#hit = hit
  }

  get lastSeq(): number {
    return this.reference.lastSeq
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length
  }

  /** How many writes had been acknowledged by then. */
  acknowledgedBefore(ms: number): number {
    return this.#acknowledged.findLastIndex(({ atMs }) => atMs <= ms) + 1
  }

  /** Whether something is being erased of which it is not known yet where in the log that is, if it is. */
  get isErasing(): boolean {
    return [...this.writes.values()].some(({ command, state }) => command.kind === 'erase' && state !== 'settled')
  }

  /** `isStale`: by a writer that may have been taken over from, and not know of what was acknowledged since. */
  begin(command: Command, of: { hasTxId: boolean; epoch: number; isStale: boolean }): Write {
    const name = `w${this.writes.size + 1}`
    const write: Write = { name, command, epoch: of.epoch, txId: of.hasTxId ? `tx-${name}` : undefined, afterWrites: of.isStale ? 0 : this.#acknowledged.length, isAnswered: false, state: 'under way', told: '', seq: undefined, changeCount: 0 }
    this.writes.set(name, write)
    return write
  }

  acknowledged(write: Write, told: string, atMs: number): void {
    write.state = 'acknowledged'
    write.isAnswered = true
    write.told = told
    this.#acknowledged.push({ write, atMs })
  }

  refused(write: Write, code: string): void {
    write.state = 'refused'
    write.isAnswered = true
    write.told = code
  }

  observe(observation: Observation): void {
    this.#observations.push(observation)
  }

  /** The writes that have ended: a reading of the log that begins now decides them. */
  ended(): Write[] {
    return [...this.writes.values()].filter(({ state }) => state === 'acknowledged' || state === 'refused' || state === 'unknown')
  }

  /** Takes in the events after the last known one, as the writer of `epoch` has them; then judges what can be judged. */
  ingest(events: readonly Event[], { epoch, ended }: { epoch: number; ended: readonly Write[] }): void {
    let commit: Event[] = []
    for (const event of events) {
      if (commit.length > 0 && nameOf(commit[0]) !== nameOf(event)) {
        this.#commit(commit)
        commit = []
      }
      commit.push(event)
    }
    if (commit.length > 0) this.#commit(commit)
    for (const write of ended) this.#settle(write, epoch)
    this.#judgeObservations()
    this.#heard = this.#heard.filter(({ subscriber, afterSeq, event }) => {
      if (event.seq > this.lastSeq) return true
      const skipped = this.#events.slice(afterSeq, event.seq - 1).find((one) => !this.#mayBeGone(one))
      if (skipped !== undefined) throw new Violation(`${subscriber} gives event ${event.seq} after event ${afterSeq} by subscription, and passes over ${skipped.text}`)
      this.#expect(`event ${event.seq}, as ${subscriber} got it by subscription,`, textOf(event), this.#events[event.seq - 1]?.text ?? '')
      return false
    })
  }

  /** Compares the whole log with what was read of it over time: only what was erased or dropped is missing. */
  compareLog(events: readonly Event[]): void {
    const found = new Map(events.map((event) => [event.seq, textOf(event)]))
    for (const event of this.#events) {
      const text = found.get(event.seq)
      if (text === undefined ? !this.#mayBeGone(event) : event.isErased) throw new Violation(`Event ${event.seq} is ${text === undefined ? 'missing' : 'there, though it was erased'}: ${event.text}`)
      if (text !== undefined) this.#expect(`event ${event.seq}`, text, event.text)
      found.delete(event.seq)
    }
    this.#expect('the number of events that are in the log and were not', String(found.size), '0')
  }

  /** From now until `dropped` tells, everything that was read back may be gone. */
  dropping(): void {
    this.#dropped.set('', this.lastSeq)
  }

  /** What retention has dropped; what it did before, when nobody knows what became of it, stays possible. */
  dropped({ namespaces }: RetentionReport, before: number): void {
    this.#dropped.set('', before)
    for (const [space, { horizonSeq }] of Object.entries(namespaces)) this.#dropped.set(space, Math.max(horizonSeq, this.#dropped.get(space) ?? 0))
  }

  /** Up to which seq what is in a collection or edge space may have been dropped. */
  droppedTo(space: string): number {
    return Math.max(this.#dropped.get(space) ?? 0, this.#dropped.get('') ?? 0)
  }

  /** Whether all that a write did is still in the log. */
  isKept({ seq = 0, changeCount }: Write): boolean {
    return !this.#events.slice(seq - changeCount, seq).some((event) => this.#mayBeGone(event))
  }

  /** Whether a write may still come about that has not been seen, for all that a writer of the epoch knows. */
  isUncertain(epoch: number): boolean {
    return [...this.writes.values()].some(({ state, seq, epoch: of }) => state === 'unknown' && seq === undefined && of >= epoch)
  }

  /** An event that a subscriber was given is the one that the log has at its seq. */
  heard(subscriber: string, event: Event, afterSeq: number): void {
    this.#heard.push({ subscriber, event, afterSeq })
  }

  compare(what: string, found: string, expected: string): void {
    this.#expect(what, found, expected)
  }

  /** A power cut takes what followers may have seen before it was synced. */
  forgetUnsynced(): void {
    this.#heard = []
    this.#observations = this.#observations.filter(({ reader }) => !reader.name.startsWith('follower'))
  }

  /** At the end everything has been read back. */
  finish(): void {
    const [phantom] = this.#heard
    if (phantom !== undefined) throw new Violation(`${phantom.subscriber} got event ${phantom.event.seq} by subscription, and it is not in the log: ${JSON.stringify(phantom.event)}`)
    const [left] = this.#observations
    if (left !== undefined) throw new Violation(`${left.reader.name} saw in ${left.what} what there never was after seq ${this.#seqAfter(left.afterWrites)}: ${left.found}`)
    for (const { name, seq, afterWrites } of this.writes.values()) {
      if (seq !== undefined && seq <= this.#seqAfter(afterWrites)) throw new Violation(`${name} is at seq ${seq}, before a write that had been acknowledged when it was begun`)
    }
  }

  /** The newest of the first so many acknowledged writes. */
  #seqAfter(count: number): number {
    return this.#acknowledged.slice(0, count).reduce((newest, { write: { seq = 0 } }) => Math.max(newest, seq), 0)
  }

  #commit(events: readonly Event[]): void {
    const [first] = events
    const name = nameOf(first)
    const write = this.writes.get(name)
    if (first === undefined || write === undefined) throw new Violation(`Event ${first?.seq} is of no write: ${JSON.stringify(first)}`)
    if (write.seq !== undefined) throw new Violation(`${name} is in the log twice, at seq ${write.seq} and ${first.seq}`)
    if (write.state === 'settled' || write.state === 'refused') throw new Violation(`${name} was refused (${write.told}) or had not happened, and is at seq ${first.seq}`)
    for (const event of events) if (event.version === 1) this.reference.forget(subjectOf(event), this.droppedTo(spaceOf(event)))
    const found = events.map((event) => describe(event.op, subjectOf(event), event.version))
    const outcome = this.#outcomeOf(write, found)
    if (outcome.kind !== 'changes') throw new Violation(`${name} wrote where it ought not: ${outcome.kind === 'refused' ? outcome.code : outcome.kind}; ${JSON.stringify(write.command)} at seq ${first.seq}, ${found.join(', ')}`)
    const changes = inOrder(outcome, found)
    if (changes === undefined) throw new Violation(`the events of ${name}, ${JSON.stringify(write.command)}, are\n  ${found.join(', ')}\nand not\n  ${outcome.changes.map(describeChange).join(', ')}`)
    for (const event of events) {
      this.#events.push({ seq: event.seq, text: textOf(event), subject: subjectOf(event), space: spaceOf(event), isErased: false })
      if (event.seq !== this.#events.length) throw new Violation(`Event ${this.#events.length} has the seq ${event.seq}`)
      if (event.ts < this.reference.timeOf(event.seq - 1)) throw new Violation(`Event ${event.seq} is of an earlier time than the one before it`)
    }
    this.reference.commit(changes, events.map(({ ts }) => ts))
    if (write.command.kind === 'erase') this.#erase(write.command.names)
    this.#noteGraph(write.command, changes)
    write.seq = this.lastSeq
    write.changeCount = events.length
    if (write.state === 'acknowledged') this.#compareAnswer(write)
  }

  /** Coverage of what a commit did to edges. */
  #noteGraph(command: Command, changes: readonly Change[]): void {
    const isDelete = command.kind === 'delete' || command.kind === 'deleteMany'
    const removed = changes.filter(({ op }) => op === 'REL_DELETE').length
    if (command.kind === 'delete' && changes.length > removed + 1) this.#hit('a delete takes others with it')
    if (isDelete && removed > 0) this.#hit('a delete removes edges')
    if ('linking' in command && command.linking.kind === 'link' && removed > 0) this.#hit('an edge takes the place of another')
    const { graph } = this.reference
    const [before, now] = [{ seq: this.lastSeq - changes.length }, { seq: this.lastSeq }]
    const back = changes.filter(({ name }) => graph.isLive(name, now) && !graph.isLive(name, before))
    const edges = back.flatMap(({ name }) => (['out', 'in'] as const).flatMap((direction) => graph.seen(name, { predicate: undefined, direction }, now)))
    if (edges.some(({ from, predicate, to }) => !changes.some(({ name }) => name === `${from} ${predicate} ${to}`))) this.#hit('edges come back with what they lead to')
  }

  #erase(names: readonly string[]): void {
    const edges = new Set(this.reference.graph.namesAt(names))
    for (const event of this.#events) if (event.seq <= this.lastSeq - names.length && (names.includes(event.subject) || edges.has(event.subject))) event.isErased = true
  }

  #mayBeGone({ seq, space, isErased, text }: LoggedEvent): boolean {
    // That something was erased stays on record.
    return isErased || (seq <= this.droppedTo(space) && !text.includes('"op":"ERASE"'))
  }

  /** What the write does after all that is known. One on many entities found them at some moment since it was begun: the one that fits is taken. */
  #outcomeOf({ command, afterWrites }: Write, found: readonly string[]): Outcome {
    const now = this.reference.evaluate(command, this.lastSeq)
    if (command.kind !== 'updateMany' && command.kind !== 'deleteMany') return now
    for (let seq = this.lastSeq; seq >= this.#seqAfter(afterWrites); seq--) {
      const outcome = this.reference.evaluate(command, this.lastSeq, seq)
      if (outcome.kind === 'changes' && inOrder(outcome, found) !== undefined) return outcome
    }
    return now
  }

  #settle(write: Write, epoch: number): void {
    const isThere = write.seq !== undefined
    switch (write.state) {
      case 'acknowledged':
        if (!isThere && !this.#couldBe(write, (outcome) => outcome.kind === 'nothing')) {
          throw new Violation(`${write.name} was acknowledged and is not there: ${JSON.stringify(write.command)}`)
        }
        break
      case 'refused':
        if (isThere) throw new Violation(`${write.name} was refused with ${write.told}, and is there at seq ${write.seq}`)
        if (!this.#isEnginesToSay(write) && !this.#couldBe(write, (outcome) => outcome.kind === 'refused' && outcome.code === write.told)) {
          throw new Violation(`${write.name} was refused with ${write.told}, for which there was no reason: ${JSON.stringify(write.command)}`)
        }
        break
      case 'unknown':
        if (!isThere && write.epoch >= epoch) return
        this.#hit(isThere ? 'an unknown outcome: it had happened' : 'an unknown outcome: it had not happened')
        break
      case 'under way':
      case 'settled':
        return
    }
    write.state = 'settled'
  }

  /** How transactions meet each other, and what is still known of a deleted entity after retention. */
  #isEnginesToSay({ told, command }: Write): boolean {
    if (told === 'TRANSACTION_CONFLICT') return true
    if (command.kind === 'erase') return told === 'NOT_FOUND' && command.names.some((name) => this.droppedTo(collectionOf(name)) > 0)
    if (command.kind !== 'restore' && command.kind !== 'revert') return false
    const isDropped = this.droppedTo(command.ns) > 0
    return (told === 'HISTORY_UNAVAILABLE' && (command.kind === 'restore' || isDropped)) || (told === 'NOT_FOUND' && isDropped)
  }

  #compareAnswer({ name, command, told, seq = 0, changeCount, afterWrites }: Write): void {
    const [first, last] = [this.#seqAfter(afterWrites), seq - changeCount]
    const counts = command.kind === 'deleteMany' ? Array.from({ length: last + 1 - first }, (_, index) => String(this.reference.wanted(command, last, first + index).length)) : [told]
    if (!counts.includes(told)) throw new Violation(`the answer of ${name} is ${told} and not ${counts.join(' or ')}`)
    if (command.kind === 'updateMany' || command.kind === 'edges') this.#expect(`the answer of ${name}`, told, String(changeCount))
    if (command.kind === 'delete') this.#expect(`the answer of ${name}`, told, 'true')
    if (!('id' in command) || command.kind === 'delete') return
    this.#expect(`the answer of ${name}`, told, this.reference.entity(command, seq))
  }

  #couldBe(write: Write, matches: (outcome: Outcome) => boolean): boolean {
    const { command } = write
    const first = this.#seqAfter(write.afterWrites)
    const isMany = command.kind === 'updateMany' || command.kind === 'deleteMany'
    for (let seq = first; seq <= this.lastSeq; seq++) {
      for (let foundAt = isMany ? first : seq; foundAt <= seq; foundAt++) if (matches(this.reference.evaluate(command, seq, foundAt))) return true
    }
    return false
  }

  /** Each reader's observations in their order, each at the earliest state that it can be of: if that does not fit, nothing does. */
  #judgeObservations(): void {
    const waiting = new Set<Reader>()
    this.#observations = this.#observations.filter((observation) => {
      const { reader, afterWrites, found, expected } = observation
      if (waiting.has(reader)) return true
      for (let seq = Math.max(reader.seq, this.#seqAfter(afterWrites)); seq <= this.lastSeq; seq++) {
        if (expected(seq) !== found) continue
        reader.seq = seq
        return false
      }
      waiting.add(reader)
      return true
    })
  }

  #expect(what: string, found: string, expected: string): void {
    if (found !== expected) throw new Violation(`${what} is\n  ${found}\nand not\n  ${expected}`)
  }
}

/** An event as it was read back. */
interface LoggedEvent {
  readonly seq: number
  readonly text: string
  /** The entity or the edge that it is about, as the reference names it. */
  readonly subject: string
  /** The collection or edge space that it is in. */
  readonly space: string
  isErased: boolean
}

function nameOf(event: Event | undefined): string {
  const name = event?.metadata?.write ?? event?.metadata?.reason
  return typeof name === 'string' ? name : ''
}

/** Of an erasure it is the hash of the entity's name: what else it says depends on how far that has come. */
function subjectOf({ op, target, predicate, to, metadata }: Event): string {
  if (op === 'ERASE') return metadata?.erased as string
  const name = target.replace(':', '/')
  return predicate === undefined ? name : `${name} ${predicate} ${to}`
}

function spaceOf({ target, predicate }: Event): string {
  const ns = target.slice(0, target.indexOf(':'))
  return predicate === undefined ? ns : edgeSpace(ns, 'out')
}

function textOf(event: Event): string {
  return JSON.stringify(event.op === 'ERASE' ? { ...event, target: '', version: 0 } : event)
}

function describe(op: string, subject: string, version: number): string {
  return op === 'ERASE' ? `${op} ${subject}` : `${op} ${subject} ${version}`
}

function describeChange({ op, name, version }: Change): string {
  return describe(op, op === 'ERASE' ? toHex(sha256(utf8Encode(name))) : name, version)
}

/** The changes in the order of the events; undefined where they are not the same. */
function inOrder({ changes }: Extract<Outcome, { kind: 'changes' }>, found: readonly string[]): Change[] | undefined {
  const byText = new Map(changes.map((change) => [describeChange(change), change]))
  const ordered = found.flatMap((text) => byText.get(text) ?? [])
  return ordered.length === changes.length && found.length === changes.length ? ordered : undefined
}
