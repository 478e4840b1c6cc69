import { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { fromExtendedJson } from '../../model/ejson.ts'
import type { CommandLine } from '../CommandLine.ts'
import { parseJson } from '../input/parse-json.ts'
import { atOption, given } from '../options.ts'
import { printEntity, printFacts } from '../print-entity.ts'

const examples = `
Examples:
  parquedb aggregate movies '[{"$group": {"_id": "$Major Genre", "films": {"$sum": 1}}}, {"$sort": {"films": -1}}]' --db demo-data
  parquedb aggregate movies '[{"$match": {"Director": "Steven Spielberg"}}, {"$group": {"_id": null, "best": {"$max": "$IMDB Rating"}}}]'
  parquedb aggregate movies '[{"$sortByCount": "$Distributor"}, {"$limit": 5}]' --at 2026-03-01

The pipeline is MongoDB's, as strict JSON: $match $project $addFields $group $sort $skip $limit $unwind $lookup $facet $bucket $sample
$count $sortByCount.`

export function aggregateCommand(cli: CommandLine): Command {
  return new Command('aggregate')
    .summary('what a pipeline makes of the documents')
    .description('Prints what a pipeline of stages makes of the documents of a collection.')
    .argument('<ns>', 'the collection')
    .argument('<pipeline>', 'an array of stages as JSON')
    .addOption(atOption())
    .addHelpText('after', examples)
    .action(async (ns: string, text: string, { at }: { at?: number | string }) => {
      const pipeline = parsePipelineArgument(text)
      await cli.read(async (db) => {
        for await (const document of db.collection(ns).aggregate(pipeline, given({ asOf: at, signal: cli.signal }))) {
          if ('version' in document && '$id' in document) await printEntity(cli.terminal, document)
          else await printFacts(cli.terminal, document)
        }
      })
    })
}

function parsePipelineArgument(text: string): object[] {
  const result = parseJson(text)
  const problem = result.kind === 'problem' ? `is not JSON at column ${result.problem.column}: ${result.problem.reason}` : Array.isArray(result.value) ? undefined : 'is not an array'
  if (result.kind === 'problem' || problem !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', `the pipeline ${problem}; write JSON in single quotes, as in '[{"$count": "films"}]'`)
  return fromExtendedJson(result.value, { keepOperators: true }) as object[]
}
