import { createHash } from 'node:crypto'
import { isParqueDBError } from '../../src/base/ParqueDBError.ts'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import type { Event } from '../../src/model/event.ts'
import type { EventInput } from '../../src/storage/event-input.ts'
import { withEventSourcing, type EventSourcedBackend } from '../../src/storage/EventSourcedBackend.ts'
import type { SimulatedDisk } from './SimulatedDisk.ts'

/** An event as it is expected in the log: of an entity as it is appended, of an edge by its ends. */
type Expected = EventInput | { readonly op: 'REL_CREATE' | 'REL_DELETE'; readonly target: string; readonly predicate: string; readonly to: string; readonly data?: object }

/** Events that are written together under a name of their own. */
interface Commit {
  readonly txId: string
  readonly events: readonly Expected[]
  /** What writes them; where it is not given they are appended. */
  readonly write?: (db: ParqueDB) => Promise<unknown>
}

/** Commits of one step are sent at once, so that one append holds several. */
type Step = { readonly kind: 'commits'; readonly commits: readonly Commit[] } | { readonly kind: 'erase'; readonly target: string } | { readonly kind: 'flush' | 'compact' | 'checkpoint' | 'archive' | 'drop' | 'reopen' | 'die' }

/** What the one who runs the script knows at some moment. */
export interface Told {
  readonly begun: readonly Commit[]
  readonly acknowledged: readonly Commit[]
  /** Entities of which erasing has begun, and those of which it has ended. */
  readonly erasing: readonly string[]
  readonly erased: readonly string[]
  /** How many of `begun` there were when dropping last began: those of the collection 'b' may be gone. */
  readonly droppable: number
}

export type Telling = { -readonly [Name in keyof Told]: Told[Name] extends readonly (infer One)[] ? One[] : Told[Name] }

export function nothingTold(): Telling {
  return { begun: [], acknowledged: [], erasing: [], erased: [], droppable: 0 }
}

const entityCount = 9
const schema = { g: { under: { rel: '-> g.over', onDelete: 'cascade' }, tags: { rel: '-> g.tagged[]', onDelete: 'unlink' } } } as const

/** A fixed script: the same one for the same number of operations. */
export function fixedScript(operationCount: number): Step[] {
  const steps: Step[] = []
  const live = new Set<string>()
  let turns = 0
  for (let n = 1; n <= operationCount; n++) {
    if (n % 58 === 1) steps.push({ kind: 'commits', commits: [erasable(n)] })
    else if (n % 58 === 29) steps.push({ kind: 'erase', target: `g/e${n}` })
    else if (n % 47 === 0) steps.push({ kind: 'die' })
    else if (n % 41 === 0) steps.push({ kind: 'reopen' })
    else if (n % 33 === 0) steps.push({ kind: 'compact' })
    else if (n % 43 === 0) steps.push({ kind: 'checkpoint' })
    else if (n % 37 === 25) steps.push({ kind: n % 2 === 0 ? 'archive' : 'drop' })
    else if (n % 11 === 0) steps.push({ kind: 'flush' })
    else if (n % 6 === 4) steps.push({ kind: 'commits', commits: [graphCommit(n, turns++)] })
    else steps.push({ kind: 'commits', commits: Array.from({ length: n % 5 === 0 ? 3 : 1 }, (_, index) => commitOf(n, index, live)) })
  }
  return steps
}

function commitOf(n: number, index: number, live: Set<string>): Commit {
  const txId = `${n}.${index}`
  const events: EventInput[] = []
  for (let part = 0; part < 1 + (n % 3); part++) {
    const target = `${n % 2 === 0 ? 'a' : 'b'}:k${(n * 7 + index * 3 + part) % entityCount}`
    const metadata = { part, of: 1 + (n % 3) }
    if (!live.has(target)) events.push({ op: 'CREATE', target, after: { n, text: 'created '.repeat(n % 9) }, metadata })
    else if ((n + part) % 8 === 0) events.push({ op: 'DELETE', target, metadata })
    else events.push({ op: 'UPDATE', target, after: { [`f${n % 4}`]: n, text: 'changed '.repeat(n % 50) }, metadata })
    if (events.at(-1)?.op === 'DELETE') live.delete(target)
    else live.add(target)
  }
  return { txId, events }
}

