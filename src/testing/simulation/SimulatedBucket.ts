import { compareStrings } from '../../base/bytes.ts'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { Random } from '../../base/random.ts'
import { BucketBackend, type Bucket } from '../../storage/backends/BucketBackend.ts'
import type { ParsedCondition } from '../../storage/request-rules.ts'
import type { StorageBackend } from '../../storage/storage-backend.ts'
import type { SimulatedProcess } from './SimulatedTime.ts'
import type { SimulatedWorld, Weather } from './SimulatedWorld.ts'

/** Requests are repeated, so that each of them fails more often than a step of a disk. */
const requestOdds = 5
const latestMs = 60_000

/** A process's way to the bucket: requests that take time, are lost, are done though the reply is lost, are done late or twice, or are refused for now. */
export class SimulatedBucket extends BucketBackend implements StorageBackend {
  constructor(world: SimulatedWorld, process: SimulatedProcess, random: Random) {
    super('simulated bucket', requests(world, process), { clock: world.time.clockOf(process), random })
  }
}

function requests(world: SimulatedWorld, process: SimulatedProcess): Bucket {
  const { bucket, dice } = world
  const meets = (danger: keyof Weather): boolean => {
    let isMet = false
    for (let throws = 0; throws < requestOdds; throws++) isMet = world.meets(danger) || isMet
    return isMet
  }
  const request = async <T>(operation: string, key: string, work: () => T): Promise<T> => {
    await world.latency(process)
    world.note(`${process.name} ${operation} ${key}`)
    if (meets('before')) throw lost()
    const result = work()
    await world.latency(process)
    if (meets('after')) throw lost()
    return result
  }
  /** Done once more, whatever becomes of the process. */
  const doLate = (key: string, bytes: Uint8Array, condition: ParsedCondition): void => {
    void world.time.wait(dice.below(latestMs)).then(() => {
      const isDone = bucket.put(key, bytes, condition) !== undefined
      world.note(`a late put of ${key} ${isDone ? 'is done' : 'is refused'}`)
      world.hit(isDone ? 'a late put is done' : 'a late put is refused')
    })
  }
  return {
    get: (key, range) =>
      request('get', key, () => {
        const bytes = bucket.objects.get(key)?.bytes
        if (bytes === undefined) world.missing(process, key)
        return bytes?.slice(range?.start, range?.end)
      }),
    head: (key) =>
      request('head', key, () => {
        if (bucket.unknown.get(key) === 'done' && bucket.unknown.delete(key)) world.hit('an unknown put is found to be done')
        return bucket.find(key)
      }),
    put: async (key, bytes, condition) => {
      await world.latency(process)
      world.note(`${process.name} put ${key}`)
      if (meets('full')) throw notNow(world, condition)
      if (bucket.unknown.get(key) === 'not done' && bucket.unknown.delete(key)) world.hit('an unknown put is done again')
      if (meets('before')) {
        bucket.unknown.set(key, 'not done')
        if (dice.chance(0.5)) doLate(key, bytes, condition)
        throw lost()
      }
      const etag = bucket.put(key, bytes, condition)
      if (meets('sync')) doLate(key, bytes, condition)
      await world.latency(process)
      if (!meets('after')) return etag
      if (etag !== undefined) bucket.unknown.set(key, 'done')
      throw lost()
    },
    delete: (key) =>
      request('delete', key, () => {
        if (bucket.objects.delete(key) && key.startsWith('log/')) world.hit('an object of the log is deleted')
      }),
    list: ({ prefix, limit, cursor }) =>
      request('list', prefix, () => {
        const keys = [...bucket.objects.keys()].filter((key) => key.startsWith(prefix) && (cursor === undefined || compareStrings(key, cursor) > 0)).toSorted(compareStrings)
        const page = keys.slice(0, Math.min(limit, world.pageLimit()))
        if (page.length < keys.length) world.hit('a listing has pages')
        return { objects: page.flatMap((key) => bucket.find(key) ?? []), cursor: page.length < keys.length ? page.at(-1) : undefined }
      }),
  }
}

function lost(): Error {
  return new Error('the connection broke')
}

/** 409 and 429: surely not done. 503: who knows. */
function notNow(world: SimulatedWorld, condition: ParsedCondition): ParqueDBError {
  const status = world.dice.pick(condition.kind === 'any' ? [429, 503] : [409, 429, 503])
  world.hit(`a bucket answers ${status}`)
  return new ParqueDBError('STORAGE_UNAVAILABLE', `the store answered ${status}`, { details: { status, ...(status === 503 ? {} : { outcome: 'none' }) } })
}
