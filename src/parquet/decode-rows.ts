import type { Value } from '../model/values.ts'
import type { Arena } from './Arena.ts'
import { decodeDeltaBytesAt, plainByteArraysAt } from './byte-arrays.ts'
import { ByteCursor } from './ByteCursor.ts'
import { Column, rowsBetween, type ColumnValues } from './Column.ts'
import { numbersOf, scalarsOf } from './column-values.ts'
import { checkPlain, codeWidth, decodeColumn, dictionaryOf, openChunk, prefixedBytesMax, unexpectedEncoding, type ChunkBytes, type EncodedPage } from './decode-chunk.ts'
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
  return { column: new Column({ leaf, rowCount: length, entryCount: length, valueCount: length, definitions: undefined, repetitions: undefined, values }), rows: rowsBetween(0, length) }
}

/** undefined where decoding all of them is no more work. */
function valuesAt(page: EncodedPage, rows: Int32Array): ColumnValues | undefined {
  const { leaf, header, body } = page
  switch (leaf.kind) {
    case 'string':
    case 'bytes': {
      if (header.encoding === 'DELTA_BYTE_ARRAY') return { kind: 'arrays', arrays: decodeDeltaBytesAt(new ByteCursor(body), { count: header.rowCount, rows, sizeMax: prefixedBytesMax, memory: page.memory }) }
      if (header.encoding !== 'RLE_DICTIONARY') return undefined
      const dictionary = dictionaryOf(page)
      return { kind: 'arrays', arrays: plainByteArraysAt(dictionary.page, dictionary.count, codesAt(page, rows)) }
    }
    case 'int':
    case 'date':
    case 'double':
      return { kind: 'numbers', numbers: decodeNumbersAt(page, rows) }
    case 'bigint':
      return undefined
    case 'boolean':
      return undefined
  }
}

function decodeNumbersAt(page: EncodedPage, rows: Int32Array): Float64Array {
  const { body, header, leaf } = page
  const numbers = new Float64Array(rows.length)
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  if (leaf.kind !== 'double' && header.encoding === 'DELTA_BINARY_PACKED') {
    decodeDeltaAt(new ByteCursor(body), { count: header.rowCount, rows }, numbers)
  } else if (header.encoding === 'PLAIN') {
    checkPlain(body, header.rowCount)
    rows.forEach((row, at) => {
      numbers[at] = leaf.kind === 'double' ? view.getFloat64(row * 8, true) : Number(view.getBigInt64(row * 8, true))
    })
  } else if (leaf.kind === 'double' && header.encoding === 'BYTE_STREAM_SPLIT') {
    checkPlain(body, header.rowCount)
    const plain = new Uint8Array(numbers.buffer)
    for (let at = 0; at < rows.length; at++) for (let byte = 0; byte < 8; byte++) plain[at * 8 + byte] = body[byte * header.rowCount + (rows[at] as number)] as number
  } else if (leaf.kind === 'double' && header.encoding === 'RLE_DICTIONARY') {
    const dictionary = dictionaryOf(page)
    checkPlain(dictionary.page, dictionary.count)
    const values = new DataView(dictionary.page.buffer, dictionary.page.byteOffset, dictionary.page.length)
    codesAt(page, rows).forEach((code, at) => {
      numbers[at] = values.getFloat64(code * 8, true)
    })
  } else throw unexpectedEncoding(page)
  return numbers
}

function codesAt(page: EncodedPage, rows: Int32Array): Uint16Array {
  const codes = new Uint16Array(rows.length)
  decodeHybridAt(page.body.subarray(1), { width: codeWidth(page), greatest: dictionaryOf(page).count - 1, rows }, codes)
  return codes
}
