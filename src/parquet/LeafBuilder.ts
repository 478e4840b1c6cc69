import { assert } from '../base/assert.ts'
import type { Leaf } from './columns.ts'

/** What a leaf keeps of a value: a date as its milliseconds, all else as it is. */
export type LeafValue = string | number | bigint | boolean | Uint8Array

/** One physical column of the row group being gathered: its values without nulls, and levels where they say something. */
export class LeafBuilder {
  readonly leaf: Leaf
  values: LeafValue[] = []
  /** Values and nulls, and empty lists. */
  entryCount = 0
  /** Rows begun. */
  rowCount = 0
  #definitions: Uint8Array = new Uint8Array(0)
  #repetitions: Uint8Array = new Uint8Array(0)
  /** True while every entry is a value, so that no definition levels are kept. */
  #isDense = true

  constructor(leaf: Leaf) {
    this.leaf = leaf
  }

  /** A value that is the row's only one. */
  value(value: LeafValue): void {
    this.values.push(value)
    if (!this.#isDense) this.#definitions = put(this.#definitions, this.entryCount, this.leaf.maxDefinition)
    this.entryCount += 1
    this.rowCount += 1
  }

  /** A row without a value; `definition` says how much of its path there is. */
  none(definition: number): void {
    this.#none(definition)
    this.rowCount += 1
  }

  /** A list; `definition` is that of an empty one. */
  list(values: readonly LeafValue[], definition: number): void {
    if (values.length === 0) return this.none(definition)
    for (let index = 0; index < values.length; index++) {
      this.values.push(values[index] as LeafValue)
      if (!this.#isDense) this.#definitions = put(this.#definitions, this.entryCount, this.leaf.maxDefinition)
      this.#repetitions = put(this.#repetitions, this.entryCount, index === 0 ? 0 : 1)
      this.entryCount += 1
    }
    this.rowCount += 1
  }

  /** Makes it `rowCount` rows by adding rows without a value, if it has fewer. */
  fillTo(rowCount: number, definition = 0): void {
    const missing = rowCount - this.rowCount
    if (missing <= 0) return
    this.#none(definition)
    const end = this.entryCount + missing - 1
    if (missing > 1) {
      this.#definitions = put(this.#definitions, end, definition).fill(definition, this.entryCount, end)
      if (this.leaf.maxRepetition > 0) this.#repetitions = put(this.#repetitions, end, 0).fill(0, this.entryCount, end)
    }
    this.entryCount = end
    this.rowCount = rowCount
  }

  /** undefined when every entry is a value. */
  definitions(): Uint8Array | undefined {
    return this.#isDense ? undefined : this.#definitions.subarray(0, this.entryCount)
  }

  /** Of a list's leaf. */
  repetitions(): Uint8Array {
    return put(this.#repetitions, this.entryCount, 0).subarray(0, this.entryCount)
  }

  /** Begins the next row group. */
  clear(): void {
    this.values = []
    this.entryCount = 0
    this.rowCount = 0
    this.#isDense = true
  }

  #none(definition: number): void {
    assert(definition < this.leaf.maxDefinition, 'a null needs a definition level below that of a value')
    if (this.#isDense) {
      this.#definitions = new Uint8Array(Math.max(this.#definitions.length, this.entryCount + 64)).fill(this.leaf.maxDefinition, 0, this.entryCount)
      this.#isDense = false
    }
    this.#definitions = put(this.#definitions, this.entryCount, definition)
    if (this.leaf.maxRepetition > 0) this.#repetitions = put(this.#repetitions, this.entryCount, 0)
    this.entryCount += 1
  }
}

/** Sets one level, in a larger array when this one is full. */
function put(levels: Uint8Array, at: number, level: number): Uint8Array {
  let target = levels
  if (at >= levels.length) {
    target = new Uint8Array(Math.max(256, at * 2))
    target.set(levels)
  }
  target[at] = level
  return target
}
