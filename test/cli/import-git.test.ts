import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { CliProcess, lines } from './cli-process.ts'

let cli: CliProcess
beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

/** A repository of 320 commits on the line of first parents: with renames, deletions, merges, binary files, and names that are not ASCII. */
function makeRepository(root: string): (...words: string[]) => Buffer {
  mkdirSync(root)
  let seconds = 1_700_000_000
  const git = (...words: string[]): Buffer => {
    const date = `${seconds} +0000`
    const env = { ...process.env, GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.com', GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
    return execFileSync('git', ['-C', root, '-c', 'core.quotepath=off', ...words], { env, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] })
  }
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const commit = (message: string): void => {
    seconds += 60
    git('add', '-A')
    git('commit', '-q', '--allow-empty', '-m', message)
  }
  git('init', '-q', '-b', 'main')
  for (let n = 0; n < 300; n++) {
    write(`src/f${n % 17}.txt`, `line ${n}\n${'x'.repeat(n % 50)}\r\n`)
    if (n % 11 === 0) write(`bin/é ${n % 5}.bin`, Uint8Array.from({ length: 40 }, (_, at) => (at * 7 + n) % 256))
    if (n % 23 === 5) rmSync(join(root, `src/f${(n + 3) % 17}.txt`), { force: true })
    if (n % 31 === 7) renameSync(join(root, `src/f${n % 17}.txt`), join(root, `moved-${n}.txt`))
    commit(`change ${n}\n\nwith a body`)
    if (n % 15 !== 14) continue
    git('checkout', '-q', '-b', `side-${n}`, 'HEAD~1')
    write(`side/${n}.txt`, `side ${n}`)
    commit(`side ${n}`)
    git('checkout', '-q', 'main')
    seconds += 60
    git('merge', '-q', '--no-ff', '-m', `merge ${n}`, `side-${n}`)
  }
  return git
}

/** Where a commit's edges, from both of their ends, are not what git tells of it. */
async function edgeDifferences(db: ParqueDB, hash: string, { git, commits, asOf }: { git: (...words: string[]) => Buffer; commits: readonly string[]; asOf: number }): Promise<number> {
  const ids = async (relationship: string): Promise<string[]> => (await db.collection('commits').related(hash, relationship, { asOf }).toArray()).map(({ $id }) => $id.slice($id.indexOf('/') + 1)).toSorted()
  const [parents = '', email = ''] = git('show', '-s', '--format=%P%n%ae', hash).toString().trimEnd().split('\n')
  const [first] = parents.split(' ').filter(Boolean)
  const changes = git('diff-tree', '-r', '-z', '--no-renames', '--name-status', ...(first === undefined ? ['--root', '--no-commit-id', hash] : [first, hash])).toString().split('\0')
  const there = changes.flatMap((status, at) => (at % 2 === 0 && status !== '' && status !== 'D' ? [changes[at + 1] ?? ''] : []))
  const wanted = [parents.split(' ').filter((parent) => commits.includes(parent)).toSorted(), [email], there.toSorted()]
  const found = [await ids('parent'), await ids('author'), await ids('changed')]
  const isFar = async (path: string): Promise<boolean> => (await db.collection('files').related(path, 'changed', { direction: 'in', asOf }).toArray()).some(({ $id }) => $id === `commits/${hash}`)
  return found.filter((some, index) => JSON.stringify(some) !== JSON.stringify(wanted[index])).length + (await Promise.all(there.map(isFar))).filter((isThere) => !isThere).length
}

test('every path at every commit is what git shows', async () => {
  const root = cli.path('repository')
  const git = makeRepository(root)
  const db = cli.path('git-history')
  const commits = git('rev-list', '--first-parent', '--reverse', 'HEAD').toString().trim().split('\n')
  expect(commits.length).toBe(320)
  for (let round = 0; round < 2; round++) expect(lines((await cli.run(['import-git', root, '--db', db])).stdout)).toEqual([{ commits: 320 }])
  const opened = new ParqueDB({ storage: new FsBackend(db), readOnly: true })
  const contents = new Map<string, Buffer>()
  let differences = 0
  for (const hash of commits) {
    const entry = (await opened.collection('commits').history(hash).toArray()).at(-1)
    const tree = git('ls-tree', '-r', '-z', hash).toString().split('\0').filter(Boolean).map((line) => /^(\d+) blob ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [])
    const files = await opened.collection<{ mode: string; content: string | Uint8Array }>('files').find({}, { asOf: entry?.seq ?? 0 }).toArray()
    const found = new Map(files.map((file) => [file.$id.slice('files/'.length), file]))
    if (found.size !== tree.length) differences++
    differences += await edgeDifferences(opened, hash, { git, commits, asOf: entry?.seq ?? 0 })
    for (const [, mode, blob = '', path = ''] of tree) {
      if (!contents.has(blob)) contents.set(blob, git('cat-file', 'blob', blob))
      const file = found.get(path)
      if (file?.mode !== mode || Buffer.compare(Buffer.from(file?.content as string), contents.get(blob) as Buffer) !== 0) differences++
    }
  }
  expect(differences).toBe(0)
  // By the commit's date, as a person asks.
  const [middle = ''] = commits.slice(150)
  const date = git('show', '-s', '--format=%cI', middle).toString().trim()
  const shown = git('show', `${middle}:src/f3.txt`).toString()
  expect(lines((await cli.run(['get', 'files', 'src/f3.txt', '--at', date, '--db', db])).stdout)).toMatchObject([{ content: shown }])
  await opened.close()
}, 120_000)
