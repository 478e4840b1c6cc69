/** What a field may hold. Absent is `undefined` and never a Value; `null` is a stored null. */
export type Value = null | boolean | number | string | bigint | Date | Uint8Array | Value[] | { [field: string]: Value }

/** A document's own fields, in order: plain objects, own enumerable string keys only. Treated as immutable inside the engine. */
export type Document = { [field: string]: Value }
