import { seededRandom, type Random } from '../../base/random.ts'

/** Chance from a seed: the same seed gives the same throws. */
export class Dice {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** From 0 to below 1. */
  throw(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#random.bytes(4)
    return (a + 256 * (b + 256 * (c + 256 * d))) / 0x100000000
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.throw() * count)
  }

  chance(probability: number): boolean {
    return this.throw() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** One of the names, each as often as its weight. */
  weighed<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries<number>(weights)
    let left = this.throw() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name as Name
    }
    return entries.at(-1)?.[0] as Name
  }

  /** A source of its own for one part of the world, so that a change elsewhere does not change its throws. */
  child(): Dice {
    return new Dice(this.below(0x100000000))
  }

  get source(): Random {
    return this.#random
  }
}
