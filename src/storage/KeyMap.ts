import type { EntityKey } from '../model/entity.ts'

/** A map by entity: by namespace, then by id, because a joined name would be a new string to make and hash at every look. */
export class KeyMap<Value> {
  readonly #namespaces = new Map<string, Map<string, Value>>()

  get({ ns, id }: EntityKey): Value | undefined {
    return this.#namespaces.get(ns)?.get(id)
  }

  has({ ns, id }: EntityKey): boolean {
    return this.#namespaces.get(ns)?.has(id) === true
  }

  set({ ns, id }: EntityKey, value: Value): void {
    const ids = this.#namespaces.get(ns)
    if (ids === undefined) this.#namespaces.set(ns, new Map([[id, value]]))
    else ids.set(id, value)
  }

  delete({ ns, id }: EntityKey): void {
    const ids = this.#namespaces.get(ns)
    if (ids?.delete(id) === true && ids.size === 0) this.#namespaces.delete(ns)
  }

  clear(): void {
    this.#namespaces.clear()
  }
}
