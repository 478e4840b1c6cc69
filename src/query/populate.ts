import { listAt } from '../base/list-at.ts'
import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Direction } from '../model/edge.ts'
import { systemFields } from '../model/entity-document.ts'
import { formatEntityId, validatePredicate, type EntityKey } from '../model/entity.ts'
import { isPlainObject } from '../model/parse-document.ts'
import type { Relations } from '../model/relations.ts'
import type { AsOf, View } from '../storage/view.ts'
import { checkOptions } from '../model/check-options.ts'
import { hop, type HopRow } from './hop.ts'
import type { Unparsed } from './parse-query.ts'
import { parseRelated, positioned } from './related.ts'
import { comparePositions } from './row-order.ts'

/** Entities that one relationship of one entity brings along where no limit is given. */
const limitDefault = 100
/** Relationships inside one another. */
const depthMax = 5
/** Entities that are brought along at once, for one page or batch of results. */
const rowsMax = 100_000

/** What is brought along under one name, and what along with that. */
export type PopulateNode = Readonly<ReturnType<typeof parsePopulate>[number]>

export interface Populated {
  readonly rows: readonly { readonly row: HopRow; readonly related: ReadonlyMap<string, Populated> }[]
  readonly isMany: boolean
}

/** `['author', 'tags']` or `{ author: true, comments: { limit: 10, sort, filter, direction, populate } }`, of entities of `ns`. */
export function parsePopulate(relations: Relations, of: { ns: string; depth?: number }, input: unknown) {
  const { ns, depth = 1 } = of
  if (input === undefined) return []
  if (depth > depthMax) throw invalid(`populate goes at most ${depthMax} levels deep`)
  const names: Readonly<Record<string, unknown>> = typeof input === 'string' ? { [input]: true } : Array.isArray(input) ? Object.fromEntries(input.map((name: unknown) => [String(name), true])) : isPlainObject(input) ? input : {}
  if (Object.keys(names).length === 0 && !isPlainObject(input)) throw invalid('populate takes names of relationships, or an object of them')
  return Object.entries(names).map(([name, given]) => {
    if (given !== true && !isPlainObject(given)) throw invalid(`populate.${name} must be true or an object of options`)
    if (systemFields.has(name)) throw invalid(`populate.${name} would stand in the place of the entity's own ${name}; give it another name, with the relationship as its predicate`)
    const { direction, predicate = name, populate, limit = limitDefault, ...options } = checkOptions(`populate.${name}`, given === true ? {} : (given as PopulateOptions), ['direction', 'predicate', 'filter', 'sort', 'limit', 'populate'])
    const relation = relations.of(ns, validatePredicate(predicate), parseDirection(direction))
    // Checked before anything is read; parsed again for the collections that are met.
    parsePopulate(relations, { ns: relation.far ?? ns, depth: depth + 1 }, populate)
    const query = parseRelated(relation, undefined, { ...options, limit })
    // `inner` stays unparsed: what it means depends on the collections that are met.
    return { name, query, isMany: relation.isMany, limit: relation.isMany ? (query.limit ?? limitDefault) : 1, inner: populate }
  })
}

type PopulateOptions = Unparsed<'direction' | 'predicate' | 'filter' | 'sort' | 'limit' | 'populate'>

export function parseDirection(direction: unknown): Direction | undefined {
  if (direction === undefined || direction === 'out' || direction === 'in') return direction
  throw invalid("The option 'direction' must be 'out' or 'in'")
}

/**
 * What entities of one collection bring along, by `$id` and name: one pass over the edges for each name and level, however many entities there are. LIMIT_EXCEEDED
 * past 100,000 entities brought along, INVALID_ARGUMENT past five levels.
 */
export async function populated(nears: readonly EntityKey[], nodes: readonly PopulateNode[], run: { view: View; relations: Relations; asOf: AsOf | undefined; signal: AbortSignal | undefined }): Promise<Map<string, Map<string, Populated>>> {
  const { view, asOf, signal } = run
  const result = new Map(nears.map((key) => [formatEntityId(key), new Map<string, Populated>()]))
  for (const { name, query, isMany, limit, inner } of nodes) {
    const isSorted = query.sort.length > 0
    const rows = new Map<string, HopRow[]>()
    let count = 0
    for await (const batch of hop(view, { nears, predicate: query.predicate, direction: query.direction, accepts: query.accepts, asOf, signal, limit: isSorted ? undefined : limit })) {
      for (const row of batch) listAt(rows, formatEntityId(row.near)).push(row)
      count += batch.length
      if (count > rowsMax) throw limitExceeded({ populateRowsMax: rowsMax }, `'${name}' would bring more than ${rowsMax} entities along; give it a smaller limit, or ask for fewer entities.`)
    }
    if (isSorted) for (const [$id, ofNear] of rows) rows.set($id, ofNear.map(positioned(query.sort)).toSorted(comparePositions(query.sort)).slice(0, limit))
    const inside = await insideOf([...rows.values()].flat(), inner, run)
    for (const [$id, names] of result) names.set(name, { isMany, rows: (rows.get($id) ?? []).map((row) => ({ row, related: inside.get(row.$id) ?? new Map<string, Populated>() })) })
  }
  return result
}

/** The next level, collection by collection. */
async function insideOf(rows: readonly HopRow[], inner: unknown, run: Parameters<typeof populated>[2]): Promise<Map<string, Map<string, Populated>>> {
  const inside = new Map<string, Map<string, Populated>>()
  if (inner === undefined) return inside
  for (const ns of new Set(rows.map(({ key }) => key.ns))) {
    const keys = [...new Map(rows.filter(({ key }) => key.ns === ns).map(({ key }) => [key.id, key])).values()]
    for (const [$id, names] of await populated(keys, parsePopulate(run.relations, { ns }, inner), run)) inside.set($id, names)
  }
  return inside
}

function invalid(problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `${problem}.`, { details: { option: 'populate' } })
}
