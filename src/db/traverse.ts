import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkFlag, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { ShortestPathOptions, Traversed, TraverseOptions } from '../model/graph-options.ts'
import { copyEntity, type Entity } from '../model/entity-document.ts'
import { ResultCursor } from '../model/ResultCursor.ts'
import { parseAsOf, resolveAsOf } from '../query/as-of.ts'
import { acceptorOf, beginnings, parseDepth, parseSteps, pathTo, shortestPath, traverseLevels, type Reached } from '../query/traverse.ts'
import type { View } from '../storage/view.ts'
import { relatedEntity } from './bring-along.ts'
import { overView, withView, type Session } from './session.ts'

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
  const withPath = entity as Entity<T> & { $path: readonly string[] }
  withPath.$path = pathTo(reached).map(({ $id }) => $id)
  return withPath
}
