import { utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Document } from './values.ts'
import { isWellFormed, prototypeNames } from './well-formed.ts'

/** Names one entity of a partition. `ns` is the collection, `id` what follows the first '/' of `$id`. */
export interface EntityKey {
  readonly ns: string
  readonly id: string
}

/** Whether an entity is there: it was created, and not deleted since. */
export function isLive(state: EntityState | undefined): state is EntityState {
  return state !== undefined && state.deletedAt === undefined
}

/**
 * The state of one entity after one event. Immutable, and so is its document: states are shared between
 * the overlay, caches and readers; whoever hands a document to a user hands out a copy.
 * Every property is always present, so that all states have one shape.
 */
export interface EntityState {
  readonly id: string
  /** The entity's own count of events, from 1; goes on through deletion and re-creation. */
  readonly version: number
  /** Position in the log of the event that made this state. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly createdBy: string | undefined
  readonly updatedAt: number
  readonly updatedBy: string | undefined
  /** Set on a tombstone, whose document is empty. */
  readonly deletedAt: number | undefined
  readonly document: Document
}

/** An escaped namespace must fit a path component of 255 bytes with room to spare. */
export const namespaceBytesMax = 120
/** Ids are keys of every file and index: a page of them must stay small. */
const idBytesMax = 1024

/** Whether a namespace holds the database's own records, or those that it has of a tenant: they are no collection of a user's, and their events are nobody's. */
export function isReserved(ns: string): boolean {
  return /(^|~)\$/.test(ns)
}

const notInNamespace = /[/:\u0000-\u001f\u007f-\u009f]/

/**
 * Throws INVALID_ARGUMENT unless `ns` can name a collection: not empty, at most 120 bytes of UTF-8, no '/', ':' or control
 * character, and it does not start with '$', also not behind a '~'. Returns it.
 */
export function validateNamespace(ns: unknown): string {
  if (typeof ns !== 'string') throw invalid(`A collection's name must be a string, not ${typeof ns}.`, ns)
  if (ns === '') throw invalid("A collection's name must not be empty.", ns)
  if (isReserved(ns)) throw invalid(`The collection name '${ns}' must not start with '$', also not behind a '~'.`, ns)
  if (notInNamespace.test(ns)) throw invalid(`The collection name ${JSON.stringify(ns)} must not hold '/', ':' or control characters.`, ns)
  if (!isWellFormed(ns)) throw invalid("A collection's name must not hold a lone surrogate.", ns)
  if (isLongerThan(ns, namespaceBytesMax)) throw invalid(`The collection name '${ns.slice(0, 40)}…' must be at most ${namespaceBytesMax} bytes of UTF-8.`, ns)
  return ns
}

/**
 * The id inside collection `ns` of what a user gave: 'abc' or 'posts/abc' for 'posts'. Only the collection's own prefix is
 * taken off, so 'a/b' given to 'posts' is the id 'a/b' whole, and an id that itself begins with 'posts/' is given as 'posts/posts/…'.
 * INVALID_ARGUMENT for an empty id, one over 1,024 bytes of UTF-8, or a lone surrogate; any other character is allowed.
 */
export function parseEntityId(input: unknown, ns: string): string {
  if (typeof input !== 'string') throw invalid(`An id of '${ns}' must be a string, not ${input === null ? 'null' : typeof input}.`, input)
  const id = input.startsWith(ns) && input[ns.length] === '/' ? input.slice(ns.length + 1) : input
  if (id === '') throw invalid(`An id of '${ns}' must not be empty.`, input)
  if (!isWellFormed(id)) throw invalid(`An id of '${ns}' must not hold a lone surrogate.`, input)
  if (isLongerThan(id, idBytesMax)) throw invalid(`The id '${id.slice(0, 40)}…' of '${ns}' must be at most ${idBytesMax} bytes of UTF-8.`, input)
  return id
}

/**
 * Throws INVALID_ARGUMENT unless `predicate` can name a relationship: not empty, at most 120 bytes of UTF-8, no '/', ':', '.' or control
 * character, and it does not start with '$' and is no name of the prototype. Returns it.
 */
export function validatePredicate(predicate: unknown): string {
  const isName = typeof predicate === 'string' && /^(?!\$)[^/:.\u0000-\u001f\u007f-\u009f]+$/.test(predicate) && isWellFormed(predicate)
  if (isName && !prototypeNames.has(predicate) && !isLongerThan(predicate, namespaceBytesMax)) return predicate
  throw invalid(`A relationship's name must be 1 to ${namespaceBytesMax} bytes of UTF-8 without '/', ':', '.' or control characters, not beginning with '$'; it is ${JSON.stringify(String(predicate)).slice(0, 80)}.`, predicate)
}

/** The entity that a whole `$id`, 'ns/id', names. Where `ns` is given it must be of that, and may be written without it when it holds no '/'. INVALID_ARGUMENT. */
export function parseReference(reference: unknown, ns?: string): EntityKey {
  const slash = typeof reference === 'string' ? reference.indexOf('/') : -1
  if (ns !== undefined && typeof reference === 'string' && slash < 0) return { ns, id: parseEntityId(reference, ns) }
  if (typeof reference !== 'string' || slash < 0) throw invalid(`An entity of any collection is given as 'collection/id', which ${JSON.stringify(String(reference)).slice(0, 80)} is not.`, reference)
  const of = validateNamespace(reference.slice(0, slash))
  if (ns !== undefined && of !== ns) throw invalid(`The relationship leads to '${ns}', and ${JSON.stringify(reference.slice(0, 80))} is of another collection.`, reference)
  return { ns: of, id: parseEntityId(reference, of) }
}

/** `$id`: 'ns/id'. */
export function formatEntityId(key: EntityKey): string {
  return `${key.ns}/${key.id}`
}

/** An event's target: 'ns:id'. */
export function formatTarget(key: EntityKey): string {
  return `${key.ns}:${key.id}`
}

/** The inverse of formatTarget; the namespace ends at the first ':'. INVALID_ARGUMENT. */
export function parseTarget(target: unknown): EntityKey {
  const at = typeof target === 'string' ? target.indexOf(':') : -1
  if (typeof target !== 'string' || at < 0) throw invalid(`A target has the form 'ns:id', which ${JSON.stringify(String(target))} has not.`, target)
  const ns = validateNamespace(target.slice(0, at))
  const id = target.slice(at + 1)
  if (id === '' || !isWellFormed(id) || isLongerThan(id, idBytesMax)) throw invalid(`The target '${target.slice(0, 80)}' needs an id of 1 to ${idBytesMax} bytes of UTF-8 after the ':'.`, target)
  return { ns, id }
}

function isLongerThan(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && (text.length > bytesMax || utf8Encode(text).length > bytesMax)
}

function invalid(message: string, value: unknown): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', message, { details: { value: typeof value === 'string' ? value.slice(0, 200) : typeof value } })
}
