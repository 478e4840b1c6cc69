import { Option, type Command } from 'commander'
import { actorOption, archivedOption, atOption, command, expectedVersionOption, given, parseJsonArgument, repeated, wholeNumber, writeOptions, type WriteFlags } from '../command.ts'
import type { RelatedOptions, ShortestPathOptions } from '../../model/graph-options.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { printEntity, printFacts } from '../print-entity.ts'
import { parseFilterArgument, parseSortArgument } from './query-commands.ts'

type LinkOptions = WriteFlags & { readonly data?: Document }

const linkExamples = `
  parquedb link posts p1 author users/ada --db data
  parquedb link posts p1 tags tags/sql tags/parquet --data '{"weight": 2}'
  parquedb unlink posts p1 tags tags/sql`

export function linkCommand(cli: CommandLine): Command {
  return edgeCommand({ name: 'link <ns>', summary: 'relate a document to others', description: 'Makes edges from a document to others, or gives them other data; an edge that is there already is not doubled.' })
    .option('--data <json>', "the edges' own data; without it an edge keeps what it has", (text) => parseJsonArgument(text, { what: '--data', example: '{"weight": 2}', code: 'VALIDATION_FAILED', operators: false }))
    .action((...[ns, id, name, to, options]: [ns: string, id: string, name: string, to: string[], options: LinkOptions]) =>
      cli.write(async (db) => printFacts(cli.terminal, { ...(await db.collection(ns).link(id, name, to, options.data, writeOptions(options))) })))
}

export function unlinkCommand(cli: CommandLine): Command {
  return edgeCommand({ name: 'unlink <ns>', summary: 'remove edges between documents', description: 'Removes edges from a document to others; their history stays.' })
    .action((...[ns, id, name, to, options]: [ns: string, id: string, name: string, to: string[], options: LinkOptions]) =>
      cli.write(async (db) => printFacts(cli.terminal, { ...(await db.collection(ns).unlink(id, name, to, writeOptions(options))) })))
}

function edgeCommand(about: { name: string; summary: string; description: string }): Command {
  return command({ ...about, examples: linkExamples })
    .argument('<id>', 'where the edges begin')
    .argument('<relationship>', 'their name')
    .argument('<to...>', "what they lead to, as 'users/ada'")
    .addOption(expectedVersionOption)
    .addOption(actorOption)
}

interface WalkOptions extends Pick<RelatedOptions, 'filter' | 'sort' | 'limit' | 'includeArchived'>, Pick<ShortestPathOptions, 'direction' | 'depth'> {
  readonly in?: boolean
  readonly count?: boolean
  readonly at?: number | string
  readonly step?: readonly string[]
  readonly to?: string
}

const relatedExamples = `
  parquedb related posts p1 tags --db data
  parquedb related users ada author --in --sort '{"title": 1}' --limit 10
  parquedb related users ada author --in --count`

export function relatedCommand(cli: CommandLine): Command {
  return command({ name: 'related <ns> <id>', summary: 'what a document is related to', description: "Prints the documents at the other ends of a document's edges, each with its edge.", examples: relatedExamples })
    .argument('<relationship>', "the edges' name")
    .option('--in', 'what leads here, instead of what this leads to')
    .option('--filter <json>', 'only documents that match', parseFilterArgument)
    .option('--sort <json>', 'in this order', parseSortArgument)
    .option('--limit <n>', 'so many at most', wholeNumber(1))
    .option('--count', 'only their number')
    .addOption(atOption)
    .addOption(archivedOption)
    .action((...[ns, id, name, options]: [ns: string, id: string, name: string, options: WalkOptions]) => cli.read(async (db) => {
      const common = given({ direction: options.in === true ? ('in' as const) : undefined, filter: options.filter, asOf: options.at, includeArchived: options.includeArchived, signal: cli.signal })
      const collection = db.collection(ns)
      if (options.count === true) return printFacts(cli.terminal, { count: await collection.countRelated(id, name, common) })
      for await (const entity of collection.related(id, name, given({ ...common, sort: options.sort, limit: options.limit }))) await printEntity(cli.terminal, entity)
    }))
}

const traverseExamples = `
  parquedb traverse users/ada --step friends --step friends --db data     friends of friends
  parquedb traverse users/ada --step friends --depth 3                    up to three steps away
  parquedb traverse users/ada --to tags/sql --direction both              a shortest path`

export function traverseCommand(cli: CommandLine): Command {
  return command({ name: 'traverse', summary: 'where edges lead, step by step', description: 'Prints the documents that are reached, nearest first, each with the way to it; or with --to a path with the fewest edges.', examples: traverseExamples })
    .argument('<from>', "where to begin, as 'users/ada'")
    .option('--step <relationship>', 'a step by edges of this name; may be given more than once (default: edges of every name)', repeated)
    .addOption(new Option('--direction <direction>', 'which way edges are followed').choices(['out', 'in', 'both']))
    .option('--depth <n>', 'take a single step up to so many times; the most edges of a path', wholeNumber(1))
    .option('--to <id>', 'find a path to this')
    .option('--limit <n>', 'so many at most', wholeNumber(1))
    .addOption(atOption)
    .addOption(archivedOption)
    .action((from: string, options: WalkOptions) => cli.read(async (db) => {
      const { step = [], direction, depth } = options
      const common = given({ depth, asOf: options.at, includeArchived: options.includeArchived, signal: cli.signal })
      if (options.to !== undefined) {
        const path = await db.shortestPath(from, options.to, given({ ...common, direction, relationship: step.length === 0 ? undefined : step }))
        for (const entity of path ?? []) await printEntity(cli.terminal, entity)
        if (path === undefined) cli.terminal.note('(there is no path)')
        return
      }
      const steps = (step.length === 0 ? [undefined] : step).map((relationship) => given({ relationship, direction, min: depth !== undefined && step.length < 2 ? 1 : undefined }))
      for await (const entity of db.traverse(from, steps, given({ ...common, limit: options.limit }))) await printEntity(cli.terminal, entity)
    }))
}
