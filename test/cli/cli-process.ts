import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const root = resolve(import.meta.dirname, '../..')

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

/** The command line as its users have it: a process of its own, bundled from the sources, and a folder for what it makes. */
export class CliProcess {
  readonly folder: string
  readonly #main: string

  private constructor(folder: string) {
    this.folder = folder
    this.#main = join(folder, 'program/dist/cli/main.js')
  }

  /** Inside node_modules, so that what the bundle leaves external is found. */
  static async make(): Promise<CliProcess> {
    const cache = join(root, 'node_modules/.cache')
    mkdirSync(cache, { recursive: true })
    const made = new CliProcess(mkdtempSync(join(cache, 'cli-')))
    await build({ entryPoints: [join(root, 'src/cli/main.ts')], outfile: made.#main, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', logLevel: 'silent' })
    cpSync(join(root, 'package.json'), join(made.folder, 'program/package.json'))
    return made
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Not yet ended, with stdin open. */
  start(words: readonly string[], env: RunOptions['env'] = {}): ChildProcessWithoutNullStreams {
    const { PARQUEDB_DB: _, NO_COLOR: __, ...inherited } = process.env
    return spawn(process.execPath, [this.#main, ...words], { env: { ...inherited, ...env }, cwd: this.folder })
  }

  async run(words: readonly string[], { stdin = '', env = {} }: RunOptions = {}): Promise<Outcome> {
    const child = this.start(words, env)
    // A command that reads no stdin may have ended before it is written.
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    return ended(child)
  }

  cleanup(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What a process printed and how it ended. */
export async function ended(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((settle, reject) => {
    child.on('error', reject)
    child.on('close', (code) => settle({ code, stdout, stderr }))
  })
}

/** The values of JSON lines. */
export function lines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}
