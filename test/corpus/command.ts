import { Readable, Writable } from 'node:stream'
import { CommanderError } from 'commander'
import { ParqueDBError } from 'parquedb'
import { CommandLine } from '../../src/cli/CommandLine.ts'
import { makeProgram } from '../../src/cli/program.ts'
import { Terminal } from '../../src/cli/Terminal.ts'

/** Runs a command as its program does, in this process; gives what it prints, and throws what ended it. */
export async function runCommand(words: readonly string[], stdin: string | Uint8Array = ''): Promise<string> {
  let printed = ''
  const stdout = new Writable({ write: (chunk: Uint8Array, _, done) => done(void (printed += String(chunk))) })
  const stderr = new Writable({ write: (_chunk, _, done) => done() })
  const cli = new CommandLine(new Terminal({ stdout, stderr, env: {} }), Readable.from([Buffer.from(stdin)]) as unknown as NodeJS.ReadStream)
  try {
    await makeProgram(cli, '0.0.0').parseAsync(['node', 'parquedb', ...words])
    await cli.terminal.flush()
    return printed
  } catch (error) {
    if (error instanceof CommanderError) throw new ParqueDBError('INVALID_ARGUMENT', error.message)
    throw error
  }
}
