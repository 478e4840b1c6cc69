import { ParqueDBError } from '../base/ParqueDBError.ts'
import { notFound } from '../model/decide.ts'
import { formatEntityId } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { lastLiveState, statesAtPoints, type ParsedPoint } from './history.ts'
import { withView, type Session } from './session.ts'
import { writeEntity } from './write-entity.ts'
import type { ParsedWrite } from './write-options.ts'

/** How often another write may bring back and delete the entity again while it is being restored. */
const attemptsMax = 100

/** The state after bringing a deleted entity back as it was last; the state as it is where it lives. */
export async function restoreEntity(session: Session, key: EntityKey, write: ParsedWrite): Promise<EntityState | undefined> {
  const earlier = await committedState(session, key, write)
  if (earlier !== undefined) return earlier
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { tombstone, document } = await lastDocument(session, key)
    // What was read must still be the last of it when the command is decided.
    const condition = (state: EntityState | undefined): boolean => state?.deletedAt === undefined || state.version === tombstone?.version
    const { after, isStale } = await writeEntity(session, { key, command: { kind: 'restore', document }, condition }, write)
    if (!isStale) return after
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `${formatEntityId(key)} was deleted again ${attemptsMax} times while it was being restored; try again.`)
}

/** The state after making the entity's document what it was at a point. */
export async function revertEntity(session: Session, { key, point, includeArchived }: { key: EntityKey; point: ParsedPoint; includeArchived: boolean | undefined }, write: ParsedWrite): Promise<EntityState | undefined> {
  const earlier = await committedState(session, key, write)
  if (earlier !== undefined) return earlier
  const [state] = await statesAtPoints(session, key, { points: [point], options: includeArchived === undefined ? {} : { includeArchived } })
  if (state === undefined || state.deletedAt !== undefined) {
    const $id = formatEntityId(key)
    throw new ParqueDBError('NOT_FOUND', `${$id} was ${state === undefined ? 'not there' : 'deleted'} at that point, so it cannot be made what it was then.`, { details: { $id } })
  }
  const { after } = await writeEntity(session, { key, command: { kind: 'revert', document: state.document } }, write)
  return after
}

/** What a write under this txId gave before: the past that it then read may be gone by now. */
async function committedState(session: Session, key: EntityKey, { txId, signal }: ParsedWrite): Promise<EntityState | undefined> {
  return txId === undefined ? undefined : (await session.commit({ keys: [key], decide: () => [], txId, signal })).states[0]
}

async function lastDocument(session: Session, key: EntityKey) {
  return withView(session, async (view) => {
    const newest = await view.get(key)
    if (newest === undefined) throw notFound(newest, key)
    if (newest.deletedAt === undefined) return { tombstone: undefined, document: newest.document }
    const last = await lastLiveState(view, key, newest)
    if (last === undefined) throw notFound(newest, key)
    return { tombstone: newest, document: last.document }
  })
}
