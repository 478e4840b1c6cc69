import { Command, InvalidArgumentError, Option } from 'commander'
import type { RetentionPolicy } from '../../model/database-options.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatBytes, formatCount, formatTable, formatTime } from '../format-value.ts'
import { given, wholeNumber } from '../options.ts'
import { printFacts } from '../print-entity.ts'

interface RetainCommandOptions {
  readonly maxAge?: number
  readonly maxEvents?: number
  readonly mode: RetentionPolicy['mode']
  readonly ns?: string
  readonly dryRun?: boolean
}

const examples = `
Examples:
  parquedb retain --max-age 90d --mode archive --dry-run   says what would go
  parquedb retain --max-events 1000 --mode drop --ns logs  of one collection

The newest state of everything stays, and so does every answer from the horizon on.`

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function duration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count === undefined) throw new InvalidArgumentError('It must be a number and a unit: 90d, 12h, 30m or 45s.')
  return Number(count) * unitsMs[unit as keyof typeof unitsMs]
}

export function retainCommand(cli: CommandLine): Command {
  return new Command('retain')
    .summary('archive or drop old events')
    .description('Archives or drops the events that are older, or more, than they may be.')
    .option('--max-age <time>', 'how old events may be: 90d, 12h', duration)
    .option('--max-events <n>', 'how many of each collection', wholeNumber())
    .addOption(new Option('--mode <mode>', 'what becomes of the others').choices(['archive', 'drop']).makeOptionMandatory())
    .option('--ns <ns>', 'only of this collection')
    .option('--dry-run', 'only say what would go')
    .addHelpText('after', examples)
    .action((options: RetainCommandOptions) => retain(cli, options))
}

async function retain(cli: CommandLine, { ns, dryRun = false, mode, maxAge, maxEvents }: RetainCommandOptions): Promise<void> {
  const { terminal, signal } = cli
  const policy = { mode, ...given({ maxAge, maxEvents }) }
  await cli.change(async (db) => {
    const report = await db.retain({ policy: ns === undefined ? policy : { namespaces: { [ns]: policy } }, dryRun, signal })
    if (!terminal.forPeople) return printFacts(terminal, { dryRun, events: report.events, bytes: report.bytes, namespaces: { ...report.namespaces } })
    const rows = Object.entries(report.namespaces).map(([name, one]) => [name, one.mode, formatCount(one.events), formatBytes(one.bytes), formatCount(one.horizonSeq), formatTime(one.horizonTs)])
    if (rows.length > 0) await terminal.write(formatTable(['collection', 'mode', 'events', 'bytes', 'horizon', 'at'], rows, ['events', 'bytes', 'horizon']))
    await terminal.line(`${formatCount(report.events)} events, ${formatBytes(report.bytes)} ${dryRun ? 'would go' : 'gone'}`)
  })
}
