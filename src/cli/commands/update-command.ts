import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { parseJsonArgument } from '../json-argument.ts'
import { actorOption, expectedVersionOption, given } from '../options.ts'
import { printEntity } from '../print-entity.ts'

interface UpdateOptions {
  readonly actor?: string
  readonly expectVersion?: number
}

const examples = `
Examples:
  parquedb update users alice '{"$set": {"name": "Alice"}, "$inc": {"visits": 1}}' --db data
  parquedb update users alice '{"$push": {"tags": "new"}}' --expect-version 3 --actor ada`

export function updateCommand(cli: CommandLine): Command {
  return new Command('update')
    .summary("change one document with MongoDB's operators")
    .description("Changes one document with MongoDB's update operators, and prints it. Exit code 3 when there is none.")
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id')
    .argument('<update>', 'the operators, as JSON')
    .addOption(expectedVersionOption())
    .addOption(actorOption())
    .addHelpText('after', examples)
    .action(async (...words: [ns: string, id: string, text: string, options: UpdateOptions]) => {
      const [ns, id, text, options] = words
      const update = parseJsonArgument(text, { what: 'the update', example: '{"$set": {"name": "Alice"}}', code: 'INVALID_UPDATE', operators: true })
      await cli.change(async (db) => {
        const entity = await db.collection(ns).update(id, update, given({ actor: options.actor, expectedVersion: options.expectVersion }))
        await printEntity(cli.terminal, entity)
      })
    })
}
