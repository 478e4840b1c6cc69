import { expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { metered, type Meter } from '../storage/metered.ts'
import { codeOf } from '../testing/database/observe.ts'
import { ParqueDB, type ParqueDBOptions } from './ParqueDB.ts'

/** 3,000 items of `n: 0` at seq 3,000, of which each hundredth became `n: 1` after that; all in files. */
async function reopened(options: Partial<ParqueDBOptions> = {}): Promise<{ db: ParqueDB; meter: Meter }> {
  const storage = new MemoryBackend()
  const writer = new ParqueDB({ storage, random: seededRandom(1) })
  await writer.collection('items').createMany(Array.from({ length: 3000 }, (_, index) => ({ $id: idOf(index), n: 0 })))
  for (let index = 0; index < 3000; index += 100) await writer.collection('items').update(idOf(index), { $set: { n: 1 } })
  await writer.compact()
  await writer.close()
  const { backend, meter } = metered(storage)
  return { db: new ParqueDB({ storage: backend, random: seededRandom(2), graceMs: 0, ...options }), meter }
}

function idOf(index: number): string {
  return `d${String(index).padStart(5, '0')}`
}

test('what was read before is answered from memory, newest and past states alike', async () => {
  const { db, meter } = await reopened()
  const items = db.collection<{ n: number }>('items')
  for (const options of [{}, { asOf: 3000 }]) await items.get(idOf(500), options)
  const { requests } = meter
  for (let time = 0; time < 3; time++) {
    expect(await items.get(idOf(500))).toMatchObject({ $id: 'items/d00500', n: 1, version: 2 })
    expect(await items.get(idOf(500), { asOf: 3000 })).toMatchObject({ n: 0, version: 1 })
  }
  expect(meter.requests).toBe(requests)
  const mine = await items.get(idOf(500), { asOf: 3000 })
  if (mine !== undefined) mine.n = 7
  expect((await items.get(idOf(500), { asOf: 3000 }))?.n).toBe(0)
  await db.close()
})

test('a past state that one segment has takes one request', async () => {
  const { db, meter } = await reopened({ maxCachedEntities: 0, maxCachedColumnBytes: 0 })
  const items = db.collection<{ n: number }>('items')
  await items.get(idOf(0))
  await items.get(idOf(0), { asOf: 3000 })
  for (const index of [100, 1500, 2900]) {
    const { requests } = meter
    expect((await items.get(idOf(index), { asOf: 3000 }))?.n).toBe(0)
    expect(meter.requests - requests).toBe(1)
  }
  await db.close()
})

test('what memory tells follows every write, and ends with the database', async () => {
  const { db } = await reopened()
  const items = db.collection<{ n: number }>('items')
  expect((await items.get(idOf(7)))?.n).toBe(0)
  await items.update(idOf(7), { $set: { n: 5 } })
  expect((await items.get(idOf(7)))?.n).toBe(5)
  expect((await items.get(idOf(7), { asOf: 3030 }))?.n).toBe(0)
  await items.delete(idOf(7))
  expect(await items.get(idOf(7))).toBeUndefined()
  expect(await items.get(idOf(7), { includeDeleted: true })).toMatchObject({ version: 3 })
  expect((await items.get(idOf(7), { asOf: 3031 }))?.n).toBe(5)
  await db.erase(`items/${idOf(7)}`)
  expect(await items.get(idOf(7), { asOf: 3030 })).toBeUndefined()
  expect(await codeOf(() => items.get(idOf(7), { asOf: 9999 }))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(() => items.get(idOf(7), { signal: AbortSignal.abort() }))).toBe('ABORTED')
  await db.close()
  expect(await codeOf(() => items.get(idOf(100)))).toBe('CLOSED')
})
