import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import { notFound } from './decide.ts'
import { edgeData, edgeKey, type EdgeEnds } from './edge.ts'
import { formatEntityId, isLive, parseReference, validatePredicate, type EntityKey, type EntityState } from './entity.ts'
import type { EventDraft } from './event.ts'
import { isPlainObject, parseDocument, type DocumentLimits } from './parse-document.ts'
import type { Relation, Relations } from './relations.ts'
import { equalValues, type Document } from './values.ts'

/** One edge that is wanted, or wanted gone. */
export interface Link {
  readonly kind: 'link' | 'unlink'
  readonly ends: EdgeEnds
  /** Of the edge, made once. */
  readonly key: EntityKey
  readonly relation: Relation
  /** undefined: the data that an edge has stays. */
  readonly data: Document | undefined
}

/** An edge that is to go. */
export function unlinkOf(ends: EdgeEnds, relation: Relation): Link {
  return { kind: 'unlink', ends, key: edgeKey(ends), relation, data: undefined }
}

/** What of one entity is to be linked: names as its collection knows them, targets as users write them. */
export interface LinkInput {
  readonly near: EntityKey
  readonly kind: Link['kind']
  readonly name: string
  readonly targets: unknown
  /** Of every target that brings none of its own. */
  readonly data?: unknown
  readonly limits: DocumentLimits
}

/** Edges that one write may make or remove. */
const linksMax = 100_000

/** INVALID_ARGUMENT or VALIDATION_FAILED for what names no end or cannot be an edge's data; LIMIT_EXCEEDED past 100,000 targets. */
export function parseLinks(relations: Relations, { near, kind, name, targets, data, limits }: LinkInput): Link[] {
  const relation = relations.of(near.ns, validatePredicate(name), undefined)
  const shared = data === undefined ? undefined : parseDocument(data, limits)
  const list: readonly unknown[] = Array.isArray(targets) ? targets : [targets]
  if (list.length > linksMax) throw limitExceeded({ linksMax }, `${list.length} edges are to be changed at once; ${linksMax} is the most. Use linkMany.`)
  if (kind === 'link' && !relation.isMany && list.length > 1) throw new ParqueDBError('VALIDATION_FAILED', `'${name}' of ${near.ns} leads to one entity, and ${list.length} are given.`, { details: { path: name } })
  return list.map((target) => {
    const { to, data: own, ...unknown }: { to?: unknown; data?: unknown } = isPlainObject(target) ? target : { to: target }
    const [field] = Object.keys(unknown)
    if (field !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', `A target of '${name}' is an id, or { to, data }; '${field}' is neither.`, { details: { path: name } })
    const far = parseReference(to, relation.far)
    const ends = relation.direction === 'out' ? { from: near, predicate: relation.predicate, to: far } : { from: far, predicate: relation.predicate, to: near }
    return { kind, ends, key: edgeKey(ends), relation, data: own === undefined ? shared : parseDocument(own, limits) }
  })
}

/** All edges of one operator: `{ author: 'users/a', tags: ['tags/x', { to: 'tags/y', data: { weight: 2 } }] }`. */
export function parseLinkFields(relations: Relations, input: Omit<LinkInput, 'name' | 'targets' | 'data'> & { fields: unknown }): Link[] {
  const { fields, ...rest } = input
  if (fields === undefined) return []
  if (!isPlainObject(fields)) throw new ParqueDBError('INVALID_UPDATE', `In the update, $${input.kind} needs an object of relationships.`, { details: { operator: `$${input.kind}`, path: '' } })
  return Object.entries(fields).flatMap(([name, targets]) => parseLinks(relations, { ...rest, name, targets }))
}

/** The keys whose states `decideLinks` asks for. */
export function keysOfLinks(links: readonly Link[]): EntityKey[] {
  return links.flatMap(({ kind, ends, key, relation }) => [key, ...(kind === 'link' ? [ends.from, ...(relation.refusesDangling ? [ends.to] : [])] : [])])
}

export interface LinkContext {
  state(key: EntityKey): EntityState | undefined
  /** Whether the same commit makes an entity, so that edges may begin and end there. */
  readonly isMade?: (key: EntityKey) => boolean
  readonly actor?: string | undefined
  readonly metadata?: Document | undefined
}

/**
 * The events that make the edges as wanted; none for what is so already. Pure. Linking again replaces the data where other data is given. NOT_FOUND where an edge would
 * begin at an entity that is not there; REFERENCE_VIOLATION where it would end at one, and its relationship refuses that. An entity's version does not change by its edges.
 */
export function decideLinks(links: readonly Link[], context: LinkContext): EventDraft[] {
  const drafts: EventDraft[] = []
  const decided = new Set<string>()
  for (const { kind, ends, key, relation, data } of links) {
    // Whatever is there: of a link and an unlink of one edge, the state would decide which of them counts.
    if (decided.size === decided.add(key.ns + key.id).size) throw new ParqueDBError('INVALID_ARGUMENT', `The edge '${ends.predicate}' from ${formatEntityId(ends.from)} to ${formatEntityId(ends.to)} is named twice in one write.`)
    const state = context.state(key)
    const isThere = isLive(state)
    const common = { ns: key.ns, id: key.id, actor: context.actor, metadata: context.metadata }
    if (kind === 'link') checkEnds(ends, relation, context)
    const isWanted = kind === 'link' ? !isThere || (data !== undefined && !equalValues(edgeData(state), data)) : isThere
    if (!isWanted) continue
    drafts.push(kind === 'link' ? { op: 'REL_CREATE', ...common, after: data !== undefined && Object.keys(data).length > 0 ? data : undefined } : { op: 'REL_DELETE', ...common })
  }
  return drafts
}

function checkEnds({ from, predicate, to }: EdgeEnds, relation: Relation, context: LinkContext): void {
  const isThere = (key: EntityKey): boolean => context.isMade?.(key) === true || isLive(context.state(key))
  if (!isThere(from)) throw notFound(context.state(from), from)
  if (!relation.refusesDangling || isThere(to)) return
  throw new ParqueDBError('REFERENCE_VIOLATION', `'${predicate}' of ${formatEntityId(from)} cannot lead to ${formatEntityId(to)}, which is not there; create that first.`, { details: { $id: formatEntityId(from), predicate, to: formatEntityId(to) } })
}
