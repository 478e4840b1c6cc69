import { byteArraysOfBytes, byteArraysOfTexts, bytesAt, textsOf, type ByteArrays } from './byte-arrays.ts'
import { Column, type ColumnValues } from './Column.ts'
import { malformed } from './malformed.ts'

/** The same physical column of several row groups, one after the other, as one column of its own. */
export function joinColumns(columns: readonly Column[]): Column {
  const [first] = columns
  if (first === undefined) throw malformed('no row group has the column')
  const { leaf } = first
  const total = (count: (column: Column) => number): number => columns.reduce((sum, column) => sum + count(column), 0)
  const entryCount = total((column) => column.entryCount)
  const levels = (of: 'definitions' | 'repetitions', otherwise: number): Uint8Array | undefined => {
    if (columns.every((column) => column[of] === undefined)) return undefined
    const out = new Uint8Array(entryCount).fill(otherwise)
    let at = 0
    for (const column of columns) {
      const part = column[of]
      if (part !== undefined) out.set(part, at)
      at += column.entryCount
    }
    return out
  }
  return new Column({
    leaf,
    rowCount: total((column) => column.rowCount),
    entryCount,
    valueCount: total((column) => column.valueCount),
    definitions: levels('definitions', leaf.maxDefinition),
    repetitions: levels('repetitions', 0),
    values: joinValues(columns),
  })
}

function joinValues(columns: readonly Column[]): ColumnValues {
  const total = columns.reduce((sum, { valueCount }) => sum + valueCount, 0)
  switch (columns[0]?.values.kind) {
    case 'numbers':
      return { kind: 'numbers', numbers: joined(new Float64Array(total), columns.map(({ values }) => (values.kind === 'numbers' ? values.numbers : otherType()))) }
    case 'flags':
      return { kind: 'flags', flags: joined(new Uint8Array(total), columns.map(({ values }) => (values.kind === 'flags' ? values.flags : otherType()))) }
    case 'bigints':
      return { kind: 'bigints', bigints: joined(new BigInt64Array(total), columns.map(({ values }) => (values.kind === 'bigints' ? values.bigints : otherType()))) }
    case 'arrays':
    case 'codes':
    case undefined:
      return joinCodes(columns) ?? { kind: 'arrays', arrays: joinArrays(columns.map(({ values }) => arraysOf(values))) }
  }
}

/** `whole` with the parts one after the other. */
function joined<Whole extends { set(part: Whole, at: number): void; readonly length: number }>(whole: Whole, parts: readonly Whole[]): Whole {
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function otherType(): never {
  throw malformed('a column has two types')
}

/** Under one dictionary; undefined where too few of them have one, or all of them together have too many values for a code. */
function joinCodes(columns: readonly Column[]): ColumnValues | undefined {
  const total = columns.reduce((sum, { valueCount }) => sum + valueCount, 0)
  const coded = columns.reduce((sum, { values, valueCount }) => sum + (values.kind === 'codes' ? valueCount : 0), 0)
  if (coded * 2 <= total || columns[0]?.leaf.kind !== 'string') return undefined
  const places = new Map<string, number>()
  const codes = new Uint16Array(total)
  let at = 0
  for (const column of columns) {
    const { values, valueCount } = column
    const texts = values.kind === 'arrays' ? textsOf(values.arrays, 0, valueCount) : column.dictionary
    const newCodes = Uint16Array.from(texts, (text) => {
      const place = places.get(text) ?? places.size
      if (place === places.size) places.set(text, place)
      return place
    })
    if (places.size > 0xffff) return undefined
    if (values.kind === 'codes') replaceCodes(values.codes, newCodes, codes.subarray(at, at + valueCount))
    else codes.set(newCodes, at)
    at += valueCount
  }
  return { kind: 'codes', codes, dictionary: byteArraysOfTexts([...places.keys()]) }
}

/** A loop of its own, which V8 compiles by itself. */
function replaceCodes(codes: Uint16Array, newCodes: Uint16Array, out: Uint16Array): void {
  for (let index = 0; index < codes.length; index++) out[index] = newCodes[codes[index] as number] as number
}

/** Every value for itself. */
function arraysOf(values: ColumnValues): ByteArrays {
  if (values.kind === 'arrays') return values.arrays
  if (values.kind !== 'codes') return otherType()
  const { codes, dictionary } = values
  return byteArraysOfBytes(Array.from(codes, (code) => bytesAt(dictionary, code)))
}

function joinArrays(parts: readonly ByteArrays[]): ByteArrays {
  const offsets = new Int32Array(parts.reduce((sum, part) => sum + part.offsets.length - 1, 1))
  let at = 0
  for (const part of parts) {
    const start = offsets[at] as number
    for (let index = 1; index < part.offsets.length; index++) offsets[++at] = start + (part.offsets[index] as number)
  }
  const blob = new Uint8Array(offsets[at] as number)
  at = 0
  for (const { blob: part, offsets: { length } } of parts) {
    blob.set(part, offsets[at])
    at += length - 1
  }
  return { blob, offsets }
}
