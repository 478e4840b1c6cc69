import type { Document } from './values.ts'

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
