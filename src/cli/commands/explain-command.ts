import { Command } from 'commander'
import type { Collection } from '../../db/Collection.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatBytes, formatCount, formatPairs } from '../format-value.ts'
import { given, wholeNumber } from '../options.ts'
import { printFacts } from '../print-entity.ts'
import { parseFilterArgument, parseSortArgument } from './find-command.ts'

const examples = `
Example:
  parquedb explain movies '{"IMDB Rating": {"$gte": 8.5}}' --sort '{"IMDB Rating": -1}' --limit 10 --db demo-data`

export function explainCommand(cli: CommandLine): Command {
  return new Command('explain')
    .summary('how a query is answered, and what it reads')
    .description('Runs a query, drops its results, and prints how it was answered: what was passed over, read and decoded.')
    .argument('<ns>', 'the collection')
    .argument('[filter]', 'a filter as JSON', '{}')
    .option('--sort <json>', "fields and directions: '{\"year\": -1, \"title\": 1}'")
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .addHelpText('after', examples)
    .action(async (ns: string, text: string, options: { sort?: string; limit?: number }) => {
      const filter = parseFilterArgument(text)
      const sort = options.sort === undefined ? undefined : parseSortArgument(options.sort)
      await cli.read(async (db) => {
        const told = await db.collection(ns).explain(filter, given({ sort, limit: options.limit, signal: cli.signal }))
        if (cli.terminal.forPeople) await cli.terminal.write(formatExplanation(told))
        else await printFacts(cli.terminal, { ...told } satisfies Document)
      })
    })
}

const plans = { ids: 'point reads of the ids that are named', range: 'a scan between two ids', scan: 'a scan of the collection' } as const
const sorts = { none: 'as the rows come', top: 'the first ones are kept while reading', all: 'all that match are sorted' } as const

function formatExplanation(told: Awaited<ReturnType<Collection['explain']>>): string {
  const count = formatCount
  return formatPairs([
    ['plan', plans[told.plan]],
    ['order', sorts[told.sort]],
    ['files', `${count(told.files)}, ${count(told.prunedFiles)} passed over by their ids`],
    ['row groups', `${count(told.rowGroups)}, ${count(told.prunedRowGroups)} passed over by their bounds, ${count(told.cachedRowGroups)} in memory`],
    ['read', `${formatBytes(told.bytes)} in ${count(told.requests)} requests`],
    ['pages', `${count(told.pages)}, ${count(told.decodedPages)} decoded`],
    ['rows', `${count(told.rowsScanned)} looked at, ${count(told.rowsAssembled)} as documents, ${count(told.rowsMatched)} match, ${count(told.rowsReturned)} returned`],
    ['time', `${count(told.durationMs)} ms`],
  ])
}
