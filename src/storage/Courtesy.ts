import type { Clock } from '../base/clock.ts'
import type { EntityKey } from '../model/entity.ts'
import { KeyMap } from './KeyMap.ts'

/** Longer than a guest takes to read what was changed and to decide anew. */
const courtesyMs = 50

/** Whose turn it is: a writer decides faster than any guest can, so it leaves an entity alone for a moment once it has refused a guest's change of it. */
export class Courtesy {
  readonly #clock: Clock
  readonly #turns = new KeyMap<{ readonly over: Promise<unknown>; readonly end: () => void }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A guest was refused: its turn lasts until it has changed them, or for `courtesyMs`. */
  give(keys: readonly EntityKey[]): void {
    if (keys.some((key) => this.#turns.has(key))) return
    let end = (): void => undefined
    const used = new Promise<void>((resolve) => (end = resolve))
    const turn = { over: Promise.race([used, this.#clock.sleep(courtesyMs)]), end }
    for (const key of keys) this.#turns.set(key, turn)
    void turn.over.then(() => {
      for (const key of keys) if (this.#turns.get(key) === turn) this.#turns.delete(key)
    })
  }

  /** A guest has changed them. */
  end(keys: readonly EntityKey[]): void {
    for (const key of keys) this.#turns.get(key)?.end()
  }

  /** The end of guests' turns that are under way. */
  before(keys: readonly EntityKey[]): Promise<unknown> | undefined {
    if (this.#turns.isEmpty) return undefined
    const turns = keys.flatMap((key) => this.#turns.get(key)?.over ?? [])
    return turns.length === 0 ? undefined : Promise.all(turns)
  }
}
