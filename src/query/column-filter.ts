import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { typeRank, typeRanks, type TypeRank } from '../model/compare.ts'
import { compileTest } from '../model/filter/compile-filter.ts'
import type { FilterNode } from '../model/filter/filter-node.ts'
import type { ValueTest } from '../model/filter/path-values.ts'
import type { FieldPath } from '../model/path.ts'
import type { Value } from '../model/values.ts'
import { textsOf, type ByteArrays } from '../parquet/byte-arrays.ts'
import type { Column } from '../parquet/Column.ts'
import type { ScalarKind } from '../parquet/columns.ts'
import type { FieldColumn } from '../parquet/DocumentAssembler.ts'
import type { RunBatch } from '../parquet/RunBatch.ts'

/** What columns tell of a row: that the filter refuses it, that only its document tells, that the filter accepts it. So chosen that & and | are those of the filter. */
export const marks = { no: 0, unknown: 1, yes: 3 } as const

type Certain = 0 | 3

/** Marks the rows of a batch, tombstones as if they were documents. The array is the caller's. */
export type ColumnFilter = (batch: RunBatch) => Uint8Array

/** All of one mark; the buffer is of whole words, so that four rows are combined at once. */
export function marksOf(rowCount: number, mark: 0 | 1 | 3 = marks.no): Uint8Array {
  const out = new Uint8Array(new ArrayBuffer((rowCount + 3) & ~3), 0, rowCount)
  return mark === marks.no ? out : out.fill(mark)
}

type Leaf = Exclude<FilterNode, { kind: 'and' | 'or' | 'nor' | 'not' }>

/** The filter over columns. It agrees with compileFilter wherever it does not leave the row to its document. */
export function compileColumnFilter(ns: string, node: FilterNode): ColumnFilter {
  if (node.kind === 'not') return negated(compileColumnFilter(ns, node.node))
  if ('nodes' in node) {
    const filters = node.nodes.map((inner) => compileColumnFilter(ns, inner))
    return node.kind === 'and' ? allOf(filters) : node.kind === 'or' ? anyOf(filters) : negated(anyOf(filters))
  }
  return leafFilter(ns, node)
}

/** Once no row is left, the other columns are not even decoded. */
function allOf([first, ...others]: readonly ColumnFilter[]): ColumnFilter {
  return (batch) => {
    const out = first === undefined ? marksOf(batch.rowCount, marks.yes) : first(batch)
    const words = wordsOf(out)
    for (const filter of others) {
      if (words.every((word) => word === 0)) break
      const next = wordsOf(filter(batch))
      for (let at = 0; at < words.length; at++) words[at] = (words[at] as number) & (next[at] as number)
    }
    return out
  }
}

function anyOf([first, ...others]: readonly ColumnFilter[]): ColumnFilter {
  return (batch) => {
    const out = first === undefined ? marksOf(batch.rowCount) : first(batch)
    const words = wordsOf(out)
    for (const filter of others) {
      const next = wordsOf(filter(batch))
      for (let at = 0; at < words.length; at++) words[at] = (words[at] as number) | (next[at] as number)
    }
    return out
  }
}

/** Yes and no change places; unknown stays. */
function negated(filter: ColumnFilter): ColumnFilter {
  return (batch) => {
    const out = filter(batch)
    for (let row = 0; row < out.length; row++) {
      const mark = out[row] as number
      out[row] = (((mark >> 1) | (mark << 1)) & 3) ^ 3
    }
    return out
  }
}

/** Four marks at a time, of an array that `marksOf` made; those past its end are 0 or all alike. */
export function wordsOf(of: Uint8Array): Int32Array {
  return new Int32Array(of.buffer)
}

function leafFilter(ns: string, given: Leaf): ColumnFilter {
  const [name = ''] = given.path
  if (name === '$id') {
    const node = given.path.length === 1 ? withoutNamespace(`${ns}/`, given) : undefined
    if (node === undefined) return (batch) => marksOf(batch.rowCount, marks.unknown)
    const test = valueTester(node)
    return (batch) => test.mark(batch.column(0))
  }
  const tester = valueTester(given)
  return (batch) => {
    const found = batch.find(given.path)
    const out = found === 'absent' ? marksOf(batch.rowCount, tester.ofAbsent) : found === undefined ? undefined : markColumn(batch, found, tester)
    if (out === undefined) return marksOf(batch.rowCount, marks.unknown)
    for (const row of batch.restsWith(name)) out[row] = marks.unknown
    return out
  }
}

