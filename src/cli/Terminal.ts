import type { WriteStream } from 'node:tty'
import { ParqueDBError } from '../base/ParqueDBError.ts'

export interface TerminalOptions {
  /** JSON on stdout and stderr, also on a terminal. */
  readonly json?: boolean
  /** The form for people, also into a pipe or file. */
  readonly pretty?: boolean
  /** No notes and no progress. */
  readonly quiet?: boolean
}

type Stream = WriteStream | (NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number })

const escapeCode = '\u001b'
const clearLine = `\r${escapeCode}[2K`
const styles = { bold: '1', dim: '2', red: '31', yellow: '33', cyan: '36' } as const
/** Fewer, larger writes: a pipe takes 64 KiB. */
const bufferCharsMax = 64 * 1024
/** Progress is for eyes: more often is only slower. */
const progressIntervalMs = 100

/** Thrown at whoever writes on after the reader of stdout has gone, as `| head` does. Not a failure. */
export class OutputClosed extends Error {}

/** The two streams of the process: results on stdout, all talk on stderr. */
export class Terminal {
  readonly #stdout: Stream
  readonly #stderr: Stream
  readonly #useColour: boolean
  #options: TerminalOptions = {}
  #buffer = ''
  #isClosed = false
  #progressShown = false
  #progressAtMs = 0

  constructor(parts: { stdout: Stream; stderr: Stream; env: NodeJS.ProcessEnv }) {
    this.#stdout = parts.stdout
    this.#stderr = parts.stderr
    this.#useColour = (parts.env['NO_COLOR'] ?? '') === '' && parts.env['TERM'] !== 'dumb'
    // Who wrote is told, by flush(); of stderr nobody is left to be told.
    this.#stdout.on('error', (error: NodeJS.ErrnoException) => (this.#isClosed ||= error.code === 'EPIPE'))
    this.#stderr.on('error', () => undefined)
  }

  configure(options: TerminalOptions): void {
    this.#options = options
  }

  /** Results are laid out for people; else they are JSON, one value a line. */
  get forPeople(): boolean {
    return this.#options.pretty === true || (this.isTTY && this.#options.json !== true)
  }

  /** stdout is a terminal. */
  get isTTY(): boolean {
    return this.#stdout.isTTY === true
  }

  paint(style: keyof typeof styles, text: string): string {
    return text !== '' && this.#useColour && this.isTTY ? `${escapeCode}[${styles[style]}m${text}${escapeCode}[0m` : text
  }

  /** Adds to stdout; resolves when more may be written. OutputClosed when nobody reads any more, STORAGE_UNAVAILABLE where it cannot be written, as on a full disk. */
  async write(text: string): Promise<void> {
    this.#buffer += text
    if (this.#buffer.length >= bufferCharsMax || this.isTTY) await this.flush()
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw new OutputClosed()
    if (this.#buffer === '') return
    this.#clearProgress()
    const text = this.#buffer
    this.#buffer = ''
    await new Promise<void>((resolve, reject) => {
      this.#stdout.write(text, (error) => (error ? reject(error) : resolve()))
    }).catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === 'EPIPE' ? new OutputClosed() : new ParqueDBError('STORAGE_UNAVAILABLE', `the output cannot be written: ${cause.message}`, { cause })
    })
  }

  /** One line on stderr, beside the result. */
  note(text: string): void {
    if (this.#options.quiet) return
    this.#clearProgress()
    this.#stderr.write(this.#options.json ? `${JSON.stringify({ note: text })}\n` : `${text}\n`)
  }

  /** One line on stderr that `quiet` does not hide. */
  complain(text: string): void {
    this.#clearProgress()
    this.#stderr.write(`${text}\n`)
  }

  /** Replaces the line of progress; only a terminal has one. `nowMs` spaces the updates. */
  progress(text: string, nowMs: number): void {
    if (this.#options.quiet || this.#options.json || this.#stderr.isTTY !== true) return
    if (nowMs - this.#progressAtMs < progressIntervalMs) return
    this.#progressAtMs = nowMs
    this.#progressShown = true
    // A terminal that does not know its width says 0.
    const columns = Math.max(this.#stderr.columns ?? 0, 0) || 80
    this.#stderr.write(`${clearLine}${text.slice(0, columns - 1)}`)
  }

  #clearProgress(): void {
    if (!this.#progressShown) return
    this.#progressShown = false
    this.#stderr.write(clearLine)
  }
}
