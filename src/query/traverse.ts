import { listAt } from '../base/list-at.ts'
import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Direction } from '../model/edge.ts'
import { entityDocument } from '../model/entity-document.ts'
import { checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { formatEntityId, isLive, parseReference, validatePredicate, type EntityKey, type EntityState } from '../model/entity.ts'
import { compileFilter } from '../model/filter/compile-filter.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { isPlainObject } from '../model/parse-document.ts'
import type { Relations } from '../model/relations.ts'
import type { AsOf, View } from '../storage/view.ts'
import { hop, type Hop, type HopRow } from './hop.ts'
import type { Unparsed } from './parse-query.ts'

/** Hops of one path where `depth` is not given. */
const depthDefault = 10
const depthMax = 1000

/** One step of a path, taken `min` to `max` times. */
export type Step = Readonly<ReturnType<typeof parseSteps>[number]>

/** How an entity was reached: undefined edge and parent at the start. */
export interface Reached {
  readonly $id: string
  readonly key: EntityKey
  readonly state: EntityState
  readonly edge: EntityState | undefined
  readonly parent: Reached | undefined
  readonly depth: number
}

export interface Walk {
  readonly view: View
  readonly relations: Relations
  readonly asOf: AsOf | undefined
  readonly signal: AbortSignal | undefined
  readonly depth: number
  /** 'once': every entity is reached once, by a shortest path. 'path': by every path that does not cross itself. */
  readonly visited: 'once' | 'path'
  readonly entitiesMax: number
}

/** `['author', { relationship: 'knows', direction: 'both', max: 3, filter }]`. */
export function parseSteps(input: unknown, depth: number) {
  const steps: readonly unknown[] = Array.isArray(input) ? input : [input]
  if (steps.length === 0) throw invalid('steps', 'needs at least one step')
  return steps.map((step) => {
    const given = checkOptions('traverse', (isPlainObject(step) ? step : { relationship: step }) as StepInput, ['relationship', 'direction', 'min', 'max', 'filter'])
    const { relationship, direction } = given
    const names: readonly unknown[] = relationship === undefined ? [] : Array.isArray(relationship) ? relationship : [relationship]
    if (![undefined, 'out', 'in', 'both'].includes(direction as string | undefined)) throw invalid('direction', "must be 'out', 'in' or 'both'")
    const min = checkWholeNumber(given.min, { option: 'min', least: 1, most: depthMax }) ?? 1
    return {
      /** Empty: relationships of every name. */
      names: names.map(validatePredicate),
      directions: direction === 'both' ? directionsOfBoth : [direction as Direction | undefined],
      min,
      max: checkWholeNumber(given.max, { option: 'max', least: min, most: depthMax }) ?? (given.min === undefined ? 1 : depth),
      accepts: acceptorOf(given.filter),
    }
  })
}

const directionsOfBoth: readonly (Direction | undefined)[] = ['out', 'in']

type StepInput = Unparsed<'relationship' | 'direction' | 'min' | 'max' | 'filter'>

export function parseDepth(depth: unknown): number {
  return checkWholeNumber(depth, { option: 'depth', least: 1, most: depthMax }) ?? depthDefault
}

export function acceptorOf(filter: unknown): Hop['accepts'] {
  if (filter === undefined) return undefined
  const matches = compileFilter(parseFilter(filter))
  return (key, state) => matches(entityDocument(key.ns, state))
}

/** The live entities of these ids, as beginnings of paths. */
export async function beginnings(ids: unknown, { view, asOf }: Pick<Walk, 'view' | 'asOf'>): Promise<Reached[]> {
  const keys = (Array.isArray(ids) ? (ids as readonly unknown[]) : [ids]).map((id) => parseReference(id))
  const states = await view.getMany(keys, asOf)
  return keys.flatMap((key, index) => {
    const state = states[index]
    return isLive(state) ? [{ $id: formatEntityId(key), key, state, edge: undefined, parent: undefined, depth: 0 }] : []
  })
}

/** A place on the way: which step comes next, and how often it was taken already. */
interface Position {
  readonly reached: Reached
  readonly step: number
  readonly taken: number
}

/** What the steps lead to, nearest first: a level at a time, each with one pass over the edges for every kind of them. LIMIT_EXCEEDED past `entitiesMax` reached. */
export async function* traverseLevels(starts: readonly Reached[], steps: readonly Step[], walk: Walk): AsyncGenerator<readonly Reached[]> {
  const given = new Set(starts.map(({ $id }) => $id))
  /** By step, and how often it was taken. */
  const seen = steps.map(({ min }) => Array.from({ length: min + 1 }, () => new Set<string>()))
  for (const $id of given) seen[0]?.[0]?.add($id)
  let frontier: Position[] = starts.map((reached) => ({ reached, step: 0, taken: 0 }))
  let count = 0
  for (let depth = 1; depth <= walk.depth && frontier.length > 0; depth++) {
    const found: Reached[] = []
    const next: Position[] = []
    const arrive = (position: Position): void => {
      const { step, taken, reached } = position
      const { min, max } = steps[step] as Step
      const { $id } = reached
      if (walk.visited === 'once' && !addTo(seen[step]?.[Math.min(taken, min)] as Set<string>, $id)) return
      if (taken < max) next.push(position)
      if (taken < min) return
      if (step + 1 < steps.length) arrive({ reached, step: step + 1, taken: 0 })
      else if (walk.visited === 'path' || addTo(given, $id)) found.push(reached)
    }
    const follow = ({ $id, key, state, edge }: HopRow, { reached, step, taken }: Position): void => {
      if (walk.visited === 'path' && pathTo(reached).some((each) => each.$id === $id)) return
      count += 1
      if (count > walk.entitiesMax) throw tooFar(walk.entitiesMax)
      arrive({ reached: { $id, key, state, edge, parent: reached, depth }, step, taken: taken + 1 })
    }
    for (const [index, step] of steps.entries()) {
      const here = positionsByKey(frontier.filter((position) => position.step === index))
      for await (const rows of edgesFrom([...here.keys()], step, walk)) rows.forEach((row) => here.get(row.near)?.forEach((position) => follow(row, position)))
    }
    if (found.length > 0) yield found
    frontier = next
  }
}

/** False where it was in there already. */
function addTo(set: Set<string>, $id: string): boolean {
  return set.size < set.add($id).size
}

/** By one key for each entity, the same object that a hop's rows bring as their near end. */
function positionsByKey(positions: readonly Position[]): Map<EntityKey, Position[]> {
  const byId = new Map<string, Position[]>()
  for (const position of positions) listAt(byId, position.reached.$id).push(position)
  return new Map([...byId.values()].map((some) => [(some[0] as Position).reached.key, some]))
}

/** The edges of a step from many entities; names mean what the collection of each says. */
async function* edgesFrom(nears: readonly EntityKey[], { names, directions, accepts }: Pick<Step, 'names' | 'directions' | 'accepts'>, walk: Pick<Walk, 'view' | 'relations' | 'asOf' | 'signal'>): AsyncGenerator<readonly HopRow[]> {
  const { view, relations, asOf, signal } = walk
  for (const ns of new Set(nears.map((near) => near.ns))) {
    const ofNamespace = nears.filter((near) => near.ns === ns)
    const ofDirection = (wanted: Direction | undefined): Pick<Hop, 'predicate' | 'direction'>[] =>
      names.length === 0 ? [{ predicate: undefined, direction: wanted ?? 'out' }] : names.map((name) => relations.of(ns, name, wanted))
    const kinds = new Map(directions.flatMap(ofDirection).map(({ predicate, direction }) => [`${direction}/${predicate}`, { predicate, direction }]))
    for (const kind of kinds.values()) yield* hop(view, { nears: ofNamespace, ...kind, accepts, asOf, signal })
  }
}

/** A path with the fewest edges, both ends included; undefined where there is none within `depth`. Both ends are widened in turn, whichever has fewer entities at its edge. */
export async function shortestPath(ends: { from: Reached; to: Reached }, step: Step, walk: Walk): Promise<Reached[] | undefined> {
  const back: Step = { ...step, directions: step.directions.length === 2 ? step.directions : [step.directions[0] === 'in' ? 'out' : 'in'] }
  const forth = { step, frontier: [ends.from], seen: new Map([[ends.from.$id, ends.from]]) }
  const backward = { step: back, frontier: [ends.to], seen: new Map([[ends.to.$id, ends.to]]) }
  if (ends.from.$id === ends.to.$id) return [ends.from]
  for (let depth = 1; depth <= walk.depth; depth++) {
    const [own, other] = forth.frontier.length <= backward.frontier.length ? [forth, backward] : [backward, forth]
    const next: Reached[] = []
    let met: [Reached, Reached] | undefined
    for await (const rows of edgesFrom(own.frontier.map(({ key }) => key), own.step, walk)) {
      for (const { near, $id, key, state, edge } of rows) {
        const parent = own.seen.get(formatEntityId(near)) as Reached
        if (own.seen.has($id)) continue
        const reached = { $id, key, state, edge, parent, depth: parent.depth + 1 }
        own.seen.set($id, reached)
        next.push(reached)
        const there = other.seen.get($id)
        if (there !== undefined && (met === undefined || there.depth < met[1].depth)) met = [reached, there]
        if (own.seen.size + other.seen.size > walk.entitiesMax) throw tooFar(walk.entitiesMax)
      }
    }
    if (met !== undefined) return own === forth ? joined(met[0], met[1]) : joined(met[1], met[0])
    own.frontier = next
    if (next.length === 0) return undefined
  }
  return undefined
}

/** From the beginning to where the sides met, and on to the end; an edge stands with the entity that it leads to. */
function joined(forth: Reached, back: Reached): Reached[] {
  const path: Reached[] = pathTo(forth)
  for (let at = back; at.parent !== undefined; at = at.parent) path.push({ ...at.parent, edge: at.edge, parent: path.at(-1), depth: path.length })
  return path
}

export function pathTo(reached: Reached): Reached[] {
  const path: Reached[] = []
  for (let at: Reached | undefined = reached; at !== undefined; at = at.parent) path.push(at)
  return path.toReversed()
}

function tooFar(most: number): ParqueDBError {
  return limitExceeded({ traversalEntitiesMax: most }, `The traversal reaches more than ${most} entities; narrow its steps, or raise traversalEntitiesMax.`)
}

function invalid(option: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `traverse: '${option}' ${problem}.`, { details: { option } })
}
