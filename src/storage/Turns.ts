import type { Clock } from '../base/clock.ts'
import type { Slices } from './Slices.ts'

/** After this long others have their turn. */
const turnMsMax = 5
/** What is done between two looks at the time. */
const stepsPerLook = 32
/** What others get for each turn of this one while they are busy: in so many something that they wait for is ready. */
const busyTurns = 8

/** Background work that is cut up, so that nobody waits long for the event loop. */
export class Turns {
  readonly #clock: Clock
  readonly #isOthersTurn: () => boolean
  readonly #slices: Slices | undefined
  #startMs: number
  #steps = 0

  /** `isOthersTurn`: while it says so, this work has what others leave. With `slices` it may be held at each turn. */
  constructor(clock: Clock, isOthersTurn: () => boolean, slices?: Slices) {
    this.#clock = clock
    this.#isOthersTurn = isOthersTurn
    this.#slices = slices
    this.#startMs = clock.nowMs()
  }

  /** One small step was done: when others are due, what to wait for before the next one. */
  step(): Promise<void> | undefined {
    return ++this.#steps % stepsPerLook === 0 ? this.look() : undefined
  }

  /** As `step`, of a larger one. */
  look(): Promise<void> | undefined {
    return this.#clock.nowMs() - this.#startMs >= turnMsMax ? this.end() : undefined
  }

  /** Does all of the larger steps. */
  async through<Result>(steps: Generator<void, Result>): Promise<Result> {
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      await this.look()
    }
  }

  /** Others have their turn now. */
  async end(): Promise<void> {
    await this.#clock.sleep(0)
    await this.#slices?.turn()
    for (let turn = 1; turn < busyTurns && this.#isOthersTurn(); turn++) await this.#clock.sleep(0)
    this.#startMs = this.#clock.nowMs()
  }
}
