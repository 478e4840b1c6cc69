import { describe, expect, test } from 'vitest'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import type { Fault } from '../testing/fault.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import type { EventInput } from './event-input.ts'
import { MemoryBackend } from './MemoryBackend.ts'

/** What a script was told: the seqs that were acknowledged. */
interface Told {
  readonly acknowledged: number[]
}

/** Opens, writes, flushes, merges and closes twice over; ends early, without a word, where the store dies. */
async function script(storage: FaultyBackend, told: Told): Promise<void> {
  for (let session = 0; session < 2; session++) {
    const engine = withEventSourcing(storage, { graceMs: 0, compaction: { background: false } })
    try {
      await work(engine, { session, told })
    } finally {
      await engine.close().catch(() => undefined)
    }
  }
}

async function work(engine: EventSourcedBackend, at: { session: number; told: Told }): Promise<void> {
  const say = async (...events: EventInput[]): Promise<void> => {
    for (const { seq } of await engine.appendEvents(events)) at.told.acknowledged.push(seq)
  }
  for (let round = 0; round < 3; round++) {
    const id = `${at.session}${round}`
    await say({ op: 'CREATE', target: `a:${id}`, after: { round } })
    await say({ op: 'CREATE', target: `b:${id}`, after: { round } }, { op: 'UPDATE', target: `a:${id}`, after: { second: true } })
    await engine.flush()
    await say({ op: 'UPDATE', target: `a:${id}`, after: { third: true } })
    if (round === 1) await say({ op: 'DELETE', target: `b:${id}` })
    if (round === 2) await engine.compact()
  }
}

/** Every acknowledged event is there once, no commit is there by half, and everything checks. */
async function checkAfter(disk: MemoryBackend, told: Told): Promise<void> {
  const engine = withEventSourcing(disk)
  const seqs: number[] = []
  for await (const event of engine.readEvents()) seqs.push(event.seq)
  expect(seqs).toEqual(seqs.map((_, index) => index + 1))
  expect(seqs.length).toBeGreaterThanOrEqual(told.acknowledged.length)
  expect(told.acknowledged).toEqual(told.acknowledged.map((_, index) => index + 1))
  const view = await engine.view()
  for await (const states of view.scan('b')) for (const { id } of states) expect(await view.get({ ns: 'a', id })).toMatchObject({ document: { second: true } })
  view.release()
  expect((await engine.verify({ deep: true })).problems).toEqual([])
  // What was left behind is in nobody's way.
  await engine.appendEvent({ op: 'CREATE', target: 'after:crash', after: {} })
  await engine.flush()
  await engine.close()
}

/** Runs the script with a fault at its first operation, its second, and so on until it is through without meeting one. */
async function atEveryOperation(fault: Omit<Fault, 'on' | 'nth'>): Promise<number> {
  for (let nth = 1; ; nth++) {
    const disk = new MemoryBackend()
    const told: Told = { acknowledged: [] }
    const faulty = new FaultyBackend(disk, [{ on: 'any', nth, ...fault }])
    await script(faulty, told).catch(() => undefined)
    if (faulty.count('any') < nth) return nth - 1
    try {
      await checkAfter(disk.clone(), told)
    } catch (error) {
      throw new Error(`with a ${fault.effect.kind} ${fault.when} operation ${nth}`, { cause: error })
    }
  }
}

describe.each(['before', 'after'] as const)('%s any of its operations', (when) => {
  test('a process may die: nothing acknowledged is lost, and the database opens', { timeout: 120_000 }, async () => {
    expect(await atEveryOperation({ when, effect: { kind: 'crash' } })).toBeGreaterThan(100)
  })

  test('the store may fail while the process lives on: nothing acknowledged is lost', { timeout: 120_000 }, async () => {
    expect(await atEveryOperation({ when, effect: { kind: 'fail' } })).toBeGreaterThan(100)
  })
})
