import { Command } from 'commander'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { parseJsonArgument } from '../json-argument.ts'
import { archivedOption, atOption, given, wholeNumber } from '../options.ts'
import { printEntity, printFacts } from '../print-entity.ts'

interface FindOptions {
  readonly sort?: string
  readonly limit?: number
  readonly skip?: number
  readonly project?: string
  readonly at?: number | string
  readonly count?: boolean
  readonly deleted?: boolean
  readonly includeArchived?: boolean
}

/** What a screen holds; a pipe or file gets all. */
const screenLimit = 20

const examples = `
Examples:
  parquedb find movies --db demo-data --limit 5
  parquedb find movies '{"IMDB Rating": {"$gte": 8.5}}' --sort '{"IMDB Rating": -1}' --project 'Title,IMDB Rating'
  parquedb find movies '{"Director": "Steven Spielberg"}' --count
  parquedb find movies '{"Title": {"$startsWith": "The "}}' --at 2026-03-01T12:00:00Z > then.ndjson

The filter is MongoDB's, as strict JSON; dates and 64-bit integers as {"$date": "…"} and {"$numberLong": "…"}.
On a terminal ${screenLimit} are shown unless --limit says otherwise; into a pipe or file go all, one JSON object a line.`

export function findCommand(cli: CommandLine): Command {
  return new Command('find')
    .summary('the documents that match a filter')
    .description('Prints the documents of a collection that match a filter, in the order of their ids or of --sort.')
    .argument('<ns>', 'the collection')
    .argument('[filter]', 'a filter as JSON', '{}')
    .option('--sort <json>', "fields and directions: '{\"year\": -1, \"title\": 1}'")
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .option('--skip <n>', 'leave out the first', wholeNumber())
    .option('--project <fields>', "only these fields: 'a,b', or JSON as '{\"secret\": 0}'")
    .addOption(atOption())
    .option('--count', 'only how many they are')
    .option('--deleted', 'also deleted ones')
    .addOption(archivedOption())
    .addHelpText('after', examples)
    .action((ns: string, filter: string, options: FindOptions) => find(cli, { ns, filterText: filter, options }))
}

async function find(cli: CommandLine, { ns, filterText, options }: { ns: string; filterText: string; options: FindOptions }): Promise<void> {
  const { terminal, signal } = cli
  const filter = parseFilterArgument(filterText)
  const common = given({ asOf: options.at, includeDeleted: options.deleted, includeArchived: options.includeArchived, signal })
  const sort = options.sort === undefined ? undefined : parseSortArgument(options.sort)
  const project = options.project === undefined ? undefined : parseProjectArgument(options.project)
  await cli.read(async (db) => {
    const collection = db.collection(ns)
    if (options.count === true) {
      await printFacts(terminal, { count: await collection.count(filter, common) })
      return
    }
    const shown = options.limit ?? (terminal.isTTY && terminal.forPeople ? screenLimit : undefined)
    // One more than is shown tells whether there are more.
    const limit = shown === undefined || options.limit !== undefined ? shown : shown + 1
    let count = 0
    for await (const entity of collection.find(filter, given({ ...common, sort, project, skip: options.skip, limit }))) {
      count++
      if (options.limit === undefined && shown !== undefined && count > shown) terminal.note(`(${shown} shown, there are more: --limit <n>, or --count)`)
      else await printEntity(terminal, entity)
    }
    if (count > 0) return
    const names = Object.keys((await db.stats()).namespaces)
    if (!names.includes(ns)) terminal.note(`there is no collection ${ns}; there ${names.length === 0 ? 'are none' : `are: ${names.join(', ')}`}`)
    else if (terminal.forPeople) terminal.note('(nothing matches)')
  })
}

export function parseFilterArgument(text: string): Document {
  return parseJsonArgument(text, { what: 'the filter', example: '{"IMDB Rating": {"$gte": 8.5}}', code: 'INVALID_FILTER', operators: true })
}

export function parseSortArgument(text: string): Record<string, 1 | -1> {
  // What is no direction is refused by the query, which names the field.
  return parseJsonArgument(text, { what: '--sort', example: '{"IMDB Rating": -1}', code: 'INVALID_ARGUMENT', operators: true }) as Record<string, 1 | -1>
}

function parseProjectArgument(text: string): string[] | Record<string, 0 | 1> {
  if (!text.trimStart().startsWith('{')) return text.split(',').map((name) => name.trim())
  return parseJsonArgument(text, { what: '--project', example: '{"Title": 1}', code: 'INVALID_ARGUMENT', operators: true }) as Record<string, 0 | 1>
}
