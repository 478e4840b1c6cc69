import { compareStrings } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { edgeRange, edgeSpace, parseEdgeKey, type Direction, type EdgeRange } from '../model/edge.ts'
import { formatEntityId, formatTarget, type EntityKey, type EntityState } from '../model/entity.ts'
import { unlinkOf, type Link } from '../model/links.ts'
import { withView } from '../storage/view.ts'
import type { Session } from './session.ts'
import type { ParsedWrite } from './parse-input.ts'

/**
 * Runs a write of edges. Where a relationship leads to one entity, from either of its ends, the edge that is there is replaced: then the write is a transaction,
 * whose states are provisional, but for those that it was `committed` with; undefined when its txId was committed before.
 */
export async function replacingEdges<Result extends object>(session: Session, { links, isNew, write }: { links: readonly Link[]; isNew: boolean; write: ParsedWrite }, work: (session: Session, links: readonly Link[], write: ParsedWrite) => Promise<Result>): Promise<(Result & { committed: readonly EntityState[] }) | undefined> {
  const single = links.flatMap(singleEnds)
  refuseTwoAtOneEnd(single)
  // An entity that is being made has edges only where its id was used before.
  const isPlain = single.length === 0 || (isNew && single.every(({ link, direction }) => direction === 'out' && link.relation.direction === 'out') && (await othersOf(session, single)).length === 0)
  if (isPlain) return { ...(await work(session, links, write)), committed: [] }
  const done = await session.transact(async (inner) => work(inner, [...(await othersOf(inner, single)), ...links], { ...write, txId: undefined }), write)
  return done && { ...done.result, committed: done.states }
}

interface SingleEnd {
  readonly link: Link
  readonly near: EntityKey
  readonly direction: Direction
}

/** The ends of a new edge that may have one edge of its kind. */
function singleEnds(link: Link): SingleEnd[] {
  const { kind, ends, relation } = link
  if (kind === 'unlink' || (relation.isMany && relation.isManyBack)) return []
  const back = relation.direction === 'out' ? 'in' : 'out'
  const nearOf = (direction: Direction): EntityKey => (direction === 'out' ? ends.from : ends.to)
  return [
    ...(relation.isMany ? [] : [{ link, near: nearOf(relation.direction), direction: relation.direction }]),
    ...(relation.isManyBack ? [] : [{ link, near: nearOf(back), direction: back } as const]),
  ]
}

/** The ends that edges take for themselves, by name: of two that take the same one the later has to be of a later commit, which replaces the earlier. */
export function takenEnds(links: readonly Link[]): string[] {
  return links.flatMap(singleEnds).map(nameOf)
}

function nameOf({ link, near, direction }: SingleEnd): string {
  return `${edgeSpace(near.ns, direction)}/${edgeRange(near, link.ends.predicate).fromId}`
}

function refuseTwoAtOneEnd(ends: readonly SingleEnd[]): void {
  const taken = new Map(ends.map((end) => [nameOf(end), formatTarget(end.link.key)]))
  const left = ends.find((end) => taken.get(nameOf(end)) !== formatTarget(end.link.key))
  if (left === undefined) return
  const [$id, path] = [formatEntityId(left.near), left.link.ends.predicate]
  throw new ParqueDBError('VALIDATION_FAILED', `'${path}' ${left.direction === 'out' ? 'of' : 'to'} ${$id} is one edge, and one write is to make two.`, { details: { $id, path } })
}

/** Whether an edge has to go for another one of its kind. */
export function givesWay({ ends }: Link, link: Link): boolean {
  return ends.predicate === link.ends.predicate && singleEnds(link).some(({ near, direction }) => formatTarget(near) === formatTarget(direction === 'out' ? ends.from : ends.to))
}

/** The edges that have to go: those of the same kind at these ends that lead elsewhere. Each edge space is read in one go. */
async function othersOf(session: Session, ends: readonly SingleEnd[]): Promise<Link[]> {
  const wanted = new Set(ends.map(({ link }) => formatTarget(link.key)))
  const relations = new Map(ends.map(({ link }) => [link.ends.predicate, link.relation]))
  const spaces = new Map<string, Map<string, EdgeRange>>()
  for (const { link, near, direction } of ends) {
    const ns = edgeSpace(near.ns, direction)
    const range = edgeRange(near, link.ends.predicate)
    spaces.set(ns, (spaces.get(ns) ?? new Map<string, EdgeRange>()).set(range.fromId, range))
  }
  return withView(session, async (view) => {
    const others = new Map<string, Link>()
    for (const [ns, ranges] of spaces) {
      for await (const states of view.scanRanges(ns, [...ranges.values()].toSorted((left, right) => compareStrings(left.fromId, right.fromId)))) {
        for (const { id, deletedAt } of states) {
          const found = parseEdgeKey({ ns, id })
          const relation = relations.get(found.predicate)
          const other = relation === undefined || deletedAt !== undefined ? undefined : unlinkOf(found, relation)
          if (other !== undefined && !wanted.has(formatTarget(other.key))) others.set(formatTarget(other.key), other)
        }
      }
    }
    return [...others.values()]
  })
}
