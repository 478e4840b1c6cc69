import { compareStrings } from '../../base/bytes.ts'
import type { Document } from '../../model/values.ts'

/** A write of the workload, as data. Every one of them is one commit or none. */
export type Command =
  | { readonly kind: 'create' | 'replace'; readonly ns: string; readonly id: string; readonly document: Document }
  | { readonly kind: 'createMany'; readonly ns: string; readonly ids: readonly string[]; readonly document: Document }
  | { readonly kind: 'update' | 'upsert'; readonly ns: string; readonly id: string; readonly fields: Document; readonly expectedVersion?: number }
  | { readonly kind: 'increment'; readonly ns: string; readonly id: string; readonly by: number }
  | { readonly kind: 'delete' | 'restore'; readonly ns: string; readonly id: string }
  /** Moves `by` from one to the other and leaves a note of what it read; writes nothing where one is missing. */
  | { readonly kind: 'move'; readonly ns: string; readonly from: string; readonly to: string; readonly by: number }

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
  readonly #entities = new Map<string, Version[]>()
  readonly #listings = new Map<string, string>()
  /** ts of each event, by seq - 1. */
  readonly #times: number[] = []

  get lastSeq(): number {
    return this.#times.length
  }

  timeOf(seq: number): number {
    return this.#times[seq - 1] ?? 0
  }

  /** What a command would do just after the event `seq`. */
  evaluate(command: Command, seq: number): Outcome {
    switch (command.kind) {
      case 'create':
        return this.#live(command, seq) === undefined ? this.#put(command, seq, command.document) : refused('ALREADY_EXISTS')
      case 'createMany': {
        const { ns, ids, document } = command
        if (ids.some((id) => this.#live({ ns, id }, seq) !== undefined)) return refused('ALREADY_EXISTS')
        return { kind: 'changes', changes: ids.map((id) => this.#next({ ns, id }, seq, document)) }
      }
      case 'replace':
        return this.#live(command, seq) === undefined ? refused('NOT_FOUND') : this.#put(command, seq, command.document)
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

  /** The living entities of a namespace as of a seq, in the form of `describeEntities`. */
  listing(ns: string, seq: number): string {
    const name = `${seq} ${ns}`
    const known = this.#listings.get(name)
    if (known !== undefined) return known
    const ids = [...this.#entities.keys()].filter((key) => key.startsWith(`${ns}/`)).map((key) => key.slice(ns.length + 1))
    const live = ids.toSorted(compareStrings).flatMap((id) => this.#live({ ns, id }, seq) ?? [])
    const text = describeEntities(live.map(({ id, version, document }) => ({ id, version, document: document ?? {} })))
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
    if (live?.document !== undefined && describe(live.document) === describe(document)) return { kind: 'nothing' }
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
