import { extname } from 'node:path'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ColumnType } from './csv-types.ts'
import { CsvReader } from './CsvReader.ts'
import type { CsvColumn, Misfit } from './CsvReader.ts'
import { InputFile } from './InputFile.ts'
import { jsonRows } from './json-rows.ts'
import { parquetRows } from './parquet-rows.ts'
import type { Rows } from './row.ts'

export const inputFormats = ['json', 'ndjson', 'csv', 'tsv', 'parquet'] as const
export type InputFormat = (typeof inputFormats)[number]

/** What the file is, and how it is to be read. */
export interface RowsRequest {
  /** A path, or '-' for `stdin`, which needs a format. */
  readonly file: string
  readonly stdin: AsyncIterable<Uint8Array>
  readonly format: InputFormat | undefined
  readonly bigint: boolean
  readonly delimiter: string | undefined
  readonly infer: boolean
  readonly types: ReadonlyMap<string, ColumnType>
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

const formatsByExtension: Readonly<Record<string, InputFormat>> = {
  '.json': 'json',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.tab': 'tsv',
  '.parquet': 'parquet',
}

/** The rows of a file, read as they are asked for. NOT_FOUND, or INVALID_ARGUMENT when the format is unknown or an option does not go with it. */
export async function openRows(request: RowsRequest): Promise<OpenRows> {
  const format = request.format ?? formatOf(request.file)
  checkOptions(request, format)
  if (request.file === '-') {
    if (format === 'parquet') throw new ParqueDBError('INVALID_ARGUMENT', 'a Parquet file is read from its end, so it cannot come through a pipe; give its path')
    return { ...readText('stdin', request.stdin, { ...request, format }), fraction: () => undefined, checkUnchanged: async () => undefined }
  }
  const file = await InputFile.open(request.file)
  const checkUnchanged = (): Promise<void> => file.checkUnchanged()
  if (format === 'parquet') {
    const parquet = parquetRows(file)
    return { where: file.name, rows: parquet.rows, misfits: () => [], fraction: () => parquet.fraction(), checkUnchanged }
  }
  const fraction = (): number => (file.sizeBytes === 0 ? 1 : file.readBytes / file.sizeBytes)
  return { ...readText(file.name, file.chunks(), { ...request, format }), fraction, checkUnchanged }
}

type TextFormat = Exclude<InputFormat, 'parquet'>

function readText(where: string, chunks: AsyncIterable<Uint8Array>, { format, bigint, delimiter, infer, types, onColumns }: Omit<RowsRequest, 'format'> & { format: TextFormat }): Pick<OpenRows, 'where' | 'rows' | 'misfits'> {
  if (format === 'json' || format === 'ndjson') return { where, rows: jsonRows({ where, chunks, mode: format === 'json' ? 'array' : 'lines', bigint }), misfits: () => [] }
  const reader = new CsvReader({ where, chunks, delimiter: delimiter ?? (format === 'csv' ? ',' : '\t'), infer, types })
  return { where, rows: reader.rows(onColumns), misfits: () => reader.misfits }
}

function formatOf(file: string): InputFormat {
  const format = formatsByExtension[extname(file).toLowerCase()]
  if (format !== undefined) return format
  const what = file === '-' ? 'stdin has no file name to tell its format' : `the name of ${file} does not tell its format`
  throw new ParqueDBError('INVALID_ARGUMENT', `${what}; add --format ${inputFormats.join('|')}`)
}

function checkOptions({ bigint, delimiter, infer, types }: RowsRequest, format: InputFormat): void {
  const isCsv = format === 'csv' || format === 'tsv'
  const isJson = format === 'json' || format === 'ndjson'
  const misplaced = [
    ...(bigint && !isJson ? ['--bigint goes with json and ndjson; for a column of csv use --types name=bigint'] : []),
    ...(delimiter !== undefined && !isCsv ? ['--delimiter goes with csv'] : []),
    ...(!infer && !isCsv ? ['--no-infer goes with csv'] : []),
    ...(types.size > 0 && !isCsv ? ['--types goes with csv'] : []),
    ...(delimiter !== undefined && delimiter.length !== 1 ? ['--delimiter is one character'] : []),
  ]
  if (misplaced[0] !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', misplaced[0])
}
