import type { Event } from '../../model/event.ts'
import { ReferenceDatabase, type Command, type Outcome } from './ReferenceDatabase.ts'

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
  readonly #events: string[] = []
  readonly #hit: (point: string) => void
  #observations: Observation[] = []
  #heard: { readonly subscriber: string; readonly event: Event }[] = []
  readonly #acknowledged: Write[] = []

  constructor(hit: (point: string) => void) {
    this.#hit = hit
  }

  get lastSeq(): number {
    return this.reference.lastSeq
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length
  }

  /** `isStale`: by a writer that may have been taken over from, and not know of what was acknowledged since. */
  begin(command: Command, of: { hasTxId: boolean; epoch: number; isStale: boolean }): Write {
    const name = `w${this.writes.size + 1}`
    const write: Write = { name, command, epoch: of.epoch, txId: of.hasTxId ? `tx-${name}` : undefined, afterWrites: of.isStale ? 0 : this.#acknowledged.length, isAnswered: false, state: 'under way', told: '', seq: undefined, changeCount: 0 }
    this.writes.set(name, write)
    return write
  }

  acknowledged(write: Write, told: string): void {
    write.state = 'acknowledged'
    write.isAnswered = true
    write.told = told
    this.#acknowledged.push(write)
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
    this.#heard = this.#heard.filter(({ subscriber, event }) => {
      if (event.seq > this.lastSeq) return true
      this.#expect(`event ${event.seq}, as ${subscriber} got it by subscription,`, JSON.stringify(event), this.#events[event.seq - 1] ?? '')
      return false
    })
  }

  /** Compares the whole log with what was read of it over time. */
  compareLog(events: readonly Event[]): void {
    this.#expect('the number of events in the log', String(events.length), String(this.#events.length))
    events.forEach((event, index) => this.#expect(`event ${index + 1}`, JSON.stringify(event), this.#events[index] ?? ''))
  }

  /** An event that a subscriber was given is the one that the log has at its seq. */
  heard(subscriber: string, event: Event): void {
    this.#heard.push({ subscriber, event })
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
    return this.#acknowledged.slice(0, count).reduce((newest, { seq = 0 }) => Math.max(newest, seq), 0)
  }

  #commit(events: readonly Event[]): void {
    const [first] = events
    const name = nameOf(first)
    const write = this.writes.get(name)
    if (first === undefined || write === undefined) throw new Violation(`Event ${first?.seq} is of no write: ${JSON.stringify(first)}`)
    if (write.seq !== undefined) throw new Violation(`${name} is in the log twice, at seq ${write.seq} and ${first.seq}`)
    if (write.state === 'settled' || write.state === 'refused') throw new Violation(`${name} was refused (${write.told}) or had not happened, and is at seq ${first.seq}`)
    const found = events.map(({ op, target, version }) => `${op} ${target} ${version}`).join(', ')
    const outcome = this.#outcomeOf(write, found)
    if (outcome.kind !== 'changes') throw new Violation(`${name} wrote where it ought not: ${describeOutcome(outcome)}; ${JSON.stringify(write.command)} at seq ${first.seq}`)
    this.#expect(`the events of ${name}`, found, describeChanges(outcome))
    events.forEach((event) => {
      this.#events.push(JSON.stringify(event))
      if (event.seq !== this.#events.length) throw new Violation(`Event ${this.#events.length} has the seq ${event.seq}`)
      if (event.ts < this.reference.timeOf(event.seq - 1)) throw new Violation(`Event ${event.seq} is of an earlier time than the one before it`)
    })
    this.reference.commit(outcome.changes, events.map(({ ts }) => ts))
    write.seq = this.lastSeq
    write.changeCount = events.length
    if (write.state === 'acknowledged') this.#compareAnswer(write)
  }

  /** What the write does after all that is known. One on many entities found them at some moment since it was begun: the one that fits is taken. */
  #outcomeOf({ command, afterWrites }: Write, found: string): Outcome {
    const now = this.reference.evaluate(command, this.lastSeq)
    if (command.kind !== 'updateMany' && command.kind !== 'deleteMany') return now
    for (let seq = this.lastSeq; seq >= this.#seqAfter(afterWrites); seq--) {
      const outcome = this.reference.evaluate(command, this.lastSeq, seq)
      if (describeChanges(outcome) === found) return outcome
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
        // How transactions meet each other, and what of a deleted entity is archived, is the engine's to say.
        if (write.told !== 'TRANSACTION_CONFLICT' && !(write.told === 'HISTORY_UNAVAILABLE' && write.command.kind === 'restore') && !this.#couldBe(write, (outcome) => outcome.kind === 'refused' && outcome.code === write.told)) {
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

  #compareAnswer({ name, command, told, seq = 0, changeCount }: Write): void {
    if (command.kind === 'updateMany' || command.kind === 'deleteMany') this.#expect(`the answer of ${name}`, told, String(changeCount))
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

function nameOf(event: Event | undefined): string {
  const name = event?.metadata?.write
  return typeof name === 'string' ? name : ''
}

function describeChanges(outcome: Outcome): string {
  return outcome.kind !== 'changes' ? '' : outcome.changes.map(({ op, ns, id, version }) => `${op} ${ns}:${id} ${version}`).join(', ')
}

function describeOutcome(outcome: Outcome): string {
  return outcome.kind === 'refused' ? outcome.code : outcome.kind
}
