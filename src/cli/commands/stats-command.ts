import { Command } from 'commander'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatBytes, formatCount, formatPairs, formatTable, formatTime } from '../format-value.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Example:
  parquedb stats --db data --json | jq .log.unflushedEvents`

export function statsCommand(cli: CommandLine): Command {
  return new Command('stats')
    .summary('sizes, counts and what opening read')
    .description('Prints what the database holds and what opening it read.')
    .addHelpText('after', examples)
    .action(async () => {
      await cli.read(async (db) => {
        const stats = await db.stats()
        if (cli.terminal.forPeople) await cli.terminal.write(formatStats(stats))
        else await printFacts(cli.terminal, JSON.parse(JSON.stringify(stats)) as Document)
      })
    })
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
