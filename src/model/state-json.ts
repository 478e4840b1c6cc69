import { fromExtendedJson, toExtendedJson } from './ejson.ts'
import type { EntityState } from './entity.ts'
import type { Document } from './values.ts'

/** A state as it is kept beside what says whose it is: its document as Extended JSON, times in milliseconds. */
export interface StateJson extends Pick<EntityState, 'createdAt' | 'updatedAt'>, Partial<Pick<EntityState, 'createdBy' | 'updatedBy' | 'deletedAt'>> {
  readonly document: unknown
}

export function stateToJson({ createdAt, createdBy, updatedAt, updatedBy, deletedAt, document }: EntityState): StateJson {
  return { createdAt, createdBy, updatedAt, updatedBy, deletedAt, document: toExtendedJson(document) }
}

export function stateFromJson(json: StateJson, { id, version, seq }: Pick<EntityState, 'id' | 'version' | 'seq'>): EntityState {
  const { createdAt, createdBy, updatedAt, updatedBy, deletedAt, document } = json
  return { id, version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document: fromExtendedJson(document) as Document }
}
