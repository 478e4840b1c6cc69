import type { EntityKey } from '../model/entity.ts'

/** A map by entity: by namespace, then by id, because a joined name would be a new string to make and hash at every look. */
export class KeyMap<Value> {
  readonly #namespaces = new Map<string, Map<string, Value>>()
  /** The namespace that was looked at last: the next look is nearly always there too. */
  #lastNs: string | undefined
  #lastIds: Map<string, Value> | undefined

  get({ ns, id }: EntityKey): Value | undefined {
    return this.#idsOf(ns)?.get(id)
  }

  has({ ns, id }: EntityKey): boolean {
    return this.#idsOf(ns)?.has(id) === true
  }

  set({ ns, id }: EntityKey, value: Value): void {
    const ids = this.#idsOf(ns)
    if (ids !== undefined) ids.set(id, value)
    else {
      this.#lastIds = new Map([[id, value]])
      this.#namespaces.set(ns, this.#lastIds)
    }
  }

  delete({ ns, id }: EntityKey): void {
    const ids = this.#idsOf(ns)
    if (ids?.delete(id) !== true || ids.size > 0) return
    this.#namespaces.delete(ns)
    this.#lastIds = undefined
  }

  get isEmpty(): boolean {
    return this.#namespaces.size === 0
  }

  clear(): void {
    this.#namespaces.clear()
    this.#lastIds = undefined
  }

  #idsOf(ns: string): Map<string, Value> | undefined {
    if (ns === this.#lastNs) return this.#lastIds
    this.#lastNs = ns
    this.#lastIds = this.#namespaces.get(ns)
    return this.#lastIds
  }
}
