import { retold, translated } from '../../base/ParqueDBError.ts'
import { fromExtendedJson, textTypes } from '../../model/ejson.ts'
import { isObject, type Document } from '../../model/values.ts'
import { JsonSplitter, type Piece, type SplitMode } from './JsonSplitter.ts'
import { parseJson } from '../../model/parse-json.ts'
import { readText } from './read-text.ts'
import { type Row, type Rows, inputError } from './row.ts'

export interface JsonRowsOptions {
  /** What errors call the file. */
  readonly where: string
  readonly chunks: AsyncIterable<Uint8Array>
  /** 'lines' for ndjson, 'array' for one JSON array of objects. */
  readonly mode: SplitMode
  /** Keep integers past 2^53 as bigints instead of refusing them. */
  readonly bigint: boolean
  /** Read ObjectIds, decimals and UUIDs as text instead of refusing them. */
  readonly asText?: boolean | undefined
}

/** Documents of strict Extended JSON; what is not that is VALIDATION_FAILED naming its line. Blank lines of ndjson are skipped. */
export async function* jsonRows(options: JsonRowsOptions): Rows {
  const splitter = new JsonSplitter(options.where, options.mode)
  for await (const chunk of readText(options.where, options.chunks)) yield* readRows(splitter.push(chunk), options)
  yield* readRows(splitter.end(), options)
}

/** What stands before a broken row is still given, so that it is the row that ends an import, not the chunk that it came in. */
function* readRows(pieces: readonly Piece[], options: JsonRowsOptions): Iterable<readonly Row[]> {
  const rows: Row[] = []
  try {
    for (const piece of pieces) rows.push(readRow(piece, options))
  } catch (error) {
    if (rows.length > 0) yield rows
    throw error
  }
  if (rows.length > 0) yield rows
}

function readRow(piece: Piece, options: JsonRowsOptions): Row {
  const { where, bigint } = options
  const result = parseJson(piece.text, { bigint, firstLine: piece.line })
  if (result.kind !== 'value') throw inputError(where, result.problem.line, result.problem.reason)
  const json = result.value
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw inputError(where, piece.line, `expected an object, found ${Array.isArray(json) ? 'an array' : JSON.stringify(json).slice(0, 40)}`)
  return { line: piece.line, document: unwrap(json, piece, options), bytes: piece.text.length }
}

function unwrap(json: object, { text, line }: Piece, { where, asText }: JsonRowsOptions): Document {
  const hint = (): string => (asText !== true && textTypes.some((name) => text.includes(`"${name}"`)) ? ` With --as-text ${textTypes.join(', ')} are read as text.` : '')
  const located = (cause: unknown): unknown => retold(cause, { file: where, line }, (message) => `${where}, line ${line}: ${message}${hint()}`)
  const value = translated(() => fromExtendedJson(json, { asText: asText === true }), located)
  if (!isObject(value)) throw inputError(where, line, 'expected an object with fields, found a single value')
  return value
}
