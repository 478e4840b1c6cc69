import { randomBytes } from 'node:crypto'
import { open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { Option, type Command } from 'commander'
import { messageOf, ParqueDBError } from '../../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import { systemFields } from '../../model/entity-document.ts'
import { archivedOption, command, atOption, given } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { printReport, formatCount } from '../print-entity.ts'
import type { Document, Value } from '../../model/values.ts'
import { formatsByExtension } from '../input/open-rows.ts'
import { parseFilterArgument } from './query-commands.ts'

const exportFormats = ['ndjson', 'json', 'csv'] as const
type ExportFormat = (typeof exportFormats)[number]

interface ExportOptions {
  readonly format?: ExportFormat
  readonly filter: Document
  readonly at?: number | string
  readonly includeArchived?: boolean
  readonly system?: boolean
  readonly force?: boolean
}

const examples = `
  parquedb export movies movies.ndjson --db data
  parquedb export movies --format csv > movies.csv
  parquedb export movies then.json --at 2026-03-01 --filter '{"Director": "Steven Spielberg"}'

Each document comes with its $id, so 'parquedb import' puts it where it was. A file appears whole, under its name, when it is done.
CSV has a column for each top-level field; what is not text, number, boolean or date is JSON in its cell.`

export function exportCommand(cli: CommandLine): Command {
  return command({ name: 'export <ns>', summary: 'the documents of a collection, to a file or stdout', description: 'Writes the documents of a collection as ndjson, json or csv, all of them as of one moment.', examples })
    .argument('[file]', "a new file; '-' or nothing for stdout", '-')
    .addOption(new Option('--format <format>', "how to write them; as the file's name ends, else ndjson").choices(exportFormats))
    .option('--filter <json>', 'only documents that match', parseFilterArgument, {})
    .addOption(atOption)
    .addOption(archivedOption)
    .option('--system', 'also version, createdAt, updatedAt and who did it (import needs --drop for them)')
    .option('--force', 'replace the file when there is one')
    .action((ns: string, file: string, options: ExportOptions) => exportCollection(cli, { ns, file, options }))
}

async function exportCollection(cli: CommandLine, { ns, file, options }: { ns: string; file: string; options: ExportOptions }): Promise<void> {
  const { terminal, signal } = cli
  await cli.read(async (db) => {
    // The columns of a CSV file are found in a first pass, so both passes read the state after one event.
    const asOf = options.at ?? (await db.stats()).lastSeq
    const collection = db.collection(ns)
    const documents = (): AsyncIterable<object> => collection.find(options.filter, given({ asOf, includeArchived: options.includeArchived, signal }))
    const format = options.format ?? formatOf(file)
    const text = exportText(format, { system: options.system === true, columns: format === 'csv' ? await csvHeader(documents(), options.system === true) : [] })
    if (file === '-') {
      await writeAll(documents(), text, (part) => terminal.write(part))
      return
    }
    const count = await writeFile(file, options.force === true, (write) => writeAll(documents(), text, write))
    await printReport(terminal, `${formatCount(count)} documents in ${file}`, { exported: count, file })
  })
}

function formatOf(file: string): ExportFormat {
  const told = formatsByExtension[extname(file).toLowerCase()] ?? 'ndjson'
  const format = exportFormats.find((each) => each === told)
  if (format === undefined) throw new ParqueDBError('INVALID_ARGUMENT', `an export cannot be written as ${told}; name the file .ndjson, .json or .csv, or add --format`, { details: { file } })
  return format
}

async function writeAll(documents: AsyncIterable<object>, text: ExportText, write: (part: string) => Promise<void>): Promise<number> {
  let count = 0
  await write(text.start)
  for await (const document of documents) {
    await write(text.document(document, count))
    count++
  }
  await write(text.end(count))
  return count
}

/** Writes under a temporary name beside the file, and renames it when it is whole and durable. */
async function writeFile(path: string, isForced: boolean, work: (write: (part: string) => Promise<void>) => Promise<number>): Promise<number> {
  const present = await stat(path).catch(() => undefined)
  if (present?.isFile() === false) throw new ParqueDBError('INVALID_ARGUMENT', `${path} is no file that could be replaced; leave the name out, and send the output there`, { details: { file: path } })
  if (!isForced && present !== undefined) throw new ParqueDBError('ALREADY_EXISTS', `the file ${path} exists already; name another one, or add --force to replace it`, { details: { file: path } })
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  const handle = await open(temporary, 'wx').catch((cause: unknown) => {
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `the file ${path} cannot be written: ${messageOf(cause)}`, { details: { file: path }, cause })
  })
  try {
    const count = await work((part) => handle.appendFile(part))
    await handle.sync()
    await handle.close()
    await rename(temporary, path)
    return count
  } catch (error) {
    await handle.close().catch(() => undefined)
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

/** How one format writes a file: its start, each document and its end. */
interface ExportText {
  readonly start: string
  /** `index` counts from 0. */
  document(document: object, index: number): string
  end(count: number): string
}

const columnsMax = 10_000

/** `system`: with the system fields besides `$id`. `columns`: those of CSV, in order. */
function exportText(format: ExportFormat, { system, columns }: { system: boolean; columns: readonly string[] }): ExportText {
  const json = (document: object): string => stringifyExtendedJson(withoutSystem(document as Document, system))
  const texts: { readonly [Format in ExportFormat]: ExportText } = {
    ndjson: { start: '', document: (document) => `${json(document)}\n`, end: () => '' },
    json: { start: '[', document: (document, index) => `${index === 0 ? '\n' : ',\n'}${json(document)}`, end: (count) => (count === 0 ? ']\n' : '\n]\n') },
    csv: { start: columns.length === 0 ? '' : csvLine(columns.map(quoteIfNeeded)), document: (document) => csvLine(columns.map((name) => csvCell((document as Document)[name]))), end: () => '' },
  }
  return texts[format]
}

/** Every top-level field of the documents, in the order in which they first appear. LIMIT_EXCEEDED past 10,000. */
async function csvHeader(documents: AsyncIterable<object>, system: boolean): Promise<string[]> {
  const names = new Set<string>()
  for await (const document of documents) {
    for (const name of Object.keys(withoutSystem(document as Document, system))) names.add(name)
    if (names.size > columnsMax) throw new ParqueDBError('LIMIT_EXCEEDED', `the documents have more than ${columnsMax} different fields, too many for the columns of a CSV file; export as ndjson`, { details: { limit: columnsMax } })
  }
  return [...names]
}

function withoutSystem(document: Document, system: boolean): Document {
  if (system) return document
  return Object.fromEntries(Object.entries(document).filter(([name]) => name === '$id' || !systemFields.has(name)))
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
