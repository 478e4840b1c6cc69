import { Command, Option } from 'commander'
import type { CommandLine, GlobalOptions } from './CommandLine.ts'
import { checkpointCommand } from './commands/checkpoint-command.ts'
import { aggregateCommand } from './commands/aggregate-command.ts'
import { collectionsCommand } from './commands/collections-command.ts'
import { compactCommand } from './commands/compact-command.ts'
import { pullCommand, pushCommand } from './commands/copy-commands.ts'
import { diffCommand } from './commands/diff-command.ts'
import { eraseCommand } from './commands/erase-command.ts'
import { explainCommand } from './commands/explain-command.ts'
import { exportCommand } from './commands/export-command.ts'
import { findCommand } from './commands/find-command.ts'
import { getCommand } from './commands/get-command.ts'
import { historyCommand } from './commands/history-command.ts'
import { importGitCommand } from './commands/import-git-command.ts'
import { importCommand } from './commands/import-command.ts'
import { linkCommand, unlinkCommand } from './commands/link-commands.ts'
import { logCommand } from './commands/log-command.ts'
import { putCommand } from './commands/put-command.ts'
import { recoverCommand } from './commands/recover-command.ts'
import { restoreCommand } from './commands/restore-command.ts'
import { retainCommand } from './commands/retain-command.ts'
import { rmCommand } from './commands/rm-command.ts'
import { serveCommand } from './commands/serve-command.ts'
import { statsCommand } from './commands/stats-command.ts'
import { updateCommand } from './commands/update-command.ts'
import { verifyCommand } from './commands/verify-command.ts'
import { relatedCommand, traverseCommand } from './commands/walk-commands.ts'

const introduction = `
Try it:
  parquedb put users '{"name": "Alice"}' --id alice --db data
  parquedb update users alice '{"$set": {"name": "Alicia"}}' --db data
  parquedb find users '{"name": {"$startsWith": "Al"}}' --db data
  parquedb history users alice --db data

On a terminal results are laid out to be read; into a pipe or file they are JSON, one value a line. 'parquedb <command> --help' shows more.

Exit codes: 0 done, 1 failed, 2 something in the command or its input is not valid, 3 not found, 4 a conflict (exists already, or
another version than expected), 5 another process is writing, 6 damage was found, 130 interrupted.`

/** The whole command line, ready to parse. A usage error throws commander's error; nothing here ends the process. */
export function makeProgram(cli: CommandLine, version: string): Command {
  const program = new Command('parquedb')
    .description('An event-sourced document database in a folder of Parquet files.')
    .version(version, '--version')
    .addOption(new Option('--db <folder>', 'the folder of the database, or s3://bucket/prefix').env('PARQUEDB_DB'))
    .option('--json', 'JSON for machines: one value a line on stdout, and errors and notes as JSON on stderr')
    .option('--pretty', 'the form for people, also into a pipe or file')
    .option('--quiet', 'no notes and no progress on stderr')
    .option('--verbose', 'with an error, also where it arose')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', introduction)
    .hook('preAction', (_, command) => cli.begin(command.optsWithGlobals<GlobalOptions>()))
  const makers = [importCommand, importGitCommand, exportCommand, findCommand, aggregateCommand, explainCommand, getCommand, putCommand, updateCommand, rmCommand, restoreCommand, linkCommand, unlinkCommand, relatedCommand, traverseCommand, historyCommand, diffCommand, logCommand, collectionsCommand, statsCommand, verifyCommand, recoverCommand, compactCommand, serveCommand, checkpointCommand, retainCommand, eraseCommand, pushCommand, pullCommand]
  for (const make of makers) program.addCommand(make(cli).copyInheritedSettings(program))
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => undefined }).allowExcessArguments(false)
  }
  return program
}
