import { assert } from '../base/assert.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { KeyMap } from './KeyMap.ts'

/** The states of the keys of a request; undefined where an entity never was. They are asked for mostly in the order of the keys, which then costs no map. */
export class RequestedStates {
  readonly #keys: readonly EntityKey[]
  readonly #states: readonly (EntityState | undefined)[]
  #places: KeyMap<number> | undefined
  /** Where the next key that is asked for is likely to stand. */
  #next = 0

  /** `states` by the places of `keys`. */
  constructor(keys: readonly EntityKey[], states: readonly (EntityState | undefined)[]) {
    this.#keys = keys
    this.#states = states
  }

  get(key: EntityKey): EntityState | undefined {
    const place = this.#isAt(key, this.#next) ? this.#next : this.#placeOf(key)
    this.#next = place + 1 === this.#keys.length ? 0 : place + 1
    return this.#states[place]
  }

  #isAt({ ns, id }: EntityKey, place: number): boolean {
    const key = this.#keys[place]
    return key !== undefined && key.id === id && key.ns === ns
  }

  #placeOf(key: EntityKey): number {
    if (this.#places === undefined) {
      this.#places = new KeyMap()
      for (const [place, each] of this.#keys.entries()) this.#places.set(each, place)
    }
    const place = this.#places.get(key)
    assert(place !== undefined, 'a decision asks for, and changes, only the keys of its request')
    return place
  }
}
