/** Lets so many run at a time; the others wait, first come, first served. */
export class Gate {
  #freeCount: number
  readonly #waiting: (() => void)[] = []

  constructor(countMax: number) {
    this.#freeCount = countMax
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#freeCount > 0) this.#freeCount -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // A place goes straight to who waits, so that nobody who comes later overtakes.
      const next = this.#waiting.shift()
      if (next === undefined) this.#freeCount += 1
      else next()
    }
  }
}
