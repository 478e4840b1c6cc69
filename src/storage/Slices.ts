/** Lets a piece of work go on for so many rows, and holds it at its next turn until it is to go on: where a turn has a limit, as an alarm of a Durable Object. */
export class Slices {
  readonly #rowsMax: number
  #rowsLeft: number
  #goOn: (() => void) | undefined
  #onStop: (() => void) | undefined

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax
    this.#rowsLeft = rowsMax
  }

  /** The next slice: resolves when the work is held, or as the work ends. */
  async run(work: Promise<void>): Promise<void> {
    const stopped = new Promise<void>((resolve) => (this.#onStop = resolve))
    this.#resume(this.#rowsMax)
    await Promise.race([work, stopped])
  }

  /** To the end without a stop. */
  release(): void {
    this.#resume(Number.POSITIVE_INFINITY)
  }

  done(rows: number): void {
    this.#rowsLeft -= rows
  }

  /** What the work waits for at each of its turns. */
  async turn(): Promise<void> {
    if (this.#rowsLeft > 0) return
    const held = new Promise<void>((resolve) => (this.#goOn = resolve))
    this.#onStop?.()
    await held
  }

  #resume(rows: number): void {
    if (this.#rowsLeft !== Number.POSITIVE_INFINITY) this.#rowsLeft = rows
    this.#goOn?.()
    this.#goOn = undefined
  }
}
