import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

/** Does not compress. */
function text(index: number): string {
  return Array.from({ length: 12 }, (_, at) => createHash('sha256').update(`${index} ${at}`).digest('base64')).join('')
}

async function bytesOf(storage: MemoryBackend): Promise<number> {
  return (await storage.list('')).objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

test('after updates, deletes, retention and compaction a database takes at most twice what its live data and its history take', async () => {
  const documents = Array.from({ length: 400 }, (_, index) => ({ $id: `u${index}`, n: index, text: text(index) }))
  const [plain, churned] = [new MemoryBackend(), new MemoryBackend()]
  const fresh = new ParqueDB({ storage: plain, graceMs: 0 })
  await fresh.collection('users').createMany(documents.filter(({ n }) => n % 2 === 0))
  await fresh.compact()
  const liveBytes = Object.values((await fresh.stats()).namespaces).reduce((sum, { bytes }) => sum + bytes, 0)
  await fresh.close()

  const db = new ParqueDB({ storage: churned, graceMs: 0, flush: { eventsMax: 500 } })
  const users = db.collection<{ n: number; text: string }>('users')
  await users.createMany(documents)
  for (let round = 0; round < 10; round++) await users.updateMany({}, { $inc: { n: 2 } })
  await users.deleteMany({ n: { $mod: [2, 1] } })
  await db.compact()
  const { segments, garbage } = await db.stats()
  expect(garbage).toEqual({ files: 0, bytes: 0, nextDeleteAtMs: undefined })
  expect(await bytesOf(churned)).toBeLessThan(2 * (liveBytes + segments.bytes))
  await db.retain({ policy: { mode: 'drop', maxEvents: 100 } })
  // The tombstones of what is forgotten went, too: only those of the newest hundred events are there.
  const after = await db.stats()
  expect(after.namespaces['users']?.rows).toBe(300)
  // History is the segments and the states that it begins with.
  const historyBytes = after.liveBytes - (after.namespaces['users']?.bytes ?? 0)
  expect(await bytesOf(churned)).toBeLessThan(2 * (liveBytes + historyBytes))
  await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
  expect(await bytesOf(churned)).toBeLessThan(2 * 2 * liveBytes)
  expect((await churned.list('manifest/')).objects.length).toBeLessThan(12)
  await db.close()
})
