import type { Value } from './values.ts'

/**
 * A resolved change. Keys are encoded paths (src/model/path.ts): segments joined by '.', with '.' and '\' inside a
 * segment escaped by '\'. A segment that is a whole number addresses an array's element where an array stands
 * there, a field elsewhere. `set` is applied in order after `unset`; missing containers become objects.
 */
export interface Patch {
  readonly set?: { readonly [path: string]: Value }
  readonly unset?: readonly string[]
}
