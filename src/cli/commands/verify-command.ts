import { Command } from 'commander'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatBytes, formatCount } from '../format-value.ts'
import { given } from '../options.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Examples:
  parquedb verify --db data          every file is there, with its checksums
  parquedb verify --deep             also every page, and every state against the events that made it

Exit code 0 when all is well, 6 when damage was found; each problem is printed with its file.`

export function verifyCommand(cli: CommandLine): Command {
  return new Command('verify')
    .summary('check the files; exit code 6 on damage')
    .description('Checks the files of the database.')
    .option('--deep', 'read everything')
    .addHelpText('after', examples)
    .action(async (options: { deep?: boolean }) => {
      const { terminal, clock, signal } = cli
      await cli.read(async (db) => {
        const report = await db.verify({
          ...given(options),
          signal,
          onProgress: ({ checkedFiles, totalFiles }) => terminal.progress(`checked ${checkedFiles} of ${totalFiles} files`, clock.nowMs()),
        })
        if (!report.ok) cli.exitWith(exitCodes.damaged)
        if (!terminal.forPeople) return printFacts(terminal, JSON.parse(JSON.stringify(report)) as Document)
        for (const { path, code, message } of report.problems) await terminal.line(`${terminal.paint('red', 'damaged')}  ${path}: ${code}: ${message}`)
        const checked = `${formatCount(report.checkedFiles)} files, ${formatBytes(report.checkedBytes)}, ${formatCount(report.checkedEvents)} events`
        await terminal.line(report.ok ? `all is well: ${checked}` : `${formatCount(report.problems.length)} problems in ${checked}`)
      })
    })
}
