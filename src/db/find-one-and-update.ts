import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Entity } from '../model/entity-document.ts'
import type { Projection, Sort } from '../model/filter-types.ts'
import { checkOptions } from '../query/check-options.ts'
import { parseQuery, type Query } from '../query/parse-query.ts'
import { acceptor, runQuery } from '../query/run-query.ts'
import { entityMaker } from './find.ts'
import { withView, type Session } from './session.ts'
import { updateCommand } from './update-many.ts'
import { writeEntity } from './write-entity.ts'
import { parseWrite, writeOptionNames, type WriteOptions } from './write-options.ts'

export interface FindOneAndUpdateOptions<T extends object> extends WriteOptions {
  /** Which entity is the first. Default: ascending by id. */
  sort?: Sort<T>
  project?: Projection<T>
  /** Default 'before', as in MongoDB. */
  returnDocument?: 'before' | 'after'
  arrayFilters?: readonly object[]
}

/** How often another write may take the entity away between finding and updating it. */
const attemptsMax = 100

export async function findOneAndUpdate<T extends object>(
  session: Session,
  target: { ns: string; filter: unknown; update: unknown },
  options: FindOneAndUpdateOptions<T> | undefined,
): Promise<Entity<T> | undefined> {
  const { sort, project, returnDocument, arrayFilters, ...rest } = checkOptions('findOneAndUpdate', options, [...writeOptionNames, 'sort', 'project', 'returnDocument', 'arrayFilters'])
  if (returnDocument !== undefined && returnDocument !== 'before' && returnDocument !== 'after') {
    throw new ParqueDBError('INVALID_ARGUMENT', "The option 'returnDocument' must be 'before' or 'after'.", { details: { option: 'returnDocument' } })
  }
  const query = parseQuery(target.ns, { filter: target.filter, sort, project, limit: 1, signal: rest.signal })
  const command = updateCommand(target.update, { arrayFilters, orCreate: false })
  const write = parseWrite(session, rest)
  const accepts = acceptor(query)
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const id = await firstId(session, query)
    if (id === undefined) return undefined
    const condition = (state: Parameters<NonNullable<typeof accepts>>[0] | undefined): boolean => state !== undefined && accepts?.(state) !== false
    const { before, after, isStale } = await writeEntity(session, { key: { ns: target.ns, id }, command, condition }, write)
    if (isStale) continue
    const state = returnDocument === 'after' ? after : before
    return state === undefined ? undefined : entityMaker<T>(query)(state)
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `findOneAndUpdate found an entity ${attemptsMax} times, and each time another write changed it first; try again.`)
}

async function firstId(session: Session, query: Query): Promise<string | undefined> {
  return withView(session, async (view) => {
    for await (const [state] of runQuery(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax })) return state?.id
    return undefined
  })
}
