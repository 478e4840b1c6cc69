import type { Value } from '../model/values.ts'
import { bytesAt, textAt, textsOf, type ByteArrays } from './byte-arrays.ts'
import type { Column } from './Column.ts'
import { malformed } from './malformed.ts'

/** The values of some rows, which ascend, as JavaScript has them; undefined where there is none. Not of a list's leaf. Many strings at once are slices of one text (see textsOf). */
export function scalarsOf(column: Column, rows: Int32Array): (Value | undefined)[] {
  if (column.valueCount === 0) return new Array<undefined>(rows.length).fill(undefined)
  const { places } = column
  if (places === undefined) return valuesAt(column, rows)
  const indexes = new Int32Array(rows.length)
  for (let at = 0; at < rows.length; at++) indexes[at] = places[rows[at] as number] as number
  return valuesAt(column, indexes)
}

/** The lists of some rows, which ascend, of a list's leaf; undefined where there is none. */
export function listsOf(column: Column, rows: Int32Array): (Value[] | undefined)[] {
  const { starts, places, definitions } = column
  const { maxDefinition } = column.leaf
  let count = 0
  for (const row of rows) count += (starts[row + 1] as number) - (starts[row] as number)
  const indexes = new Int32Array(count)
  let next = 0
  for (const row of rows) for (let entry = starts[row] as number; entry < (starts[row + 1] as number); entry++) indexes[next++] = places === undefined ? entry : (places[entry] as number)
  const values = valuesAt(column, indexes) as Value[]
  const lists = new Array<Value[] | undefined>(rows.length).fill(undefined)
  next = 0
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] as number
    const entry = starts[row] as number
    const end = next + (starts[row + 1] as number) - entry
    const definition = definitions?.[entry] ?? maxDefinition
    if (definition === maxDefinition) lists[at] = values.slice(next, end)
    else if (definition === maxDefinition - 1) lists[at] = []
    next = end
  }
  return lists
}

/** Definition levels of some rows: of a list's leaf, of their first entries. */
export function rowDefinitions(column: Column, rows: Int32Array): Uint8Array {
  const { definitions, leaf } = column
  const out = new Uint8Array(rows.length).fill(leaf.maxDefinition)
  if (definitions === undefined) return out
  const starts = column.repetitions === undefined ? undefined : column.starts
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] as number
    out[at] = definitions[starts === undefined ? row : (starts[row] as number)] as number
  }
  return out
}

/** A column of numbers by row, of which every row has one. */
export function numbersOf({ values, places, leaf }: Column): Float64Array {
  if (values.kind !== 'numbers' || places !== undefined) throw malformed(`'${leaf.path.join('.')}' is no column of numbers that every row has`)
  return values.numbers
}

/** A view of the bytes of a row's text; undefined where there is none. */
export function textBytesAt({ values, places, leaf }: Column, row: number): Uint8Array | undefined {
  if (values.kind !== 'arrays' && values.kind !== 'codes') throw malformed(`'${leaf.path.join('.')}' is no column of texts`)
  const place = places === undefined ? row : (places[row] as number)
  if (place < 0) return undefined
  return values.kind === 'arrays' ? bytesAt(values.arrays, place) : bytesAt(values.dictionary, values.codes[place] as number)
}

/** The values of a column that was written without a dictionary. */
export function byteArraysOf({ values, leaf }: Column): ByteArrays {
  if (values.kind !== 'arrays') throw malformed(`'${leaf.path.join('.')}' is no column of texts by themselves`)
  return values.arrays
}

/** Values by their places, which ascend; undefined for a place below 0. */
function valuesAt(column: Column, places: Int32Array): (Value | undefined)[] {
  const { values } = column
  // No holes: forEach and map would pass over them.
  const out = new Array<Value | undefined>(places.length).fill(undefined)
  switch (values.kind) {
    case 'numbers': {
      const { numbers } = values
      const isDate = column.leaf.kind === 'date'
      for (let at = 0; at < out.length; at++) {
        const place = places[at] as number
        if (place >= 0) out[at] = isDate ? new Date(numbers[place] as number) : numbers[place]
      }
      return out
    }
    case 'bigints':
      for (let at = 0; at < out.length; at++) out[at] = values.bigints[places[at] as number]
      return out
    case 'flags':
      for (let at = 0; at < out.length; at++) if ((places[at] as number) >= 0) out[at] = values.flags[places[at] as number] === 1
      return out
    case 'arrays': {
      const { blob, offsets } = values.arrays
      if (column.leaf.kind === 'string') return textsAt(values.arrays, places, out)
      for (let at = 0; at < out.length; at++) if ((places[at] as number) >= 0) out[at] = blob.slice(offsets[places[at] as number], offsets[(places[at] as number) + 1])
      return out
    }
    case 'codes':
      // Few of them are decoded by themselves.
      if (places.length * spanPerTextMax < values.dictionary.offsets.length) for (let at = 0; at < out.length; at++) out[at] = (places[at] as number) < 0 ? undefined : textAt(values.dictionary, values.codes[places[at] as number] as number)
      else for (let at = 0; at < out.length; at++) if ((places[at] as number) >= 0) out[at] = column.dictionary[values.codes[places[at] as number] as number]
      return out
  }
}

/** Values decoded for each one that is wanted, up to which decoding a whole stretch of them is the quicker way. */
const spanPerTextMax = 3

function textsAt(arrays: ByteArrays, places: Int32Array, out: (Value | undefined)[]): (Value | undefined)[] {
  const first = places.find((place) => place >= 0)
  if (first === undefined) return out
  const end = Math.max(first, places.findLast((place) => place >= 0) ?? first) + 1
  const texts = end - first <= places.length * spanPerTextMax ? textsOf(arrays, first, end) : undefined
  for (let at = 0; at < out.length; at++) {
    const place = places[at] as number
    if (place >= 0) out[at] = texts === undefined ? textAt(arrays, place) : texts[place - first]
  }
  return out
}
