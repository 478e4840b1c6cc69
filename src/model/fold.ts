import { assert } from '../base/assert.ts'
import { stateOfEdge } from './edge.ts'
import type { EntityState } from './entity.ts'
import { stateBegunBy, type StoredEvent } from './event.ts'
import { applyPatch } from './patch.ts'
import type { Document } from './values.ts'

/**
 * Counts the meanings that `fold` has had. A snapshot made by another one is passed over, and replay starts earlier.
 */
export const foldVersion = 1

const emptyDocument: Document = Object.freeze({}) as Document

/**
 * The state after `event`, given the one before it (undefined: the entity never was). Pure, and the only place
 * that turns events into state. An UPDATE of a tombstone revives the entity with what the patch sets.
 */
export function fold(before: EntityState | undefined, event: StoredEvent): EntityState {
  // The mark of an erasure belongs to no entity.
  assert(event.id === '' || event.version === (before?.version ?? 0) + 1, 'I1: versions of an entity have no gaps')
  switch (event.op) {
    case 'CREATE':
      return stateOfCreate(event)
    case 'UPDATE':
      assert(before !== undefined, 'I2: only a CREATE begins an entity')
      return change(before, event, { deletedAt: undefined, document: applyPatch(before.document, event.patch ?? {}) })
    case 'DELETE':
      assert(before !== undefined, 'I2: only a CREATE begins an entity')
      return change(before, event, { deletedAt: event.ts, document: emptyDocument })
    case 'REL_CREATE':
    case 'REL_DELETE':
      return stateOfEdge(event)
    case 'ERASE':
      return stateBegunBy(event, emptyDocument, event.ts)
  }
}

/** A CREATE tells the whole state by itself, also over a tombstone: it is its own snapshot. */
export function stateOfCreate(event: Omit<StoredEvent, 'state'>): EntityState {
  return stateBegunBy(event, event.after ?? emptyDocument, undefined)
}

function change(before: EntityState, event: StoredEvent, to: Pick<EntityState, 'deletedAt' | 'document'>): EntityState {
  const { id, createdAt, createdBy } = before
  return { id, version: event.version, seq: event.seq, createdAt, createdBy, updatedAt: event.ts, updatedBy: event.actor, deletedAt: to.deletedAt, document: to.document }
}

/** The state after the last of `events`, which follow one another; the newest snapshot among them is where folding starts. */
export function foldFromSnapshot(events: readonly StoredEvent[]): EntityState | undefined {
  const start = Math.max(0, events.findLastIndex(({ state }) => state !== undefined))
  return events.slice(start).reduce<EntityState | undefined>(stateAfter, undefined)
}

/** The event's own snapshot when it has one, else the fold over `before`. */
export function stateAfter(before: EntityState | undefined, event: StoredEvent): EntityState {
  return event.state ?? fold(before, event)
}
