import type { Clock } from '../../base/clock.ts'
import type { Dice } from './Dice.ts'

interface Task {
  readonly dueMs: number
  readonly process: SimulatedProcess | undefined
  readonly run: () => void
}

/** Whose work it is. What a dead process waits for never comes; a frozen one gets it when it thaws. */
export interface SimulatedProcess {
  readonly name: string
  isAlive: boolean
  /** Stopped until then, as by SIGSTOP. */
  frozenUntilMs: number
  /** Its clock's error. */
  skewMs: number
  /** What its death breaks. */
  readonly onDeath: Set<() => void>
}

/** The one order of everything that happens: whatever waits, waits here, and is let go one by one. */
export class SimulatedTime {
  readonly #dice: Dice
  readonly #turn: () => Promise<void>
  #tasks: Task[] = []
  #nowMs = 1_700_000_000_000

  /** `turn` resolves when every promise that can settle has settled. */
  constructor(dice: Dice, turn: () => Promise<void>) {
    this.#dice = dice
    this.#turn = turn
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Resolves after `ms`; never for a process that is dead by then. */
  wait(ms: number, process?: SimulatedProcess): Promise<void> {
    return new Promise((resolve) => this.#schedule(ms, process, resolve))
  }

  /** A process's clock, which may be wrong, but is never slow or fast. */
  clockOf(process: SimulatedProcess): Clock {
    return {
      nowMs: () => Math.floor(this.#nowMs) + process.skewMs,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason)
          const abort = (): void => reject(signal?.reason)
          signal?.addEventListener('abort', abort, { once: true })
          this.#schedule(ms, process, () => {
            signal?.removeEventListener('abort', abort)
            resolve()
          })
        }),
      after: (ms, task) => {
        let isCancelled = false
        this.#schedule(ms, process, () => {
          if (!isCancelled) task()
        })
        return () => {
          isCancelled = true
        }
      },
    }
  }

  /** Lets the world go on until `work` has ended. */
  async run(work: Promise<void>): Promise<void> {
    const ended = { is: false }
    const watched = work.finally(() => {
      ended.is = true
    })
    // Whoever awaits `watched` below hears of a failure; the loop only has to end.
    watched.catch(() => undefined)
    while (!ended.is) {
      await this.#turn()
      this.#step()
    }
    return watched
  }

  #schedule(ms: number, process: SimulatedProcess | undefined, run: () => void): void {
    // A moment by chance, so that what is begun together ends in any order.
    const task: Task = { dueMs: this.#nowMs + ms + this.#dice.throw(), process, run }
    let low = 0
    let high = this.#tasks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#tasks[middle]?.dueMs ?? 0) <= task.dueMs) low = middle + 1
      else high = middle
    }
    this.#tasks.splice(low, 0, task)
  }

  #step(): void {
    const task = this.#tasks.shift()
    if (task === undefined) return
    const { process } = task
    if (process?.isAlive === false) return
    this.#nowMs = Math.max(this.#nowMs, task.dueMs)
    if (process !== undefined && process.frozenUntilMs > this.#nowMs) this.#schedule(process.frozenUntilMs - this.#nowMs, process, task.run)
    else task.run()
  }
}
