import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { actorOption, given } from '../options.ts'
import { printEntity } from '../print-entity.ts'

const examples = `
Example:
  parquedb restore users alice --db data`

export function restoreCommand(cli: CommandLine): Command {
  return new Command('restore')
    .summary('bring a deleted document back')
    .description('Brings a deleted document back as it was, and prints it. Exit code 3 when there never was one.')
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id')
    .addOption(actorOption())
    .addHelpText('after', examples)
    .action(async (ns: string, id: string, options: { actor?: string }) => {
      await cli.change(async (db) => {
        await printEntity(cli.terminal, await db.collection(ns).restore(id, given({ actor: options.actor })))
      })
    })
}
