import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import { systemFields } from '../../model/system-fields.ts'
import type { Document, Value } from '../../model/values.ts'

export const exportFormats = ['ndjson', 'json', 'csv'] as const
export type ExportFormat = (typeof exportFormats)[number]

/** How one format writes a file: its start, each document and its end. */
export interface ExportText {
  readonly start: string
  /** `index` counts from 0. */
  document(document: object, index: number): string
  end(count: number): string
}

export interface ExportTextOptions {
  /** Keep the system fields besides `$id`. */
  readonly system: boolean
  /** The columns of CSV, in order. */
  readonly columns: readonly string[]
}

const columnsMax = 10_000

export function exportText(format: ExportFormat, { system, columns }: ExportTextOptions): ExportText {
  const json = (document: object): string => stringifyExtendedJson(withoutSystem(document as Document, system))
  switch (format) {
    case 'ndjson':
      return { start: '', document: (document) => `${json(document)}\n`, end: () => '' }
    case 'json':
      return { start: '[', document: (document, index) => `${index === 0 ? '\n' : ',\n'}${json(document)}`, end: (count) => (count === 0 ? ']\n' : '\n]\n') }
    case 'csv':
      return {
        start: columns.length === 0 ? '' : csvLine(columns.map(quoteIfNeeded)),
        document: (document) => csvLine(columns.map((name) => csvCell((document as Document)[name]))),
        end: () => '',
      }
  }
}

/** Every top-level field of the documents, in the order in which they first appear. LIMIT_EXCEEDED past 10,000. */
export async function csvHeader(documents: AsyncIterable<object>, system: boolean): Promise<string[]> {
  const names = new Set<string>()
  for await (const document of documents) {
    for (const name of Object.keys(withoutSystem(document as Document, system))) names.add(name)
    if (names.size > columnsMax) {
      throw new ParqueDBError('LIMIT_EXCEEDED', `the documents have more than ${columnsMax} different fields, too many for the columns of a CSV file; export as ndjson`, { details: { limit: columnsMax } })
    }
  }
  return [...names]
}

function withoutSystem(document: Document, system: boolean): Document {
  if (system) return document
  const own: Document = {}
  for (const name of Object.keys(document)) {
    if (name === '$id' || !systemFields.has(name)) own[name] = document[name] as Value
  }
  return own
}

function csvLine(cells: readonly string[]): string {
  return `${cells.join(',')}\n`
}

/** Absent is an empty cell; an empty text is a quoted one. */
function csvCell(value: Value | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value === '' ? '""' : quoteIfNeeded(value)
  if (value instanceof Date && value.getTime() >= 0 && value.getUTCFullYear() <= 9999) return value.toISOString()
  if (typeof value === 'bigint') return String(value)
  return quoteIfNeeded(stringifyExtendedJson(value))
}

function quoteIfNeeded(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
