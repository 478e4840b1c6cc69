/** What a field may hold. Absent is `undefined` and never a Value; `null` is a stored null. */
export type Value = null | boolean | number | string | bigint | Date | Uint8Array | Value[] | { [field: string]: Value }

/** A document's own fields, in order: plain objects, own enumerable string keys only. Treated as immutable inside the engine. */
export type Document = { [field: string]: Value }

/** True for a plain object: neither an array, nor a Date, nor bytes. */
export function isObject(value: Value | undefined): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date) && !(value instanceof Uint8Array)
}

/** The object's own field, else undefined; a name that every object inherits, as 'toString', is absent unless it is its own. */
export function ownField(object: Document, name: string): Value | undefined {
  const value = object[name]
  return value === undefined || Object.hasOwn(object, name) ? value : undefined
}

/** A deep copy that shares nothing with the original. The input must be a valid document (see parseDocument). */
export function cloneDocument(document: Document): Document {
  const copy: Document = {}
  for (const name of Object.keys(document)) copy[name] = cloneValue(document[name] as Value)
  return copy
}

/** A deep copy that shares nothing with the original. */
export function cloneValue(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const copy: Value[] = []
    for (const element of value) copy.push(cloneValue(element))
    return copy
  }
  if (value instanceof Date) return new Date(value.getTime())
  // Not slice(): a subclass, as Node's Buffer, may share its memory there.
  if (value instanceof Uint8Array) return new Uint8Array(value)
  return cloneDocument(value)
}

/**
 * Exact identity, for diffs: deep, strict about types (1 is not 1n), about the order of fields and the sign of zero;
 * NaN equals NaN. A filter's equality is another: see valuesMatchEqual.
 */
export function equalValues(left: Value | undefined, right: Value | undefined): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left)) return Array.isArray(right) && left.length === right.length && left.every((element, index) => equalValues(element, right[index]))
  if (left instanceof Date) return right instanceof Date && left.getTime() === right.getTime()
  if (left instanceof Uint8Array) return right instanceof Uint8Array && left.length === right.length && left.every((byte, index) => byte === right[index])
  return isObject(right) && equalObjects(left, right)
}

function equalObjects(left: Document, right: Document): boolean {
  const names = Object.keys(left)
  const others = Object.keys(right)
  return names.length === others.length && names.every((name, index) => name === others[index] && equalValues(left[name], right[name]))
}

/** What a field or an element costs besides its name and its value: type, length, pointer. */
export const slotBytes = 8

/**
 * An estimate of the memory or the storage that a value takes, for limits and cache budgets: 8 bytes for every field and
 * element, one for each UTF-16 unit of names and strings, one for each byte. Within a factor of three of what is stored.
 */
export function approximateBytes(value: Value): number {
  if (typeof value === 'string') return slotBytes + value.length
  if (typeof value !== 'object' || value === null || value instanceof Date) return slotBytes
  if (value instanceof Uint8Array) return slotBytes + value.length
  let bytes = slotBytes
  if (Array.isArray(value)) {
    for (const element of value) bytes += approximateBytes(element)
    return bytes
  }
  for (const name of Object.keys(value)) bytes += name.length + approximateBytes(value[name] as Value)
  return bytes
}
