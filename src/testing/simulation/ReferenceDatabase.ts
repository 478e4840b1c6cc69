import { compareStrings } from '../../base/bytes.ts'
import type { Document } from '../../model/values.ts'

/** A write of the workload, as data. Every one of them is one commit or none. */
export type Command =
  | { readonly kind: 'create'; readonly ns: string; readonly id: string; readonly document: Document }
  | { readonly kind: 'replace'; readonly ns: string; readonly id: string; readonly document: Document; readonly upsert?: boolean }
  | { readonly kind: 'createMany'; readonly ns: string; readonly ids: readonly string[]; readonly document: Document }
  | { readonly kind: 'update' | 'upsert'; readonly ns: string; readonly id: string; readonly fields: Document; readonly expectedVersion?: number }
  | { readonly kind: 'increment'; readonly ns: string; readonly id: string; readonly by: number }
  | { readonly kind: 'delete' | 'restore'; readonly ns: string; readonly id: string }
  /** Makes the document what it was just after the event `to`. */
  | { readonly kind: 'revert'; readonly ns: string; readonly id: string; readonly to: number }
  | { readonly kind: 'updateMany'; readonly ns: string; readonly range: Range; readonly fields: Document }
  | { readonly kind: 'deleteMany'; readonly ns: string; readonly range: Range }
  /** Writes the sum of all `n` of the namespace into one entity of another. */
  | { readonly kind: 'tally'; readonly ns: string; readonly into: { readonly ns: string; readonly id: string }; readonly serial: number }
  /** Commands of one transaction; one that is refused is passed over. `fails`: it is rolled back. */
  | { readonly kind: 'transaction'; readonly commands: readonly Command[]; readonly fails: boolean }
  /** Moves `by` from one to the other and leaves a note of what it read; writes nothing where one is missing. */
  | { readonly kind: 'move'; readonly ns: string; readonly from: string; readonly to: string; readonly by: number }

/** Entities whose `n` is a number from `from` to below `below`. */
export interface Range {
  readonly from: number
  readonly below: number
}

export interface Change {
  readonly op: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly ns: string
  readonly id: string
  readonly version: number
  /** undefined after a DELETE. */
  readonly document: Document | undefined
}

export type Outcome = { readonly kind: 'changes'; readonly changes: readonly Change[] } | { readonly kind: 'nothing' } | { readonly kind: 'refused'; readonly code: string }

interface Version extends Change {
  readonly seq: number
}