/** The node over ids as they stand in files; undefined where it compares with what is no id of the namespace. */
function withoutNamespace(prefix: string, node: Leaf): Leaf | undefined {
  const strip = (value: Value): string | undefined => (typeof value === 'string' && value.startsWith(prefix) ? value.slice(prefix.length) : undefined)
  if (node.kind === 'compare') {
    const value = strip(node.value)
    return value === undefined ? undefined : { ...node, value }
  }
  if (node.kind === 'startsWith') {
    const text = strip(node.text)
    return text === undefined ? undefined : { ...node, text }
  }
  if (node.kind !== 'in' || node.patterns.length > 0) return undefined
  const values = node.values.map(strip).filter((value) => value !== undefined)
  return values.length === node.values.length ? { ...node, values } : undefined
}

/** A condition on one value. */
interface ValueTester {
  readonly node: Leaf
  readonly test: ValueTest
  readonly ofNull: Certain
  readonly ofAbsent: Certain
  /** Marks the values of a column that has no lists. */
  readonly mark: (column: Column) => Uint8Array
}

const noPath: FieldPath = []

function valueTester(node: Leaf): ValueTester {
  const test = compileTest({ ...node, path: noPath })
  return { node, test, ofNull: test(null) ? marks.yes : marks.no, ofAbsent: test(undefined) ? marks.yes : marks.no, mark: (column) => markValues(column, node, test) }
}

function markColumn(batch: RunBatch, found: FieldColumn, tester: ValueTester): Uint8Array | undefined {
  const column = batch.column(found.index)
  if (found.isList) return markLists(column, found, tester)
  const values = tester.mark(column)
  const { definitions, places } = column
  if (definitions === undefined || places === undefined) return values
  const out = marksOf(column.rowCount)
  for (let row = 0; row < out.length; row++) {
    const place = places[row] as number
    out[row] = place >= 0 ? (values[place] as number) : ofNothing(definitions[row] as number, found, tester)
  }
  return out
}

function ofNothing(definition: number, { nulls, outer }: FieldColumn, { ofNull, ofAbsent }: ValueTester): Certain {
  return nulls === 'null' && definition >= outer ? ofNull : ofAbsent
}

/** What a list's elements decide; undefined where the list itself may count. */
function markLists(column: Column, found: FieldColumn, tester: ValueTester): Uint8Array | undefined {
  const { node } = tester
  const { starts, definitions, places } = column
  const ofElements = elementMarks(column, tester)
  if (ofElements === undefined && node.kind !== 'size' && node.kind !== 'exists') return undefined
  const out = marksOf(column.rowCount)
  for (let row = 0; row < out.length; row++) {
    const start = starts[row] as number
    const end = starts[row + 1] as number
    const definition = definitions?.[start] ?? column.leaf.maxDefinition
    if (definition < found.definition) out[row] = ofNothing(definition, found, tester)
    else if (node.kind === 'exists') out[row] = marks.yes
    else if (node.kind === 'size') out[row] = node.size === (definition === found.definition ? 0 : end - start) ? marks.yes : marks.no
    else if (definition > found.definition) for (let entry = start; entry < end; entry++) if (ofElements?.[places === undefined ? entry : (places[entry] as number)] === marks.yes) out[row] = marks.yes
  }
  return out
}

function elementMarks(column: Column, { node, mark }: ValueTester): Uint8Array | undefined {
  const isOfLists = (value: Value): boolean => value === null || Array.isArray(value)
  if (node.kind === 'compare') return isOfLists(node.value) ? undefined : mark(column)
  if (node.kind === 'in') return node.values.some(isOfLists) ? undefined : mark(column)
  if (node.kind === 'elemMatchValue') return markBy(column, compileTest(node.node))
  // An element that is a scalar is no object.
  if (node.kind === 'elemMatch') return marksOf(column.valueCount)
  return node.kind === 'exists' || node.kind === 'size' || node.kind === 'type' ? undefined : mark(column)
}

export const kindRanks: Readonly<Record<ScalarKind, TypeRank>> = {
  string: typeRanks.string,
  int: typeRanks.number,
  bigint: typeRanks.number,
  double: typeRanks.number,
  boolean: typeRanks.boolean,
  date: typeRanks.date,
  bytes: typeRanks.binary,
}

