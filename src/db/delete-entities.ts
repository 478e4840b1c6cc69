import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import { edgeRange, edgeSpace, farEnd, parseEdgeKey, predicateOf, type Direction } from '../model/edge.ts'
import { formatEntityId, isLive, parseReference, type EntityKey, type EntityState } from '../model/entity.ts'
import { decideLinks, keysOfLinks, unlinkOf, type Link } from '../model/links.ts'
import type { Relation } from '../model/relations.ts'
import { withView } from '../storage/view.ts'
import type { Session } from './session.ts'
import { writeEntity } from './write-entity.ts'
import type { ParsedWrite } from './parse-input.ts'

/** Whether deleting in a collection does anything to its edges, or to what they lead to. */
export function hasDeletePolicies(session: Session, ns: string): boolean {
  return session.relations.incoming(ns).length > 0 || session.relations.unlinkedWith(ns).length > 0
}

/** Entities that are to go, as far as they are there, and wanted then. */
export interface Roots {
  readonly keys: readonly EntityKey[]
  readonly accepts?: ((state: EntityState) => boolean) | undefined
}

/**
 * Deletes entities of which some relationship says what that does: as one transaction, with all that cascades from them. How many of `roots` were there. REFERENCE_VIOLATION
 * where a relationship that restricts leads to one of them from an entity that stays; LIMIT_EXCEEDED past `cascadeEntitiesMax`.
 */
export async function deleteEntities(session: Session, roots: Roots, write: ParsedWrite): Promise<number> {
  const deleted = await session.transact(async (inner) => {
    const plan = await planDelete(inner, roots)
    let count = 0
    const options = { ...write, txId: undefined }
    for (const [$id, key] of plan.entities) {
      const isRoot = plan.rootIds.has($id)
      const { isChanged } = await writeEntity(inner, { key, command: { kind: 'delete' } }, isRoot ? options : { ...options, expectedVersion: undefined })
      if (isRoot && isChanged) count += 1
    }
    const { unlinks } = plan
    await inner.commit({ keys: keysOfLinks(unlinks), decide: (context) => decideLinks(unlinks, { state: (key) => context.state(key), ...options }), signal: write.signal })
    return count
  }, write)
  return deleted?.result ?? roots.keys.length
}

interface DeletePlan {
  readonly rootIds: ReadonlySet<string>
  /** By `$id`. */
  readonly entities: Map<string, EntityKey>
  readonly unlinks: Link[]
  /** Edges that must not lead to what goes, unless what they lead from goes, too. */
  readonly restricting: { readonly from: string; readonly state: EntityState }[]
}

async function planDelete(session: Session, roots: Roots): Promise<DeletePlan> {
  const wanted = await liveOf(session, roots)
  const plan: DeletePlan = { rootIds: new Set(wanted.map(formatEntityId)), entities: new Map(), unlinks: [], restricting: [] }
  for (let frontier: readonly EntityKey[] = wanted; frontier.length > 0; ) {
    const next: EntityKey[] = []
    for (const key of frontier) {
      plan.entities.set(formatEntityId(key), key)
      const { relations } = session
      const outgoing = relations.unlinkedWith(key.ns).map((relation) => ({ near: key, relation, direction: 'out' as const }))
      const incoming = relations.incoming(key.ns).map((relation) => ({ near: key, relation, direction: 'in' as const }))
      for (const end of [...outgoing, ...incoming]) next.push(...(await followEdges(session, plan, end)))
      if (plan.entities.size + plan.unlinks.length > session.limits.cascadeEntitiesMax) throw tooMuch(session)
    }
    frontier = await liveOf(session, { keys: next })
  }
  const unique = new Map(plan.unlinks.map((link) => [JSON.stringify(link.ends), link]))
  await checkRestricted(session, plan)
  return { ...plan, unlinks: [...unique.values()] }
}

/** Adds to the plan what becomes of an entity's edges of one kind; the entities that go with them. */
async function followEdges(session: Session, plan: DeletePlan, { near, relation, direction }: { near: EntityKey; relation: Relation; direction: Direction }): Promise<EntityKey[]> {
  const ns = edgeSpace(near.ns, direction)
  const next: EntityKey[] = []
  let count = 0
  await withView(session, async (view) => {
    for await (const states of view.scanRanges(ns, [edgeRange(near, relation.predicate)])) {
      for (const state of states.filter(isLive)) {
        const ends = parseEdgeKey({ ns, id: state.id })
        const from = formatEntityId(ends.from)
        count += 1
        if (direction === 'out' || relation.onDelete === 'unlink') plan.unlinks.push(unlinkOf(ends, relation))
        else if (relation.onDelete === 'restrict') plan.restricting.push({ from, state })
        else if (!plan.entities.has(from)) next.push(ends.from)
      }
      if (count > session.limits.cascadeEntitiesMax) throw tooMuch(session)
    }
  })
  return next
}

async function liveOf(session: Session, { keys, accepts }: Roots): Promise<EntityKey[]> {
  const unique = [...new Map(keys.map((key) => [formatEntityId(key), key])).values()]
  const states = await withView(session, (view) => view.getMany(unique))
  const isWanted = (state: EntityState | undefined): boolean => isLive(state) && accepts?.(state) !== false
  return unique.filter((_, index) => isWanted(states[index]))
}

async function checkRestricted(session: Session, plan: DeletePlan): Promise<void> {
  const staying = plan.restricting.filter(({ from }) => !plan.entities.has(from))
  const live = new Set((await liveOf(session, { keys: staying.map(({ from }) => parseReference(from)) })).map(formatEntityId))
  const held = staying.find(({ from }) => live.has(from))
  if (held === undefined) return
  const to = farEnd(held.state, 'out')
  throw new ParqueDBError('REFERENCE_VIOLATION', `${to} cannot be deleted: ${held.from} leads to it as '${predicateOf(held.state)}', which restricts that. Unlink or delete ${held.from} first.`, { details: { $id: to, from: held.from, predicate: predicateOf(held.state) } })
}

function tooMuch({ limits: { cascadeEntitiesMax } }: Session): ParqueDBError {
  return limitExceeded({ cascadeEntitiesMax }, `The delete would take more than ${cascadeEntitiesMax} entities and edges with it; delete in parts, or raise cascadeEntitiesMax.`)
}
