import { checkAborted } from '../base/abort.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { AsOf, View } from '../storage/view.ts'

/** Entities that are read together: neighbours share requests. */
const readsAtOnce = 1000

/** The states of the keys, in their order, some at a time; undefined for an entity that never was. */
export async function* pointReads(view: View, keys: readonly EntityKey[], at: { asOf: AsOf | undefined; signal: AbortSignal | undefined }): AsyncGenerator<readonly (EntityState | undefined)[]> {
  for (let start = 0; start < keys.length; start += readsAtOnce) {
    checkAborted(at.signal)
    yield await view.getMany(keys.slice(start, start + readsAtOnce), at.asOf)
  }
}
