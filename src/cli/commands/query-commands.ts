import { Option, type Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { Collection } from '../../db/Collection.ts'
import type { FindOptions } from '../../model/database-options.ts'
import type { Document } from '../../model/values.ts'
import { archivedOption, atOption, command, given, parseJsonArgument, parseJsonText, wholeNumber } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { printEntity, printFacts, printText, formatBytes, formatCount, formatPairs, formatTable } from '../print-entity.ts'

interface FindFlags extends Pick<FindOptions, 'sort' | 'limit' | 'skip' | 'project' | 'includeArchived'> {
  readonly at?: number | string
  readonly count?: boolean
  readonly deleted?: boolean
}

/** What a screen holds; a pipe or file gets all. */
const screenLimit = 20

const findExamples = `
  parquedb find movies --db demo-data --limit 5
  parquedb find movies '{"IMDB Rating": {"$gte": 8.5}}' --sort '{"IMDB Rating": -1}' --project 'Title,IMDB Rating'
  parquedb find movies '{"Director": "Steven Spielberg"}' --count
  parquedb find movies '{"Title": {"$startsWith": "The "}}' --at 2026-03-01T12:00:00Z > then.ndjson

The filter is MongoDB's, as strict JSON; dates and 64-bit integers as {"$date": "…"} and {"$numberLong": "…"}.
On a terminal ${screenLimit} are shown unless --limit says otherwise; into a pipe or file go all, one JSON object a line.`

export function findCommand(cli: CommandLine): Command {
  return command({ name: 'find <ns>', summary: 'the documents that match a filter', description: 'Prints the documents of a collection that match a filter, in the order of their ids or of --sort.', examples: findExamples })
    .argument('[filter]', 'a filter as JSON', parseFilterArgument, {})
    .option('--sort <json>', "fields and directions: '{\"year\": -1, \"title\": 1}'", parseSortArgument)
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .option('--skip <n>', 'leave out the first', wholeNumber())
    .option('--project <fields>', "only these fields: 'a,b', or JSON as '{\"secret\": 0}'", parseProjectArgument)
    .addOption(atOption)
    .addOption(new Option('--count', 'only how many match').conflicts(['sort', 'limit', 'skip', 'project']))
    .option('--deleted', 'also deleted ones')
    .addOption(archivedOption)
    .action((ns: string, filter: Document, options: FindFlags) => find(cli, { ns, filter, options }))
}

async function find(cli: CommandLine, { ns, filter, options }: { ns: string; filter: Document; options: FindFlags }): Promise<void> {
  const { terminal, signal } = cli
  const common = given({ asOf: options.at, includeDeleted: options.deleted, includeArchived: options.includeArchived, signal })
  const { sort, project } = options
  await cli.read(async (db) => {
    const collection = db.collection(ns)
    if (options.count === true) return printFacts(terminal, { count: await collection.count(filter, common) })
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

const aggregateExamples = `
  parquedb aggregate movies '[{"$group": {"_id": "$Major Genre", "films": {"$sum": 1}}}, {"$sort": {"films": -1}}]' --db demo-data
  parquedb aggregate movies '[{"$match": {"Director": "Steven Spielberg"}}, {"$group": {"_id": null, "best": {"$max": "$IMDB Rating"}}}]'
  parquedb aggregate movies '[{"$sortByCount": "$Distributor"}, {"$limit": 5}]' --at 2026-03-01

The pipeline is MongoDB's, as strict JSON: $match $project $addFields $group $sort $skip $limit $unwind $lookup $facet $bucket $sample
$count $sortByCount.`

export function aggregateCommand(cli: CommandLine): Command {
  return command({ name: 'aggregate <ns>', summary: 'what a pipeline makes of the documents', description: 'Prints what a pipeline of stages makes of the documents of a collection.', examples: aggregateExamples })
    .argument('<pipeline>', 'an array of stages as JSON', parsePipelineArgument)
    .addOption(atOption)
    .addOption(archivedOption)
    .action((ns: string, pipeline: object[], { at, includeArchived }: { at?: number | string; includeArchived?: boolean }) => cli.read(async (db) => {
      for await (const document of db.collection(ns).aggregate(pipeline, given({ asOf: at, includeArchived, signal: cli.signal }))) {
        if ('version' in document && '$id' in document) await printEntity(cli.terminal, document)
        else await printFacts(cli.terminal, document)
      }
    }))
}

function parsePipelineArgument(text: string): object[] {
  const pipeline = parseJsonText(text, { what: 'the pipeline', example: '[{"$count": "films"}]', code: 'INVALID_ARGUMENT', operators: true })
  if (Array.isArray(pipeline)) return pipeline as object[]
  throw new ParqueDBError('INVALID_ARGUMENT', `the pipeline is not an array; write JSON in single quotes, as in '[{"$count": "films"}]'`)
}

const explainExamples = `
  parquedb explain movies '{"IMDB Rating": {"$gte": 8.5}}' --sort '{"IMDB Rating": -1}' --limit 10 --db demo-data`

export function explainCommand(cli: CommandLine): Command {
  return command({ name: 'explain <ns>', summary: 'how a query is answered, and what it reads', description: 'Runs a query, drops its results, and prints how it was answered: what was passed over, read and decoded.', examples: explainExamples })
    .argument('[filter]', 'a filter as JSON', parseFilterArgument, {})
    .option('--sort <json>', "fields and directions: '{\"year\": -1, \"title\": 1}'", parseSortArgument)
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .addOption(atOption)
    .addOption(archivedOption)
    .action((ns: string, filter: Document, { at, ...options }: { sort?: Record<string, 1 | -1>; limit?: number; at?: number | string; includeArchived?: boolean }) => cli.read(async (db) => {
      const told = await db.collection(ns).explain(filter, given({ ...options, asOf: at, signal: cli.signal }))
      await printText(cli.terminal, formatExplanation(told, at !== undefined), { ...told })
    }))
}

const plans = { ids: 'point reads of the ids that are named', range: 'a scan between two ids', scan: 'a scan of the collection' } as const
const sorts = { none: 'as the rows come', top: 'the first ones are kept while reading', all: 'all that match are sorted' } as const

function formatExplanation(told: Awaited<ReturnType<Collection['explain']>>, isOfThePast: boolean): string {
  const count = formatCount
  return formatPairs([
    ['plan', plans[told.plan]],
    ['order', sorts[told.sort]],
    ...(isOfThePast ? [['start', `the states at event ${count(told.startSeq)}, ${count(told.eventsFolded)} events folded`] as const] : []),
    ['files', `${count(told.files)}, ${count(told.prunedFiles)} passed over by their ids`],
    ['row groups', `${count(told.rowGroups)}, ${count(told.prunedRowGroups)} passed over by their bounds, ${count(told.cachedRowGroups)} in memory`],
    ['read', `${formatBytes(told.bytes)} in ${count(told.requests)} requests`],
    ['pages', `${count(told.pages)}, ${count(told.decodedPages)} decoded`],
    ['rows', `${count(told.rowsScanned)} looked at, ${count(told.rowsAssembled)} as documents, ${count(told.rowsMatched)} match, ${count(told.rowsReturned)} returned`],
    ['time', `${count(told.durationMs)} ms`],
  ])
}

const collectionsExamples = '\n  parquedb collections --db data'

export function collectionsCommand(cli: CommandLine): Command {
  return command({ name: 'collections', summary: 'their names and how many documents each has', description: 'Prints the name of each collection and how many documents it has.', examples: collectionsExamples })
    .action(() => cli.read(async (db) => {
      const collections = await db.collections()
      if (cli.terminal.forPeople) await cli.terminal.write(formatTable(['collection', 'documents'], collections.map(({ name, count }) => [name, formatCount(count)]), ['documents']))
      else for (const collection of collections) await printFacts(cli.terminal, { ...collection })
    }))
}
