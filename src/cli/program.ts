import { Command, Option } from 'commander'
import type { CommandLine, GlobalOptions } from './CommandLine.ts'
import { checkpointCommand, compactCommand, eraseCommand, recoverCommand, retainCommand, statsCommand, verifyCommand } from './commands/upkeep-commands.ts'
import { aggregateCommand, collectionsCommand, explainCommand, findCommand } from './commands/query-commands.ts'
import { pullCommand, pushCommand, reshardCommand } from './commands/place-commands.ts'
import { diffCommand, historyCommand, logCommand } from './commands/history-commands.ts'
import { exportCommand } from './commands/export-command.ts'
import { getCommand, putCommand, restoreCommand, rmCommand, updateCommand } from './commands/document-commands.ts'
import { importGitCommand } from './commands/import-git-command.ts'
import { importCommand } from './commands/import-command.ts'
import { linkCommand, relatedCommand, traverseCommand, unlinkCommand } from './commands/relation-commands.ts'
import { serveCommand } from './commands/serve-command.ts'

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
  const makers = [importCommand, importGitCommand, exportCommand, findCommand, aggregateCommand, explainCommand, getCommand, putCommand, updateCommand, rmCommand, restoreCommand, linkCommand, unlinkCommand, relatedCommand, traverseCommand, historyCommand, diffCommand, logCommand, collectionsCommand, statsCommand, verifyCommand, recoverCommand, compactCommand, serveCommand, checkpointCommand, retainCommand, eraseCommand, pushCommand, pullCommand, reshardCommand]
  for (const make of makers) program.addCommand(make(cli).copyInheritedSettings(program))
  for (const command of [program, ...program.commands]) command.exitOverride().configureOutput({ writeErr: () => undefined }).allowExcessArguments(false)
  return program
}
