import { systemClock } from '../base/clock.ts'
import { ulidSource } from '../base/ids.ts'
import { systemRandom } from '../base/random.ts'
import type { ParqueDB } from '../db/ParqueDB.ts'
import type { EntityKey } from '../model/entity.ts'
import { decidedByObject, type WriteCall } from './partition-rpc.ts'
import type { Engine } from '../storage/engine.ts'

/** What the engine below says when a call has got as far as asking it for something: it was fine until then. */
const accepted = new Error('accepted')
const refuse = (): Promise<never> => Promise.reject(accepted)

/** Takes no call further than to where its arguments are checked; `check` looks at the keys of a write. */
export function checkingEngine(check: (keys: readonly EntityKey[]) => void): Engine {
  const own: Partial<Engine> = {
    clock: systemClock,
    ids: ulidSource(systemClock, systemRandom),
    viewNow: () => undefined,
    async commit({ keys }) {
      check(keys)
      throw accepted
    },
  }
  return new Proxy(own as Engine, { get: (engine, name: keyof Engine) => engine[name] ?? refuse })
}

/**
 * Checks a write's arguments as a collection does, before they leave the isolate: what may not be in a document could not be sent either. `checking` is a database over
 * the engine above. Gives the arguments without the signal, which stays here.
 */
export async function checkWrite(checking: ParqueDB, { ns, method, args }: WriteCall): Promise<{ args: unknown[]; signal: AbortSignal | undefined }> {
  const collection = checking.collection(ns) as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>
  await (collection[method] as (...args: unknown[]) => Promise<unknown>).apply(collection, [...args]).catch((error: unknown) => {
    if (error !== accepted) throw error
  })
  const at = decidedByObject.get(method) ?? 0
  const { signal, ...options } = (args[at] ?? {}) as { signal?: AbortSignal }
  return { args: [...args.slice(0, at), options], signal }
}
