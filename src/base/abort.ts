import { isParqueDBError, ParqueDBError } from './ParqueDBError.ts'

/** Throws ABORTED once the signal is aborted; CLOSED when that is the reason. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

export function abortError(signal: AbortSignal): ParqueDBError {
  const { reason }: { readonly reason: unknown } = signal
  return isParqueDBError(reason, 'CLOSED') ? reason : new ParqueDBError('ABORTED', 'The operation was cancelled by its AbortSignal.', { cause: reason })
}

/** What `work` gives, unless the signal is aborted first: `work` is not waited for then. */
export async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work
  let stop = (): void => undefined
  const aborted = new Promise<never>((_, reject) => (stop = () => reject(abortError(signal))))
  signal.addEventListener('abort', stop)
  // `work` may have done it before it first waited.
  if (signal.aborted) stop()
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop))
}
