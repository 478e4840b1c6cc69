import type { FieldPath } from '../../model/path.ts'
import { cloneValue, type Document, type Value } from '../../model/values.ts'
import type { Column } from '../../parquet/Column.ts'
import { rowDefinitions, scalarsOf } from '../../parquet/column-values.ts'
import type { FieldColumn } from '../../parquet/DocumentAssembler.ts'
import type { RunBatch } from '../../parquet/RunBatch.ts'
import { Alike, exactOf } from '../Alike.ts'
import { makeAccumulator, type Accumulator, type RowGroups } from './accumulators.ts'
import type { Expression } from './expression.ts'
import type { Holding } from './pipeline-error.ts'

/** A value that a column can give without documents: a field, or the same number for every row. */
export type ColumnInput = { readonly kind: 'field'; readonly path: FieldPath } | { readonly kind: 'constant'; readonly value: number }

export interface GroupField {
  readonly name: string
  readonly accumulator: string
  readonly expression: Expression
  /** undefined: only documents give it. */
  readonly input: ColumnInput | undefined
}

export interface GroupSpec {
  readonly key: Expression
  /** The key's parts where they are fields: of one, or of an object of them by name; undefined where documents are needed. */
  readonly parts: readonly { readonly name: string | undefined; readonly path: FieldPath }[] | undefined
  readonly fields: readonly GroupField[]
}

/** Part ids stay exact in the number that combines two of them. */
const partIdsMax = 2 ** 26
/** Whole numbers below this find their ids in an array. */
const smallNumbersMax = 2 ** 16

/** The values of one part of the key, numbered: 1 and 1n apart, as what stands for a group depends on all of them. With `groupOf` their groups are their numbers. */
class Part {
  readonly values: (Value | undefined)[] = []
  readonly #ids = new Map<string, number>()
  readonly #numbers = new Map<number, number>()
  /** Of numbers that are small and whole: their id and one. */
  readonly #small = new Int32Array(smallNumbersMax)
  readonly #groupOf: ((value: Value | undefined) => number) | undefined

  constructor(groupOf: ((value: Value | undefined) => number) | undefined) {
    this.#groupOf = groupOf
  }

  idOf(value: Value | undefined): number {
    if (this.#groupOf !== undefined) return this.#groupOf(value)
    const key = value === undefined ? '' : exactOf(value)
    let id = this.#ids.get(key)
    if (id === undefined) this.#ids.set(key, (id = this.values.push(value) - 1))
    return id
  }

  idsOfNumbers(numbers: Float64Array): Int32Array {
    const small = this.#small
    const out = new Int32Array(numbers.length)
    for (let at = 0; at < out.length; at++) {
      const value = numbers[at] as number
      const whole = value | 0
      if (whole === value && whole >= 0 && whole < smallNumbersMax) out[at] = (small[whole] ||= this.idOf(value) + 1) - 1
      else {
        let id = this.#numbers.get(value)
        if (id === undefined) this.#numbers.set(value, (id = this.idOf(value)))
        out[at] = id
      }
    }
    return out
  }
}

/** Groups that grow while documents, or rows of columns, are added. */
export class Grouping {
  readonly #spec: GroupSpec
  readonly #holding: Holding
  /** Their keys, by the number of the group. */
  readonly #groups = new Alike()
  readonly #parts: readonly Part[]
  #identity = new Int32Array(0)
  /** Groups by the combined ids of the parts of their keys. */
  readonly #byParts = new Map<number, number>()
  readonly #accumulators: readonly Accumulator[]

  constructor(spec: GroupSpec, holding: Holding) {
    this.#spec = spec
    this.#holding = holding
    const { parts = [] } = spec
    this.#parts = parts.map(() => new Part(parts.length === 1 ? (value) => this.#groups.idOf(this.#keyOf([value]), holding) : undefined))
    this.#accumulators = spec.fields.map(({ accumulator }) => makeAccumulator(accumulator, holding) as Accumulator)
  }

  addDocument(document: Document): void {
    const group = this.#groups.idOf(this.#spec.key(document) ?? null, this.#holding)
    this.#spec.fields.forEach(({ expression }, index) => this.#accumulators[index]?.add(group, expression(document)))
  }