function markValues(column: Column, node: Leaf, test: ValueTest): Uint8Array {
  const { values } = column
  if (node.kind === 'compare') {
    if (typeRank(node.value) !== kindRanks[column.leaf.kind]) return marksOf(column.valueCount)
    const number = node.value instanceof Date ? node.value.getTime() : node.value
    if (values.kind === 'numbers' && typeof number === 'number' && !Number.isNaN(number)) return markNumbers(values.numbers, node.op, number)
    if (values.kind === 'arrays' && typeof node.value === 'string') return markTexts(values.arrays, node.op, utf8Encode(node.value))
  }
  if (node.kind === 'startsWith' && values.kind === 'arrays' && column.leaf.kind === 'string') return markTexts(values.arrays, 'startsWith', utf8Encode(node.text))
  return markBy(column, test)
}

type Op = 'eq' | 'gt' | 'gte' | 'lt' | 'lte'

/** Without a branch: which way it goes is anybody's guess, and a wrong one costs several times the comparison. */
function markNumbers(numbers: Float64Array, op: Op, wanted: number): Uint8Array {
  const out = marksOf(numbers.length)
  switch (op) {
    case 'eq':
      for (let at = 0; at < out.length; at++) out[at] = Number(numbers[at] === wanted) * marks.yes
      return out
    case 'gt':
      for (let at = 0; at < out.length; at++) out[at] = Number((numbers[at] as number) > wanted) * marks.yes
      return out
    case 'gte':
      for (let at = 0; at < out.length; at++) out[at] = Number((numbers[at] as number) >= wanted) * marks.yes
      return out
    case 'lt':
      for (let at = 0; at < out.length; at++) out[at] = Number((numbers[at] as number) < wanted) * marks.yes
      return out
    case 'lte':
      for (let at = 0; at < out.length; at++) out[at] = Number((numbers[at] as number) <= wanted) * marks.yes
      return out
  }
}

/** Texts order by their bytes. */
function markTexts({ blob, offsets }: ByteArrays, op: Op | 'startsWith', wanted: Uint8Array): Uint8Array {
  const out = marksOf(offsets.length - 1)
  for (let at = 0; at < out.length; at++) {
    const start = offsets[at] as number
    const end = offsets[at + 1] as number
    if (op === 'eq' || op === 'startsWith') {
      const isLong = op === 'eq' ? end - start === wanted.length : end - start >= wanted.length
      if (isLong && startsAt(blob, start, wanted)) out[at] = marks.yes
      continue
    }
    const order = compareBytes(blob.subarray(start, end), wanted)
    if (op === 'gt' ? order > 0 : op === 'gte' ? order >= 0 : op === 'lt' ? order < 0 : order <= 0) out[at] = marks.yes
  }
  return out
}

function startsAt(blob: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let at = 0; at < wanted.length; at++) if (blob[start + at] !== wanted[at]) return false
  return true
}

/** Any condition, value by value; of a dictionary once for each distinct value. */
function markBy(column: Column, test: ValueTest): Uint8Array {
  const { values, leaf } = column
  const mark = (value: Value): Certain => (test(value) ? marks.yes : marks.no)
  const out = marksOf(column.valueCount)
  switch (values.kind) {
    case 'numbers':
      for (let at = 0; at < out.length; at++) out[at] = mark(leaf.kind === 'date' ? new Date(values.numbers[at] as number) : (values.numbers[at] as number))
      return out
    case 'bigints':
      for (let at = 0; at < out.length; at++) out[at] = mark(values.bigints[at] as bigint)
      return out
    case 'flags': {
      const ofFlags = Uint8Array.of(mark(false), mark(true))
      for (let at = 0; at < out.length; at++) out[at] = ofFlags[values.flags[at] as number] as number
      return out
    }
    case 'codes': {
      const ofCodes = Uint8Array.from(column.dictionary, mark)
      for (let at = 0; at < out.length; at++) out[at] = ofCodes[values.codes[at] as number] as number
      return out
    }
    case 'arrays': {
      const { blob, offsets } = values.arrays
      const texts = leaf.kind === 'string' ? textsOf(values.arrays, 0, out.length) : undefined
      for (let at = 0; at < out.length; at++) out[at] = mark(texts === undefined ? blob.subarray(offsets[at], offsets[at + 1]) : (texts[at] as string))
      return out
    }
  }
}
