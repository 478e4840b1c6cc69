import { Option, type Command } from 'commander'
import { copyEvents, isServer } from '../../node/copy-events.ts'
import { copyBetween, type CopyPlaces } from '../../node/open-database.ts'
import { reshard } from '../../node/reshard.ts'
import { command, wholeNumber } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { printReport, formatBytes, formatCount } from '../print-entity.ts'

const copyExamples = `
  parquedb push s3://bucket/shop --db data
  parquedb pull s3://bucket/shop --db copy
  parquedb push 's3://bucket/shop?endpoint=http://localhost:9000&region=us-east-1' --db data
  parquedb push https://db.example.com --token $TOKEN --db data

The keys are in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Files that are there already are not copied again,
and an interrupted copy goes on where it ended. The target is what it was until all is there. It must be empty or hold an earlier state of the
same database; else nothing is changed, and the exit code is 4. To and from a server (a Worker, or 'parquedb serve') go events, each as it is, through what
reads and writes there: the token needs the scopes read:* and admin:*.`

export function pushCommand(cli: CommandLine): Command {
  return command({ name: 'push', summary: 'copy the database to a bucket or another folder', description: 'Copies the database, as of one moment, to a bucket or another folder.', examples: copyExamples })
    .argument('<to>', 's3://bucket/prefix, a folder, or the https:// URL of a server')
    .addOption(tokenOption)
    .action((to: string, { token }: { token?: string }) => copy(cli, { from: cli.folder, to, place: to }, token))
}

export function pullCommand(cli: CommandLine): Command {
  return command({ name: 'pull', summary: 'copy a database from a bucket or another folder', description: 'Copies a database, as of one moment, from a bucket or another folder.', examples: copyExamples })
    .argument('<from>', 's3://bucket/prefix, a folder, or the https:// URL of a server')
    .addOption(tokenOption)
    .action((from: string, { token }: { token?: string }) => copy(cli, { from, to: cli.folder }, token))
}

const tokenOption = new Option('--token <token>', 'the bearer token of a server').env('PARQUEDB_TOKEN')

async function copy({ terminal, clock, signal }: CommandLine, places: CopyPlaces, token?: string): Promise<void> {
  if (isServer(places.from) || isServer(places.to)) {
    const { events } = await copyEvents({ ...places, token, signal, onProgress: (count) => terminal.progress(`copied ${formatCount(count)} events`, clock.nowMs()) })
    return printReport(terminal, `${places.to}: ${formatCount(events)} events copied`, { events })
  }
  const report = await copyBetween({
    ...places,
    signal,
    onProgress: ({ files, totalFiles, bytes, totalBytes }) => terminal.progress(`copied ${formatCount(files)} of ${formatCount(totalFiles)} files, ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`, clock.nowMs()),
  })
  const present = report.presentFiles === 0 ? '' : `; ${formatCount(report.presentFiles)} were there already`
  await printReport(terminal, `${places.to} has ${formatCount(report.lastSeq)} events: copied ${formatCount(report.copiedFiles)} files of ${formatBytes(report.copiedBytes)}${present}`, { ...report })
}

const reshardExamples = `
  parquedb reshard clicks --from 1 --to 4 --db 's3://bucket/parquedb?endpoint=https://ACCOUNT.r2.cloudflarestorage.com'

--db is the place of all partitions, the Worker's prefix. Writers stand still and every shard is flushed; the new partitions are written beside the old ones,
checked, and used once the Worker's option 'shards' says so. See docs/guides/workers.md.`

export function reshardCommand(cli: CommandLine): Command {
  return command({ name: 'reshard', summary: 'give a collection another number of shards', description: "Writes a collection's partitions anew as another number of shards, with all of its history.", examples: reshardExamples })
    .argument('<collection>', 'its name')
    .addOption(new Option('--from <n>', 'shards that it has; 1 is without').argParser(wholeNumber(1)).makeOptionMandatory())
    .addOption(new Option('--to <n>', 'shards that it is to have').argParser(wholeNumber(1)).makeOptionMandatory())
    .action(async (ns: string, counts: { from: number; to: number }) => {
      const { terminal, clock, signal, folder: location } = cli
      const report = await reshard({ location, ns, ...counts, signal, onProgress: ({ events }) => terminal.progress(`${formatCount(events)} events`, clock.nowMs()) })
      await printReport(terminal, `${report.partitions.join(', ')}: ${formatCount(report.events)} events, ${formatCount(report.entities)} entities, all as they were`, { ...report, partitions: [...report.partitions] })
    })
}
