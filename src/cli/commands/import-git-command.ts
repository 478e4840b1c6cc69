import type { Command } from 'commander'
import { openEngine } from '../../node/open-database.ts'
import { command } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { gitBlobs, gitCommits, type GitBlobs, type GitCommit } from '../input/git-history.ts'
import { printReport, formatCount } from '../print-entity.ts'

const examples = `
  parquedb import-git . --db history
  parquedb get files src/index.ts --at 2026-03-01T12:00:00Z --db history
  parquedb related commits 3f2a… changed --db history
  parquedb related files src/index.ts changed --in --db history

Collections: files (id: the path; content is text, or bytes where it is no UTF-8), commits (id: the hash) and authors (id: the address). A commit has edges: author, parent, and changed to each of its files.
Each commit on the line of first parents is one transaction at the committer's time, which never goes back: the state after it is that at the seq of its last event, which the commit's history
has. An import that is run again goes on where it ended.`

export function importGitCommand(cli: CommandLine): Command {
  return command({ name: 'import-git', summary: 'a git history as events', description: 'Imports the history of a git repository: one transaction a commit, at its time.', examples })
    .argument('<repository>', 'its folder')
    .action((repository: string) => importGit(cli, repository))
}

async function importGit({ terminal, clock, signal, folder }: CommandLine, repository: string): Promise<void> {
  const engine = openEngine(folder)
  const blobs = gitBlobs(repository, signal)
  /** Paths and authors that are there, so that a change is known from a new one. */
  const known = new Set<string>()
  let commits = 0
  try {
    for await (const commit of gitCommits(repository, signal)) {
      await engine.appendEvents(await eventsOf(commit, { blobs, known, ts: Math.min(commit.ts, clock.nowMs()) }), { txId: `git ${commit.hash}` })
      terminal.progress(`imported ${formatCount(++commits)} commits`, clock.nowMs())
    }
    await blobs.close()
  } finally {
    await engine.close()
  }
  await printReport(terminal, `imported ${formatCount(commits)} commits`, { commits })
}

type GitEvents = Parameters<ReturnType<typeof openEngine>['appendEvents']>[0]

async function eventsOf(commit: GitCommit, { blobs, known, ts }: { blobs: GitBlobs; known: Set<string>; ts: number }): Promise<GitEvents> {
  const events: GitEvents[number][] = []
  const actor = commit.email.slice(0, 256) || 'unknown'
  const put = (ns: string, entityId: string, after: object): void => {
    const key = `${ns}/${entityId}`
    events.push({ op: known.has(key) ? 'UPDATE' : 'CREATE', ns, entityId, after, ts, actor })
    known.add(key)
  }
  const link = (predicate: string, to: string, data?: object): void => void events.push({ op: 'REL_CREATE', ns: 'commits', entityId: commit.hash, predicate, to, ...(data !== undefined && { data }), ts, actor })
  for (const { path, mode, blob } of commit.changes) {
    if (blob === undefined) {
      if (known.delete(`files/${path}`)) events.push({ op: 'DELETE', ns: 'files', entityId: path, ts, actor })
      continue
    }
    // A submodule is a commit of another repository.
    const content = mode === '160000' ? blob : contentOf(await blobs.read(blob))
    put('files', path, { mode, blob, content })
  }
  put('authors', actor, { name: commit.author })
  put('commits', commit.hash, { message: commit.message, author: actor, parents: commit.parents, committedAt: new Date(commit.ts), paths: commit.changes.map(({ path }) => path) })
  link('author', `authors/${actor}`)
  for (const parent of commit.parents) link('parent', `commits/${parent}`)
  for (const { path, blob } of commit.changes) link('changed', `files/${path}`, blob === undefined ? { isGone: true } : { blob })
  return events
}

function contentOf(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return bytes
    throw error
  }
}
