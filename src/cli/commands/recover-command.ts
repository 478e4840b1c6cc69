import { Command } from 'commander'
import type { Document } from '../../model/values.ts'
import { recoverFolder } from '../../node/recover-folder.ts'
import type { CommandLine } from '../CommandLine.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatCount } from '../format-value.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Examples:
  parquedb recover saved --db data

Reads what is left of a damaged database and writes it into a new one: every event that is sound and, where events are lost, the next known
state of each entity, marked as recovered in the event's metadata. The damaged folder is not changed; nobody may write to it meanwhile.

Exit code 0 when nothing is missing, 6 when something is; every part that could not be read is printed with its file.`

export function recoverCommand(cli: CommandLine): Command {
  return new Command('recover')
    .summary('salvage a damaged database into a new folder')
    .description('Writes all that can still be read of a damaged database into a new folder.')
    .argument('<folder>', 'where the new database goes; empty, or not there yet')
    .addHelpText('after', examples)
    .action(async (target: string) => {
      const { terminal, clock, signal } = cli
      const report = await recoverFolder({
        source: cli.folder,
        target,
        signal,
        onProgress: ({ events }) => terminal.progress(`recovered ${formatCount(events)} events`, clock.nowMs()),
      })
      if (!report.ok) cli.exitWith(exitCodes.damaged)
      if (!terminal.forPeople) return printFacts(terminal, JSON.parse(JSON.stringify(report)) as Document)
      for (const { path, code, message, ns, firstKey, untilKey } of report.lost) {
        const keys = firstKey === undefined ? '' : ` (${ns === undefined ? '' : `${ns}: `}${firstKey} to ${untilKey})`
        await terminal.line(`${terminal.paint('red', 'lost')}  ${path}: ${code}: ${message}${keys}`)
      }
      for (const { from, to } of report.missing) await terminal.line(`${terminal.paint('red', 'missing')}  events ${from} to ${to}`)
      const bridges = report.bridges === 0 ? '' : `, ${formatCount(report.bridges)} changes in place of lost ones`
      const unfolded = report.unfolded === 0 ? '' : `, ${formatCount(report.unfolded)} events without what they change`
      await terminal.line(`recovered into ${target}: ${formatCount(report.events)} events${bridges}${unfolded}`)
    })
}
