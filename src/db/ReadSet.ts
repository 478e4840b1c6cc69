import type { EntityKey } from '../model/entity.ts'
import type { DecisionContext } from '../storage/engine.ts'

/** Entities of one namespace that are noted one by one; past it the namespace is, which conflicts more often and stays small. */
const entitiesMax = 1000

/** What a transaction has read: entities one by one, or whole namespaces. */
export class ReadSet {
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
