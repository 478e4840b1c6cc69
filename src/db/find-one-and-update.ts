import { checkAborted } from '../base/abort.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { FindOneAndUpdateOptions } from '../model/database-options.ts'
import { decide, type Command } from '../model/decide.ts'
import type { Entity } from '../model/entity-document.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { checkOptions } from '../model/check-options.ts'
import { parseQuery, type Query } from '../query/parse-query.ts'
import { runQuery, statesOf } from '../query/run-query.ts'
import { acceptor } from '../query/select-rows.ts'
import { entityMaker } from './find.ts'
import { withView, type Session } from './session.ts'
import { linksOf, updateCommand } from './update-many.ts'
import { writeEntity } from './write-entity.ts'
import { parseWrite, writeOptionNames, type ParsedWrite } from './write-options.ts'

/** Entities that are offered to the decision at once: concurrent callers take the next one instead of meeting at the first. */
const candidatesMax = 16
/** How often other writes may take all candidates away between finding and updating them. */
const attemptsMax = 100
/** Upper bound of the wait before finding anew: what took the candidates away may not be durable, and so not be seen, yet. */
const backoffMsMax = 32

export async function findOneAndUpdate<T extends object>(
  session: Session,
  target: { ns: string; filter: unknown; update: unknown },
  options: FindOneAndUpdateOptions<T> | undefined,
): Promise<Entity<T> | undefined> {
  const { sort, project, returnDocument, arrayFilters, ...rest } = checkOptions('findOneAndUpdate', options, [...writeOptionNames, 'sort', 'project', 'returnDocument', 'arrayFilters'])
  if (returnDocument !== undefined && returnDocument !== 'before' && returnDocument !== 'after') {
    throw new ParqueDBError('INVALID_ARGUMENT', "The option 'returnDocument' must be 'before' or 'after'.", { details: { option: 'returnDocument' } })
  }
  const query = parseQuery(target.ns, { filter: target.filter, sort, project, limit: candidatesMax, signal: rest.signal })
  const command = updateCommand(target.update, { arrayFilters, orCreate: false })
  const write = parseWrite(session, rest)
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const keys = await candidates(session, query)
    if (keys.length === 0) return undefined
    const updated = await updateFirst(session, { query, command, keys }, write)
    const state = returnDocument === 'after' ? updated?.after : updated?.before
    if (state !== undefined) return entityMaker<T>(query)(state)
    await session.clock.sleep(Math.min(2 ** attempt, backoffMsMax), rest.signal).catch(() => checkAborted(rest.signal))
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `findOneAndUpdate found entities ${attemptsMax} times, and each time other writes changed them first; try again.`)
}

async function candidates(session: Session, query: Query): Promise<EntityKey[]> {
  return withView(session, async (view) => {
    const keys: EntityKey[] = []
    for await (const states of runQuery(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, statesOf)) {
      for (const { id } of states) keys.push({ ns: query.ns, id })
    }
    return keys
  })
}

/** Updates the first of the entities that the filter still accepts; undefined when it accepts none any more. */
async function updateFirst(session: Session, { query, command, keys }: { query: Query; command: Command; keys: readonly EntityKey[] }, write: ParsedWrite) {
  const accepts = acceptor(query)
  if (linksOf(session, command, { ns: query.ns, id: 'any' }).length > 0) {
    for (const key of keys) {
      const condition = (state: EntityState | undefined): boolean => state !== undefined && accepts?.(state) !== false
      const { before, after, isStale } = await writeEntity(session, { key, command, links: linksOf(session, command, key), condition }, write)
      if (!isStale && before !== undefined && after !== undefined) return { before, after }
    }
    return undefined
  }
  const met: { before: EntityState | undefined } = { before: undefined }
  const { states } = await session.commit({
    keys,
    decide: (context) => {
      const key = keys.find((candidate) => {
        const state = context.state(candidate)
        return state !== undefined && accepts?.(state) !== false
      })
      met.before = key === undefined ? undefined : context.state(key)
      return key === undefined ? [] : decide(met.before, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
    },
    signal: write.signal,
  })
  return met.before === undefined ? undefined : { before: met.before, after: states[0] ?? met.before }
}
