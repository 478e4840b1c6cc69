import { Command } from 'commander'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatCount, formatTable } from '../format-value.ts'

const examples = `
Example:
  parquedb collections --db data`

export function collectionsCommand(cli: CommandLine): Command {
  return new Command('collections')
    .summary('their names and how many documents each has')
    .description('Prints the name of each collection and how many documents it has.')
    .addHelpText('after', examples)
    .action(async () => {
      const { terminal } = cli
      await cli.read(async (db) => {
        const collections = await db.collections()
        if (terminal.forPeople) {
          const rows = collections.map(({ name, count }) => [name, formatCount(count)])
          await terminal.write(formatTable(['collection', 'documents'], rows, ['documents']))
        } else {
          for (const collection of collections) await terminal.line(stringifyExtendedJson({ ...collection }))
        }
      })
    })
}
