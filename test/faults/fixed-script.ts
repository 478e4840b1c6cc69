import { isParqueDBError } from '../../src/base/ParqueDBError.ts'
import type { EventInput } from '../../src/storage/event-input.ts'
import { withEventSourcing, type EventSourcedBackend } from '../../src/storage/EventSourcedBackend.ts'
import type { SimulatedDisk } from './SimulatedDisk.ts'

/** Events that are appended together under a name of their own. */
interface Commit {
  readonly txId: string
  readonly events: readonly EventInput[]
}

/** Commits of one step are sent at once, so that one append holds several. */
type Step = { readonly kind: 'commits'; readonly commits: readonly Commit[] } | { readonly kind: 'flush' | 'compact' | 'reopen' | 'die' }

/** What the one who runs the script knows at some moment. */
export interface Told {
  readonly begun: readonly Commit[]
  readonly acknowledged: readonly Commit[]
}

const entityCount = 9

/** A fixed script: the same one for the same number of operations. */
export function fixedScript(operationCount: number): Step[] {
  const steps: Step[] = []
  const live = new Set<string>()
  for (let n = 1; n <= operationCount; n++) {
    if (n % 47 === 0) steps.push({ kind: 'die' })
    else if (n % 41 === 0) steps.push({ kind: 'reopen' })
    else if (n % 33 === 0) steps.push({ kind: 'compact' })
    else if (n % 11 === 0) steps.push({ kind: 'flush' })
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

/**
 * Runs the script to its end, through every failure: a process that died, or that cannot go on, is followed by another one, which does
 * again under the same name what was not acknowledged. `told` grows meanwhile.
 */
export async function runScript(steps: readonly Step[], disk: SimulatedDisk, told: { begun: Commit[]; acknowledged: Commit[] }): Promise<void> {
  let engine = open(disk)
  const again = async (): Promise<void> => {
    await engine.close().catch(ignoreFailure)
    disk.revive()
    engine = open(disk)
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
        await insist(() => sendAll(engine, { commits: step.commits, told }))
        break
      case 'flush':
        await insist(() => engine.flush())
        break
      case 'compact':
        await insist(() => engine.compact())
        break
      case 'reopen':
        await engine.close().catch(ignoreFailure)
        await again()
        break
      case 'die': {
        // Between the write and the sync of an append: what it wrote is in the page cache, and the next process finds it there.
        const before = disk.failure
        disk.failure = (at) => before?.(at) ?? (at.when === 'before' && at.operation.startsWith('sync') ? 'dies' : undefined)
        await engine.appendEvent({ op: 'CREATE', target: `died:${told.begun.length}`, after: {} }).catch(ignoreFailure)
        await again()
        disk.failure = before
      }
    }
  }
  await engine.close().catch(ignoreFailure)
}

async function sendAll(engine: EventSourcedBackend, { commits, told }: { commits: readonly Commit[]; told: { acknowledged: Commit[] } }): Promise<void> {
  const sent = commits.map(async (commit) => {
    await engine.appendEvents(commit.events, { txId: commit.txId })
    if (!told.acknowledged.includes(commit)) told.acknowledged.push(commit)
  })
  const failed = (await Promise.allSettled(sent)).find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function open(disk: SimulatedDisk): EventSourcedBackend {
  return withEventSourcing(disk, { graceMs: 0, autoSnapshotThreshold: 4, compaction: { background: false } })
}

/** Whoever asked was told; only a failure of the store, or of the process that met one, is expected. */
function ignoreFailure(error: unknown): void {
  if (!isParqueDBError(error, 'STORAGE_UNAVAILABLE') && !isParqueDBError(error, 'CLOSED') && !isParqueDBError(error, 'WRITER_FENCED')) throw error
}

/**
 * What is wrong with a database after a crash; empty when all that was acknowledged is there, all else once and whole or not at all, in
 * the order in which it was sent, and everything verifies and goes on.
 */
export async function problemsOf(disk: SimulatedDisk, told: Told): Promise<string[]> {
  const engine = open(disk)
  const problems: string[] = []
  try {
    const found = new Map<string, EventInput[]>()
    let seq = 0
    for await (const event of engine.readEvents()) {
      if (event.seq !== ++seq) problems.push(`event ${seq} is missing before ${event.seq}`)
      const { op, target, after, patch, metadata } = event
      if (event.txId === undefined) continue
      const body = op === 'CREATE' ? { after } : op === 'UPDATE' ? { after: patch?.set } : {}
      found.set(event.txId, [...(found.get(event.txId) ?? []), { op, target, ...body, metadata } as EventInput])
    }
    for (const { txId } of told.acknowledged) if (!found.has(txId)) problems.push(`${txId} was acknowledged and is not there`)
    const begun = new Map(told.begun.map((commit) => [commit.txId, commit]))
    for (const [txId, events] of found) {
      if (JSON.stringify(events) !== JSON.stringify(begun.get(txId)?.events)) problems.push(`${txId} is there as ${JSON.stringify(events)}`)
    }
    for (const { path, message } of (await engine.verify({ deep: true })).problems) problems.push(`${path} does not verify: ${message}`)
    await engine.appendEvent({ op: 'CREATE', target: 'after:all', after: {} })
    await engine.flush()
  } finally {
    await engine.close()
  }
  return problems
}
