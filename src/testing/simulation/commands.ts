import type { Document } from '../../model/values.ts'

/** Edges that a write makes or removes: by the name that the entity's collection has for them, to whole ids. */
export interface Linking {
  readonly kind: 'link' | 'unlink'
  readonly name: string
  readonly to: readonly string[]
  readonly data?: Document
}

/** A write of the workload, as data. Every one of them is one commit or none. */
export type Command =
  | { readonly kind: 'create'; readonly ns: string; readonly id: string; readonly document: Document; readonly linking?: Linking }
  | { readonly kind: 'replace'; readonly ns: string; readonly id: string; readonly document: Document; readonly upsert?: boolean }
  /** `linking`: of the first of them. */
  | { readonly kind: 'createMany'; readonly ns: string; readonly ids: readonly string[]; readonly document: Document; readonly linking?: Linking }
  | { readonly kind: 'update' | 'upsert'; readonly ns: string; readonly id: string; readonly fields: Document; readonly expectedVersion?: number; readonly linking?: Linking }
  | { readonly kind: 'increment'; readonly ns: string; readonly id: string; readonly by: number }
  | { readonly kind: 'delete' | 'restore'; readonly ns: string; readonly id: string }
  /** Makes the document what it was just after the event `to`. */
  | { readonly kind: 'revert'; readonly ns: string; readonly id: string; readonly to: number }
  | { readonly kind: 'updateMany'; readonly ns: string; readonly range: Range; readonly fields: Document }
  | { readonly kind: 'deleteMany'; readonly ns: string; readonly range: Range }
  /** Only edges. */
  | { readonly kind: 'edges'; readonly ns: string; readonly near: string; readonly linking: Linking }
  /** Takes entities, named 'ns/id', out of the database for good. */
  | { readonly kind: 'erase'; readonly names: readonly string[] }
  /** Writes the sum of all `n` of the namespace into one entity of another. */
  | { readonly kind: 'tally'; readonly ns: string; readonly into: { readonly ns: string; readonly id: string }; readonly serial: number }
  /** Commands of one transaction; one that is refused is passed over. `fails`: it is rolled back. */
  | { readonly kind: 'transaction'; readonly commands: readonly Command[]; readonly fails: boolean }
  /** Moves `by` from one to the other and leaves a note of what it read; writes nothing where one is missing. */
  | { readonly kind: 'move'; readonly ns: string; readonly from: string; readonly to: string; readonly by: number }

/** Entities whose `n` is a number from `from` to below `below`. */
export interface Range {
  readonly from: number
  readonly below: number
}

/** A relationship of the workload. Without ends: any collection to any, and nothing is declared. */
export interface Relationship {
  readonly predicate: string
  readonly ends?: { readonly from: string; readonly to: string; readonly inverse: string }
  /** Leads to one entity. */
  readonly isOne?: boolean
  /** One entity leads there. */
  readonly isOneBack?: boolean
  readonly onDelete?: 'cascade' | 'restrict' | 'unlink'
  readonly refusesDangling?: boolean
}

export const relationships: readonly Relationship[] = [
  { predicate: 'knows' },
  { predicate: 'owner', ends: { from: 'a', to: 'b', inverse: 'owned' }, isOne: true },
  { predicate: 'mate', ends: { from: 'a', to: 'b', inverse: 'mated' }, isOne: true, isOneBack: true },
  { predicate: 'whole', ends: { from: 'b', to: 'a', inverse: 'parts' }, onDelete: 'cascade' },
  { predicate: 'under', ends: { from: 'a', to: 'a', inverse: 'over' }, isOne: true, onDelete: 'cascade' },
  { predicate: 'needs', ends: { from: 'b', to: 'a', inverse: 'needed' }, onDelete: 'restrict' },
  { predicate: 'tags', ends: { from: 'a', to: 'a', inverse: 'tagged' }, onDelete: 'unlink' },
  { predicate: 'strict', ends: { from: 'b', to: 'b', inverse: 'strictly' }, refusesDangling: true },
]

/** How a collection names a relationship, from which of its ends. */
export interface Naming {
  readonly name: string
  readonly relationship: Relationship
  readonly direction: 'out' | 'in'
}

/** What a collection's relationships can be called when edges are made. */
export function namingsOf(ns: string): readonly Naming[] {
  return relationships.flatMap((relationship): Naming[] => {
    const { predicate, ends } = relationship
    const forth: Naming = { name: predicate, relationship, direction: 'out' }
    const back: Naming = { name: ends?.inverse ?? '', relationship, direction: 'in' }
    return [...(ends === undefined || ends.from === ns ? [forth] : []), ...(ends?.to === ns ? [back] : [])]
  })
}
