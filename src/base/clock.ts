/** Time as an argument, so that a run can be replayed. */
export interface Clock {
  /** Milliseconds since 1970, whole. May step back; whoever needs order clamps it. */
  nowMs(): number
  /** Resolves after `ms`; at once with 0, but never in the same turn of the event loop. Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `task` once after `ms` unless cancelled by what it returns. For housekeeping: it does not keep a process alive. */
  after(ms: number, task: () => void): () => void
}

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep(ms, signal) {
    if (ms === 0) return turn(signal)
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', abort, { once: true })
    })
  },
  after(ms, task) {
    const timer: unknown = setTimeout(task, ms)
    // Only Node has timers that can be told so; elsewhere they are numbers and no process waits for them.
    if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') timer.unref()
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>)
  },
}

/** Lets everything go on that is ready. Node has a way to do so; a timer, which is what others have, waits for a millisecond or more. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
  signal?.throwIfAborted()
}
