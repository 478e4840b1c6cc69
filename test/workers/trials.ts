import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startWorkerd } from './start-workerd.ts'
import type { Trial } from './trial-worker.ts'

/*
 * workerd, killed with SIGKILL at chosen steps, a bucket that fails, an object that goes on after another took over, a bucket that was put back. After each: everything
 * that was acknowledged is there, once, and all of it is in order.
 */

/** Steps of a commit and of a flush at which the process ends; the rest of its life it works as ever. */
const traps: readonly NonNullable<Trial['trap']>[] = (['before', 'after'] as const).flatMap((when) => [
  ...['append:', 'put:epoch/', 'rotate:', 'truncate:'].map((point) => ({ store: 'log' as const, point, when })),
  ...['put:events/', 'put:entities/', 'put:manifest/', 'put:epoch/', 'delete:'].map((point) => ({ store: 'files' as const, point, when })),
]).flatMap((trap) => [1, 2, 3].map((nth) => ({ ...trap, nth })))

export interface Findings {
  readonly runs: number
  readonly acknowledged: number
  readonly violations: readonly string[]
}

interface Running {
  readonly call: (path: string) => Promise<{ value: unknown; token: string }>
  /** SIGKILL, of the process that this one started. */
  readonly kill: () => void
  readonly stop: () => Promise<void>
}

/** A folder's worth of workerd. `onTrap` answers when the object may go on. */
export async function startTrial(folder: string, trial: Trial, onTrap: () => Promise<void> = async () => undefined): Promise<Running> {
  const before = new Set(children())
  const workerd = await startWorkerd(new URL('test/workers/trial-worker.ts', `file://${process.cwd()}/`).href, {
    durableObjects: { PARQUEDB: { className: 'Partition', useSQLite: true } },
    r2Buckets: ['BUCKET'],
    durableObjectsPersist: join(folder, 'do'),
    r2Persist: join(folder, 'r2'),
    bindings: { TRIAL: JSON.stringify(trial) },
    serviceBindings: {
      TRAP: async () => {
        await onTrap()
        return new Response('go on')
      },
    },
  })
  const origin = await workerd.ready
  const pids = children().filter((pid) => !before.has(pid))
  return {
    async call(path) {
      const response = await fetch(new URL(path, origin), { signal: AbortSignal.timeout(20_000) })
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return (await response.json()) as { value: unknown; token: string }
    },
    kill: () => pids.splice(0).forEach((pid) => process.kill(pid, 'SIGKILL')),
    stop: () => Promise.race([workerd.dispose().catch(() => undefined), sleep(2000)]),
  }
}

/** The workerds that this process has started. */
function children(): number[] {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ').map(Number)
  return pids.filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('workerd'))
}

/** Writes with six clients until the process is gone or `count` are done; gives what was acknowledged. */
async function write(running: Running, { prefix, count }: { prefix: string; count: number }): Promise<string[]> {
  const acknowledged: string[] = []
  let next = 0
  const client = async (): Promise<void> => {
    const failures: unknown[] = []
    while (next < count && failures.length < 3) {
      const id = `${prefix}-${next++}`
      await running.call(`/create?id=${id}`).then(
        () => acknowledged.push(id),
        (error: unknown) => failures.push(error),
      )
    }
  }
  await Promise.all(Array.from({ length: 6 }, client))
  return acknowledged
}

/** What is wrong with what is there. */
async function check(running: Running, acknowledged: readonly string[]): Promise<string[]> {
  const violations: string[] = []
  const events = (await running.call('/events?consistency=strong')).value as string[]
  events.forEach((event, index) => {
    if (!event.startsWith(`${index + 1} `)) violations.push(`D1: event ${index + 1} is '${event}'`)
  })
  const targets = events.map((event) => event.split(' ')[1]?.replace('items:', '') ?? '')
  const there = new Set(targets)
  if (there.size !== targets.length) violations.push('an event was doubled')
  for (const id of acknowledged) if (!there.has(id)) violations.push(`${id} was acknowledged and is lost`)
  await running.call('/flush')
  const { value: stats } = await running.call('/stats')
  const { lastSeq, flushedSeq } = stats as { lastSeq: number; flushedSeq: number }
  if (lastSeq !== events.length || flushedSeq !== lastSeq) violations.push(`D2: ${events.length} events, ${lastSeq} in the log, ${flushedSeq} flushed`)
  await sleep(60)
  const ids = (await running.call('/ids?consistency=eventual')).value as string[]
  if (ids.length !== there.size) violations.push(`D4: the files show ${ids.length} of ${there.size}`)
  const report = (await running.call('/verify')).value as { ok: boolean; problems: unknown[] }
  if (!report.ok) violations.push(`D3: ${JSON.stringify(report.problems)}`)
  return violations
}

