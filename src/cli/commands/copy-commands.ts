import { Command } from 'commander'
import { copyBetween } from '../../node/open-database.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatBytes, formatCount } from '../format-value.ts'
import { printFacts } from '../print-entity.ts'

const examples = `
Examples:
  parquedb push s3://bucket/shop --db data
  parquedb pull s3://bucket/shop --db copy
  parquedb push 's3://bucket/shop?endpoint=http://localhost:9000&region=us-east-1' --db data

The keys are in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Files that are there already are not copied again,
and an interrupted copy goes on where it ended. The target is what it was until all is there. It must be empty or hold an earlier state of the
same database; else nothing is changed, and the exit code is 4.`

export function pushCommand(cli: CommandLine): Command {
  return new Command('push')
    .summary('copy the database to a bucket or another folder')
    .description('Copies the database, as of one moment, to a bucket or another folder.')
    .argument('<to>', 's3://bucket/prefix, or a folder')
    .addHelpText('after', examples)
    .action((to: string) => copy(cli, { from: cli.folder, to }))
}

export function pullCommand(cli: CommandLine): Command {
  return new Command('pull')
    .summary('copy a database from a bucket or another folder')
    .description('Copies a database, as of one moment, from a bucket or another folder.')
    .argument('<from>', 's3://bucket/prefix, or a folder')
    .addHelpText('after', examples)
    .action((from: string) => copy(cli, { from, to: cli.folder }))
}

async function copy({ terminal, clock, signal }: CommandLine, places: { from: string; to: string }): Promise<void> {
  const report = await copyBetween({
    ...places,
    signal,
    onProgress: ({ files, totalFiles, bytes, totalBytes }) => terminal.progress(`copied ${formatCount(files)} of ${formatCount(totalFiles)} files, ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`, clock.nowMs()),
  })
  if (!terminal.forPeople) return printFacts(terminal, { ...report })
  const present = report.presentFiles === 0 ? '' : `; ${formatCount(report.presentFiles)} were there already`
  await terminal.line(`${places.to} has ${formatCount(report.lastSeq)} events: copied ${formatCount(report.copiedFiles)} files of ${formatBytes(report.copiedBytes)}${present}`)
}
