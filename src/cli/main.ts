#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { CommanderError, type Command } from 'commander'
import { isParqueDBError, messageOf, ParqueDBError } from '../base/ParqueDBError.ts'
import { CommandLine } from './CommandLine.ts'
import { exitCodeOf, exitCodes, type ExitCode } from './exit-codes.ts'
import { makeProgram } from './program.ts'
import { OutputClosed, Terminal } from './Terminal.ts'

process.exitCode = await run(process.argv)

async function run(argv: readonly string[]): Promise<ExitCode> {
  const terminal = new Terminal({ stdout: process.stdout, stderr: process.stderr, env: process.env })
  const cli = new CommandLine(terminal, process.stdin)
  listenForSignals(cli)
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const program = makeProgram(cli, version)
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

/** Says on stderr what ended a command: one line for people, one JSON object for machines; with `verbose` also the stack and what caused it. */
function reportError(terminal: Terminal, error: unknown, options: { json: boolean; verbose: boolean; exitCode: ExitCode }): void {
  const { code, message, details } = facts(error)
  if (options.json) return terminal.complain(JSON.stringify({ code, message, details, exitCode: options.exitCode, ...(options.verbose && { stack: stackOf(error) }) }))
  terminal.complain(`parquedb: ${code}: ${message.replace(/\s*\n\s*/g, ' ')}`)
  if (options.verbose) terminal.complain(stackOf(error))
}

function facts(error: unknown): { code: string; message: string; details: unknown } {
  if (isParqueDBError(error)) return { code: error.code, message: error.message, details: error.details }
  return { code: 'INTERNAL', message: `${messageOf(error)} (--verbose shows where; please report it)`, details: {} }
}

function stackOf(error: unknown): string {
  const lines: string[] = []
  for (let each: unknown = error; each !== undefined && lines.length < 10; each = each instanceof Error ? each.cause : undefined) {
    lines.push(each instanceof Error ? (each.stack ?? each.message) : JSON.stringify(each))
  }
  return lines.join('\ncaused by: ')
}
