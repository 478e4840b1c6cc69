import { checkAborted } from '../base/abort.ts'
import { ParqueDBError, retold } from '../base/ParqueDBError.ts'
import { checkOptions } from '../model/check-options.ts'
import type { FindOneAndUpdateOptions, UpdateManyResult } from '../model/database-options.ts'
import { decide, type Command } from '../model/decide.ts'
import type { Entity } from '../model/entity-document.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import { parseLinkFields, type Link } from '../model/links.ts'
import { gathered } from '../model/ResultCursor.ts'
import { parseUpdate } from '../model/update/parse-update.ts'
import type { ParsedUpdate } from '../model/update/apply-update.ts'
import { parseQuery, type Query } from '../query/parse-query.ts'
import { runQuery, statesOf } from '../query/run-query.ts'
import { acceptor, selectRows } from '../query/select-rows.ts'
import { inOrder } from '../storage/strips.ts'
import { withView } from '../storage/view.ts'
import { deleteEntities, hasDeletePolicies } from './delete-entities.ts'
import { entityMaker } from './find.ts'
import { commitWithEdges } from './replace-edges.ts'
import type { Session } from './session.ts'
import { writeEntity } from './write-entity.ts'
import { parseWrite, writeOptionNames, type ParsedWrite } from './parse-input.ts'

/** Entities of one commit: what is decided, and locked in the queue, at once. */
const batchEntitiesMax = 1000

/**
 * Carries out one command on every entity that the query finds in the state at the beginning, in commits of 1,000 entities and a last one of the rest. Each entity is checked against
 * the filter again when its commit is decided, so a concurrent change is never overwritten by what it had replaced. A failure tells in `details` how many were changed in the commits before it.
 */
export async function writeMany(session: Session, many: { query: Query; command: Command }, write: ParsedWrite): Promise<UpdateManyResult> {
  return withView(session, async (view) => {
    const total = { matchedCount: 0, modifiedCount: 0 }
    let waiting: EntityState[] = []
    const commit = async (): Promise<void> => {
      const states = waiting.slice(0, batchEntitiesMax)
      waiting = waiting.slice(batchEntitiesMax)
      const { matchedCount, modifiedCount } = await writeBatch(session, { ...many, states }, write).catch((error: unknown) => {
        throw total.matchedCount === 0 ? error : retold(error, { ...total }, (message) => `${message} Commits before it have changed ${total.modifiedCount} entities.`)
      })
      total.matchedCount += matchedCount
      total.modifiedCount += modifiedCount
    }
    for await (const selections of selectRows(many.query, view)) {
      for (const state of inOrder(selections, statesOf)) waiting.push(state)
      while (waiting.length >= batchEntitiesMax) await commit()
    }
    if (waiting.length > 0) await commit()
    return total
  })
}

export function updateCommand(update: unknown, options: { arrayFilters?: unknown; orCreate: boolean }): { kind: 'update'; update: ParsedUpdate; orCreate: boolean } {
  return { kind: 'update', update: parseUpdate(update, { arrayFilters: options.arrayFilters }), orCreate: options.orCreate }
}

/** What a command links or unlinks of an entity. */
export function linksOf(session: Session, command: Command, near: EntityKey): Link[] {
  if (command.kind !== 'update') return []
  return command.update.links.flatMap(({ kind, fields }) => parseLinkFields(session.relations, { near, kind, fields, limits: session.limits }))
}

