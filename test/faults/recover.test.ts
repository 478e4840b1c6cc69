import { describe, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { withEventSourcing } from '../../src/storage/EventSourcedBackend.ts'
import type { Event } from '../../src/model/event.ts'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { recover, type RecoverReport } from '../../src/storage/recover.ts'
import { damages, kindOf, smallDatabase, wholeDatabase, withDamage, type Damage } from './bit-rot.ts'
import { SimulatedDisk, type DiskFiles } from './SimulatedDisk.ts'

interface Recovered {
  readonly report: RecoverReport
  readonly documents: { readonly [target: string]: unknown }
  readonly events: readonly Event[]
}

async function recovered(files: DiskFiles): Promise<Recovered> {
  const source = new SimulatedDisk(files)
  const target = withEventSourcing(new MemoryBackend())
  const report = await recover({ backend: source, logBackend: source, target })
  expect((await target.verify({ deep: true })).problems).toEqual([])
  const documents: Record<string, unknown> = {}
  const view = await target.view()
  for (const ns of view.namespaces()) for await (const slices of view.scan(ns)) for (const state of slices.flatMap(({ batch, rows }) => batch.states(rows))) if (state.deletedAt === undefined) documents[`${ns}/${state.id}`] = state.document
  view.release()
  const events: Event[] = []
  for await (const event of target.readEvents()) events.push(event)
  await target.close()
  expect([...source.files.keys()]).toEqual([...files.keys()])
  return { report, documents, events }
}

async function tryAll(kind: string, every: number, judge: (damage: Damage, after: Recovered, whole: Recovered) => void): Promise<number> {
  const files = await wholeDatabase()
  const whole = await recovered(files)
  let count = 0
  for (const damage of damages(files, every)) {
    if (kindOf(damage.path) !== kind) continue
    count++
    judge(damage, await recovered(withDamage(files, damage)), whole)
  }
  return count
}

test('of a sound database everything is recovered, to the event', async () => {
  const files = await wholeDatabase()
  const { report, events } = await recovered(files)
  expect(report).toEqual({ ok: true, events: events.length, bridges: 0, unfolded: 0, missing: [], lost: [] })
  const engine = withEventSourcing(new SimulatedDisk(files), { readOnly: true })
  const original: Event[] = []
  for await (const event of engine.readEvents()) original.push(event)
  await engine.close()
  expect(events).toEqual(original)
})

test('of a database with edges and an archive, what is archived is recovered, too, in its order', async () => {
  const files = await smallDatabase()
  const { report, events } = await recovered(files)
  expect(report).toMatchObject({ ok: true, missing: [], lost: [] })
  const db = new ParqueDB({ storage: new SimulatedDisk(files), readOnly: true })
  const original: Event[] = []
  for await (const event of db.events({ includeArchived: true })) original.push(event)
  await db.close()
  expect(events).toEqual(original)
})

test('of a database that has dropped its beginning, the states at the horizon are recovered, and what came after them', async () => {
  const disk = new SimulatedDisk()
  const db = new ParqueDB({ storage: disk })
  const notes = db.collection('notes')
  await notes.createMany(Array.from({ length: 40 }, (_, index) => ({ $id: `n${index}`, n: index })))
  await notes.delete('n0')
  await notes.update('n1', { $set: { n: 100 } })
  await db.retain({ policy: { mode: 'drop', maxEvents: 1 } })
  await notes.update('n2', { $set: { more: true } })
  await db.close()
  const { report, documents, events } = await recovered(disk.files)
  expect(report).toMatchObject({ ok: true, missing: [], lost: [] })
  expect(Object.keys(documents).length).toBe(39)
  expect([documents['notes/n1'], documents['notes/n2'], documents['notes/n3']]).toEqual([{ n: 100 }, { n: 2, more: true }, { n: 3 }])
  // Each begins with what is known of it.
  expect(events.filter(({ op }) => op === 'UPDATE').map(({ target }) => target)).toEqual(['notes:n1', 'notes:n2'])
})

describe('recovering', () => {
  test('without heads or manifests names the data file that it could not make out', async () => {
    const files = new Map([...(await wholeDatabase())].filter(([path]) => !/^(epoch|manifest)\//.test(path)))
    const path = [...files.keys()].find((name) => name.startsWith('events/')) ?? ''
    const file = files.get(path)
    if (file !== undefined) files.set(path, { ...file, bytes: new Uint8Array(file.bytes.length) })
    const { report } = await recovered(files)
    expect(report.ok).toBe(false)
    expect(JSON.stringify(report.lost)).toContain(path)
  })
  test('needs no entity files: every state is in the events', async () => {
    const count = await tryAll('entities', 211, ({ what }, after, whole) => {
      expect({ what, report: after.report, events: after.events }).toEqual({ what, report: { ...whole.report }, events: whole.events })
    })
    expect(count).toBeGreaterThan(50)
  })

  test('brings every newest state when events are lost, and says which those are', async () => {
    let lossCount = 0
    await tryAll('events', 211, ({ what }, { report, documents }, whole) => {
      expect({ what, documents }).toEqual({ what, documents: whole.documents })
      expect({ what, isTold: report.ok === (report.missing.length === 0) && report.ok === (report.lost.length === 0) }).toEqual({ what, isTold: true })
      if (!report.ok) lossCount++
    })
    expect(lossCount).toBeGreaterThan(10)
  })

  test('needs no manifest and no head: data files say what they are', async () => {
    for (const kind of ['manifest', 'epoch']) {
      await tryAll(kind, 97, ({ what }, { documents, events }, whole) => expect({ what, documents, events }).toEqual({ what, documents: whole.documents, events: whole.events }))
    }
  })

  test('brings what stands before and behind damage in the log, and says which events are missing', async () => {
    const count = await tryAll('log', 61, ({ what }, { report, events }, whole) => {
      const missing = report.missing.reduce((sum, { from, to }) => sum + to - from + 1, 0)
      expect({ what, eventCount: events.length + missing - report.bridges - report.unfolded }).toEqual({ what, eventCount: whole.events.length - report.bridges - report.unfolded })
      expect({ what, ok: report.ok }).toEqual({ what, ok: missing === 0 })
    })
    expect(count).toBeGreaterThan(20)
  })
})

test('a lost change is bridged: the entity goes on from its next known state, which says so', async () => {
  const files = await wholeDatabase()
  const [segment] = [...files.keys()].filter((path) => path.startsWith('events/'))
  if (segment === undefined) throw new Error('a segment is there')
  const { report, events } = await recovered(withDamage(files, { path: segment, what: 'zeroed', bytes: new Uint8Array(10) }))
  expect(report).toMatchObject({ ok: false, missing: [{ from: 1, to: 18 }] })
  expect(report.lost).toMatchObject([{ path: segment, code: 'CORRUPT_FILE', fromSeq: 1, toSeq: 18 }])
  const first = events.find(({ target }) => target === 'notes:na')
  expect(first).toMatchObject({ op: 'CREATE', version: 1, metadata: { recovered: { version: 5, createdBy: 'ada' } } })
})

test('edges are salvaged with their data from segments, and from runs where a segment is gone', async () => {
  const disk = new SimulatedDisk()
  const db = new ParqueDB({ storage: disk })
  await db.collection('notes').createMany([{ $id: 'a' }, { $id: 'b' }])
  await db.collection('notes').link('a', 'next', 'notes/b', { weight: 1 })
  await db.collection('notes').link('b', 'next', 'notes/a')
  await db.collection('notes').unlink('b', 'next', 'notes/a')
  await db.flush()
  await db.close()
  for (const isSound of [true, false]) {
    const files = new Map([...disk.files].filter(([path]) => isSound || !/^(events|log)\//.test(path)))
    const source = new SimulatedDisk(files)
    const engine = withEventSourcing(new MemoryBackend())
    const report = await recover({ backend: source, logBackend: source, target: engine })
    const target = new ParqueDB({ storage: engine })
    expect(report.ok).toBe(isSound)
    const related = async (id: string, direction: 'out' | 'in') => (await target.collection('notes').related(id, 'next', { direction }).toArray()).map(({ $id, $edge }) => [$id, $edge.data])
    expect(await related('a', 'out')).toEqual([['notes/b', { weight: 1 }]])
    expect(await related('b', 'in')).toEqual([['notes/a', { weight: 1 }]])
    expect(await related('b', 'out')).toEqual([])
    await target.close()
  }
})
