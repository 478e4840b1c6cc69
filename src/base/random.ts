/** Randomness as an argument, so that a run can be replayed from a seed. */
export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

/** The platform's cryptographic randomness. */
export const systemRandom: Random = { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) }

/** A repeatable source for tests and simulation (mulberry32); not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return { bytes: (count) => new Uint8Array(count).map(() => next() & 255) }
}
