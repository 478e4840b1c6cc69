import { extname } from 'node:path'
import * as zlib from 'node:zlib'
import { decompress as zstdDecompress } from 'fzstd'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { approximateBytes } from '../../model/values.ts'
import { readForeignParquet, type ForeignParquetOptions } from '../../parquet/read-foreign-parquet.ts'
import { CsvReader, type CsvColumn, type CsvOptions, type Misfit } from './CsvReader.ts'
import { openInput, type InputFile } from './input-file.ts'
import { jsonRows } from './json-rows.ts'
import type { Rows } from './row.ts'

export const inputFormats = ['json', 'ndjson', 'csv', 'tsv', 'parquet'] as const
export type InputFormat = (typeof inputFormats)[number]

/** What the file is, and how it is to be read. */
export interface RowsRequest extends Pick<CsvOptions, 'infer' | 'types'> {
  /** A path, or '-' for `stdin`, which needs a format. */
  readonly file: string
  readonly stdin: AsyncIterable<Uint8Array>
  readonly format?: InputFormat
  readonly bigint?: boolean
  readonly asText?: boolean
  readonly delimiter?: string
  /** Fields that are not wanted: of a Parquet file their columns are not read. */
  readonly drops: ReadonlySet<string>
  /** Told once of each that was left out so. */
  readonly onDropped: (name: string) => void
  /** Told once what each column of a CSV file is read as. */
  readonly onColumns: (columns: readonly CsvColumn[]) => void
}

export interface OpenRows {
  /** What errors call the file. */
  readonly where: string
  readonly rows: Rows
  /** How much of the file has been read, from 0 to 1; undefined where its size is unknown. */
  fraction(): number | undefined
  /** To be asked after the last row: values that stayed strings, by column. */
  misfits(): readonly Misfit[]
  /** VALIDATION_FAILED when the file was written to meanwhile. */
  checkUnchanged(): Promise<void>
}

export const formatsByExtension: Readonly<Record<string, InputFormat>> = { '.json': 'json', '.ndjson': 'ndjson', '.jsonl': 'ndjson', '.csv': 'csv', '.tsv': 'tsv', '.tab': 'tsv', '.parquet': 'parquet' }

/** The rows of a file, read as they are asked for. NOT_FOUND, or INVALID_ARGUMENT when the format is unknown or an option does not go with it. */
export async function openRows(request: RowsRequest): Promise<OpenRows> {
  const format = request.format ?? formatOf(request.file)
  checkOptions(request, format)
  if (request.file === '-') {
    if (format === 'parquet') throw new ParqueDBError('INVALID_ARGUMENT', 'a Parquet file is read from its end, so it cannot come through a pipe; give its path')
    return { ...readText('stdin', request.stdin, { ...request, format }), fraction: () => undefined, checkUnchanged: async () => undefined }
  }
  const file = await openInput(request.file)
  const { checkUnchanged } = file
  if (format === 'parquet') return { where: file.name, ...parquetRows(file, request), misfits: () => [], checkUnchanged }
  const fraction = (): number => (file.sizeBytes === 0 ? 1 : file.readBytes() / file.sizeBytes)
  return { ...readText(file.name, file.chunks(), { ...request, format }), fraction, checkUnchanged }
}

type TextFormat = Exclude<InputFormat, 'parquet'>

function readText(where: string, chunks: AsyncIterable<Uint8Array>, { format, bigint, asText, delimiter, infer, types, onColumns }: Omit<RowsRequest, 'format'> & { format: TextFormat }): Pick<OpenRows, 'where' | 'rows' | 'misfits'> {
  if (format === 'json' || format === 'ndjson') return { where, rows: jsonRows({ where, chunks, mode: format === 'json' ? 'array' : 'lines', bigint: bigint === true, asText }), misfits: () => [] }
  const reader = new CsvReader({ where, chunks, delimiter: delimiter ?? (format === 'csv' ? ',' : '\t'), infer, types })
  return { where, rows: reader.rows(onColumns), misfits: () => reader.misfits }
}

function formatOf(file: string): InputFormat {
  const format = formatsByExtension[extname(file).toLowerCase()]
  if (format !== undefined) return format
  const what = file === '-' ? 'stdin has no file name to tell its format' : `the name of ${file} does not tell its format`
  throw new ParqueDBError('INVALID_ARGUMENT', `${what}; add --format ${inputFormats.join('|')}`)
}

function checkOptions({ bigint, asText, delimiter, infer, types }: RowsRequest, format: InputFormat): void {
  const isCsv = format === 'csv' || format === 'tsv'
  const isJson = format === 'json' || format === 'ndjson'
  const misplaced = [
    ...(bigint === true && !isJson ? ['--bigint goes with json and ndjson; for a column of csv use --types name=bigint'] : []),
    ...(asText === true && !isJson ? ['--as-text goes with json and ndjson'] : []),
    ...(delimiter !== undefined && !isCsv ? ['--delimiter goes with csv'] : []),
    ...(!infer && !isCsv ? ['--no-infer goes with csv'] : []),
    ...(types.size > 0 && !isCsv ? ['--types goes with csv'] : []),
    ...(delimiter !== undefined && delimiter.length !== 1 ? ['--delimiter is one character'] : []),
  ]
  if (misplaced[0] !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', misplaced[0])
}

type ZlibFunction = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array

const decompressors: ForeignParquetOptions['decompressors'] = {
  GZIP: bounded(zlib.gunzipSync),
  BROTLI: bounded(zlib.brotliDecompressSync),
  // Node.js has its own from 22.15 on only.
  ZSTD: (bytes, size) => zstdDecompress(bytes, new Uint8Array(size)),
}

/** The output is no larger than the page's header says, which the reader has checked. */
function bounded(decompress: ZlibFunction): (bytes: Uint8Array, size: number) => Uint8Array {
  return (bytes, size) => decompress(bytes, { maxOutputLength: Math.max(1, size) })
}

/** The rows of a Parquet file of anyone's, with memory for one row group; a null is an absent field. A row's line is its number. */
function parquetRows(file: InputFile, { drops, onDropped }: Pick<RowsRequest, 'drops' | 'onDropped'>): { readonly rows: Rows; fraction(): number } {
  let done = 0
  let total = 0
  async function* rows(): Rows {
    const source = await file.source()
    try {
      const parquet = await readForeignParquet(source, { decompressors, leaveOut: drops })
      parquet.leftOut.forEach(onDropped)
      total = parquet.rowCount
      for await (const documents of parquet.rows()) {
        yield documents.map((document, index) => ({ line: done + index + 1, document, bytes: approximateBytes(document) }))
        done += documents.length
      }
    } finally {
      await source.close()
    }
  }
  return { rows: rows(), fraction: () => (total === 0 ? 0 : done / total) }
}
