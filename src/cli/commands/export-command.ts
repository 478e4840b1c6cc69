import { randomBytes } from 'node:crypto'
import { open, rename, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { command } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatCount } from '../format-value.ts'
import { atOption, given } from '../options.ts'
import { csvHeader, exportFormats, exportText } from '../output/export-text.ts'
import type { ExportFormat, ExportText } from '../output/export-text.ts'
import { printReport } from '../print-entity.ts'
import type { Document } from '../../model/values.ts'
import { parseFilterArgument } from './query-commands.ts'

interface ExportOptions {
  readonly format: ExportFormat
  readonly filter: Document
  readonly at?: number | string
  readonly system?: boolean
  readonly force?: boolean
}

const examples = `
Examples:
  parquedb export movies movies.ndjson --db data
  parquedb export movies --format csv > movies.csv
  parquedb export movies then.json --format json --at 2026-03-01 --filter '{"Director": "Steven Spielberg"}'

Each document comes with its $id, so 'parquedb import' puts it where it was. A file appears whole, under its name, when it is done.
CSV has a column for each top-level field; what is not text, number, boolean or date is JSON in its cell.`

export function exportCommand(cli: CommandLine): Command {
  return command({ name: 'export', summary: 'the documents of a collection, to a file or stdout', description: 'Writes the documents of a collection as ndjson, json or csv, all of them as of one moment.', examples })
    .argument('<ns>', 'the collection')
    .argument('[file]', "a new file; '-' or nothing for stdout", '-')
    .addOption(new Option('--format <format>', 'how to write them').choices(exportFormats).default('ndjson'))
    .option('--filter <json>', 'only documents that match', parseFilterArgument, {})
    .addOption(atOption())
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
    const documents = (): AsyncIterable<object> => collection.find(options.filter, given({ asOf, signal }))
    const text = exportText(options.format, { system: options.system === true, columns: options.format === 'csv' ? await csvHeader(documents(), options.system === true) : [] })
    if (file === '-') {
      await writeAll(documents(), text, (part) => terminal.write(part))
      return
    }
    const count = await writeFile(file, options.force === true, (write) => writeAll(documents(), text, write))
    await printReport(terminal, `${formatCount(count)} documents in ${file}`, { exported: count, file })
  })
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
  if (!isForced && (await stat(path).catch(() => undefined)) !== undefined) {
    throw new ParqueDBError('ALREADY_EXISTS', `the file ${path} exists already; name another one, or add --force to replace it`, { details: { file: path } })
  }
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  const handle = await openNew(temporary, path)
  try {
    const count = await work(bufferedWriter(handle))
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

async function openNew(temporary: string, path: string): Promise<FileHandle> {
  try {
    return await open(temporary, 'wx')
  } catch (cause) {
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `the file ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { details: { file: path }, cause })
  }
}

/** An empty part is no end: the last part has to be written by `work` itself, which ends each document with a line. */
function bufferedWriter(handle: FileHandle): (part: string) => Promise<void> {
  return async (part) => {
    if (part !== '') await handle.appendFile(part)
  }
}
