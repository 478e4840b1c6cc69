import { formatEntityId, type EntityKey, type EntityState } from './entity.ts'
import { stateBegunBy, type StoredEvent } from './event.ts'
import type { Document, Value } from './values.ts'

/** Which end of a relationship one looks from: 'out' from where it begins, 'in' from what it points at. */
export type Direction = 'out' | 'in'

/** The two ends of a relationship and its name. */
export interface EdgeEnds {
  readonly from: EntityKey
  readonly predicate: string
  readonly to: EntityKey
}

/** Ids within these bounds, which are those of one end's edges. `fromId` is inclusive, `beforeId` exclusive. */
export interface EdgeRange {
  readonly fromId: string
  readonly beforeId: string
}

/*
 * An edge is kept like an entity, under the key of its own ns and id, once from each end: in the edge space 'posts:out' as
 * (from, predicate, to) and in 'users:in' as (to, predicate, from). No collection's name holds a ':', so no two meet. An id is
 *   <id of the near end> NUL <predicate> NUL <ns>/<id of the far end>
 * with a NUL inside the near id written as NUL U+0001. Predicates and namespaces hold no control characters, so ids sort by their parts.
 */
const separator = '\0'
const escapedNul = '\0\u0001'

/** The namespace in which one end's edges are kept. */
export function edgeSpace(ns: string, direction: Direction): string {
  return `${ns}:${direction}`
}

/** Whether a namespace holds edges, of either direction. */
export function isEdgeSpace(ns: string): boolean {
  return ns.endsWith(':out') || isMirrorSpace(ns)
}

/** Whether a namespace holds edges as their far ends see them: what stands there is written once more elsewhere, as 'out'. */
export function isMirrorSpace(ns: string): boolean {
  return ns.endsWith(':in')
}

/** The collection whose edges stand in a space; of any other namespace itself. */
export function collectionOf(ns: string): string {
  return isEdgeSpace(ns) ? ns.slice(0, ns.lastIndexOf(':')) : ns
}

/** Where an edge is kept as one of its ends sees it. */
export function edgeKey({ from, predicate, to }: EdgeEnds, direction: Direction = 'out'): EntityKey {
  const [near, far] = direction === 'out' ? [from, to] : [to, from]
  return { ns: edgeSpace(near.ns, direction), id: `${escaped(near.id)}${separator}${predicate}${separator}${formatEntityId(far)}` }
}

function escaped(id: string): string {
  return id.includes(separator) ? id.replaceAll(separator, escapedNul) : id
}

/** The edges of one end under one predicate; under every predicate where none is given. */
export function edgeRange(near: EntityKey, predicate: string | undefined): EdgeRange {
  const start = escaped(near.id) + separator
  // U+0001 after the first separator would be a NUL inside an id, and no predicate begins below a space.
  return predicate === undefined ? { fromId: `${start} `, beforeId: `${escaped(near.id)}\u0001` } : { fromId: `${start}${predicate}${separator}`, beforeId: `${start}${predicate}\u0001` }
}

/** The inverse of edgeKey, from either end. */
export function parseEdgeKey({ ns, id }: EntityKey): EdgeEnds {
  let nearEnd = id.indexOf(separator)
  while (id.startsWith(escapedNul, nearEnd)) nearEnd = id.indexOf(separator, nearEnd + 1)
  const farStart = id.indexOf(separator, nearEnd + 1) + 1
  const slash = id.indexOf('/', farStart)
  const near = { ns: collectionOf(ns), id: id.slice(0, nearEnd).replaceAll(escapedNul, separator) }
  const far = { ns: id.slice(farStart, slash), id: id.slice(slash + 1) }
  const predicate = id.slice(nearEnd + 1, farStart - 1)
  return isMirrorSpace(ns) ? { from: far, predicate, to: near } : { from: near, predicate, to: far }
}

/** The key of the same edge where collections have other names. */
export function renameEnds(key: EntityKey, rename: (ns: string) => string): EntityKey {
  const { from, predicate, to } = parseEdgeKey(key)
  const renamed = (end: EntityKey): EntityKey => ({ ns: rename(end.ns), id: end.id })
  return edgeKey({ from: renamed(from), predicate, to: renamed(to) }, isMirrorSpace(key.ns) ? 'in' : 'out')
}

/**
 * The state that an edge's event makes, by itself: every one of them is its own snapshot, so the past of an edge is one row. The document
 * has `$from`, `$predicate` and `$to`, names that no document's own field can have, before the edge's data, so that files tell them apart.
 */
export function stateOfEdge(event: Omit<StoredEvent, 'state'>): EntityState {
  const document = event.after === undefined ? endsOf(event) : { ...endsOf(event), ...event.after }
  return stateBegunBy(event, document, event.op === 'REL_DELETE' ? event.ts : undefined)
}

interface EdgeNames extends Document {
  /** `$id` of where the edge begins. */
  readonly $from: string
  readonly $predicate: string
  /** `$id` of what it leads to. */
  readonly $to: string
}

function endsOf(key: EntityKey): EdgeNames {
  const { from, predicate, to } = parseEdgeKey(key)
  return { $from: formatEntityId(from), $predicate: predicate, $to: formatEntityId(to) }
}

/** What an edge's event is about: as its state says, so that a key is parsed once. */
export function namesOf(event: StoredEvent): EdgeNames {
  return event.state === undefined ? endsOf(event) : (event.state.document as EdgeNames)
}

/** Where the far end keeps the edge of an event. */
export function mirrorSpace(event: StoredEvent): string {
  const { $to } = namesOf(event)
  return edgeSpace($to.slice(0, $to.indexOf('/')), 'in')
}

/** The key of an event's edge as its far end sees it. */
export function mirrorKey(event: StoredEvent): EntityKey {
  const { $from, $predicate, $to } = namesOf(event)
  const ns = mirrorSpace(event)
  return { ns, id: `${escaped($to.slice(ns.length - 2))}${separator}${$predicate}${separator}${$from}` }
}

/** An edge's state under another key. */
export function stateWithKey(state: EntityState, key: EntityKey): EntityState {
  return { ...state, id: key.id, document: { ...state.document, ...endsOf(key) } }
}

/** Whether a state is that of an edge. */
export function isEdgeState(state: EntityState): boolean {
  return typeof state.document['$predicate'] === 'string'
}

/** The name of an edge's relationship. */
export function predicateOf(state: EntityState): string {
  return state.document['$predicate'] as string
}

/** An edge's own fields, shared with the state. */
export function edgeData({ document }: EntityState): Document {
  const data: Document = {}
  for (const name of Object.keys(document)) if (name !== '$from' && name !== '$predicate' && name !== '$to') data[name] = document[name] as Value
  return data
}

/** The `$id` of the end that an edge leads to, seen from the other one. */
export function farEnd(state: EntityState, direction: Direction): string {
  return state.document[direction === 'out' ? '$to' : '$from'] as string
}

/** An edge's event as its far end sees it, which keeps it in this state: only what that needs, as the event itself stands with the near end. */
export function mirrored(event: StoredEvent, ns: string, state: EntityState): StoredEvent {
  return { ...event, ns, id: state.id, eventId: '', txId: undefined, metadata: undefined, state }
}
