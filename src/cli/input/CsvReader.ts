import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CsvError, Parser, type Info } from 'csv-parse'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { Document, Value } from '../../model/values.ts'
import { readText } from './read-text.ts'
import { type Row, type Rows, inputError } from './row.ts'

export const columnTypes = ['string', 'number', 'boolean', 'date', 'bigint'] as const
/** What the values of a CSV column are read as. */
export type ColumnType = (typeof columnTypes)[number]

/** One field of a record: null when nothing stands there, '' only when that was quoted. */
type Cell = string | null

export interface CsvOptions {
  /** What errors call the file. */
  readonly where: string
  readonly chunks: AsyncIterable<Uint8Array>
  /** One character. */
  readonly delimiter: string
  /** Guess the type of each column that `types` does not name; else such columns are strings. */
  readonly infer: boolean
  /** Types by column name. A value that does not fit the type that was asked for is an error, unlike with a guess. */
  readonly types: ReadonlyMap<string, ColumnType>
}

export interface CsvColumn {
  readonly name: string
  readonly type: ColumnType
  readonly guessed: boolean
}

/** Values that did not fit the guess for their column and stayed strings. */
export interface Misfit {
  readonly column: string
  readonly type: ColumnType
  readonly count: number
  readonly firstLine: number
  readonly firstText: string
}

interface CsvRecord {
  readonly line: number
  readonly cells: readonly Cell[]
  readonly bytes: number
}

/** Rows that are handed on at once; a guess looks at the first so many. */
const groupRows = 1_000
/** A quote that is never closed would otherwise swallow the file. */
const recordBytesMax = 16 * 1024 * 1024

/**
 * CSV (RFC 4180) with a header line, as typed rows. An empty field is absent; a quoted empty one is '' in a column of strings and
 * absent in others. A record with more or fewer fields than the header is VALIDATION_FAILED naming its line.
 */
export class CsvReader {
  readonly #options: CsvOptions
  readonly #misfits = new Map<string, Misfit>()
  #columns: readonly CsvColumn[] = []

  constructor(options: CsvOptions) {
    this.#options = options
  }

  /** Values so far that stayed strings, by column. */
  get misfits(): Misfit[] {
    return [...this.#misfits.values()]
  }

  /** `onColumns` is told once, before the first row, what each column is read as. */
  async *rows(onColumns: (columns: readonly CsvColumn[]) => void): Rows {
    let header: string[] | undefined
    let waiting: CsvRecord[] = []
    for await (const record of this.#records()) {
      if (header === undefined) {
        header = this.#header(record)
        continue
      }
      waiting.push(record)
      if (waiting.length < groupRows) continue
      this.#settleColumns(header, waiting, onColumns)
      yield waiting.map((each) => this.#row(each))
      waiting = []
    }
    if (header === undefined) throw inputError(this.#options.where, 1, 'the file is empty; expected a header line with the column names')
    this.#settleColumns(header, waiting, onColumns)
    if (waiting.length > 0) yield waiting.map((each) => this.#row(each))
  }

  async *#records(): AsyncIterable<CsvRecord> {
    const { where, chunks, delimiter } = this.#options
    const parser = new Parser({
      delimiter,
      info: true,
      skip_empty_lines: true,
      max_record_size: recordBytesMax,
      cast: (text, { quoting }) => (text === '' && !quoting ? null : text),
    })
    // The parser is destroyed with whatever fails in the pipeline, so its loop throws it; here it would only be said twice.
    const fed = pipeline(Readable.from(readText(where, chunks)), parser).then(undefined, () => undefined)
    let line = 1
    // csv-parse counts a CRLF inside a quoted value as two lines.
    let overcount = 0
    try {
      for await (const { record, info } of parser as AsyncIterable<{ record: Cell[]; info: Info }>) {
        let bytes = 0
        for (const cell of record) {
          bytes += (cell?.length ?? 0) + 1
          if (cell?.includes('\r\n') === true) overcount += cell.split('\r\n').length - 1
        }
        yield { line, cells: record, bytes }
        line = info.lines - overcount + 1
      }
    } catch (error) {
      throw error instanceof CsvError ? csvProblem(where, error, overcount) : error
    } finally {
      parser.destroy()
      await fed
    }
  }

  #header(record: CsvRecord): string[] {
    const { where, types } = this.#options
    const names = record.cells.map((cell) => cell ?? '')
    const seen = new Set<string>()
    for (const [index, name] of names.entries()) {
      if (name === '') throw inputError(where, record.line, `column ${index + 1} has no name in the header line; name it`)
      if (seen.has(name)) throw inputError(where, record.line, `two columns are named ${JSON.stringify(name)}; rename one in the header line`)
      if (name === '__proto__') throw inputError(where, record.line, 'a column is named "__proto__", which would reach the prototype; rename it in the header line')
      seen.add(name)
    }
    for (const name of types.keys()) {
      if (!seen.has(name)) throw new ParqueDBError('INVALID_ARGUMENT', `--types names the column ${JSON.stringify(name)}, which ${where} does not have; it has: ${names.join(', ')}`, { details: { column: name } })
    }
    return names
  }

  #settleColumns(header: readonly string[], sample: readonly CsvRecord[], onColumns: (columns: readonly CsvColumn[]) => void): void {
    if (this.#columns.length > 0) return
    const { infer, types } = this.#options
    this.#columns = header.map((name, index) => {
      const asked = types.get(name)
      // An id is text, whatever it looks like.
      if (asked !== undefined || !infer || name === '$id') return { name, type: asked ?? 'string', guessed: false }
      return { name, type: guessType(sample.map(({ cells }) => cells[index] ?? null)), guessed: true }
    })
    onColumns(this.#columns)
  }

  #row(record: CsvRecord): Row {
    const document: Document = {}
    for (const [index, column] of this.#columns.entries()) {
      const cell = record.cells[index] ?? null
      if (cell === null || (cell === '' && column.type !== 'string')) continue
      document[column.name] = readCell(cell, column.type) ?? this.#misfit(column, cell, record.line)
    }
    return { line: record.line, document, bytes: record.bytes }
  }