/** The database that ParqueDB is compared with: each entity's versions in a map, and nothing else. */
export class ReferenceDatabase {
  #entities = new Map<string, readonly Version[]>()
  readonly #listings = new Map<string, string>()
  /** ts of each event, by seq - 1. */
  #times: number[] = []

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
        return this.#live(command, seq) === undefined ? this.#put(command, seq, command.document) : refused('ALREADY_EXISTS')
      case 'createMany': {
        const { ns, ids, document } = command
        if (ids.some((id) => this.#live({ ns, id }, seq) !== undefined)) return refused('ALREADY_EXISTS')
        return { kind: 'changes', changes: ids.map((id) => this.#next({ ns, id }, seq, document)) }
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
        return this.#update(command, seq)
      case 'increment': {
        const live = this.#live(command, seq)
        if (live === undefined) return refused('NOT_FOUND')
        return this.#put(command, seq, { ...live.document, n: Number(live.document?.n ?? 0) + command.by })
      }
      case 'delete': {
        const live = this.#live(command, seq)
        if (live === undefined) return { kind: 'nothing' }
        return { kind: 'changes', changes: [{ op: 'DELETE', ns: command.ns, id: command.id, version: live.version + 1, document: undefined }] }
      }
      case 'restore': {
        const versions = this.#versions(command, seq)
        if (versions.length === 0) return refused('NOT_FOUND')
        if (versions.at(-1)?.document !== undefined) return { kind: 'nothing' }
        return { kind: 'changes', changes: [{ ...this.#next(command, seq, versions.at(-2)?.document ?? {}), op: 'UPDATE' }] }
      }
      case 'move':
        return this.#move(command, seq)
    }
  }

  /** Adds the changes of one commit, which become the events after the last. */
  commit(changes: readonly Change[], times: readonly number[]): void {
    changes.forEach((change, index) => {
      this.#times.push(times[index] ?? 0)
      const name = `${change.ns}/${change.id}`
      this.#entities.set(name, [...(this.#entities.get(name) ?? []), { ...change, seq: this.lastSeq }])
    })
  }

  /** The living entities of a namespace as of a seq, by id; those in a range, when one is given. */
  matching(ns: string, seq: number, range?: Range): { id: string; version: number; document: Document }[] {
    const ids = [...this.#entities.keys()].filter((key) => key.startsWith(`${ns}/`)).map((key) => key.slice(ns.length + 1))
    const live = ids.toSorted(compareStrings).flatMap((id) => this.#live({ ns, id }, seq) ?? [])
    return live.filter(({ document }) => isWithin(document, range)).map(({ id, version, document }) => ({ id, version, document: document ?? {} }))
  }

  /** The living entities of a namespace as of a seq, in the form of `describeEntities`. */
  listing(ns: string, seq: number): string {
    const name = `${seq} ${ns}`
    const known = this.#listings.get(name)
    if (known !== undefined) return known
    const text = describeEntities(this.matching(ns, seq))
    this.#listings.set(name, text)
    return text
  }

  /** One entity in the same form: nothing where it is absent. */
  entity(key: { ns: string; id: string }, seq: number): string {
    const live = this.#live(key, seq)
    return describeEntities(live === undefined ? [] : [{ id: live.id, version: live.version, document: live.document ?? {} }])
  }

  /** The seqs, changes and states of an entity up to a seq. */
  history(key: { ns: string; id: string }, seq: number): string {
    return this.#versions(key, seq)
      .map((version) => `${version.seq} ${version.op} ${describeEntities([{ id: key.id, version: version.version, document: version.document }])}`)
      .join('\n')
  }

  #update(command: Extract<Command, { kind: 'update' | 'upsert' }>, seq: number): Outcome {
    const live = this.#live(command, seq)
    if (command.expectedVersion !== undefined && command.expectedVersion !== live?.version) return refused('VERSION_CONFLICT')
    if (live === undefined && command.kind === 'update') return refused('NOT_FOUND')
    return this.#put(command, seq, { ...live?.document, ...command.fields })
  }

  #revert({ ns, id, to }: Extract<Command, { kind: 'revert' }>, seq: number): Outcome {
    const then = this.#live({ ns, id }, to)
    if (then?.document === undefined) return refused('NOT_FOUND')
    if (this.#live({ ns, id }, seq) !== undefined) return this.#put({ ns, id }, seq, then.document)
    return { kind: 'changes', changes: [{ ...this.#next({ ns, id }, seq, then.document), op: 'UPDATE' }] }
  }

  #changeMany(command: Extract<Command, { kind: 'updateMany' | 'deleteMany' }>, seq: number, foundAt: number): Outcome {
    const { ns, range } = command
    const changes = this.matching(ns, foundAt, range).flatMap(({ id }) => {
      const live = this.#live({ ns, id }, seq)
      if (live === undefined || !isWithin(live.document, range)) return []
      const outcome = command.kind === 'deleteMany' ? this.evaluate({ kind: 'delete', ns, id }, seq) : this.#put({ ns, id }, seq, { ...live.document, ...command.fields })
      return outcome.kind === 'changes' ? outcome.changes : []
    })
    return changes.length === 0 ? { kind: 'nothing' } : { kind: 'changes', changes }
  }

  #transact({ commands, fails }: Extract<Command, { kind: 'transaction' }>, seq: number): Outcome {
    const fork = new ReferenceDatabase()
    fork.#entities = new Map([...this.#entities.keys()].map((name) => [name, (this.#entities.get(name) ?? []).filter((version) => version.seq <= seq)]))
    fork.#times = this.#times.slice(0, seq)
    const changes = commands.flatMap((command) => {
      const outcome = fork.evaluate(command, fork.lastSeq)
      if (outcome.kind !== 'changes') return []
      fork.commit(outcome.changes, [])
      return outcome.changes
    })
    if (fails) return refused('ABORTED')
    return changes.length === 0 ? { kind: 'nothing' } : { kind: 'changes', changes }
  }

  #move({ ns, from, to, by }: Extract<Command, { kind: 'move' }>, seq: number): Outcome {
    const source = this.#live({ ns, id: from }, seq)
    const target = this.#live({ ns, id: to }, seq)
    if (source === undefined || target === undefined) return { kind: 'nothing' }
    const less = { ...source.document, n: Number(source.document?.n ?? 0) - by }
    const more = { ...target.document, n: Number(target.document?.n ?? 0) + by, saw: source.document?.n ?? 0 }
    return { kind: 'changes', changes: [this.#next({ ns, id: from }, seq, less), this.#next({ ns, id: to }, seq, more)] }
  }

  #put(key: { ns: string; id: string }, seq: number, document: Document): Outcome {
    const live = this.#live(key, seq)
    // Other than in what is compared, the order of fields counts here: a document whose fields change places has changed.
    if (live?.document !== undefined && JSON.stringify(live.document) === JSON.stringify(document)) return { kind: 'nothing' }
    return { kind: 'changes', changes: [this.#next(key, seq, document)] }
  }

  #next({ ns, id }: { ns: string; id: string }, seq: number, document: Document): Change {
    const last = this.#versions({ ns, id }, seq).at(-1)
    return { op: last?.document === undefined ? 'CREATE' : 'UPDATE', ns, id, version: (last?.version ?? 0) + 1, document }
  }

  #live(key: { ns: string; id: string }, seq: number): Version | undefined {
    const last = this.#versions(key, seq).at(-1)
    return last?.document === undefined ? undefined : last
  }

  #versions({ ns, id }: { ns: string; id: string }, seq: number): readonly Version[] {
    const versions = this.#entities.get(`${ns}/${id}`) ?? []
    return (versions.at(-1)?.seq ?? 0) <= seq ? versions : versions.filter((version) => version.seq <= seq)
  }
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

function refused(code: string): Outcome {
  return { kind: 'refused', code }
}
