import { checkAborted } from '../base/abort.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { AsOf, View } from '../storage/view.ts'

/** Point reads that run at once. */
const readsAtOnce = 64

/** The states of the keys, in their order, some at a time; undefined for an entity that never was. */
export async function* pointReads(view: View, keys: readonly EntityKey[], at: { asOf: AsOf | undefined; signal: AbortSignal | undefined }): AsyncGenerator<readonly (EntityState | undefined)[]> {
  for (let start = 0; start < keys.length; start += readsAtOnce) {
    checkAborted(at.signal)
    yield await Promise.all(keys.slice(start, start + readsAtOnce).map((key) => view.get(key, at.asOf)))
  }
}