  /** Adds rows by their columns, and gives those that only documents tell of. */
  addRows(batch: RunBatch, rows: Int32Array): Int32Array {
    const { parts, fields } = this.#spec
    const keys = parts?.map(({ path }) => scalarColumn(batch, path))
    const inputs = fields.map(({ input }) => (input?.kind === 'field' ? scalarColumn(batch, input.path) : input))
    if (keys === undefined || keys.includes(undefined) || inputs.includes(undefined)) return rows
    const names = new Set([...(parts ?? []).map(({ path }) => path[0]), ...fields.flatMap(({ input }) => (input?.kind === 'field' ? [input.path[0]] : []))])
    const open = new Set([...names].flatMap((name) => batch.restsWith(name ?? '')))
    const told = open.size === 0 ? rows : rows.filter((row) => !open.has(row))
    batch.reading(() => {
      const groups = this.#groupsOf(batch, keys as (FieldColumn | 'absent')[], told)
      inputs.forEach((input, index) => addInput(this.#accumulators[index] as Accumulator, { batch, input: input as ColumnSource, rows: told, groups, groupCount: this.#groups.values.length }))
    })
    return open.size === 0 ? rows.subarray(0, 0) : rows.filter((row) => open.has(row))
  }

  *results(): Generator<Document> {
    for (const [group, _id] of this.#groups.values.entries()) {
      const document: Document = { _id }
      this.#spec.fields.forEach(({ name }, index) => {
        const value = this.#accumulators[index]?.result(group)
        if (value !== undefined) document[name] = cloneValue(value)
      })
      yield document
    }
  }

