import type { Value } from '../model/values.ts'
import { textAt, textsOf } from './byte-arrays.ts'
import type { ScalarKind } from './columns.ts'
import type { Column, ColumnValues } from './decode-chunk.ts'
import { malformed } from './malformed.ts'

/** Rows `start` to `end` of a row group. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

/**
 * The rows' values as JavaScript has them; undefined where there is none. Not of a list's leaf.
 * Many strings at once are slices of one text (see textsOf).
 */
export function scalarsOf(column: Column, rows: RowRange): (Value | undefined)[] {
  const { definitions } = column
  if (definitions === undefined) return valuesOf(column.leaf.kind, column.values, rows)
  const from = valuesBefore(column, rows.start)
  let present = 0
  for (let row = rows.start; row < rows.end; row++) if (definitions[row] === column.leaf.maxDefinition) present++
  const values = valuesOf(column.leaf.kind, column.values, { start: from, end: from + present })
  if (present === rows.end - rows.start) return values
  const spread = new Array<Value | undefined>(rows.end - rows.start)
  let next = 0
  for (let row = rows.start; row < rows.end; row++) spread[row - rows.start] = definitions[row] === column.leaf.maxDefinition ? values[next++] : undefined
  return spread
}

/** The rows' lists, of a list's leaf; undefined where there is none. */
export function listsOf(column: Column, rows: RowRange): (Value[] | undefined)[] {
  const { maxDefinition } = column.leaf
  const lists = new Array<Value[] | undefined>(rows.end - rows.start)
  let entry = entryOfRow(column, rows.start)
  const end = rows.end === column.rowCount ? column.entryCount : entryOfRow(column, rows.end)
  const from = valuesBefore(column, entry)
  const values = valuesOf(column.leaf.kind, column.values, { start: from, end: valuesBefore(column, end) })
  let next = 0
  for (let row = 0; row < lists.length; row++) {
    if (entry >= end) throw malformed('a column of lists has fewer rows than its row group')
    const definition = column.definitions?.[entry] ?? maxDefinition
    let length = 0
    do {
      entry++
      if (definition === maxDefinition) length++
    } while (entry < end && column.repetitions?.[entry] === 1)
    if (definition === maxDefinition) lists[row] = values.slice(next, next + length)
    else if (definition === maxDefinition - 1) lists[row] = []
    next += length
  }
  return lists
}

/** Definition level of each row: of a list's leaf, of its first entry. */
export function rowDefinitions(column: Column, rows: RowRange): Uint8Array {
  const { definitions, leaf } = column
  const out = new Uint8Array(rows.end - rows.start).fill(leaf.maxDefinition)
  if (definitions === undefined) return out
  if (column.repetitions === undefined) return definitions.subarray(rows.start, rows.end)
  let entry = entryOfRow(column, rows.start)
  for (let row = 0; row < out.length; row++) {
    out[row] = definitions[entry] as number
    do entry++
    while (column.repetitions[entry] === 1)
  }
  return out
}

/** Values among the first `entry` entries. */
function valuesBefore({ definitions, leaf, valueCount, entryCount }: Column, entry: number): number {
  if (definitions === undefined) return entry
  if (entry === entryCount) return valueCount
  let count = 0
  for (let index = 0; index < entry; index++) if (definitions[index] === leaf.maxDefinition) count++
  return count
}

/** First entry of a row, in a list's leaf. */
function entryOfRow({ repetitions, entryCount }: Column, row: number): number {
  if (repetitions === undefined) return row
  let rows = -1
  for (let entry = 0; entry < entryCount; entry++) {
    if (repetitions[entry] === 0) rows++
    if (rows === row) return entry
  }
  throw malformed('a column of lists has fewer rows than its row group')
}

function valuesOf(kind: ScalarKind, values: ColumnValues, { start, end }: RowRange): Value[] {
  switch (values.kind) {
    case 'numbers': {
      const numbers = values.numbers.subarray(start, end)
      return kind === 'date' ? Array.from(numbers, (ms) => new Date(ms)) : Array.from(numbers)
    }
    case 'bigints':
      return Array.from(values.bigints.subarray(start, end))
    case 'flags':
      return Array.from(values.flags.subarray(start, end), (flag) => flag === 1)
    case 'arrays': {
      const { arrays } = values
      if (kind === 'string') return textsOf(arrays, start, end)
      return Array.from({ length: end - start }, (_, index) => arrays.blob.slice(arrays.offsets[start + index], arrays.offsets[start + index + 1]))
    }
    case 'codes': {
      const { codes, dictionary } = values
      if (end - start === 1) return [textAt(dictionary, codes[start] as number)]
      const texts = textsOf(dictionary, 0, dictionary.offsets.length - 1)
      return Array.from(codes.subarray(start, end), (code) => texts[code] as string)
    }
  }
}

/** A column of numbers that every row has, or NaN where a row has none. */
export function numbersOf(column: Column, rows: RowRange): Float64Array {
  if (column.values.kind !== 'numbers') throw malformed(`'${column.leaf.path.join('.')}' is no column of numbers`)
  const { numbers } = column.values
  if (column.definitions === undefined) return numbers.subarray(rows.start, rows.end)
  const out = new Float64Array(rows.end - rows.start).fill(Number.NaN)
  let next = valuesBefore(column, rows.start)
  for (let row = rows.start; row < rows.end; row++) if (column.definitions[row] === column.leaf.maxDefinition) out[row - rows.start] = numbers[next++] as number
  return out
}
