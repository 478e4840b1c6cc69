import { ParqueDBError } from '../base/ParqueDBError.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import type { ParqueDB } from '../db/ParqueDB.ts'
import { isDatabase, openToRead, openToWrite } from '../node/open-database.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import type { Terminal, TerminalOptions } from './Terminal.ts'

/** What every command takes. */
export interface GlobalOptions extends TerminalOptions {
  readonly db?: string
  readonly verbose?: boolean
}

/** One run of the command line: its streams, its clock, its interruption, and the database it is about. */
export class CommandLine {
  readonly terminal: Terminal
  readonly stdin: NodeJS.ReadStream
  readonly clock: Clock = systemClock
  /** Set by a command that ran to its end and yet has bad news. */
  exitCode: ExitCode = exitCodes.ok
  readonly #interruption = new AbortController()
  #options: GlobalOptions = {}

  constructor(terminal: Terminal, stdin: NodeJS.ReadStream) {
    this.terminal = terminal
    this.stdin = stdin
  }

  begin(options: GlobalOptions): void {
    this.#options = options
    this.terminal.configure(options)
  }

  /** Aborted when the user interrupts. */
  get signal(): AbortSignal {
    return this.#interruption.signal
  }

  interrupt(): void {
    this.#interruption.abort(new ParqueDBError('ABORTED', 'interrupted'))
  }

  /** The folder of the database, or its s3:// URL. INVALID_ARGUMENT when none was named. */
  get folder(): string {
    const folder = this.#options.db ?? ''
    if (folder !== '') return folder
    throw new ParqueDBError('INVALID_ARGUMENT', 'no database was named: add --db <folder or s3:// URL>, or set PARQUEDB_DB')
  }

  /** Work that only reads: it never waits for a writer, and creates nothing. */
  async read(work: (db: ParqueDB) => Promise<void>): Promise<void> {
    await this.#use(await openToRead(this.folder), work)
  }

  /** Work as the database's one writer, in a database that is made where there is none. */
  async write(work: (db: ParqueDB) => Promise<void>): Promise<void> {
    const isNew = !(await isDatabase(this.folder))
    const db = openToWrite(this.folder)
    if (isNew) this.terminal.note(`creating a database in ${this.folder}`)
    await this.#use(db, work)
  }

  /** Work on a database that has to be there already, as its one writer. */
  async change(work: (db: ParqueDB) => Promise<void>): Promise<void> {
    if (!(await isDatabase(this.folder))) await openToRead(this.folder)
    await this.#use(openToWrite(this.folder), work)
  }

  /** Closes whatever happens; what the work threw goes before what closing throws. */
  async #use(db: ParqueDB, work: (db: ParqueDB) => Promise<void>): Promise<void> {
    try {
      await work(db)
    } catch (error) {
      await db.close().catch(() => undefined)
      throw error
    }
    await db.close()
  }
}
