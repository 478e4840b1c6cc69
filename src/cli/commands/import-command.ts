import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { isParqueDBError, ParqueDBError, retold } from '../../base/ParqueDBError.ts'
import { actorOption, command, parseJsonArgument, repeated } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { exitCodes } from '../exit-codes.ts'
import { columnTypes, parseColumnTypes, type CsvColumn } from '../input/CsvReader.ts'
import { importRows, type ImportCounts, type ImportRequest } from '../input/import-rows.ts'
import { mapRows, parseRenames } from '../input/map-rows.ts'
import { inputFormats, openRows, type OpenRows, type RowsRequest } from '../input/open-rows.ts'
import { printReport, formatCount } from '../print-entity.ts'
import type { Terminal } from '../Terminal.ts'

interface ImportOptions extends Pick<RowsRequest, 'format' | 'bigint' | 'asText' | 'delimiter' | 'infer'>, Pick<ImportRequest, 'onConflict' | 'actor'> {
  readonly id?: string
  readonly from?: string
  readonly rename?: readonly string[]
  readonly drop?: readonly string[]
  readonly again?: boolean
  readonly name?: string
  readonly types?: readonly string[]
}

const examples = `
  parquedb import movies movies.json --db data
  parquedb import users users.csv --id email --types zip=string
  parquedb import films films.ndjson --rename version=film_version --drop updatedAt
  parquedb import orders mongoexport.json --format ndjson --id _id --as-text
  gunzip -c events.ndjson.gz | parquedb import events - --format ndjson

Formats: json (one array of objects), ndjson, csv, tsv, parquet. JSON is Extended JSON, so dates, 64-bit integers and bytes survive.
CSV: a column is read as number, boolean or date when its first 1,000 values are; stderr says what was guessed. '007' and numbers past
2^53 stay text, an empty field is absent, and a later value that does not fit stays text and is counted.

An import commits up to 1,000 documents at a time. Interrupted (Ctrl-C, a crash, an error in the file), it is continued by the same
command: rows that were imported before are recognised by the file's path and their content, and not imported again. --again imports
them all the same. From stdin that works with --name.`

export function importCommand(cli: CommandLine): Command {
  return command({ name: 'import <ns>', summary: 'documents from a json, ndjson, csv, tsv or parquet file', description: 'Creates a document for each object or row of a file, in batches; an interrupted import is continued by the same command.', examples })
    .argument('<file>', "a file, or '-' for stdin")
    .addOption(new Option('--format <format>', 'what the file is, where its name does not tell').choices(inputFormats))
    .option('--id <field>', "this field's value is the id (the field stays in the document)")
    .option('--from <ns>', "the collection that the file was exported from: 'films/1' is '1' here")
    .option('--rename <old=new>', 'give a field another name; repeatable', repeated)
    .option('--drop <field>', 'leave a field out, which may be a Parquet column that cannot be read; repeatable', repeated)
    .addOption(new Option('--on-conflict <rule>', 'a document with this id is there already').choices(['error', 'skip', 'replace']).default('error'))
    .option('--again', 'import also what the same import brought before')
    .option('--name <name>', "names the import, to continue it (default: the file's path)")
    .option('--bigint', 'json: keep integers past 2^53 exactly, as 64-bit integers')
    .option('--as-text', "json: read MongoDB's ObjectIds, decimals and UUIDs as text")
    .option('--delimiter <char>', "csv: what stands between two fields (default: ',', or a tab for tsv)")
    .option('--types <name=type,…>', `csv: read columns as ${columnTypes.join(', ')}; repeatable; JSON for odd names`, repeated)
    .option('--no-infer', 'csv: guess no types; all is text')
    .addOption(actorOption)
    .action((ns: string, file: string, options: ImportOptions) => importFile(cli, { ns, file, options }))
}

