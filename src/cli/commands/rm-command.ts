import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { actorOption, expectedVersionOption, given } from '../options.ts'
import { printFacts } from '../print-entity.ts'
import { noSuchDocument } from './get-command.ts'

interface RemoveOptions {
  readonly actor?: string
  readonly expectVersion?: number
}

const examples = `
Example:
  parquedb rm users alice --db data          and back again: parquedb restore users alice --db data`

export function rmCommand(cli: CommandLine): Command {
  return new Command('rm')
    .summary('delete one document; its history stays')
    .description('Deletes one document. Its history stays, and it can be restored. Exit code 3 when there is none.')
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id')
    .addOption(expectedVersionOption())
    .addOption(actorOption())
    .addHelpText('after', examples)
    .action(async (ns: string, id: string, options: RemoveOptions) => {
      await cli.change(async (db) => {
        const isDeleted = await db.collection(ns).delete(id, given({ actor: options.actor, expectedVersion: options.expectVersion }))
        if (!isDeleted) throw noSuchDocument({ ns, id })
        await printFacts(cli.terminal, { deleted: id.startsWith(`${ns}/`) ? id : `${ns}/${id}` })
      })
    })
}
