#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import type { Command } from 'commander'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { CommandLine } from './CommandLine.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { makeProgram } from './program.ts'
import { reportError } from './report-error.ts'
import { OutputClosed, Terminal } from './Terminal.ts'

process.exitCode = await run(process.argv)

async function run(argv: readonly string[]): Promise<ExitCode> {
  const terminal = new Terminal({ stdout: process.stdout, stderr: process.stderr, env: process.env })
  const cli = new CommandLine(terminal, process.stdin)
  listenForSignals(cli)
  const program = makeProgram(cli, packageVersion())
  try {
    await program.parseAsync(argv)
    await terminal.flush()
    return cli.exitCode
  } catch (error) {
    return settle(cli, error instanceof CommanderError && error.exitCode !== 0 ? usageError(error, program, argv) : error, argv)
  }
}

async function settle(cli: CommandLine, thrown: unknown, argv: readonly string[]): Promise<ExitCode> {
  if (thrown instanceof OutputClosed) return cli.exitCode
  // Asked for help or the version, which are on stdout by now.
  if (thrown instanceof CommanderError) return exitCodes.ok
  const exitCode = cli.signal.aborted ? exitCodes.interrupted : exitCodeOf(thrown)
  // What was printed before goes out first; whether it can does not change what happened.
  await Promise.allSettled([cli.terminal.flush()])
  reportError(cli.terminal, thrown, { json: argv.includes('--json'), verbose: argv.includes('--verbose'), exitCode })
  return exitCode
}

function usageError(error: CommanderError, program: Command, argv: readonly string[]): ParqueDBError {
  const isHelp = error.code === 'commander.help'
  const message = isHelp ? "name a command; 'parquedb --help' lists them" : error.message.replace(/^error: /, '')
  const command = program.commands.map((each) => each.name()).find((name) => argv[2] === name || argv.slice(3).includes(name))
  return new ParqueDBError('INVALID_ARGUMENT', `${message.replace(/\.$/, '')}${isHelp ? '' : `; see 'parquedb ${command === undefined ? '' : `${command} `}--help'`}`)
}

/** The first Ctrl-C lets the running batch end; the second one ends the process. What was acknowledged is durable either way. */
function listenForSignals(cli: CommandLine): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (cli.signal.aborted) process.exit(exitCodes.interrupted)
      cli.interrupt()
    })
  }
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
