import type { Document } from '../../model/values.ts'

/** What becomes of an entity, named 'ns/id', or of an edge, named 'ns/id predicate ns/id'. */
export interface Change {
  readonly op: 'CREATE' | 'UPDATE' | 'DELETE' | 'REL_CREATE' | 'REL_DELETE' | 'ERASE'
  readonly name: string
  readonly version: number
  /** An entity's own fields, an edge's data; undefined where it is gone. */
  readonly document: Document | undefined
}

export interface Version extends Change {
  readonly seq: number
}

/** What was of each name, change by change. */
export class Timelines {
  readonly #versions = new Map<string, readonly Version[]>()
  readonly #erased = new Set<string>()

  get names(): Iterable<string> {
    return this.#versions.keys()
  }

  /** Up to `seq`; without what was before an erasure, of those up to `knownAt`. */
  versions(name: string, seq: number, knownAt = seq): readonly Version[] {
    const all = this.#versions.get(name) ?? []
    if (!this.#erased.has(name)) return (all.at(-1)?.seq ?? 0) <= seq ? all : all.filter((version) => version.seq <= seq)
    const erasedAt = all.findLast((version) => version.op === 'ERASE' && version.seq <= knownAt)?.seq ?? 0
    return all.filter((version) => version.seq > erasedAt && version.seq <= seq)
  }

  live(name: string, seq: number, knownAt = seq): Version | undefined {
    const last = this.versions(name, seq, knownAt).at(-1)
    return last?.document === undefined ? undefined : last
  }

  next(name: string, seq: number, what: Pick<Change, 'op' | 'document'>): Change {
    return { ...what, name, version: (this.versions(name, seq).at(-1)?.version ?? 0) + 1 }
  }

  add(change: Change, seq: number): void {
    this.#versions.set(change.name, [...(this.#versions.get(change.name) ?? []), { ...change, seq }])
    if (change.op === 'ERASE') this.#erased.add(change.name)
  }

  /** What was deleted last, and was deleted up to `seq`, is as if it had never been. */
  forget(name: string, seq: number): void {
    const all = this.#versions.get(name) ?? []
    const last = all.at(-1)
    if (last === undefined || last.document !== undefined || last.seq > seq) return
    this.#versions.set(name, [...all.slice(0, -1), { ...last, op: 'ERASE' }])
    this.#erased.add(name)
  }

  upTo(seq: number): Timelines {
    const fork = new Timelines()
    for (const [name, versions] of this.#versions) fork.#versions.set(name, versions.filter((version) => version.seq <= seq))
    for (const name of this.#erased) fork.#erased.add(name)
    return fork
  }
}
