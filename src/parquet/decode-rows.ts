import type { Value } from '../model/values.ts'
import type { Arena } from './Arena.ts'
import { decodeDeltaBytesAt, plainByteArraysAt } from './byte-arrays.ts'
import { ByteCursor } from './ByteCursor.ts'
import { Column, rowsBetween, type ColumnValues } from './Column.ts'
import { numbersOf, scalarsOf } from './column-values.ts'
import { checkPlain, codeWidth, decodeColumn, dictionaryOf, openChunk, prefixedBytesMax, type ChunkBytes, type EncodedPage, type PlainPage } from './decode-chunk.ts'
import { decodeDeltaAt } from './delta-binary.ts'
import { decodeHybridAt } from './rle-hybrid.ts'

/** Some rows of a column, by their places in it; they ascend. */
export interface RowsOfColumn {
  readonly column: Column
  readonly rows: Int32Array
}

/** Their values, undefined where there is none; not of a list's leaf. */
export function scalarsAt({ column, rows }: RowsOfColumn): (Value | undefined)[] {
  return scalarsOf(column, rows)
}

/** Their numbers, or dates as milliseconds; every row has one. */
export function numbersAt({ column, rows }: RowsOfColumn): Float64Array {
  const numbers = numbersOf(column)
  const out = new Float64Array(rows.length)
  for (let at = 0; at < out.length; at++) out[at] = numbers[rows[at] as number] as number
  return out
}

/** One row in so many is decoded by itself. */
const fewOf = 16

/** As decodeChunk, for those who want only these rows: where they are few, and every row has one value, no others are decoded. */
export function decodeRows(chunk: ChunkBytes, rows: Int32Array, memory: Arena): RowsOfColumn {
  const { leaf, rowCount } = chunk
  const open = openChunk(chunk, memory)
  const values = rows.length * fewOf <= rowCount && leaf.maxRepetition === 0 && open.valueCount === rowCount ? valuesAt(open.page, rows) : undefined
  if (values === undefined) return { column: decodeColumn(chunk, open), rows }
  const { length } = rows
  return { column: new Column({ leaf, rowCount: length, entryCount: length, valueCount: length, values }), rows: rowsBetween(0, length) }
}

/** undefined where decoding all of them is hardly more work. */
function valuesAt(page: EncodedPage, rows: Int32Array): ColumnValues | undefined {
  const { leaf, header, body, memory } = page
  const count = header.rowCount
  if (header.encoding === 'DELTA_BYTE_ARRAY' && leaf.kind === 'string') return { kind: 'arrays', arrays: decodeDeltaBytesAt(new ByteCursor(body), { count, rows, sizeMax: prefixedBytesMax, memory }) }
  if (header.encoding === 'RLE_DICTIONARY' && leaf.kind === 'string') return { kind: 'arrays', arrays: plainByteArraysAt(dictionaryOf(page), codesAt(page, rows)) }
  const numbers = new Float64Array(rows.length)
  if (header.encoding === 'DELTA_BINARY_PACKED' && (leaf.kind === 'int' || leaf.kind === 'date')) decodeDeltaAt(new ByteCursor(body), { count, rows }, numbers)
  else if (header.encoding === 'PLAIN' && leaf.kind === 'double') doublesAt({ page: body, count }, rows, numbers)
  else if (header.encoding === 'RLE_DICTIONARY' && leaf.kind === 'double') doublesAt(dictionaryOf(page), codesAt(page, rows), numbers)
  else return undefined
  return { kind: 'numbers', numbers }
}

function codesAt(page: EncodedPage, rows: Int32Array): Uint16Array {
  const codes = new Uint16Array(rows.length)
  decodeHybridAt(page.body.subarray(1), { width: codeWidth(page), greatest: dictionaryOf(page).count - 1, rows }, codes)
  return codes
}

function doublesAt({ page, count }: PlainPage, places: Int32Array | Uint16Array, numbers: Float64Array): void {
  checkPlain(page, count)
  const view = new DataView(page.buffer, page.byteOffset, page.length)
  for (let at = 0; at < places.length; at++) numbers[at] = view.getFloat64((places[at] as number) * 8, true)
}
