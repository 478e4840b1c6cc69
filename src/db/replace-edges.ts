import { compareStrings } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { edgeRange, edgeSpace, parseEdgeKey, type Direction, type EdgeRange } from '../model/edge.ts'
import { formatEntityId, formatTarget, type EntityKey, type EntityState } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import { decideLinks, keysOfLinks, unlinkOf, type Link, type LinkContext } from '../model/links.ts'
import type { DecisionContext } from '../storage/engine.ts'
import { withView } from '../storage/view.ts'
import type { Committed, Session } from './session.ts'
import type { ParsedWrite } from './parse-input.ts'

/** An edge's event in the log, about. */
export const linkBytes = 200

/** The drafts of edges, and of those that give way to them. `isMade`: entities that the same commit makes. */
export type DecideEdges = (links: readonly Link[], isMade?: LinkContext['isMade']) => readonly EventDraft[]

/** A commit about some entities, and edges that it may make or remove. */
export interface EdgeCommit {
  readonly keys: readonly EntityKey[]
  readonly links: readonly Link[]
  /** Whether the entities are being made: then they have edges only where their ids were used before. */
  readonly isNew?: boolean
  readonly decide: (context: DecisionContext, edges: DecideEdges) => readonly EventDraft[]
  /** Told when it was decided, for which it need not be durable yet. */
  readonly onDecided?: () => void
}

/**
 * Commits a write of edges. Where a relationship leads to one entity, from either of its ends, the edge that is there is replaced: then the write is a transaction, in which it is decided
 * once more, and whose states are provisional, but for those that it was `committed` with; undefined when its txId was committed before.
 */
export async function commitWithEdges(session: Session, commit: EdgeCommit, write: ParsedWrite): Promise<(Committed & { committed: readonly EntityState[] }) | undefined> {
  const { keys, links, isNew } = commit
  const single = links.flatMap(singleEnds)
  refuseTwoAtOneEnd(single)
  const carryOut = (inner: Session, replaced: readonly Link[], txId: string | undefined): Promise<Committed> =>
    inner.commit({
      keys: links.length === 0 ? keys : [...keys, ...keysOfLinks([...replaced, ...links])],
      decide: (context) => {
        const edges: DecideEdges = (wanted, isMade) => {
          const gone = replaced.filter((other) => wanted.some((link) => givesWay(other, link)))
          return decideLinks([...gone, ...wanted], { state: (key) => context.state(key), ...(isMade && { isMade }), ...write })
        }
        const drafts = commit.decide(context, edges)
        if (!inner.isTransaction) commit.onDecided?.()
        return drafts
      },
      txId,
      signal: write.signal,
    })
  const isPlain = single.length === 0 || (isNew === true && single.every(({ link, direction }) => direction === 'out' && link.relation.direction === 'out') && (await othersOf(session, single)).length === 0)
  if (isPlain) return { ...(await carryOut(session, [], write.txId)), committed: [] }
  const done = await session.transact(async (inner) => carryOut(inner, await othersOf(inner, single), undefined), write)
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
function givesWay({ ends }: Link, link: Link): boolean {
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