  #misfit(column: CsvColumn, text: string, line: number): string {
    const { name, type, guessed } = column
    if (!guessed) throw inputError(this.#options.where, line, `${JSON.stringify(shorten(text))} in the column ${JSON.stringify(name)} is not a ${type}, which --types asks for`)
    const known = this.#misfits.get(name) ?? { column: name, type, count: 0, firstLine: line, firstText: shorten(text) }
    this.#misfits.set(name, { ...known, count: known.count + 1 })
    return text
  }
}

/** Reads `a=string,b=number`, or a JSON object for names that hold ',' or '='. */
export function parseColumnTypes(pairs: Iterable<readonly [string, unknown]>): ReadonlyMap<string, ColumnType> {
  const types = new Map<string, ColumnType>()
  for (const [name, type] of pairs) {
    const known = columnTypes.find((each) => each === type)
    if (known === undefined) throw new ParqueDBError('INVALID_ARGUMENT', `--types: ${JSON.stringify(type)} for the column ${JSON.stringify(name)} is not a type; the types are ${columnTypes.join(', ')}`, { details: { column: name } })
    if (types.has(name)) throw new ParqueDBError('INVALID_ARGUMENT', `--types names the column ${JSON.stringify(name)} twice`, { details: { column: name } })
    types.set(name, known)
  }
  return types
}

const quoteInside = 'a double quote stands inside a value; quote the whole value and double the quotes in it ("")'
const csvProblems: ReadonlyMap<string, string> = new Map([
  ['CSV_RECORD_INCONSISTENT_FIELDS_LENGTH', 'the record has another number of fields than the header; a value that holds the delimiter must be in double quotes'],
  ['CSV_QUOTE_NOT_CLOSED', 'the file ends inside a quoted value: a closing double quote is missing'],
  ['CSV_MAX_RECORD_SIZE', `a record is longer than ${recordBytesMax} bytes; a closing double quote may be missing`],
  ['CSV_INVALID_CLOSING_QUOTE', quoteInside],
  ['INVALID_OPENING_QUOTE', quoteInside],
])

function csvProblem(where: string, error: CsvError, overcount: number): ParqueDBError {
  const line = typeof error['lines'] === 'number' ? error['lines'] - overcount : 0
  const found = Array.isArray(error['record']) ? ` (it has ${error['record'].length})` : ''
  if (error.code === 'CSV_MAX_RECORD_SIZE') return new ParqueDBError('LIMIT_EXCEEDED', `${where}, line ${line}: ${csvProblems.get(error.code)}`, { details: { file: where, line, limit: recordBytesMax } })
  return inputError(where, line, `${csvProblems.get(error.code) ?? error.message}${found}`)
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`
}

const numberPattern = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/
const datePattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})0*)?)?(Z|[+-]\d\d:\d\d)?)?$/
const booleans: Readonly<Record<string, boolean>> = { true: true, True: true, TRUE: true, false: false, False: false, FALSE: false }

/** The type that every value of the sample has; 'string' when they differ or there is none. Never 'bigint', which is only asked for. */
function guessType(sample: readonly Cell[]): ColumnType {
  const texts = sample.filter((cell): cell is string => cell !== null && cell !== '')
  if (texts.length === 0) return 'string'
  return (['number', 'boolean', 'date'] as const).find((type) => texts.every((text) => readCell(text, type) !== undefined)) ?? 'string'
}

/** The value of a text under a type; undefined when it does not say such a value exactly. */
export function readCell(text: string, type: ColumnType): Value | undefined {
  return cellReaders[type](text)
}

const cellReaders: { readonly [Type in ColumnType]: (text: string) => Value | undefined } = {
  string: (text) => text,
  number: readNumber,
  boolean: (text) => (Object.hasOwn(booleans, text) ? booleans[text] : undefined),
  date: readDate,
  bigint: readBigint,
}

/** A number only where the double says what the text says: '007', 2^53 + 1 and a decimal of 20 digits are none. */
function readNumber(text: string): number | undefined {
  if (!numberPattern.test(text)) return undefined
  const value = Number(text)
  if (!Number.isFinite(value)) return undefined
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(value) ? value : undefined
  const digits = significantDigits(text)
  if (value === 0) return digits === '' ? value : undefined
  // 15 digits always survive a double; of longer ones, those that come back as they went in.
  return digits.length <= 15 || digits === significantDigits(String(value)) ? value : undefined
}

function significantDigits(text: string): string {
  const [mantissa = ''] = text.split(/[eE]/)
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')
}

function readBigint(text: string): bigint | undefined {
  if (!/^-?(?:0|[1-9]\d{0,18})$/.test(text)) return undefined
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

/** ISO 8601: a date (midnight UTC) or a date and time; without a zone it is UTC. The day must exist; no finer than milliseconds. */
function readDate(text: string): Date | undefined {
  const match = datePattern.exec(text)
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match
  const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`)
  if (Number.isNaN(midnight.getTime()) || midnight.getUTCDate() !== Number(day)) return undefined
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}${zone}`)
  return Number.isNaN(date.getTime()) ? undefined : date
}
