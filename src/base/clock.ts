/** Time as an argument, so that a run can be replayed. */
export interface Clock {
  /** Milliseconds since 1970, whole. May step back; whoever needs order clamps it. */
  nowMs(): number
  /** Resolves after `ms`; at once with 0, but never in the same turn of the event loop. Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's clock. A sleeping timer does not keep a Node process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
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
    }),
}
