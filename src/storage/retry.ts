import type { Clock } from '../base/clock.ts'
import { isParqueDBError, type ParqueDBError } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'

/** With the waits between them some three seconds: about what an object store means by 'slow down'. */
const attemptsMax = 6
const firstWaitMs = 100

export interface RetryParts {
  readonly clock: Clock
  readonly random: Random
}

/**
 * Does `work` again while it fails with STORAGE_UNAVAILABLE and `mayRepeat`: six times at most, waiting twice as long each time, give
 * or take half, so that many clients do not come back together.
 */
export async function retried<T>({ clock, random }: RetryParts, work: () => Promise<T>, mayRepeat: (error: ParqueDBError) => boolean): Promise<T> {
  for (let attempt = 1, waitMs = firstWaitMs; ; attempt++, waitMs *= 2) {
    try {
      return await work()
    } catch (error) {
      if (attempt === attemptsMax || !isParqueDBError(error, 'STORAGE_UNAVAILABLE') || !mayRepeat(error)) throw error
    }
    await clock.sleep(Math.round(waitMs * (0.5 + (random.bytes(1)[0] ?? 0) / 256)))
  }
}
