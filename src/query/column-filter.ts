import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { typeRank, typeRanks, type TypeRank } from '../model/compare.ts'
import { compileTest } from '../model/filter/compile-filter.ts'
import type { CompareOp, FilterNode, NodeOf } from '../model/filter/filter-node.ts'
import type { ValueTest } from '../model/filter/path-values.ts'
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

/** All of one mark; the buffer is of whole words of eight bytes, so that rows are combined, or passed over, several at once. */
export function marksOf(rowCount: number, mark: 0 | 1 | 3 = marks.no): Uint8Array {
  const out = new Uint8Array(new ArrayBuffer((rowCount + 7) & ~7), 0, rowCount)
  return mark === marks.no ? out : out.fill(mark)
}

type CompareNode = NodeOf<'compare'>
type Leaf = Exclude<FilterNode, { kind: 'and' | 'or' | 'nor' | 'not' }>

/** The filter over columns. It agrees with compileFilter wherever it does not leave the row to its document. */
export function compileColumnFilter(ns: string, node: FilterNode): ColumnFilter {
  if (node.kind === 'not') return negated(compileColumnFilter(ns, node.node))
  if (node.kind === 'and') return allOf(conjuncts(ns, node.nodes))
  if ('nodes' in node) {
    const filters = node.nodes.map((inner) => compileColumnFilter(ns, inner))
    return node.kind === 'or' ? anyOf(filters) : negated(anyOf(filters))
  }
  return leafFilter(ns, node)
}

/** Two bounds of one path are one look at its column. */
function conjuncts(ns: string, nodes: readonly FilterNode[]): ColumnFilter[] {
  const alone = new Map<string, CompareNode>()
  const filters: ColumnFilter[] = []
  for (const node of nodes) {
    if (node.kind !== 'compare' || numberOf(node.value) === undefined) {
      filters.push(compileColumnFilter(ns, node))
      continue
    }
    const key = JSON.stringify([node.path, typeof node.value])
    const other = alone.get(key)
    if (other === undefined) alone.set(key, node)
    else if (alone.delete(key)) filters.push(betweenFilter(ns, [other, node]))
  }
  return [...Array.from(alone.values(), (node) => leafFilter(ns, node)), ...filters]
}

/** Of a list one element may be what one bound asks for, and another one what the other does, so those are looked at one by one. */
function betweenFilter(ns: string, [low, high]: readonly [CompareNode, CompareNode]): ColumnFilter {
  const oneByOne = allOf([leafFilter(ns, low), leafFilter(ns, high)])
  const intervals = [low, high].map(({ op, value }) => intervalOf(op, numberOf(value) as number))
  const interval = { least: Math.max(...intervals.map(({ least }) => least)), greatest: Math.min(...intervals.map(({ greatest }) => greatest)) }
  return (batch) => {
    const found = batch.find(low.path)
    const column = typeof found !== 'object' || found.isList ? undefined : batch.column(found.index)
    if (column?.values.kind !== 'numbers' || column.definitions !== undefined || typeRank(low.value) !== kindRanks[column.leaf.kind]) return oneByOne(batch)
    const out = markBetween(column.values.numbers, interval)
    for (const row of batch.restsWith(low.path[0] as string)) out[row] = marks.unknown
    return out
  }
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
    const words = wordsOf(out)
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as number
      words[at] = (((word >> 1) & 0x01010101) | ((word << 1) & 0x02020202)) ^ 0x03030303
    }
    return out
  }
}

/** The rows that marks do not refuse, and whether they accept all of these. Of a whole batch eight are passed over at once: most filters refuse most rows. */
export function rowsLeft(rows: Int32Array, of: Uint8Array): { rows: Int32Array; areSure: boolean } {
  if (rows.length < of.length) {
    const left = rows.filter((row) => of[row] !== marks.no)
    return { rows: left, areSure: left.every((row) => of[row] === marks.yes) }
  }
  // No eight marks are the bytes of a NaN, or of a zero that is none.
  const eights = new Float64Array(of.buffer)
  let marked = 0
  for (let at = 0; at < eights.length; at++) marked += Number(eights[at] !== 0)
  const out = new Int32Array(marked * 8)
  let count = 0
  let unsure = 0
  for (let at = 0; at < eights.length; at++) {
    if (eights[at] === 0) continue
    const end = Math.min(of.length, at * 8 + 8)
    for (let row = at * 8; row < end; row++) {
      const mark = of[row] as number
      out[count] = row
      count += mark & 1
      unsure |= mark ^ (mark >> 1)
    }
  }
  return { rows: out.subarray(0, count), areSure: (unsure & 1) === 0 }
}

