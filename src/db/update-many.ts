import type { UpdateManyResult } from '../model/database-options.ts'
import { decide, type Command } from '../model/decide.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import { decideLinks, keysOfLinks, parseLinkFields, type Link } from '../model/links.ts'
import { parseUpdate, type ParsedUpdate } from '../model/update/parse-update.ts'
import type { Query } from '../query/parse-query.ts'
import { acceptor, selectRows } from '../query/select-rows.ts'
import { inOrder } from '../storage/strips.ts'
import { statesOf } from '../query/run-query.ts'
import { deleteEntities, hasDeletePolicies } from './delete-entities.ts'
import { givesWay, replacingEdges } from './replace-edges.ts'
import { withView, type Session } from './session.ts'
import type { ParsedWrite } from './write-options.ts'

/** Entities of one commit: what is decided, and locked in the queue, at once. */
const batchEntitiesMax = 1000

/**
 * Carries out one command on every entity that the query finds in the state at the beginning, in commits of 1,000 entities and a last one of the rest. Each entity is checked against
 * the filter again when its commit is decided, so a concurrent change is never overwritten by what it had replaced.
 */
export async function writeMany(session: Session, many: { query: Query; command: Command }, write: ParsedWrite): Promise<UpdateManyResult> {
  return withView(session, async (view) => {
    const total = { matchedCount: 0, modifiedCount: 0 }
    let waiting: EntityState[] = []
    const commit = async (): Promise<void> => {
      const states = waiting.slice(0, batchEntitiesMax)
      waiting = waiting.slice(batchEntitiesMax)
      const { matchedCount, modifiedCount } = await writeBatch(session, { ...many, states }, write)
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

async function writeBatch(
  session: Session,
  { query, command, states }: { query: Query; command: Command; states: readonly EntityState[] },
  write: ParsedWrite,
): Promise<UpdateManyResult> {
  if (command.kind === 'delete' && hasDeletePolicies(session, query.ns)) {
    const count = await deleteEntities(session, { keys: states.map(({ id }) => ({ ns: query.ns, id })), accepts: acceptor(query) }, write)
    return { matchedCount: count, modifiedCount: count }
  }
  const entities = states.map(({ id }) => ({ key: { ns: query.ns, id }, links: linksOf(session, command, { ns: query.ns, id }) }))
  const accepts = acceptor(query)
  const counts = { matchedCount: 0, modifiedCount: 0 }
  await replacingEdges(session, { links: entities.flatMap(({ links }) => links), isNew: false, write }, async (inner, all) => {
    const replaced = all.slice(0, all.length - entities.reduce((sum, { links }) => sum + links.length, 0))
    return inner.commit({
      keys: [...entities.map(({ key }) => key), ...keysOfLinks(all)],
      decide: (context) => {
        Object.assign(counts, { matchedCount: 0, modifiedCount: 0 })
        const drafts: EventDraft[] = []
        for (const { key, links } of entities) {
          const state = context.state(key)
          if (state === undefined || accepts?.(state) === false) continue
          counts.matchedCount += 1
          const own = decide(state, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
          const edges = decideLinks([...replaced.filter((other) => links.some((link) => givesWay(other, link))), ...links], { state: (of) => context.state(of), ...write })
          if (own.length + edges.length > 0) counts.modifiedCount += 1
          drafts.push(...own, ...edges)
        }
        return drafts
      },
      signal: write.signal,
    })
  })
  return counts
}