async function writeBatch(session: Session, { query, command, states }: { query: Query; command: Command; states: readonly EntityState[] }, write: ParsedWrite): Promise<UpdateManyResult> {
  if (command.kind === 'delete' && hasDeletePolicies(session, query.ns)) {
    const count = await deleteEntities(session, { keys: states.map(({ id }) => ({ ns: query.ns, id })), accepts: acceptor(query) }, write)
    return { matchedCount: count, modifiedCount: count }
  }
  const entities = states.map(({ id }) => ({ key: { ns: query.ns, id }, links: linksOf(session, command, { ns: query.ns, id }) }))
  const accepts = acceptor(query)
  const counts = { matchedCount: 0, modifiedCount: 0 }
  await commitWithEdges(session, {
    keys: entities.map(({ key }) => key),
    links: entities.flatMap(({ links }) => links),
    decide: (context, edges) => {
      Object.assign(counts, { matchedCount: 0, modifiedCount: 0 })
      const drafts: EventDraft[] = []
      for (const { key, links } of entities) {
        const state = context.state(key)
        if (state === undefined || accepts?.(state) === false) continue
        counts.matchedCount += 1
        const own = [...decide(state, command, { key, nowMs: context.nowMs, limits: session.limits, ...write }), ...edges(links)]
        if (own.length > 0) counts.modifiedCount += 1
        drafts.push(...own)
      }
      return drafts
    },
  }, write)
  return counts
}

/** Entities that are offered to the decision at once: concurrent callers take the next one instead of meeting at the first. */
const candidatesMax = 16
/** How often other writes may take all candidates away between finding and updating them. */
const attemptsMax = 100
/** Upper bound of the wait before finding anew: what took the candidates away may not be durable, and so not be seen, yet. */
const backoffMsMax = 32

export async function findOneAndUpdate<T extends object>(session: Session, target: { ns: string; filter: unknown; update: unknown }, options: FindOneAndUpdateOptions<T> | undefined): Promise<Entity<T> | undefined> {
  const { sort, project, returnDocument, arrayFilters, ...rest } = checkOptions('findOneAndUpdate', options, [...writeOptionNames, 'sort', 'project', 'returnDocument', 'arrayFilters'])
  if (returnDocument !== undefined && returnDocument !== 'before' && returnDocument !== 'after') throw new ParqueDBError('INVALID_ARGUMENT', "The option 'returnDocument' must be 'before' or 'after'.", { details: { option: 'returnDocument' } })
  const query = parseQuery(target.ns, { filter: target.filter, sort, project, limit: candidatesMax, signal: rest.signal })
  const command = updateCommand(target.update, { arrayFilters, orCreate: false })
  const write = parseWrite(session, rest)
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const states = await withView(session, (view) => gathered(runQuery(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, statesOf)))
    const keys = states.map(({ id }) => ({ ns: query.ns, id }))
    if (keys.length === 0) return undefined
    const updated = await updateFirst(session, { query, command, keys }, write)
    const state = returnDocument === 'after' ? updated?.after : updated?.before
    if (state !== undefined) return entityMaker<T>(query)(state)
    await session.clock.sleep(Math.min(2 ** attempt, backoffMsMax), rest.signal).catch(() => checkAborted(rest.signal))
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `findOneAndUpdate found entities ${attemptsMax} times, and each time other writes changed them first; try again.`)
}

/** Updates the first of the entities that the filter still accepts; undefined when it accepts none any more. */
async function updateFirst(session: Session, { query, command, keys }: { query: Query; command: Command; keys: readonly EntityKey[] }, write: ParsedWrite) {
  const accepts = acceptor(query)
  const condition = (state: EntityState | undefined): boolean => state !== undefined && accepts?.(state) !== false
  if (linksOf(session, command, { ns: query.ns, id: 'any' }).length > 0) {
    for (const key of keys) {
      const { before, after, isStale } = await writeEntity(session, { key, isFound: true, command, links: linksOf(session, command, key), condition }, write)
      if (!isStale && before !== undefined && after !== undefined) return { before, after }
    }
    return undefined
  }
  const met: { before: EntityState | undefined } = { before: undefined }
  const { states } = await session.commit({
    keys,
    decide: (context) => {
      const key = keys.find((candidate) => condition(context.state(candidate)))
      met.before = key === undefined ? undefined : context.state(key)
      return key === undefined ? [] : decide(met.before, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
    },
    signal: write.signal,
  })
  return met.before === undefined ? undefined : { before: met.before, after: states[0] ?? met.before }
}
