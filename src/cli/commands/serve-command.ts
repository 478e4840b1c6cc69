import { readFile } from 'node:fs/promises'
import { Option, type Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import { listen } from '../../node/listen.ts'
import type { AuthOptions } from '../../server/authenticate.ts'
import { createServer } from '../../server/Server.ts'
import { command, given, repeated, wholeNumber } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'

const examples = `
  parquedb serve --db data --auth none                       this machine only: everybody may do everything
  parquedb serve --db data --auth auth.json --host 0.0.0.0   who may do what stands in the file

auth.json holds { "keys": [{ "sha256": …, "subject": "ada", "scopes": ["read:*", "write:posts"] }] }, { "jwt": { "jwks": …, "issuer": …, "audience": … } }, or both.
PARQUEDB_SECRET, 32 bytes or more, signs cursors; without it they end with the process. Ctrl-C lets what is running end; a second one does not.`

interface ServeOptions {
  readonly port: number
  readonly host: string
  readonly auth: string
  readonly corsOrigin?: string[]
  readonly readOnly?: boolean
}

export function serveCommand(cli: CommandLine): Command {
  return command({ name: 'serve', summary: 'answer over HTTP', description: 'Serves the database over HTTP, until it is interrupted.', examples })
    .addOption(new Option('--port <n>', '0 takes any free one').env('PARQUEDB_PORT').argParser(wholeNumber()).default(3000))
    .addOption(new Option('--host <address>', 'where to listen').env('PARQUEDB_HOST').default('127.0.0.1'))
    .addOption(new Option('--auth <file>', "a JSON file that says who may do what, or 'none'").env('PARQUEDB_AUTH').makeOptionMandatory())
    .addOption(new Option('--cors-origin <origin>', 'pages of this origin may call; repeatable').argParser(repeated))
    .option('--read-only', 'follow the process that writes')
    .action(async (options: ServeOptions) => {
      const auth = await readAuth(options)
      const serve = (db: ParqueDB): Promise<void> => serveUntilInterrupted(cli, db, { ...options, auth })
      await (options.readOnly === true ? cli.read(serve) : cli.write(serve))
    })
}

async function serveUntilInterrupted(cli: CommandLine, db: ParqueDB, { auth, corsOrigin, port, host }: Omit<ServeOptions, 'auth'> & { auth: AuthOptions }): Promise<void> {
  const { terminal, clock, signal } = cli
  const onError = (error: unknown): void => terminal.complain(`parquedb: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  const server = createServer(db, { auth, onError, ...given({ corsOrigins: corsOrigin, secret: process.env['PARQUEDB_SECRET'] }) })
  const fetch = async (request: Request): Promise<Response> => {
    const startMs = clock.nowMs()
    const response = await server.fetch(request)
    terminal.note(`${request.method} ${new URL(request.url).pathname} ${response.status} ${clock.nowMs() - startMs} ms`)
    return response
  }
  // Opens the database now rather than at the first request, where nobody would see that it cannot be opened.
  await db.stats()
  const listener = await listen({ fetch, close: () => server.close() }, { port, host })
  terminal.note(`serving ${cli.folder} at ${listener.url}${auth === 'none' ? ', to everybody on this machine' : ''}`)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  terminal.note('closing')
  await listener.close()
}

/** 'none' only where nobody else can reach the server. */
async function readAuth({ auth, host }: ServeOptions): Promise<AuthOptions> {
  const refuse = (message: string, cause?: unknown): ParqueDBError => new ParqueDBError('INVALID_ARGUMENT', message, { cause, details: { option: 'auth' } })
  if (auth === 'none') {
    if (['127.0.0.1', '::1', 'localhost'].includes(host)) return auth
    throw refuse(`--auth none lets everybody do everything, so it is for --host 127.0.0.1 alone, not for ${host}`)
  }
  return readFile(auth, 'utf8').then((text) => JSON.parse(text) as AuthOptions).catch((cause: unknown) => {
    throw refuse(`the file ${auth} cannot be read as JSON: ${(cause as Error).message}`, cause)
  })
}
