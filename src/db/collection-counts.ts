import { checkAborted } from '../base/abort.ts'
import type { CollectionInfo } from '../model/database-options.ts'
import { withView, type Session } from './session.ts'

/** All collections of one state of the database, ordered by name. */
export async function countCollections(session: Session, signal: AbortSignal | undefined): Promise<CollectionInfo[]> {
  return withView(session, async (view) => {
    const infos: CollectionInfo[] = []
    for (const name of view.namespaces()) {
      let count = 0
      let deletedCount = 0
      for await (const states of view.scan(name, { signal })) {
        checkAborted(signal)
        for (const { deletedAt } of states) {
          if (deletedAt === undefined) count += 1
          else deletedCount += 1
        }
      }
      infos.push({ name, count, deletedCount })
    }
    return infos
  })
}
