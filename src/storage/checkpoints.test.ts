import { expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import type { EngineOptions } from './engine-options.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

/** Counts the bytes of data files that are read. */
class CountingBackend extends MemoryBackend {
  bytesRead = 0

  override async readRange(path: string, range: { start: number; end: number }): Promise<Uint8Array> {
    const bytes = await super.readRange(path, range)
    this.bytesRead += bytes.length
    return bytes
  }
}

function open(storage: MemoryBackend, options: EngineOptions = {}): ParqueDB {
  return new ParqueDB({ storage, graceMs: 0, flush: { eventsMax: 1000 }, ...options })
}

test('a query about the past starts at the nearest checkpoint, and answers as without one', async () => {
  const answers: unknown[] = []
  for (const isMarked of [false, true]) {
    const storage = new CountingBackend()
    const db = open(storage)
    const items = db.collection<{ n: number }>('items')
    await items.createMany(Array.from({ length: 250 }, (_, index) => ({ $id: `i${String(index).padStart(4, '0')}`, n: 0 })))
    for (let n = 1; n <= 9; n++) await items.updateMany({}, { $set: { n } })
    if (isMarked) expect((await db.checkpoint()).seq).toBe(2500)
    await items.update('i0003', { $set: { n: 100 } })
    for (let n = 10; n <= 12; n++) await items.updateMany({}, { $set: { n } })
    await db.compact()
    await db.close()
    const again = open(storage)
    await again.stats()
    storage.bytesRead = 0
    const found = await again.collection<{ n: number }>('items').find({}, { asOf: 2501 }).toArray()
    const { bytesRead } = storage
    answers.push([found.map(({ $id, version, n }) => ({ $id, version, n })), bytesRead])
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await again.close()
  }
  const [[folded, foldedBytes], [started, startedBytes]] = answers as [[unknown[], number], [unknown[], number]]
  expect(started).toEqual(folded)
  expect(started[3]).toEqual({ $id: 'items/i0003', version: 11, n: 100 })
  expect(startedBytes).toBeLessThan(foldedBytes / 2)
})

test('what a query about the past folds and reads is bounded by what came after the point that it starts from, and explain says so', async () => {
  const entities = 1000
  const rounds = 9
  const bytes: { [name: string]: number } = {}
  for (const isMarked of [false, true]) {
    const db = open(new MemoryBackend(), { compaction: { background: false }, flush: { eventsMax: 2500 } })
    const items = db.collection<{ n: number; parity: number }>('items')
    await items.createMany(Array.from({ length: entities }, (_, index) => ({ $id: `i${String(index).padStart(5, '0')}`, n: 0, parity: index % 2 })))
    const middle = entities * 5
    for (let n = 1; n <= rounds; n++) {
      await items.updateMany({}, { $set: { n } })
      if (n === 4 && isMarked) expect((await db.checkpoint()).seq).toBe(middle)
    }
    await db.compact()
    const atStart = await items.explain({}, { asOf: middle })
    const later = await items.explain({ parity: 1 }, { asOf: middle + 10 })
    expect(later.rowsReturned).toBe(entities / 2)
    // Of a million events in all, as of a hundred thousand here, those after the checkpoint are all that is folded.
    expect([atStart.startSeq, atStart.eventsFolded]).toEqual(isMarked ? [middle, 0] : [0, middle])
    expect([later.startSeq, later.eventsFolded]).toEqual(isMarked ? [middle, 10] : [0, middle + 10])
    bytes[String(isMarked)] = atStart.bytes
    expect((await items.explain()).startSeq).toBe(entities * (rounds + 1))
    await db.close()
  }
  // A tenth of a row's bytes is more than any event of it leaves.
  expect(bytes['true']).toBeLessThan(entities * 40)
  expect(bytes['false']).toBeGreaterThan(4 * (bytes['true'] ?? 0))
})

test('checkpoints come by policy, the oldest go, and their files with them', async () => {
  const storage = new MemoryBackend()
  const db = open(storage, { checkpoints: { everyEvents: 10, keep: 2 } })
  const items = db.collection<{ n: number }>('items')
  for (let n = 1; n <= 50; n++) {
    await items.upsert(`i${n % 7}`, { $set: { n } })
    if (n % 5 === 0) await db.flush()
  }
  expect((await db.stats()).checkpoints.map(({ seq }) => seq)).toEqual([40, 50])
  await db.compact()
  const named = (await db.stats()).namespaces['items']?.runs
  expect(named).toBe(1)
  for (let seq = 1; seq <= 50; seq++) expect(await items.count({}, { asOf: seq })).toBe(Math.min(seq, 7))
  expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
  await db.close()
})

test('an empty database has nothing to keep, and a follower cannot', async () => {
  const storage = new MemoryBackend()
  const db = open(storage)
  expect((await db.checkpoint()).seq).toBe(0)
  await db.close()
  const follower = open(storage, { readOnly: true })
  await expect(follower.checkpoint()).rejects.toMatchObject({ code: 'READ_ONLY' })
  await expect(follower.retain()).rejects.toMatchObject({ code: 'READ_ONLY' })
  await follower.close()
  expect(() => open(storage, { checkpoints: { keep: 0 } })).toThrow(/checkpoints.keep/)
})