/** An entity with an edge to it and one from it, which is erased some steps later, and of which nothing else is in its commit. */
function erasable(n: number): Commit {
  const id = `e${n + 28}`
  const events: Expected[] = [
    { op: 'CREATE', target: `g:${id}`, after: { secret: `secret ${n}` } },
    { op: 'REL_CREATE', target: `g:${id}`, predicate: 'knows', to: 'g/root0', data: { n } },
    { op: 'REL_CREATE', target: `g:${id}`, predicate: 'knows', to: `g/${id}` },
  ]
  const write = (db: ParqueDB): Promise<unknown> => db.collection('g').create({ $id: id, secret: `secret ${n}`, $link: { knows: [{ to: 'g/root0', data: { n } }, `g/${id}`] } }, { txId: `${n}` })
  return { txId: `${n}`, events, write }
}

/** In turn: a small tree, an edge that leads to another one, an edge less, and a delete that takes a leaf and an edge with it. */
function graphCommit(n: number, turn: number): Commit {
  const txId = `${n}`
  const tree = turn - (turn % 4)
  const [root, leaf, note] = [`root${tree}`, `leaf${tree}`, `note${tree}`]
  const edge = { target: `g:${leaf}`, predicate: 'under' }
  switch (turn % 4) {
    case 0:
      return {
        txId,
        events: [root, leaf, note].map((id) => ({ op: 'CREATE', target: `g:${id}`, after: { n } })),
        write: (db) => db.transaction(async (tx) => void (await tx.collection('g').createMany([root, leaf, note].map(($id) => ({ $id, n })))), { txId }),
      }
    case 1:
      return {
        txId,
        events: [{ op: 'REL_CREATE', ...edge, to: `g/${root}` }, ...[root, leaf].map((id) => ({ op: 'REL_CREATE' as const, target: `g:${note}`, predicate: 'tags', to: `g/${id}`, data: { n } }))],
        write: (db) =>
          db.transaction(async (tx) => {
            await tx.collection('g').link(leaf, 'under', root)
            await tx.collection('g').link(note, 'tags', [root, leaf], { n })
          }, { txId }),
      }
    case 2:
      return { txId, events: [{ op: 'REL_DELETE', target: `g:${note}`, predicate: 'tags', to: `g/${leaf}` }], write: (db) => db.collection('g').unlink(note, 'tags', leaf, { txId }) }
    default:
      return {
        txId,
        events: [{ op: 'DELETE', target: `g:${root}` }, { op: 'DELETE', target: `g:${leaf}` }, { op: 'REL_DELETE', target: `g:${note}`, predicate: 'tags', to: `g/${root}` }],
        write: (db) => db.collection('g').delete(root, { txId }),
      }
  }
}

/**
 * Runs the script to its end, through every failure: a process that died, or that cannot go on, is followed by another one, which does
 * again under the same name what was not acknowledged. `told` grows meanwhile.
 */
export async function runScript(steps: readonly Step[], disk: SimulatedDisk, told: Telling): Promise<void> {
  let process = open(disk)
  const again = async (): Promise<void> => {
    await process.db.close().catch(ignoreFailure)
    disk.revive()
    process = open(disk)
  }
  const insist = async (work: () => Promise<void>): Promise<void> => {
    // A planned failure happens once, so that the second attempt, by a new process, must succeed.
    await work().catch(async (error: unknown) => {
      ignoreFailure(error)
      await again()
      await work()
    })
  }
  for (const step of steps) {
    switch (step.kind) {
      case 'commits':
        for (const commit of step.commits) told.begun.push(commit)
        await insist(() => sendAll(process, { commits: step.commits, told }))
        break
      case 'flush':
      case 'compact':
      case 'checkpoint': {
        const { kind } = step
        await insist(async () => void (await process.db[kind]()))
        break
      }
      case 'archive':
      case 'drop': {
        const mode = step.kind
        if (mode === 'drop') told.droppable = told.begun.length
        await insist(async () => void (await process.db.retain({ policy: mode === 'drop' ? { namespaces: { b: { mode, maxEvents: 3 } } } : { mode, maxEvents: 9, namespaces: { b: { mode: 'keep' } } } })))
        break
      }
      case 'erase': {
        const { target } = step
        told.erasing.push(target)
        await insist(() => erase(process.db, target))
        told.erased.push(target)
        break
      }
      case 'reopen':
        await process.db.close().catch(ignoreFailure)
        await again()
        break
      case 'die': {
        // Between the write and the sync of an append: what it wrote is in the page cache, and the next process finds it there.
        const before = disk.failure
        disk.failure = (at) => before?.(at) ?? (at.when === 'before' && at.operation.startsWith('sync') ? 'dies' : undefined)
        await process.engine.appendEvent({ op: 'CREATE', target: `died:${told.begun.length}`, after: {} }).catch(ignoreFailure)
        await again()
        disk.failure = before
      }
    }
  }
  await process.db.close().catch(ignoreFailure)
}

