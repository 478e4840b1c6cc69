import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { parseJsonArgument } from '../json-argument.ts'
import { actorOption, expectedVersionOption, given } from '../options.ts'
import { printFacts } from '../print-entity.ts'

interface LinkOptions {
  readonly data?: string
  readonly actor?: string
  readonly expectVersion?: number
}

const examples = `
Examples:
  parquedb link posts p1 author users/ada --db data
  parquedb link posts p1 tags tags/sql tags/parquet --data '{"weight": 2}'
  parquedb unlink posts p1 tags tags/sql`

export function linkCommand(cli: CommandLine): Command {
  return command('link', 'relate a document to others', 'Makes edges from a document to others, or gives them other data; an edge that is there already is not doubled.')
    .option('--data <json>', "the edges' own data; without it an edge keeps what it has")
    .addHelpText('after', examples)
    .action(async (...[ns, id, name, to, options]: [ns: string, id: string, name: string, to: string[], options: LinkOptions]) => {
      const data = options.data === undefined ? undefined : parseJsonArgument(options.data, { what: '--data', example: '{"weight": 2}', code: 'VALIDATION_FAILED', operators: false })
      await cli.write(async (db) => printFacts(cli.terminal, { ...(await db.collection(ns).link(id, name, to, data, writeOf(options))) }))
    })
}

export function unlinkCommand(cli: CommandLine): Command {
  return command('unlink', 'remove edges between documents', 'Removes edges from a document to others; their history stays.')
    .addHelpText('after', examples)
    .action(async (...[ns, id, name, to, options]: [ns: string, id: string, name: string, to: string[], options: LinkOptions]) => {
      await cli.write(async (db) => printFacts(cli.terminal, { ...(await db.collection(ns).unlink(id, name, to, writeOf(options))) }))
    })
}

function command(name: string, summary: string, description: string): Command {
  return new Command(name)
    .summary(summary)
    .description(description)
    .argument('<ns>', 'the collection')
    .argument('<id>', 'where the edges begin')
    .argument('<relationship>', 'their name')
    .argument('<to...>', "what they lead to, as 'users/ada'")
    .addOption(expectedVersionOption())
    .addOption(actorOption())
}

function writeOf({ actor, expectVersion }: LinkOptions) {
  return given({ actor, expectedVersion: expectVersion })
}
