import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import type { RetentionPolicy, VerifyOptions } from '../../model/database-options.ts'
import type { Document } from '../../model/values.ts'
import { recoverFolder } from '../../node/recover-folder.ts'
import { command, actorOption, given, wholeNumber } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { exitCodes } from '../exit-codes.ts'
import { printFacts, printReport, printText, formatBytes, formatCount, formatPairs, formatTable, formatTime } from '../print-entity.ts'

const statsExamples = '\n  parquedb stats --db data --json | jq .log.unflushedEvents'

export function statsCommand(cli: CommandLine): Command {
  return command({ name: 'stats', summary: 'sizes, counts and what opening read', description: 'Prints what the database holds and what opening it read.', examples: statsExamples })
    .action(() => cli.read(async (db) => {
      const stats = await db.stats()
      await printText(cli.terminal, formatStats(stats), JSON.parse(JSON.stringify(stats)) as Document)
    }))
}

function formatStats(stats: Awaited<ReturnType<ParqueDB['stats']>>): string {
  const { segments, archive, log, open, garbage } = stats
  const pairs: [string, string][] = [
    ['events', formatCount(stats.lastSeq)],
    ['in Parquet up to', formatCount(stats.flushedSeq)],
    ['segments', `${formatCount(segments.count)} files, ${formatCount(segments.events)} events, ${formatBytes(segments.bytes)}`],
    ['log', `${formatCount(log.unflushedEvents)} events, ${formatBytes(log.unflushedBytes)} not yet in Parquet`],
    ...(archive.count === 0 ? [] : [['archive', `${formatCount(archive.count)} files, ${formatCount(archive.events)} events, ${formatBytes(archive.bytes)}`] as [string, string]]),
    ...Object.entries(stats.horizons).map(([ns, { seq, ts }]): [string, string] => [`history of ${ns}`, `begins after event ${formatCount(seq)}, ${formatTime(ts)}`]),
    ['kept in files', formatBytes(stats.liveBytes)],
    ['to be deleted', `${formatCount(garbage.files)} files, ${formatBytes(garbage.bytes)}${garbage.nextDeleteAtMs === undefined ? '' : ` from ${formatTime(garbage.nextDeleteAtMs)} on`}`],
    ['opening', `read ${formatBytes(open.bytes)} in ${formatCount(open.requests)} requests, replayed ${formatCount(open.replayedEvents)} events${open.tornBytes > 0 ? `, cut ${open.tornBytes} torn bytes` : ''}`],
    ['writer', `epoch ${stats.epoch}, manifest ${stats.manifestId}`],
  ]
  const rows = Object.entries(stats.namespaces).map(([ns, { runs, rows: count, bytes, overlay }]) => [ns, formatCount(count), formatCount(overlay), formatCount(runs), formatBytes(bytes)])
  const right = ['rows', 'in the log', 'files', 'bytes']
  return `${formatPairs(pairs)}\n${formatTable(['collection', ...right], rows, right)}`
}

const verifyExamples = `
  parquedb verify --db data          every file is there, with its checksums
  parquedb verify --deep             also every page, and every state against the events that made it

Exit code 0 when all is well, 6 when damage was found; each problem is printed with its file.`

export function verifyCommand(cli: CommandLine): Command {
  return command({ name: 'verify', summary: 'check the files; exit code 6 on damage', description: 'Checks the files of the database.', examples: verifyExamples })
    .option('--deep', 'read everything')
    .action((options: { deep?: boolean }) => cli.read(async (db) => {
      const { terminal, clock, signal } = cli
      const onProgress: VerifyOptions['onProgress'] = ({ checkedFiles, totalFiles }) => terminal.progress(`checked ${checkedFiles} of ${totalFiles} files`, clock.nowMs())
      const report = await db.verify({ ...given(options), signal, onProgress })
      if (!report.ok) cli.exitCode = exitCodes.damaged
      if (!terminal.forPeople) return printFacts(terminal, JSON.parse(JSON.stringify(report)) as Document)
      for (const { path, code, message } of report.problems) await terminal.line(`${terminal.paint('red', 'damaged')}  ${path}: ${code}: ${message}`)
      const checked = `${formatCount(report.checkedFiles)} files, ${formatBytes(report.checkedBytes)}, ${formatCount(report.checkedEvents)} events`
      await terminal.line(report.ok ? `all is well: ${checked}` : `${formatCount(report.problems.length)} problems in ${checked}`)
    }))
}

const compactExamples = `
  parquedb compact --db data

Writes what is still in the log to Parquet and merges each collection's files into as few as there can be. Not needed for safety;
it makes scans faster, and the files easier to read for others. Replaced files stay for a short grace, for readers that are at them.`

