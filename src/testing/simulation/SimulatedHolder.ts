import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { WriterLine } from '../../storage/storage-backend.ts'
import type { SimulatedProcess, SimulatedTime } from './SimulatedTime.ts'

/** A caller waits so long for one that is stopped. */
const silenceMsMax = 30_000

/** What it needs of the world. */
interface Surroundings {
  readonly time: SimulatedTime
  latency(process: SimulatedProcess): Promise<void>
  meets(danger: 'before' | 'after' | 'full'): boolean
  hit(point: string): void
}

type Answer = (request: Uint8Array) => Promise<Uint8Array>

/** A process that has the writer role, as others reach it: messages take time, and the line may break on either way. */
export class SimulatedHolder {
  readonly process: SimulatedProcess
  readonly isShared: boolean
  readonly serve: (answer: Answer) => void
  readonly end: () => void
  readonly #served: Promise<Answer>
  readonly #ended: Promise<never>

  constructor(process: SimulatedProcess, isShared: boolean) {
    this.process = process
    this.isShared = isShared
    let serve = (_answer: Answer): void => undefined
    this.#served = new Promise((resolve) => (serve = resolve))
    this.serve = (answer) => serve(answer)
    let end = (): void => undefined
    this.#ended = new Promise<never>((_resolve, reject) => (end = () => reject(broken())))
    this.#ended.catch(() => undefined)
    this.end = () => end()
  }

  line(world: Surroundings, caller: SimulatedProcess): WriterLine {
    let isBroken = false
    const breaks = (): never => {
      isBroken = true
      throw broken()
    }
    return {
      ask: async (request) => {
        await world.latency(caller)
        if (isBroken || world.meets('before')) breaks()
        const answering = (async () => {
          await world.latency(this.process)
          const answer = await (await this.#served)(request)
          await world.latency(this.process)
          return answer
        })()
        const silence = world.time.wait(silenceMsMax, caller).then(breaks)
        silence.catch(() => undefined)
        const answer = await Promise.race([answering, this.#ended, silence]).catch(breaks)
        await world.latency(caller)
        if (world.meets('after') || world.meets('full')) {
          world.hit('an answer to a guest is lost')
          breaks()
        }
        return answer
      },
      close: () => {
        isBroken = true
      },
    }
  }
}

function broken(): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', 'Simulated: the line broke.', { details: { outcome: 'unknown' } })
}
