import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkFlag, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { copyEntity } from '../model/entity-document.ts'
import { validatePredicate, type EntityKey } from '../model/entity.ts'
import type { Related, RelatedOptions, ShortestPathOptions, Traversed, TraverseOptions } from '../model/graph-options.ts'
import { ResultCursor } from '../model/ResultCursor.ts'
import { parseAsOf, resolveAsOf } from '../query/as-of.ts'
import type { HopRow } from '../query/hop.ts'
import { encodeCursor } from '../query/page-cursor.ts'
import { parseDirection, parsePopulate } from '../query/populate.ts'
import { countRelated, parseRelated, positioned, relatedRows } from '../query/related.ts'
import { acceptorOf, beginnings, parseDepth, parseSteps, pathTo, shortestPath, traverseLevels, type Reached } from '../query/traverse.ts'
import { overView, withView, type View } from '../storage/view.ts'
import { alongWith, pageOf, relatedEntity } from './find.ts'
import type { Session } from './session.ts'

/** The entities that steps lead to from some entities, nearest first. */
export function traverse<T extends object>(session: Session, from: { start: unknown; steps: unknown }, options: TraverseOptions<T> | undefined): ResultCursor<Traversed<T>> {
  const checked = checkOptions('traverse', options, ['depth', 'limit', 'filter', 'visited', 'asOf', 'includeArchived', 'signal'])
  const { visited = 'once', signal } = checked
  if (visited !== 'once' && visited !== 'path') throw new ParqueDBError('INVALID_ARGUMENT', "The option 'visited' must be 'once' or 'path'.", { details: { option: 'visited' } })
  const depth = parseDepth(checked.depth)
  const steps = parseSteps(from.steps, depth)
  const accepts = acceptorOf(checked.filter)
  const limit = checkWholeNumber(checked.limit, { option: 'limit', least: 1 }) ?? Number.POSITIVE_INFINITY
  const asOf = parseAsOf(checked.asOf)
  const includeArchived = checkFlag(checked.includeArchived, 'includeArchived')
  async function* reached(view: View): AsyncGenerator<readonly Traversed<T>[]> {
    const walk = { view, relations: session.relations, asOf: resolveAsOf(asOf, view), signal, depth, visited: visited as 'once' | 'path', entitiesMax: session.limits.traversalEntitiesMax }
    let left = limit
    for await (const level of traverseLevels(await beginnings(from.start, walk), steps, walk)) {
      const wanted = level.filter(({ key, state }) => accepts?.(key, state) !== false).slice(0, left)
      left -= wanted.length
      if (wanted.length > 0) yield wanted.map((one) => traversed<T>(one))
      if (left <= 0) return
    }
  }
  return new ResultCursor({ batches: () => overView(session, { includeArchived }, reached) })
}

/** A path with the fewest edges between two entities, both included; undefined where there is none. */
export async function findShortestPath<T extends object>(session: Session, ends: { from: string; to: string }, options: ShortestPathOptions | undefined): Promise<Traversed<T>[] | undefined> {
  const { relationship, direction, ...checked } = checkOptions('shortestPath', options, ['relationship', 'direction', 'depth', 'asOf', 'includeArchived', 'signal'])
  const depth = parseDepth(checked.depth)
  const [step] = parseSteps([{ relationship, direction: direction ?? 'out' }], depth)
  const asOf = parseAsOf(checked.asOf)
  return withView(session, async (view) => {
    const walk = { view, relations: session.relations, asOf: resolveAsOf(asOf, view), signal: checked.signal, depth, visited: 'once' as const, entitiesMax: session.limits.traversalEntitiesMax }
    const [from] = await beginnings(ends.from, walk)
    const [to] = await beginnings(ends.to, walk)
    const path = from === undefined || to === undefined || step === undefined ? undefined : await shortestPath({ from, to }, step, walk)
    return path?.map((reached) => traversed<T>(reached))
  }, { includeArchived: checkFlag(checked.includeArchived, 'includeArchived') })
}

function traversed<T extends object>(reached: Reached): Traversed<T> {
  const { key, state, edge } = reached
  const entity = edge === undefined ? copyEntity<T>(key.ns, state) : relatedEntity<T>({ key, state, edge })
  return Object.assign(entity, { $path: pathTo(reached).map(({ $id }) => $id) })
}

/** The entities at the other ends of an entity's edges of one kind. */
export function relatedEntities<T extends object>(session: Session, near: EntityKey, of: { predicate: string; options: RelatedOptions<T> | undefined }): ResultCursor<Related<T>> {
  const { query, populate } = parseRead(session, near, of)
  const { sortDocumentsMax } = session.limits
  const entitiesOf = async (rows: readonly HopRow[], view: View): Promise<Related<T>[]> => {
    const along = await alongWith(rows.map(({ key }) => key), populate, { session, view, asOf: query.asOf, signal: query.signal })
    return rows.map((row) => along(row.key, relatedEntity<T>(row)))
  }
  return new ResultCursor({
    batches: () => overView(session, query, async function* (view) {
      for await (const rows of await relatedRows(query, near, { view, sortDocumentsMax })) yield await entitiesOf(rows, view)
    }),
    page: () => withView(session, async (view) => {
      const page = await pageOf(query.limit, (limit) => relatedRows({ ...query, limit }, near, { view, sortDocumentsMax }), (last) => encodeCursor(positioned(query.sort)(last), query.fingerprint()))
      return { ...page, items: await entitiesOf(page.items, view) }
    }, query),
  })
}

export async function countRelatedEntities<T extends object>(session: Session, near: EntityKey, of: { predicate: string; options: RelatedOptions<T> | undefined }): Promise<number> {
  const { query } = parseRead(session, near, of)
  return withView(session, (view) => countRelated(query, near, { view, sortDocumentsMax: session.limits.sortDocumentsMax }), query)
}

function parseRead<T extends object>(session: Session, near: EntityKey, { predicate, options }: { predicate: string; options: RelatedOptions<T> | undefined }) {
  const { direction, populate, ...rest } = checkOptions('related', options, ['direction', 'filter', 'sort', 'limit', 'cursor', 'populate', 'asOf', 'includeArchived', 'signal'])
  const relation = session.relations.of(near.ns, validatePredicate(predicate), parseDirection(direction))
  return { query: parseRelated(relation, near, rest), populate: parsePopulate(session.relations, { ns: relation.far ?? near.ns }, populate) }
}
