import { compareStrings } from '../../base/bytes.ts'
import type { Document } from '../../model/values.ts'
import type { Command, Range } from './commands.ts'
import { collectionOf, ReferenceGraph, type Moment } from './ReferenceGraph.ts'
import { Timelines, type Change, type Version } from './Timelines.ts'

/** `changes` in any order, but that those of one entity or edge follow each other. */
export type Outcome = { readonly kind: 'changes'; readonly changes: readonly Change[] } | { readonly kind: 'nothing' } | { readonly kind: 'refused'; readonly code: string }

interface Key {
  readonly ns: string
  readonly id: string
}

/** The database that ParqueDB is compared with: each entity's versions in a map, each edge's in another, and nothing else. */
export class ReferenceDatabase {
  graph = new ReferenceGraph((name, at) => this.#isLive(name, at))
  /** seq of the last erasure. */
  erasedSeq = 0
  #entities = new Timelines()
  readonly #listings = new Map<string, string>()
  /** ts of each event, by seq - 1. */
  #times: number[] = []

  /** Of all entities that ever were. */
  get names(): string[] {
    return [...this.#entities.names]
  }

  get lastSeq(): number {
    return this.#times.length
  }

  timeOf(seq: number): number {
    return this.#times[seq - 1] ?? 0
  }

  /** What a command would do just after the event `seq`. One on many entities finds those that it changes earlier, after `foundAt`, and looks at each again. */
  evaluate(command: Command, seq: number, foundAt = seq): Outcome {
    switch (command.kind) {
      case 'create':
        return this.#live(command, seq) === undefined ? this.#linking(command, seq, this.#put(command, seq, command.document)) : refused('ALREADY_EXISTS')
      case 'createMany': {
        const { ns, ids, document } = command
        if (ids.some((id) => this.#live({ ns, id }, seq) !== undefined)) return refused('ALREADY_EXISTS')
        return this.#linking({ ...command, id: ids[0] ?? '' }, seq, changed(ids.map((id) => this.#next({ ns, id }, seq, document))))
      }
      case 'replace':
        return this.#live(command, seq) === undefined && command.upsert !== true ? refused('NOT_FOUND') : this.#put(command, seq, command.document)
      case 'revert':
        return this.#revert(command, seq)
      case 'updateMany':
      case 'deleteMany':
        return this.#changeMany(command, seq, foundAt)
      case 'tally': {
        const sum = this.matching(command.ns, seq).reduce((total, { document }) => total + Number(document?.n ?? 0), 0)
        return this.#update({ kind: 'upsert', ...command.into, fields: { sum, m: command.serial } }, seq)
      }
      case 'transaction':
        return this.#transact(command, seq)
      case 'update':
      case 'upsert':
        return this.#linking(command, seq, this.#update(command, seq))
      case 'edges':
        return this.#linking({ ...command, id: command.near }, seq, { kind: 'nothing' })
      case 'erase':
        if (command.names.some((name) => this.#entities.versions(name, seq).length === 0)) return refused('NOT_FOUND')
        return changed(command.names.map((name) => this.#entities.next(name, seq, { op: 'ERASE', document: undefined })))
      case 'increment': {
        const live = this.#live(command, seq)
        if (live === undefined) return refused('NOT_FOUND')
        return this.#put(command, seq, { ...live.document, n: Number(live.document?.n ?? 0) + command.by })
      }
      case 'delete':
        return this.#delete([nameOf(command)], seq)
      case 'restore': {
        const versions = this.#entities.versions(nameOf(command), seq)
        if (versions.length === 0) return refused('NOT_FOUND')
        if (versions.at(-1)?.document !== undefined) return { kind: 'nothing' }
        return changed([{ ...this.#next(command, seq, versions.at(-2)?.document ?? {}), op: 'UPDATE' }])
      }
      case 'move':
        return this.#move(command, seq)
    }
  }

  /** Adds the changes of one commit, which become the events after the last. */
  commit(changes: readonly Change[], times: readonly number[]): void {
    changes.forEach((change, index) => {
      this.#times.push(times[index] ?? 0)
      const { op, name } = change
      if (op.startsWith('REL')) this.graph.add(change, this.lastSeq)
      else this.#entities.add(change, this.lastSeq)
      if (op !== 'ERASE') return
      this.erasedSeq = this.lastSeq
      for (const edge of this.graph.namesAt([name])) this.graph.add({ ...change, name: edge }, this.lastSeq)
    })
  }

  /** Retention may have dropped all that was known of what was gone by `seq`. */
  forget(name: string, seq: number): void {
    if (name.includes(' ')) this.graph.forget(name, seq)
    else this.#entities.forget(name, seq)
  }

  /** The living entities of a namespace as of a seq, by id; those in a range, when one is given. */
  matching(ns: string, at: number | Moment, range?: Range): { id: string; version: number; document: Document }[] {
    const { seq, knownAt } = typeof at === 'number' ? { seq: at } : at
    const names = [...this.#entities.names].filter((name) => name.startsWith(`${ns}/`)).toSorted(compareStrings)
    const live = names.flatMap((name) => this.#entities.live(name, seq, knownAt) ?? [])
    return live.filter(({ document }) => isWithin(document, range)).map(({ name, version, document }) => ({ id: name.slice(ns.length + 1), version, document: document ?? {} }))
  }

  /** The living entities of a namespace at a moment, in the form of `describeEntities`. */
  listing(ns: string, at: number | Moment): string {
    const name = typeof at === 'number' ? `${at} ${ns}` : `${at.seq} ${ns} ${this.erasedSeq}`
    const known = this.#listings.get(name)
    if (known !== undefined) return known
    const text = describeEntities(this.matching(ns, at))
    this.#listings.set(name, text)
    return text
  }

  /** One entity in the same form: nothing where it is absent. */
  entity(key: Key, at: number | Moment): string {
    const { seq, knownAt } = typeof at === 'number' ? { seq: at } : at
    const live = this.#entities.live(nameOf(key), seq, knownAt)
    return describeEntities(live === undefined ? [] : [{ id: key.id, version: live.version, document: live.document ?? {} }])
  }

  /** What an entity's edges of one kind lead to, in the same form, each with the edge's data. */
  related(name: string, kind: { predicate: string | undefined; direction: 'out' | 'in' }, at: Moment): string {
    const edges = this.graph.seen(name, kind, at)
    const describeEdge = (far: string, data: Document): string => `${collectionOf(far)}: ${this.entity({ ns: collectionOf(far), id: far.slice(collectionOf(far).length + 1) }, at)} by ${JSON.stringify(data)}`
    return edges.map(({ from, to, data }) => describeEdge(kind.direction === 'out' ? to : from, data)).join('; ')
  }

  /** The seqs, changes and states of an entity up to a seq, of what is not erased. */
  history(key: Key, seq: number): string {
    const versions = this.#entities.versions(nameOf(key), seq, this.lastSeq)
    return versions.map((version) => `${version.seq} ${version.op} ${describeEntities([{ id: key.id, version: version.version, document: version.document }])}`).join('\n')
  }

  /** With the edges that the command makes or removes besides. */
  #linking(command: Key & Pick<Extract<Command, { kind: 'create' }>, 'linking'>, seq: number, own: Outcome): Outcome {
    if (command.linking === undefined || own.kind === 'refused') return own
    const changes = own.kind === 'changes' ? own.changes : []
    const edges = this.graph.linked(nameOf(command), command.linking, { seq, made: changes.map(({ name }) => name) })
    return typeof edges === 'string' ? refused(edges) : changed([...changes, ...edges])
  }

  #delete(names: readonly string[], seq: number): Outcome {
    const deleted = this.graph.deleted(names, seq)
    if (typeof deleted === 'string') return refused(deleted)
    return changed([...deleted.entities.map((name) => this.#entities.next(name, seq, { op: 'DELETE', document: undefined })), ...deleted.edges])
  }

  #update(command: Extract<Command, { kind: 'update' | 'upsert' }>, seq: number): Outcome {
    const live = this.#live(command, seq)
    if (command.expectedVersion !== undefined && command.expectedVersion !== live?.version) return refused('VERSION_CONFLICT')
    if (live === undefined && command.kind === 'update') return refused('NOT_FOUND')
    return this.#put(command, seq, { ...live?.document, ...command.fields })
  }

  #revert({ ns, id, to }: Extract<Command, { kind: 'revert' }>, seq: number): Outcome {
    const then = this.#entities.live(nameOf({ ns, id }), to, seq)
    if (then?.document === undefined) return refused('NOT_FOUND')
    if (this.#live({ ns, id }, seq) !== undefined) return this.#put({ ns, id }, seq, then.document)
    return changed([{ ...this.#next({ ns, id }, seq, then.document), op: 'UPDATE' }])
  }

  #changeMany(command: Extract<Command, { kind: 'updateMany' | 'deleteMany' }>, seq: number, foundAt: number): Outcome {
    const keys = this.wanted(command, seq, foundAt)
    if (command.kind === 'deleteMany') return this.#delete(keys.map(nameOf), seq)
    return changed(keys.flatMap((key) => {
      const outcome = this.#put(key, seq, { ...this.#live(key, seq)?.document, ...command.fields })
      return outcome.kind === 'changes' ? outcome.changes : []
    }))
  }

  /** What a write on many changes: what was in its range when it looked, and still is. */
  wanted({ ns, range }: Extract<Command, { kind: 'updateMany' | 'deleteMany' }>, seq: number, foundAt: number): { ns: string; id: string }[] {
    return this.matching(ns, foundAt, range).map(({ id }) => ({ ns, id })).filter((key) => isWithin(this.#live(key, seq)?.document, range))
  }

  #transact({ commands, fails }: Extract<Command, { kind: 'transaction' }>, seq: number): Outcome {
    const fork = new ReferenceDatabase()
    fork.#entities = this.#entities.upTo(seq)
    fork.graph = this.graph.forkAt(seq, (name, at) => fork.#isLive(name, at))
    fork.#times = this.#times.slice(0, seq)
    const changes = commands.flatMap((command) => {
      const outcome = fork.evaluate(command, fork.lastSeq)
      if (outcome.kind !== 'changes') return []
      fork.commit(outcome.changes, [])
      return outcome.changes
    })
    return fails ? refused('ABORTED') : changed(changes)
  }

  #move({ ns, from, to, by }: Extract<Command, { kind: 'move' }>, seq: number): Outcome {
    const source = this.#live({ ns, id: from }, seq)
    const target = this.#live({ ns, id: to }, seq)
    if (source === undefined || target === undefined) return { kind: 'nothing' }
    const less = { ...source.document, n: Number(source.document?.n ?? 0) - by }
    const more = { ...target.document, n: Number(target.document?.n ?? 0) + by, saw: source.document?.n ?? 0 }
    return changed([this.#next({ ns, id: from }, seq, less), this.#next({ ns, id: to }, seq, more)])
  }

  #put(key: Key, seq: number, document: Document): Outcome {
    const live = this.#live(key, seq)
    // Other than in what is compared, the order of fields counts here: a document whose fields change places has changed.
    if (live?.document !== undefined && JSON.stringify(live.document) === JSON.stringify(document)) return { kind: 'nothing' }
    return changed([this.#next(key, seq, document)])
  }

  #next(key: Key, seq: number, document: Document): Change {
    return this.#entities.next(nameOf(key), seq, { op: this.#live(key, seq) === undefined ? 'CREATE' : 'UPDATE', document })
  }

  #live(key: Key, seq: number): Version | undefined {
    return this.#entities.live(nameOf(key), seq)
  }

  #isLive(name: string, { seq, knownAt }: Moment): boolean {
    return this.#entities.live(name, seq, knownAt) !== undefined
  }
}

function nameOf({ ns, id }: Key): string {
  return `${ns}/${id}`
}

function isWithin(document: Document | undefined, range: Range | undefined): boolean {
  return range === undefined || (typeof document?.n === 'number' && document.n >= range.from && document.n < range.below)
}

/** A text that is the same for the same entities, whatever the order of their fields. */
export function describeEntities(entities: readonly { id: string; version: number; document: Document | undefined }[]): string {
  return entities.map(({ id, version, document }) => `${id} ${version} ${document === undefined ? 'deleted' : describe(document)}`).join('; ')
}

function describe(document: Document): string {
  return JSON.stringify(Object.entries(document).toSorted(([left], [right]) => compareStrings(left, right)))
}

function changed(changes: readonly Change[]): Outcome {
  return changes.length === 0 ? { kind: 'nothing' } : { kind: 'changes', changes }
}

function refused(code: string): Outcome {
  return { kind: 'refused', code }
}
