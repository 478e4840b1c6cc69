import { assert } from '../base/assert.ts'
import { byteArraysOfBytes } from './byte-arrays.ts'
import type { ColumnValues } from './Column.ts'
import type { Leaf, LeafValue } from './columns.ts'
import type { ColumnToCopy } from './RowSource.ts'
import { slotBytes } from '../model/values.ts'

/** Values of a column without its nulls. Texts are put into bytes once it is known which of them are written. */
export type GatheredValues = ColumnValues | { readonly kind: 'texts'; readonly texts: readonly string[] }

/** One physical column of the row group being gathered: its values without nulls, and levels where they say something. */
export class LeafBuilder {
  readonly leaf: Leaf
  /** What the values of the row group take before they are encoded, in all its leaves. */
  readonly #size: { bytes: number }
  /** Without nulls. */
  valueCount = 0
  #numbers: Float64Array = new Float64Array(0)
  /** Those that are no numbers. */
  #others: Exclude<LeafValue, number>[] = []
  /** Values and nulls, and empty lists. */
  entryCount = 0
  /** Rows begun. */
  rowCount = 0
  #definitions: Uint8Array = new Uint8Array(0)
  #repetitions: Uint8Array = new Uint8Array(0)
  /** True while every entry is a value, so that no definition levels are kept. */
  #isDense = true

  constructor(leaf: Leaf, size: { bytes: number }) {
    this.leaf = leaf
    this.#size = size
  }

  /** A value that is the row's only one. */
  value(value: LeafValue): void {
    this.#keep(value)
    this.rowCount += 1
  }

  /** A list; `definition` is that of an empty one. */
  list(values: readonly LeafValue[], definition: number): void {
    if (values.length === 0) return this.fillTo(this.rowCount + 1, definition)
    for (let index = 0; index < values.length; index++) {
      this.#repetitions = put(this.#repetitions, this.entryCount, index === 0 ? 0 : 1)
      this.#keep(values[index] as LeafValue)
    }
    this.rowCount += 1
  }

  /** The row `at`, which is the next or comes after rows without a value, gets what a row of another column of its type has. */
  copy(from: ColumnToCopy, row: number, at: number): void {
    const { maxDefinition, maxRepetition } = this.leaf
    const { definitions, places } = from
    const entry = maxRepetition === 0 ? row : (from.column.starts[row] as number)
    const definition = definitions === undefined ? maxDefinition : (definitions[entry] as number)
    // Rows with nothing are added when one with something comes.
    if (definition === 0 && maxDefinition > 0) return
    if (this.rowCount < at) this.fillTo(at)
    const place = places === undefined ? entry : (places[entry] as number)
    if (definition < maxDefinition) this.fillTo(at + 1, definition)
    else if (maxRepetition === 0) this.value(from.valueAt(place))
    else this.list(Array.from({ length: (from.column.starts[row + 1] as number) - entry }, (_, index) => from.valueAt(place + index)), definition)
  }

  /** Makes it `rowCount` rows by adding rows without a value, if it has fewer; `definition` says how much of their path there is. */
  fillTo(rowCount: number, definition = 0): void {
    const missing = rowCount - this.rowCount
    if (missing <= 0) return
    assert(definition < this.leaf.maxDefinition, 'a null needs a definition level below that of a value')
    const last = this.entryCount + missing - 1
    if (this.#isDense) {
      this.#definitions = new Uint8Array(Math.max(this.#definitions.length, last + 64)).fill(this.leaf.maxDefinition, 0, this.entryCount)
      this.#isDense = false
    }
    this.#definitions = put(this.#definitions, last, definition)
    if (this.leaf.maxRepetition > 0) this.#repetitions = put(this.#repetitions, last, 0)
    if (missing > 1) {
      this.#definitions.fill(definition, this.entryCount, last)
      this.#repetitions.fill(0, this.entryCount, last)
    }
    this.entryCount = last + 1
    this.rowCount = rowCount
  }

  /** Valid until the next value or `clear`. */
  get values(): GatheredValues {
    switch (this.leaf.kind) {
      case 'int':
      case 'date':
      case 'double':
        return { kind: 'numbers', numbers: this.#numbers.subarray(0, this.valueCount) }
      case 'boolean':
        return { kind: 'flags', flags: flagsOf(this.#others as boolean[]) }
      case 'bigint':
        return { kind: 'bigints', bigints: BigInt64Array.from(this.#others as bigint[]) }
      case 'string':
        return { kind: 'texts', texts: this.#others as string[] }
      case 'bytes':
        return { kind: 'arrays', arrays: byteArraysOfBytes(this.#others as Uint8Array[]) }
    }
  }

  /** undefined when every entry is a value. */
  get definitions(): Uint8Array | undefined {
    return this.#isDense ? undefined : this.#definitions.subarray(0, this.entryCount)
  }

  /** Of a list's leaf. */
  get repetitions(): Uint8Array {
    return put(this.#repetitions, this.entryCount, 0).subarray(0, this.entryCount)
  }

  /** Begins the next row group. */
  clear(): void {
    this.valueCount = 0
    this.#others = []
    this.entryCount = 0
    this.rowCount = 0
    this.#isDense = true
  }

  /** Adds an entry that is a value. */
  #keep(value: LeafValue): void {
    if (typeof value === 'number') {
      if (this.valueCount === this.#numbers.length) {
        const grown = new Float64Array(Math.max(256, this.valueCount * 2))
        grown.set(this.#numbers)
        this.#numbers = grown
      }
      this.#numbers[this.valueCount] = value
      this.#size.bytes += slotBytes
    } else {
      this.#others.push(value)
      this.#size.bytes += slotBytes + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 0)
    }
    this.valueCount += 1
    if (!this.#isDense) this.#definitions = put(this.#definitions, this.entryCount, this.leaf.maxDefinition)
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

function flagsOf(values: readonly boolean[]): Uint8Array {
  const flags = new Uint8Array(values.length)
  for (let index = 0; index < values.length; index++) if (values[index] === true) flags[index] = 1
  return flags
}
