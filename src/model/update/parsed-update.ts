import type { ValueTest } from '../filter/path-values.ts'
import type { FieldPath } from '../path.ts'
import type { Value } from '../values.ts'

/** A checked update: applyUpdate runs its operations in order; no two of them touch the same or one inside the other's path. */
export interface ParsedUpdate {
  readonly operations: readonly UpdateOperation[]
  /** `$link` and `$unlink`, as they were written: what they mean depends on the entity. */
  readonly links: readonly { readonly kind: 'link' | 'unlink'; readonly fields: unknown }[]
}

export type UpdateOperation =
  | { readonly kind: 'set' | 'setOnInsert' | 'min' | 'max'; readonly path: UpdatePath; readonly value: Value }
  | { readonly kind: 'unset' | 'currentDate'; readonly path: UpdatePath }
  | { readonly kind: 'inc' | 'mul'; readonly path: UpdatePath; readonly amount: number | bigint }
  | { readonly kind: 'rename'; readonly path: UpdatePath; readonly to: UpdatePath }
  | { readonly kind: 'bit'; readonly path: UpdatePath; readonly masks: readonly BitMask[] }
  | { readonly kind: 'push'; readonly path: UpdatePath; readonly push: Push }
  | { readonly kind: 'addToSet' | 'pullAll'; readonly path: UpdatePath; readonly values: readonly Value[] }
  | { readonly kind: 'pull'; readonly path: UpdatePath; readonly matches: ValueTest }
  | { readonly kind: 'pop'; readonly path: UpdatePath; readonly end: 'first' | 'last' }

export interface UpdatePath {
  /** As the user wrote it. */
  readonly text: string
  readonly steps: readonly UpdateStep[]
}

export type UpdateStep =
  /** A field of an object; of an array the element at `index`. */
  | { readonly kind: 'field'; readonly name: string; readonly index: number | undefined }
  /** `$[]`: every element. */
  | { readonly kind: 'all' }
  /** `$[name]`: every element that its array filter matches. */
  | { readonly kind: 'matching'; readonly name: string; readonly matches: ValueTest }

/** $push in its order of work: insert at `position` (from the end when negative), sort, cut. */
export interface Push {
  readonly values: readonly Value[]
  readonly position: number | undefined
  readonly sort: readonly ElementSort[] | undefined
  /** Keep the first so many, or with a minus the last. */
  readonly slice: number | undefined
}

/** The empty path is the element itself. */
export interface ElementSort {
  readonly path: FieldPath
  readonly direction: 1 | -1
}

export interface BitMask {
  readonly op: 'and' | 'or' | 'xor'
  readonly mask: number | bigint
}