async function importFile(cli: CommandLine, { ns, file, options }: { ns: string; file: string; options: ImportOptions }): Promise<void> {
  const { terminal, clock, signal } = cli
  const [renames, drops] = [parseRenames(options.rename ?? []), new Set(options.drop)]
  const mapping = { idField: options.id, from: options.from, onSlash: slashNote(terminal, ns), renames, drops, unseen: new Set([...renames.keys(), ...drops]) }
  const types = parseColumnTypes((options.types ?? []).flatMap(typePairs))
  // What the id is made of is read all the same.
  const unread = { drops: new Set([...drops].filter((name) => name !== options.id)), onDropped: (name: string) => mapping.unseen.delete(name) }
  const open = await openRows({ ...options, ...unread, file, stdin: cli.stdin, types, onColumns: (columns) => noteColumns(terminal, columns) })
  const startMs = clock.nowMs()
  await cli.write(async (db) => {
    const result = await importRows({
      ...options,
      collection: db.collection(ns),
      where: open.where,
      rows: mapRows(open.rows, { where: open.where, ...mapping }),
      name: importName(file, options),
      signal,
      onProgress: (counts) => terminal.progress(progressText({ ns, counts, open, ms: clock.nowMs() - startMs }), clock.nowMs()),
    }).catch((error: unknown) => {
      throw withCounts(error)
    })
    const { isInterrupted, ...counts } = result
    if (!isInterrupted) await open.checkUnchanged()
    noteMisfits(terminal, open)
    for (const name of isInterrupted ? [] : mapping.unseen) terminal.note(`no row has the field ${JSON.stringify(name)}, which --rename or --drop names`)
    if (counts.repeated > 0) terminal.note(`${formatCount(counts.repeated)} rows were imported before by the same import, and not again (--again imports them once more)`)
    if (isInterrupted) {
      terminal.note(`interrupted: ${describe(counts)}; ${file === '-' && options.name === undefined ? 'what came through the pipe cannot be continued' : 'the same command continues it'}`)
      cli.exitCode = exitCodes.interrupted
    }
    const ms = Math.max(1, clock.nowMs() - startMs)
    await printReport(terminal, `${ns}: ${describe(counts)} in ${(ms / 1000).toFixed(1)} s`, { ns, ...counts, interrupted: isInterrupted, ms })
  })
}

/** undefined: rows are imported whatever was before. */
function importName(file: string, { again, name }: ImportOptions): string | undefined {
  if (again === true) return undefined
  if (name !== undefined) return `name:${name}`
  return file === '-' ? undefined : `file:${resolve(file)}`
}

/** Says once that ids look like those of another collection, which they may well be. */
function slashNote(terminal: Terminal, ns: string): (id: string) => void {
  let isSaid = false
  return (id) => {
    if (isSaid || id.startsWith(`${ns}/`)) return
    isSaid = true
    terminal.note(`the id ${JSON.stringify(id)} becomes ${JSON.stringify(`${ns}/${id}`)}; if the file is an export of another collection, --from ${id.slice(0, id.indexOf('/'))} makes its ids this one's`)
  }
}

function typePairs(text: string): [string, unknown][] {
  if (text.trimStart().startsWith('{')) return Object.entries(parseJsonArgument(text, { what: '--types', example: '{"a,b": "string"}', code: 'INVALID_ARGUMENT', operators: false }))
  return text.split(',').map((pair) => {
    const at = pair.lastIndexOf('=')
    if (at <= 0) throw new ParqueDBError('INVALID_ARGUMENT', `--types ${JSON.stringify(pair)}: write name=type, as in --types zip=string,id=bigint`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
}

function noteColumns(terminal: Terminal, columns: readonly CsvColumn[]): void {
  terminal.note(`columns: ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')}${columns.some(({ type }) => type === 'date') ? ' (dates without a zone are UTC)' : ''}`)
}

function noteMisfits(terminal: Terminal, open: OpenRows): void {
  for (const { column, type, count, firstLine, firstText } of open.misfits()) {
    const values = count === 1 ? 'value is' : 'values are'
    terminal.note(`column ${column}: ${formatCount(count)} ${values} no ${type} and stayed text, first ${JSON.stringify(firstText)} on line ${firstLine}`)
  }
}

function progressText({ ns, counts, open, ms }: { ns: string; counts: ImportCounts; open: OpenRows; ms: number }): string {
  const rows = counts.created + counts.replaced + counts.skipped + counts.repeated
  const fraction = open.fraction()
  const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)}%, `
  return `${ns}: ${percent}${formatCount(rows)} rows, ${formatCount(Math.round((rows * 1000) / Math.max(ms, 1)))} a second`
}

function describe({ created, replaced, skipped, repeated: again }: ImportCounts): string {
  const others = [[replaced, 'replaced'], [skipped, 'skipped'], [again, 'there before']] as const
  return [`${formatCount(created)} created`, ...others.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`)].join(', ')
}

/** A failure says what is imported already: whole batches from the start of the file. */
function withCounts(error: unknown): unknown {
  const counts = isParqueDBError(error) ? (error.details['imported'] as ImportCounts | undefined) : undefined
  const total = counts === undefined ? 0 : counts.created + counts.replaced + counts.skipped + counts.repeated
  return total === 0 ? error : retold(error, {}, (message) => `${message} (the ${formatCount(total)} rows before that batch are imported; the same command, once this is put right, goes on behind them)`)
}
