import { ParqueDBError } from './ParqueDBError.ts'

/** Throws ABORTED once the signal is aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

export function abortError(signal: AbortSignal): ParqueDBError {
  return new ParqueDBError('ABORTED', 'The operation was cancelled by its AbortSignal.', { cause: signal.reason })
}