/** Four marks at a time, of an array that `marksOf` made; those past its end are 0 or all alike. */
function wordsOf(of: Uint8Array): Int32Array {
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


function valueTester(node: Leaf): ValueTester {
  const test = compileTest({ ...node, path: [] })
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
    const number = numberOf(node.value)
    if (values.kind === 'numbers' && number !== undefined) return markBetween(values.numbers, intervalOf(node.op, number))
    if (values.kind === 'arrays' && typeof node.value === 'string') return markTexts(values.arrays, node.op, utf8Encode(node.value))
  }
  if (node.kind === 'startsWith' && values.kind === 'arrays' && column.leaf.kind === 'string') return markTexts(values.arrays, 'startsWith', utf8Encode(node.text))
  return markBy(column, test)
}

/** What a value of a column of numbers or dates is compared with; undefined for anything else, and for NaN. */
function numberOf(value: Value): number | undefined {
  const number = value instanceof Date ? value.getTime() : value
  return typeof number === 'number' && !Number.isNaN(number) ? number : undefined
}

interface Interval {
  readonly least: number
  readonly greatest: number
}

/** The numbers that a comparison accepts, both ends included; none where an end is NaN. */
function intervalOf(op: CompareOp, value: number): Interval {
  if (op === 'eq') return { least: value, greatest: value }
  if (op === 'gt' || op === 'gte') return { least: op === 'gt' ? nextAbove(value) : value, greatest: Number.POSITIVE_INFINITY }
  return { least: Number.NEGATIVE_INFINITY, greatest: op === 'lt' ? -nextAbove(-value) : value }
}

/** The least number above another one; NaN where there is none. */
function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE
  if (value === Number.POSITIVE_INFINITY) return Number.NaN
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n))
  return view.getFloat64(0)
}

/** Four at a time, and without a branch for each: which way it goes is anybody's guess, and a wrong one costs several times the comparison. */
function markBetween(numbers: Float64Array, { least, greatest }: Interval): Uint8Array {
  if (least === greatest) return markEqual(numbers, least)
  const out = marksOf(numbers.length)
  const words = wordsOf(out)
  const isWithin = (at: number): number => Number((numbers[at] as number) >= least) & Number((numbers[at] as number) <= greatest)
  const wholeWords = numbers.length >>> 2
  let at = 0
  for (let word = 0; word < wholeWords; word++, at += 4) {
    const found = isWithin(at) | (isWithin(at + 1) << 8) | (isWithin(at + 2) << 16) | (isWithin(at + 3) << 24)
    if (found !== 0) words[word] = found * marks.yes
  }
  for (; at < numbers.length; at++) out[at] = isWithin(at) * marks.yes
  return out
}

/** One comparison a number, not two: a loop of its own, as V8 would not compile one that is given the comparison into its loop. */
function markEqual(numbers: Float64Array, wanted: number): Uint8Array {
  const out = marksOf(numbers.length)
  const words = wordsOf(out)
  const isEqual = (at: number): number => Number(numbers[at] === wanted)
  const wholeWords = numbers.length >>> 2
  let at = 0
  for (let word = 0; word < wholeWords; word++, at += 4) {
    const found = isEqual(at) | (isEqual(at + 1) << 8) | (isEqual(at + 2) << 16) | (isEqual(at + 3) << 24)
    if (found !== 0) words[word] = found * marks.yes
  }
  for (; at < numbers.length; at++) out[at] = isEqual(at) * marks.yes
  return out
}

/** Texts order by their bytes. */
function markTexts({ blob, offsets }: ByteArrays, op: CompareOp | 'startsWith', wanted: Uint8Array): Uint8Array {
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
