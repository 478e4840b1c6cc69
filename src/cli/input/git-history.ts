import { spawn } from 'node:child_process'
import { ParqueDBError } from '../../base/ParqueDBError.ts'

/** A commit on the line of first parents, and what it changed against its first parent. */
export interface GitCommit {
  readonly hash: string
  readonly parents: readonly string[]
  /** The committer's time, milliseconds. */
  readonly ts: number
  readonly author: string
  readonly email: string
  readonly message: string
  /** `blob` and `mode` are undefined where the path is gone. */
  readonly changes: readonly { readonly path: string; readonly mode: string | undefined; readonly blob: string | undefined }[]
}

const commitMark = '\u0001'
const fields = `%x01%H%x00%P%x00%ct%x00%an%x00%ae%x00%B%x00`

/** The commits that lead to HEAD by first parents, oldest first: a merge is one change, of all that it brought. */
export async function* gitCommits(repository: string, signal: AbortSignal): AsyncGenerator<GitCommit> {
  const git = spawn('git', ['-C', repository, 'log', '--first-parent', '-m', '--reverse', '--root', '--raw', '-z', '--no-renames', '--no-abbrev', `--format=${fields}`, 'HEAD'], { signal, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = endOf(git)
  let tokens: string[] = []
  let rest = ''
  for await (const text of git.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + text).split('\0')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const token = part.replace(/^\n+/, '')
      if (token.startsWith(commitMark) && tokens.length > 0) {
        yield commitOf(tokens)
        tokens = []
      }
      tokens.push(token)
    }
  }
  await ended
  if (tokens.length > 0) yield commitOf(tokens)
}

function commitOf([mark = '', parents = '', seconds = '', author = '', email = '', message = '', ...raw]: readonly string[]): GitCommit {
  const changes: { path: string; mode: string | undefined; blob: string | undefined }[] = []
  for (let at = 0; at < raw.length; at++) {
    const [, mode, , blob, status] = /^:\d+ (\d+) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])/.exec(raw[at] ?? '') ?? []
    if (status === undefined) continue
    const isGone = status === 'D'
    changes.push({ path: raw[++at] ?? '', mode: isGone ? undefined : mode, blob: isGone ? undefined : blob })
  }
  return { hash: mark.slice(1), parents: parents.split(' ').filter(Boolean), ts: Number(seconds) * 1000, author, email, message: message.trimEnd(), changes }
}

export type GitBlobs = ReturnType<typeof gitBlobs>

/** Reads blobs, one after another, from one process. */
export function gitBlobs(repository: string, signal: AbortSignal) {
  const git = spawn('git', ['-C', repository, 'cat-file', '--batch'], { signal, stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = endOf(git)
  ended.catch(() => undefined)
  const chunks = (git.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  let rest = Buffer.alloc(0)
  const more = async (): Promise<void> => {
    const { value, done } = await chunks.next()
    if (done === true) throw await ended.then(() => new ParqueDBError('INVALID_ARGUMENT', 'git ended before it gave a blob.'), (error: unknown) => error as Error)
    rest = Buffer.concat([rest, value])
  }
  return {
    async read(blob: string): Promise<Uint8Array> {
      git.stdin.write(`${blob}\n`)
      while (!rest.includes(10)) await more()
      const end = rest.indexOf(10)
      const size = Number(/ blob (\d+)$/.exec(rest.subarray(0, end).toString())?.[1])
      if (!Number.isSafeInteger(size)) throw new ParqueDBError('INVALID_ARGUMENT', `git has no blob ${blob}.`)
      while (rest.length < end + size + 2) await more()
      const bytes = rest.subarray(end + 1, end + 1 + size)
      rest = rest.subarray(end + size + 2)
      return new Uint8Array(bytes)
    },
    async close(): Promise<void> {
      git.stdin.end()
      await ended
    },
  }
}

function endOf(git: ReturnType<typeof spawn>): Promise<void> {
  let said = ''
  git.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
  return new Promise((resolve, reject) => {
    git.on('error', (cause) => reject(new ParqueDBError('INVALID_ARGUMENT', `git could not be run: ${cause.message}`, { cause })))
    git.on('close', (code) => (code === 0 ? resolve() : reject(new ParqueDBError('INVALID_ARGUMENT', `git failed: ${said.trim()}`))))
  })
}
