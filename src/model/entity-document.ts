import { formatEntityId, type EntityState } from './entity.ts'
import { cloneValue, type Document, type Value } from './values.ts'

/** What the database itself writes into every entity that it returns. */
export interface EntityFields {
  /** 'ns/id'. */
  $id: string
  /** The entity's own count of changes, from 1. */
  version: number
  createdAt: Date
  /** The actor of the creation, where one was given. */
  createdBy?: string
  updatedAt: Date
  updatedBy?: string
  /** When it was deleted; only on what `includeDeleted` brings. */
  deletedAt?: Date
}

/** Top-level fields that the database itself writes into every entity that it returns; nobody else may set them. */
export const systemFields: ReadonlySet<string> = new Set(['$id', 'version', 'createdAt', 'createdBy', 'updatedAt', 'updatedBy', 'deletedAt'])

/** A document's own fields; of a union of kinds each kind's, which Omit would reduce to what they share. */
export type OwnFields<T> = { [K in keyof T as Exclude<K, keyof EntityFields>]: T[K] }

/** A document as readers get it: the database's fields, then its own. The reader owns it: changing it changes nothing stored. */
export type Entity<T extends object = Document> = EntityFields & OwnFields<T>

/** The entity with its own fields shared with `state`: to evaluate, never to hand out. */
export function entityDocument(ns: string, state: EntityState): Document {
  return Object.assign(systemPart(ns, state), state.document)
}

/** The entity, sharing nothing with `state`. */
export function copyEntity<T extends object>(ns: string, state: EntityState): Entity<T> {
  const entity = systemPart(ns, state)
  const document = state.document
  for (const name of Object.keys(document)) entity[name] = cloneValue(document[name] as Value)
  return entity as unknown as Entity<T>
}

/** What the database itself writes into an entity. */
export function systemPart(ns: string, state: EntityState): Document {
  const entity: Document = { $id: formatEntityId({ ns, id: state.id }), version: state.version, createdAt: new Date(state.createdAt) }
  if (state.createdBy !== undefined) entity.createdBy = state.createdBy
  entity.updatedAt = new Date(state.updatedAt)
  if (state.updatedBy !== undefined) entity.updatedBy = state.updatedBy
  if (state.deletedAt !== undefined) entity.deletedAt = new Date(state.deletedAt)
  return entity
}