  #groupsOf(batch: RunBatch, keys: readonly (FieldColumn | 'absent')[], rows: Int32Array): RowGroups {
    const [only] = keys
    const [part] = this.#parts
    if (only === undefined || part === undefined) return { codes: new Int32Array(rows.length), groupOf: Int32Array.of(rows.length === 0 ? 0 : this.#groups.idOf(this.#spec.key({}) ?? null, this.#holding)) }
    const coded = keys.length === 1 ? codesOf(batch, { found: only, rows }) : undefined
    if (coded !== undefined) {
      const { codes, texts } = coded
      // Of a whole column each value of the dictionary occurs, in the order in which they are first seen.
      if (codes.length < batch.rowCount) return known({ codes, groupOf: new Int32Array(texts.length).fill(-1) }, (code) => part.idOf(texts[code]))
      return { codes, groupOf: Int32Array.from(texts, (text) => part.idOf(text)) }
    }
    const [codes = new Int32Array(0), others] = keys.map((found, index) => partIds(this.#parts[index] ?? part, batch, { found, rows }))
    if (others !== undefined) for (let at = 0; at < codes.length; at++) codes[at] = this.#groupOfParts(codes[at] as number, others[at] as number)
    // Every group stands for itself; what was counted for a batch serves the next.
    if (this.#identity.length < this.#groups.values.length) this.#identity = Int32Array.from({ length: this.#groups.values.length * 2 }, (_, group) => group)
    return { codes, groupOf: this.#identity.subarray(0, this.#groups.values.length) }
  }

  #groupOfParts(id: number, other: number): number {
    const code = id * partIdsMax + other
    let group = this.#byParts.get(code)
    if (group === undefined) this.#byParts.set(code, (group = this.#groups.idOf(this.#keyOf([this.#parts[0]?.values[id], this.#parts[1]?.values[other]]), this.#holding)))
    return group
  }

  #keyOf(values: readonly (Value | undefined)[]): Value {
    const { parts = [] } = this.#spec
    if (parts[0]?.name === undefined) return values[0] ?? null
    const key: Document = {}
    parts.forEach(({ name = '' }, index) => {
      const value = values[index]
      if (value !== undefined) key[name] = value
    })
    return key
  }
}

/** The same, with a group for each code that a row has. */
function known({ codes, groupOf }: RowGroups, groupAt: (code: number) => number): RowGroups {
  for (const code of codes) if ((groupOf[code] as number) < 0) groupOf[code] = groupAt(code)
  return { codes, groupOf }
}

type ColumnSource = FieldColumn | 'absent' | { readonly kind: 'constant'; readonly value: number }

function scalarColumn(batch: RunBatch, path: FieldPath): FieldColumn | 'absent' | undefined {
  const found = path[0] === '$id' ? undefined : batch.find(path)
  return found !== undefined && found !== 'absent' && found.isList ? undefined : found
}

/** The places of a field's values in their dictionary; undefined where it has none, or not every row has a value. */
function codesOf(batch: RunBatch, { found, rows }: { found: FieldColumn | 'absent'; rows: Int32Array }): { codes: Uint16Array; texts: readonly string[] } | undefined {
  if (found === 'absent') return undefined
  const column = batch.column(found.index)
  const { places, values } = column
  if (places !== undefined || values.kind !== 'codes') return undefined
  if (rows.length === column.rowCount) return { codes: values.codes, texts: column.dictionary }
  const codes = new Uint16Array(rows.length)
  for (let at = 0; at < codes.length; at++) codes[at] = values.codes[rows[at] as number] as number
  return { codes, texts: column.dictionary }
}

function partIds(part: Part, batch: RunBatch, { found, rows }: { found: FieldColumn | 'absent'; rows: Int32Array }): Int32Array {
  if (found === 'absent') return new Int32Array(rows.length).fill(part.idOf(undefined))
  const column = batch.column(found.index)
  const numbers = numbersAt(column, rows)
  if (numbers !== undefined) return part.idsOfNumbers(numbers)
  const out = new Int32Array(rows.length)
  const coded = codesOf(batch, { found, rows })
  if (coded !== undefined) {
    const ofCodes = Int32Array.from(coded.texts, (text) => part.idOf(text))
    for (let at = 0; at < out.length; at++) out[at] = ofCodes[coded.codes[at] as number] as number
  } else {
    fieldValues(column, found, rows).forEach((value, at) => {
      out[at] = part.idOf(value)
    })
  }
  return out
}

function addInput(accumulator: Accumulator, { batch, input, rows, groups, groupCount }: { batch: RunBatch; input: ColumnSource; rows: Int32Array; groups: RowGroups; groupCount: number }): void {
  const { codes, groupOf } = groups
  if (input === 'absent') {
    for (const code of codes) accumulator.add(groupOf[code] as number, undefined)
  } else if ('kind' in input) {
    if (accumulator.addNumbers === undefined) for (const code of codes) accumulator.add(groupOf[code] as number, input.value)
    else accumulator.addNumbers(groups, { numbers: new Float64Array(rows.length).fill(input.value), areWhole: Number.isSafeInteger(input.value) }, groupCount)
  } else {
    const column = batch.column(input.index)
    const numbers = accumulator.addNumbers && numbersAt(column, rows)
    if (numbers !== undefined) accumulator.addNumbers?.(groups, { numbers, areWhole: column.leaf.kind === 'int' }, groupCount)
    else fieldValues(column, input, rows).forEach((value, at) => accumulator.add(groupOf[codes[at] as number] as number, value))
  }
}

/** The numbers of some rows; undefined where not every row of the column has one. */
function numbersAt({ places, values, leaf, rowCount }: Column, rows: Int32Array): Float64Array | undefined {
  if (places !== undefined || values.kind !== 'numbers' || leaf.kind === 'date') return undefined
  const { numbers } = values
  if (rows.length === rowCount) return numbers
  const out = new Float64Array(rows.length)
  for (let at = 0; at < out.length; at++) out[at] = numbers[rows[at] as number] as number
  return out
}

/** A field's values, null told from absent. */
function fieldValues(column: Column, { nulls, outer }: FieldColumn, rows: Int32Array): (Value | undefined)[] {
  const values = scalarsOf(column, rows)
  if (nulls !== 'null' || column.definitions === undefined) return values
  const definitions = rowDefinitions(column, rows)
  return values.map((value, at) => (value === undefined && (definitions[at] as number) >= outer ? null : value))
}