export function compactCommand(cli: CommandLine): Command {
  return command({ name: 'compact', summary: 'merge the files of each collection', description: "Writes what is in the log to Parquet, and merges each collection's files.", examples: compactExamples })
    .action(() => cli.change(async (db) => {
      const { terminal, clock, signal } = cli
      const before = await db.stats()
      await db.flush()
      await db.compact({ signal, onProgress: ({ rowsDone, rowsTotal }) => terminal.progress(`merged ${formatCount(rowsDone)} of ${formatCount(rowsTotal)} rows`, clock.nowMs()) })
      const after = await db.stats()
      const size = ({ namespaces }: typeof before): { files: number; bytes: number } => {
        const all = Object.values(namespaces)
        return { files: all.reduce((sum, { runs }) => sum + runs, 0), bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) }
      }
      const [from, to] = [size(before), size(after)]
      await printReport(terminal, `${formatCount(from.files)} files of ${formatBytes(from.bytes)} are now ${formatCount(to.files)} of ${formatBytes(to.bytes)}`, { before: from, after: to })
    }))
}

export function checkpointCommand(cli: CommandLine): Command {
  return command({ name: 'checkpoint', summary: 'keep the states of now for queries about the past', description: 'Keeps the states of now as they are, so that find --at of a later moment starts from them.' })
    .action(() => cli.change(async (db) => {
      const { seq, at } = await db.checkpoint()
      await printReport(cli.terminal, `checkpoint at event ${formatCount(seq)}, ${formatTime(at.getTime())}`, { seq, at })
    }))
}

type RetainCommandOptions = RetentionPolicy & { readonly ns?: string; readonly dryRun?: boolean }

const retainExamples = `
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
  return command({ name: 'retain', summary: 'archive or drop old events', description: 'Archives or drops the events that are older, or more, than they may be.', examples: retainExamples })
    .option('--max-age <time>', 'how old events may be: 90d, 12h', duration)
    .option('--max-events <n>', 'how many of each collection', wholeNumber())
    .addOption(new Option('--mode <mode>', 'what becomes of the others').choices(['archive', 'drop']).makeOptionMandatory())
    .option('--ns <ns>', 'only of this collection')
    .option('--dry-run', 'only say what would go')
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

const eraseExamples = `
  parquedb erase users/alice --reason 'request 4711'
  parquedb erase users/alice users/bob

The documents, their history and their archive are gone for good, from every file. An event stays that says when and why, and the SHA-256 of the id.
Copies that were made before still have them: those that were pushed are named; push again, or erase there.`

export function eraseCommand(cli: CommandLine): Command {
  return command({ name: 'erase', summary: 'take documents out for good, history included', description: 'Takes documents out of the database for good: out of every file, history and archive included.', examples: eraseExamples })
    .argument('<ids...>', "with their collections: 'users/alice'")
    .option('--reason <text>', 'why; it is kept, so it must not say what was erased')
    .addOption(actorOption)
    .action((ids: string[], options: { reason?: string; actor?: string }) => cli.change(async (db) => {
      const { rewrittenFiles, pendingFiles, copies } = await db.erase(ids, { ...given(options), signal: cli.signal })
      const erasedCount = new Set(ids).size
      await printReport(cli.terminal, `erased ${formatCount(erasedCount)}; ${formatCount(rewrittenFiles)} files were written anew`, { erasedCount, rewrittenFiles, pendingFiles, copies: copies.map((one) => ({ ...one })) })
      for (const { place, at } of cli.terminal.forPeople ? copies : []) await cli.terminal.line(`${place} has a copy of ${formatTime(at.getTime())}: push to it again, or erase there`)
    }))
}

const recoverExamples = `
  parquedb recover saved --db data

Reads what is left of a damaged database and writes it into a new one: every event that is sound and, where events are lost, the next known
state of each entity, marked as recovered in the event's metadata. The damaged folder is not changed; nobody may write to it meanwhile.

Exit code 0 when nothing is missing, 6 when something is; every part that could not be read is printed with its file.`

export function recoverCommand(cli: CommandLine): Command {
  return command({ name: 'recover', summary: 'salvage a damaged database into a new folder', description: 'Writes all that can still be read of a damaged database into a new folder.', examples: recoverExamples })
    .argument('<folder>', 'where the new database goes; empty, or not there yet')
    .action(async (target: string) => {
      const { terminal, clock, signal } = cli
      const report = await recoverFolder({ source: cli.folder, target, signal, onProgress: ({ events }) => terminal.progress(`recovered ${formatCount(events)} events`, clock.nowMs()) })
      if (!report.ok) cli.exitCode = exitCodes.damaged
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
