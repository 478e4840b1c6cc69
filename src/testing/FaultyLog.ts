import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { AppendLog, LogFrame } from '../storage/append-log.ts'
import type { FaultyRun } from './fault.ts'

/** The log of a FaultyBackend. As any log does, it takes nothing more after an append that failed. */
export class FaultyLog implements AppendLog {
  readonly #inner: AppendLog
  readonly #path: string
  readonly #run: FaultyRun
  #poison: ParqueDBError | undefined

  constructor(inner: AppendLog, { path, run }: { path: string; run: FaultyRun }) {
    this.#inner = inner
    this.#path = path
    this.#run = run
  }

  async append(frames: readonly LogFrame[]): Promise<void> {
    if (this.#poison !== undefined) throw this.#poison
    let ownFailure = false
    const appendInner = (): Promise<void> =>
      this.#inner.append(frames).catch((error: unknown) => {
        ownFailure = true
        throw error
      })
    try {
      await this.#run({ point: 'append', path: this.#path }, appendInner)
    } catch (error) {
      // What the inner log refuses by itself, it also remembers by itself.
      if (!ownFailure) this.#poison = new ParqueDBError('STORAGE_UNAVAILABLE', 'The log takes no more writes, because an earlier one failed.', { cause: error })
      throw error
    }
  }

  rotate(nextSeq: number): Promise<void> {
    return this.#run({ point: 'rotate', path: this.#path }, () => this.#inner.rotate(nextSeq))
  }

  truncate(beforeSeq: number): Promise<void> {
    return this.#run({ point: 'truncate', path: this.#path }, () => this.#inner.truncate(beforeSeq))
  }

  /** Never fails: closing what is broken must always work. */
  close(): Promise<void> {
    return this.#inner.close()
  }
}
