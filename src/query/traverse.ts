import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Direction } from '../model/edge.ts'
import { entityDocument } from '../model/entity-document.ts'
import { checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { formatEntityId, parseReference, validatePredicate } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { compileFilter } from '../model/filter/compile-filter.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { isPlainObject } from '../model/parse-document.ts'
import type { Relations } from '../model/relations.ts'
import type { AsOf, View } from '../storage/view.ts'
import { hop, type Hop, type HopRow } from './hop.ts'

/** Hops of one path where `depth` is not given. */
const depthDefault = 10
const depthMax = 1000

/** One step of a path, taken `min` to `max` times. */
export interface Step {
  /** Empty: relationships of every name. */
  readonly names: readonly string[]
  readonly directions: readonly (Direction | undefined)[]
  readonly min: number
  readonly max: number
  readonly accepts: Hop['accepts']
}

/** How an entity was reached: undefined edge and parent at the start. */
export interface Reached {
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
export function parseSteps(input: unknown, depth: number): Step[] {
  const steps: readonly unknown[] = Array.isArray(input) ? input : [input]
  if (steps.length === 0) throw invalid('steps', 'needs at least one step')
  return steps.map((step) => {
    const given = checkOptions('traverse', (isPlainObject(step) ? step : { relationship: step }) as StepInput, ['relationship', 'direction', 'min', 'max', 'filter'])
    const { relationship, direction } = given
    const names: readonly unknown[] = relationship === undefined ? [] : Array.isArray(relationship) ? relationship : [relationship]
    if (![undefined, 'out', 'in', 'both'].includes(direction as string | undefined)) throw invalid('direction', "must be 'out', 'in' or 'both'")
    const min = checkWholeNumber(given.min, { option: 'min', least: 1, most: depthMax }) ?? 1
    return {
      names: names.map(validatePredicate),
      directions: direction === 'both' ? ['out', 'in'] : [direction as Direction | undefined],
      min,
      max: checkWholeNumber(given.max, { option: 'max', least: min, most: depthMax }) ?? (given.min === undefined ? 1 : depth),
      accepts: acceptorOf(given.filter),
    }
  })
}

interface StepInput {
  readonly relationship?: unknown
  readonly direction?: unknown
  readonly min?: unknown
  readonly max?: unknown
  readonly filter?: unknown
}

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
    return state === undefined || state.deletedAt !== undefined ? [] : [{ key, state, edge: undefined, parent: undefined, depth: 0 }]
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
  const given = new Set(starts.map(({ key }) => formatEntityId(key)))
  const seen = new Set<string>(starts.map(({ key }) => `0:0:${formatEntityId(key)}`))
  let frontier: Position[] = starts.map((reached) => ({ reached, step: 0, taken: 0 }))
  let count = 0
  for (let depth = 1; depth <= walk.depth && frontier.length > 0; depth++) {
    const found: Reached[] = []
    const next: Position[] = []
    const arrive = (position: Position): void => {
      const { step, taken, reached } = position
      const { min, max } = steps[step] as Step
      const $id = formatEntityId(reached.key)
      const name = `${step}:${Math.min(taken, min)}:${$id}`
      if (walk.visited === 'once' && (seen.has(name) || seen.size === seen.add(name).size)) return
      if (taken < max) next.push(position)
      if (taken < min) return
      if (step + 1 < steps.length) arrive({ reached, step: step + 1, taken: 0 })
      else if (walk.visited === 'path' || given.size < given.add($id).size) found.push(reached)
    }
    for (const [index, step] of steps.entries()) {
      const here = frontier.filter((position) => position.step === index)
      for await (const { position, row } of stepFrom(here, step, walk)) {
        if (walk.visited === 'path' && isOnPath(position.reached, row.key)) continue
        count += 1
        if (count > walk.entitiesMax) throw tooFar(walk.entitiesMax)
        arrive({ reached: { key: row.key, state: row.state, edge: row.edge, parent: position.reached, depth }, step: index, taken: position.taken + 1 })
      }
    }
    if (found.length > 0) yield found
    frontier = next
  }
}

async function* stepFrom(positions: readonly Position[], step: Step, walk: Walk): AsyncGenerator<{ position: Position; row: HopRow }> {
  const byId = new Map<string, Position[]>()
  for (const position of positions) {
    const $id = formatEntityId(position.reached.key)
    byId.set($id, [...(byId.get($id) ?? []), position])
  }
  const nears = [...byId.values()].flatMap(([first]) => (first === undefined ? [] : [first.reached.key]))
  for await (const row of edgesFrom(nears, step, walk)) for (const position of byId.get(formatEntityId(row.near)) ?? []) yield { position, row }
}

/** The edges of a step from many entities; names mean what the collection of each says. */
async function* edgesFrom(nears: readonly EntityKey[], { names, directions, accepts }: Pick<Step, 'names' | 'directions' | 'accepts'>, walk: Pick<Walk, 'view' | 'relations' | 'asOf' | 'signal'>): AsyncGenerator<HopRow> {
  const { view, relations, asOf, signal } = walk
  for (const ns of new Set(nears.map((near) => near.ns))) {
    const ofNamespace = nears.filter((near) => near.ns === ns)
    const kinds = new Map<string, Pick<Hop, 'predicate' | 'direction'>>()
    for (const wanted of directions) {
      for (const name of names) {
        const { predicate, direction } = relations.of(ns, name, wanted)
        kinds.set(`${direction}/${predicate}`, { predicate, direction })
      }
      if (names.length === 0) kinds.set(wanted ?? 'out', { predicate: undefined, direction: wanted ?? 'out' })
    }
    for (const kind of kinds.values()) for await (const rows of hop(view, { nears: ofNamespace, ...kind, accepts, asOf, signal })) yield* rows
  }
}

/** A path with the fewest edges, both ends included; undefined where there is none within `depth`. Both ends are widened in turn, whichever has fewer entities at its edge. */
export async function shortestPath(ends: { from: Reached; to: Reached }, step: Step, walk: Walk): Promise<Reached[] | undefined> {
  const back: Step = { ...step, directions: step.directions.length === 2 ? step.directions : [step.directions[0] === 'in' ? 'out' : 'in'] }
  const sides = [
    { step, frontier: [ends.from], seen: new Map([[formatEntityId(ends.from.key), ends.from]]) },
    { step: back, frontier: [ends.to], seen: new Map([[formatEntityId(ends.to.key), ends.to]]) },
  ] as const
  const frontiers: Reached[][] = [[ends.from], [ends.to]]
  if (formatEntityId(ends.from.key) === formatEntityId(ends.to.key)) return [ends.from]
  for (let depth = 1; depth <= walk.depth; depth++) {
    const side = (frontiers[0]?.length ?? 0) <= (frontiers[1]?.length ?? 0) ? 0 : 1
    const [own, other] = side === 0 ? [sides[0], sides[1]] : [sides[1], sides[0]]
    const next: Reached[] = []
    let met: [Reached, Reached] | undefined
    for await (const row of edgesFrom((frontiers[side] ?? []).map(({ key }) => key), own.step, walk)) {
      const $id = formatEntityId(row.key)
      const parent = own.seen.get(formatEntityId(row.near)) as Reached
      if (own.seen.has($id)) continue
      const reached = { key: row.key, state: row.state, edge: row.edge, parent, depth: parent.depth + 1 }
      own.seen.set($id, reached)
      next.push(reached)
      const there = other.seen.get($id)
      if (there !== undefined && (met === undefined || there.depth < met[1].depth)) met = [reached, there]
      if (own.seen.size + other.seen.size > walk.entitiesMax) throw tooFar(walk.entitiesMax)
    }
    if (met !== undefined) return side === 0 ? joined(met[0], met[1]) : joined(met[1], met[0])
    frontiers[side] = next
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
  for (let at: Reached | undefined = reached; at !== undefined; at = at.parent) path.unshift(at)
  return path
}

function isOnPath(reached: Reached, key: EntityKey): boolean {
  return pathTo(reached).some((each) => each.key.ns === key.ns && each.key.id === key.id)
}

function tooFar(most: number): ParqueDBError {
  return new ParqueDBError('LIMIT_EXCEEDED', `The traversal reaches more than ${most} entities; narrow its steps, or raise traversalEntitiesMax.`, { details: { limit: 'traversalEntitiesMax', most } })
}

function invalid(option: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `traverse: '${option}' ${problem}.`, { details: { option } })
}