/** One that was begun before is waited for: it is finished in the background. */
async function erase(db: ParqueDB, target: string): Promise<void> {
  for (;;) {
    try {
      await db.erase(target)
      return
    } catch (error) {
      if (isParqueDBError(error, 'NOT_FOUND')) return
      if (!isParqueDBError(error, 'TRANSACTION_CONFLICT')) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

async function sendAll({ db, engine }: Process, { commits, told }: { commits: readonly Commit[]; told: Telling }): Promise<void> {
  const sent = commits.map(async (commit) => {
    await (commit.write === undefined ? engine.appendEvents(commit.events as readonly EventInput[], { txId: commit.txId }) : commit.write(db))
    if (!told.acknowledged.includes(commit)) told.acknowledged.push(commit)
  })
  const failed = (await Promise.allSettled(sent)).find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

interface Process {
  readonly engine: EventSourcedBackend
  readonly db: ParqueDB
}

function open(disk: SimulatedDisk): Process {
  const engine = withEventSourcing(disk, { graceMs: 0, autoSnapshotThreshold: 4, compaction: { background: false } })
  return { engine, db: new ParqueDB({ storage: engine, schema }) }
}

/** Whoever asked was told; only a failure of the store, or of the process that met one, is expected. */
function ignoreFailure(error: unknown): void {
  if (!isParqueDBError(error, 'STORAGE_UNAVAILABLE') && !isParqueDBError(error, 'CLOSED') && !isParqueDBError(error, 'WRITER_FENCED')) throw error
}

/**
 * What is wrong with a database after a crash; empty when all that was acknowledged is there, all else once and whole or not at all, in
 * the order in which it was sent, without what was erased or dropped, and everything verifies and goes on.
 */
export async function problemsOf(disk: SimulatedDisk, told: Told): Promise<string[]> {
  const { db, engine } = open(disk)
  const problems: string[] = []
  try {
    const found = new Map<string, string[]>()
    const marks = new Set<unknown>()
    let lastSeq = 0
    for await (const event of db.events({ includeArchived: true })) {
      if (event.seq <= lastSeq) problems.push(`event ${event.seq} comes after ${lastSeq}`)
      lastSeq = event.seq
      if (event.op === 'ERASE') marks.add(event.metadata?.['erased'])
      if (event.txId !== undefined) found.set(event.txId, [...(found.get(event.txId) ?? []), bodyOf(event)])
    }
    const isErased = (commit: Commit, targets: readonly string[]): boolean => targets.some((target) => commit.events[0]?.target === target.replace('/', ':'))
    const mayBeGone = (commit: Commit): boolean => isErased(commit, told.erasing) || (told.begun.indexOf(commit) < told.droppable && commit.events.some(({ target }) => target?.startsWith('b:')))
    for (const commit of told.acknowledged) if (!found.has(commit.txId) && !mayBeGone(commit)) problems.push(`${commit.txId} was acknowledged and is not there`)
    const begun = new Map(told.begun.map((commit) => [commit.txId, commit]))
    for (const [txId, events] of found) {
      const commit = begun.get(txId)
      const expected = commit?.events.map((event) => bodyOf(event)) ?? []
      // Of what is dropped, the oldest goes first.
      const isWhole = events.join() === expected.join() || (commit !== undefined && mayBeGone(commit) && !isErased(commit, told.erasing) && expected.join().endsWith(events.join()))
      if (!isWhole || (commit !== undefined && isErased(commit, told.erased))) problems.push(`${txId} is there as ${events.join()}`)
    }
    for (const target of told.erased) if (!marks.has(createHash('sha256').update(target).digest('hex'))) problems.push(`nothing says that ${target} was erased`)
    for (const { path, message } of (await db.verify({ deep: true })).problems) problems.push(`${path} does not verify: ${message}`)
    await engine.appendEvent({ op: 'CREATE', target: 'after:all', after: {} })
    await db.flush()
  } finally {
    await db.close()
  }
  return problems
}

/** What of an event is as it was sent. */
function bodyOf(event: Event | Expected): string {
  const { op, target, predicate, to, data, after, patch, metadata }: Partial<Event> = event as Partial<Event>
  return JSON.stringify({ op, target, predicate, to, data, after: op === 'UPDATE' ? (patch?.set ?? after) : after, metadata })
}
