import { textsOf, type ByteArrays } from './byte-arrays.ts'
import type { Leaf } from './columns.ts'
import { malformed } from './malformed.ts'

/** Values of a column without its nulls, still as a column. Ints, dates (milliseconds) and doubles are numbers. */
export type ColumnValues =
  | { readonly kind: 'numbers'; readonly numbers: Float64Array }
  | { readonly kind: 'bigints'; readonly bigints: BigInt64Array }
  | { readonly kind: 'flags'; readonly flags: Uint8Array }
  | { readonly kind: 'arrays'; readonly arrays: ByteArrays }
  /** Of texts: value `i` is `dictionary[codes[i]]`. */
  | { readonly kind: 'codes'; readonly codes: Uint16Array; readonly dictionary: ByteArrays }

/** What a value takes, texts aside. */
const valueBytes = { numbers: 8, bigints: 8, flags: 1, arrays: 4, codes: 2 } as const

/** What one physical column of a row group is made of. */
export type ColumnParts = Pick<Column, 'leaf' | 'rowCount' | 'entryCount' | 'valueCount' | 'values'> & Partial<Pick<Column, 'definitions' | 'repetitions'>>

/** One physical column of a row group, decoded. */
export class Column {
  readonly leaf: Leaf
  readonly rowCount: number
  readonly entryCount: number
  readonly valueCount: number
  /** Per entry; undefined when every entry is a value. */
  readonly definitions: Uint8Array | undefined
  /** Per entry; only of a list's leaf. */
  readonly repetitions: Uint8Array | undefined
  readonly values: ColumnValues
  #places: Int32Array | undefined
  #starts: Int32Array | undefined
  #texts: readonly string[] | undefined

  constructor(parts: ColumnParts) {
    this.leaf = parts.leaf
    this.rowCount = parts.rowCount
    this.entryCount = parts.entryCount
    this.valueCount = parts.valueCount
    this.definitions = parts.definitions
    this.repetitions = parts.repetitions
    this.values = parts.values
  }

  /** Memory that it takes, with what is derived from it when it is asked. */
  get bytes(): number {
    const { values } = this
    const derived = (this.definitions === undefined ? 0 : this.entryCount * 5) + (this.repetitions === undefined ? 0 : this.entryCount + this.rowCount * 4)
    const texts = values.kind === 'arrays' ? values.arrays.blob.length : values.kind === 'codes' ? values.dictionary.blob.length * 2 + values.dictionary.offsets.length * 24 : 0
    return derived + texts + this.valueCount * valueBytes[values.kind]
  }

  /** Place of each entry's value, -1 where it has none; undefined when every entry is a value. */
  get places(): Int32Array | undefined {
    const { definitions, leaf } = this
    if (definitions === undefined || this.#places !== undefined) return this.#places
    const places = new Int32Array(this.entryCount)
    let next = 0
    for (let entry = 0; entry < places.length; entry++) places[entry] = definitions[entry] === leaf.maxDefinition ? next++ : -1
    return (this.#places = places)
  }

  /** Of a list's leaf: the first entry of each row, and the end after the last one. */
  get starts(): Int32Array {
    if (this.#starts !== undefined) return this.#starts
    const starts = new Int32Array(this.rowCount + 1)
    let rows = 0
    for (let entry = 0; entry < this.entryCount; entry++) if (this.repetitions?.[entry] !== 1) starts[rows++] = entry
    if (rows !== this.rowCount) throw malformed('a column of lists has other rows than its row group')
    starts[rows] = this.entryCount
    return (this.#starts = starts)
  }

  /** The texts of its dictionary. */
  get dictionary(): readonly string[] {
    if (this.values.kind !== 'codes') throw malformed(`'${this.leaf.path.join('.')}' has no dictionary`)
    const { dictionary } = this.values
    return (this.#texts ??= textsOf(dictionary, 0, dictionary.offsets.length - 1))
  }
}

/** 0, 1, 2 and so on, as far as somebody has asked: every scan counts the rows of its batches. */
const counted = { rows: new Int32Array(0) }
/** Of more than these nothing is kept. */
const countedMax = 1 << 20

/** Rows `start` to `end` one by one, to read them all. Shared: nobody writes into it. */
export function rowsBetween(start: number, end: number): Int32Array {
  let { rows } = counted
  if (end > rows.length) {
    rows = new Int32Array(Math.max(end, Math.min(countedMax, rows.length * 2)))
    for (let row = 0; row < rows.length; row++) rows[row] = row
    if (end <= countedMax) counted.rows = rows
  }
  return rows.subarray(start, Math.max(start, end))
}
