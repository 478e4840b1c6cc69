import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { formatCount, formatTime } from '../format-value.ts'
import { printFacts } from '../print-entity.ts'

export function checkpointCommand(cli: CommandLine): Command {
  return new Command('checkpoint')
    .summary('keep the states of now for queries about the past')
    .description('Keeps the states of now as they are, so that find --at of a later moment starts from them.')
    .action(async () => {
      await cli.change(async (db) => {
        const { seq, at } = await db.checkpoint()
        if (cli.terminal.forPeople) await cli.terminal.line(`checkpoint at event ${formatCount(seq)}, ${formatTime(at.getTime())}`)
        else await printFacts(cli.terminal, { seq, at })
      })
    })
}
