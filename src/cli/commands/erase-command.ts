import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { formatCount } from '../format-value.ts'
import { actorOption, given } from '../options.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Examples:
  parquedb erase users/alice --reason 'request 4711'
  parquedb erase users/alice users/bob

The documents, their history and their archive are gone for good, from every file. An event stays that says when and why, and the SHA-256 of the id.
Copies of the folder that were made before still have them: erase there, too.`

export function eraseCommand(cli: CommandLine): Command {
  return new Command('erase')
    .summary('take documents out for good, history included')
    .description('Takes documents out of the database for good: out of every file, history and archive included.')
    .argument('<ids...>', "with their collections: 'users/alice'")
    .option('--reason <text>', 'why; it is kept, so it must not say what was erased')
    .addOption(actorOption())
    .addHelpText('after', examples)
    .action(async (ids: string[], options: { reason?: string; actor?: string }) => {
      await cli.change(async (db) => {
        const { rewrittenFiles, pendingFiles } = await db.erase(ids, { ...given({ reason: options.reason, actor: options.actor }), signal: cli.signal })
        if (cli.terminal.forPeople) await cli.terminal.line(`erased ${formatCount(ids.length)}; ${formatCount(rewrittenFiles)} files were written anew`)
        else await printFacts(cli.terminal, { erasedCount: ids.length, rewrittenFiles, pendingFiles })
      })
    })
}
