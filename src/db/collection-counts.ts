import { checkAborted } from '../base/abort.ts'
import type { CollectionInfo } from '../model/database-options.ts'
import { withView, type Session } from './session.ts'

/** All collections of one state of the database, ordered by name. */
export async function countCollections(session: Session, signal: AbortSignal | undefined): Promise<CollectionInfo[]> {
  return withView(session, async (view) => {
    const infos: CollectionInfo[] = []
    for (const name of view.namespaces().filter((each) => !each.startsWith('$'))) {
      let count = 0
      let deletedCount = 0
      for await (const slices of view.scan(name, { signal })) {
        checkAborted(signal)
        for (const { batch, rows } of slices) {
          const { deleted } = batch
          for (const row of rows) deletedCount += deleted?.[row] ?? 0
          count += rows.length
        }
      }
      count -= deletedCount
      infos.push({ name, count, deletedCount })
    }
    return infos
  })
}