/** Kills the process at each of the traps in turn, on one folder, over and over; every third run with a bucket that fails, too. */
export async function killEverywhere(runs: number, { first = 0, onRun = () => undefined }: { first?: number; onRun?: (text: string) => void } = {}): Promise<Findings> {
  const violations: string[] = []
  let acknowledged: string[] = []
  let total = 0
  let folder = await mkdtemp(join(tmpdir(), 'parquedb-trial-'))
  for (let run = first; run < first + runs; run++) {
    const trap = traps[(run * 7) % traps.length]
    if (trap === undefined) break
    const trial: Trial = { trap, faultPercent: run % 3 === 2 ? 10 : 0 }
    let killed = false
    const running: Running = await startTrial(folder, trial, async () => {
      killed = true
      running.kill()
    })
    const written = await write(running, { prefix: `r${run}`, count: 150 })
    running.kill()
    await running.stop()
    acknowledged.push(...written)
    total += written.length
    const again = await startTrial(folder, {})
    const found = await check(again, acknowledged).catch((error: unknown) => [String(error)])
    await again.stop()
    violations.push(...found.map((text) => `run ${run} (${JSON.stringify(trial)}): ${text}`))
    onRun(`run ${run}: ${trap.store} ${trap.point} ${trap.when} ${trap.nth}${killed ? '' : ', not met'}, ${written.length} acknowledged, ${found.length} violations`)
    if (run % 12 === 11 || found.length > 0) {
      await rm(folder, { recursive: true })
      folder = await mkdtemp(join(tmpdir(), 'parquedb-trial-'))
      acknowledged = []
    }
  }
  await rm(folder, { recursive: true })
  return { runs, acknowledged: total, violations }
}

/** An object that stops at its head in the bucket and goes on when another, on the same storage, has written and flushed. */
export async function goOnAfterTakeover(nth: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-trial-'))
  let met = (): void => undefined
  let goOn = (): void => undefined
  const stopped = new Promise<void>((resolve) => (met = resolve))
  const waiting = new Promise<void>((resolve) => (goOn = resolve))
  const zombie = await startTrial(folder, { trap: { store: 'files', point: 'put:epoch/', when: 'before', nth } }, async () => {
    met()
    await waiting
  })
  const writing = write(zombie, { prefix: 'zombie', count: 150 })
  await stopped
  const other = await startTrial(folder, {})
  const acknowledged = await write(other, { prefix: 'other', count: 60 })
  await other.call('/flush')
  goOn()
  acknowledged.push(...(await writing))
  await sleep(200)
  await zombie.stop()
  await other.stop()
  const again = await startTrial(folder, {})
  const violations = await check(again, acknowledged).catch((error: unknown) => [String(error)])
  await again.stop()
  await rm(folder, { recursive: true })
  return violations
}

/** A bucket that is put back to an older state: writes are refused and say so; with the newer state again, all is there. */
export async function putBack(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-trial-'))
  const violations: string[] = []
  const session = async <T>(work: (running: Running) => Promise<T>): Promise<T> => {
    const running = await startTrial(folder, {})
    const result = await work(running)
    await running.stop()
    return result
  }
  const acknowledged = await session(async (running) => {
    const written = await write(running, { prefix: 'a', count: 50 })
    await running.call('/flush')
    return written
  })
  await cp(join(folder, 'r2'), join(folder, 'older'), { recursive: true })
  await session(async (running) => {
    acknowledged.push(...(await write(running, { prefix: 'b', count: 50 })))
    await running.call('/flush')
  })
  await cp(join(folder, 'r2'), join(folder, 'newer'), { recursive: true })
  const swap = async (from: string): Promise<void> => {
    await rm(join(folder, 'r2'), { recursive: true })
    await cp(join(folder, from), join(folder, 'r2'), { recursive: true })
  }
  await swap('older')
  const refusal = await session((running) => running.call('/create?id=c').then(() => 'it was written', String))
  if (!refusal.includes('CORRUPT_FILE') || !refusal.includes('put back')) violations.push(`on an older bucket: ${refusal}`)
  await swap('newer')
  violations.push(...(await session((running) => check(running, acknowledged))))
  await rm(folder, { recursive: true })
  return violations
}
