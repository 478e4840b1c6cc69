import { Command } from 'commander'
import type { CommandLine } from '../CommandLine.ts'
import { formatBytes, formatCount } from '../format-value.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Example:
  parquedb compact --db data

Writes what is still in the log to Parquet and merges each collection's files into as few as there can be. Not needed for safety;
it makes scans faster, and the files easier to read for others. Replaced files stay for a short grace, for readers that are at them.`

export function compactCommand(cli: CommandLine): Command {
  return new Command('compact')
    .summary('merge the files of each collection')
    .description("Writes what is in the log to Parquet, and merges each collection's files.")
    .addHelpText('after', examples)
    .action(async () => {
      const { terminal, clock, signal } = cli
      await cli.change(async (db) => {
        const before = await db.stats()
        await db.flush()
        await db.compact({ signal, onProgress: ({ rowsDone, rowsTotal }) => terminal.progress(`merged ${formatCount(rowsDone)} of ${formatCount(rowsTotal)} rows`, clock.nowMs()) })
        const after = await db.stats()
        const size = ({ namespaces }: typeof before): { files: number; bytes: number } => {
          const all = Object.values(namespaces)
          return { files: all.reduce((sum, { runs }) => sum + runs, 0), bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) }
        }
        const [from, to] = [size(before), size(after)]
        if (terminal.forPeople) await terminal.line(`${formatCount(from.files)} files of ${formatBytes(from.bytes)} are now ${formatCount(to.files)} of ${formatBytes(to.bytes)}`)
        else await printFacts(terminal, { before: { ...from }, after: { ...to } })
      })
    })
}
