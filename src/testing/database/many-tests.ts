import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, failureOf, lastSeq, timeless } from './observe.ts'

interface Item {
  n: number
  even?: boolean
}

function* numbered(count: number): Generator<Item & { $id: string }> {
  for (let n = 0; n < count; n++) yield { $id: `i${String(n).padStart(6, '0')}`, n, even: n % 2 === 0 }
}

export function manyTests(test: DatabaseTest, { expect }: TestTools): void {
  test('createMany takes arrays, iterables and async iterables, and tells counts and ids', async ({ db }) => {
    const items = db.collection<Item>('items')
    expect(await items.createMany([{ n: 1 }, { n: 2 }])).toEqual({ createdCount: 2, replacedCount: 0, skippedCount: 0, repeatedCount: 0 })
    expect(await items.createMany(numbered(3), { returnIds: true })).toEqual({
      createdCount: 3,
      replacedCount: 0,
      skippedCount: 0,
      repeatedCount: 0,
      ids: ['items/i000000', 'items/i000001', 'items/i000002'],
    })
    async function* slowly(): AsyncGenerator<Item> {
      yield { n: 10 }
      await Promise.resolve()
      yield { n: 11 }
    }
    expect((await items.createMany(slowly())).createdCount).toBe(2)
    expect((await items.createMany([])).createdCount).toBe(0)
    expect(await items.count()).toBe(7)
  })

  test('a large input is committed in batches, with progress after each', async ({ db }) => {
    const items = db.collection<Item>('items')
    const progress: number[] = []
    const result = await items.createMany(numbered(2500), { onProgress: ({ createdCount }) => progress.push(createdCount) })
    expect(result.createdCount).toBe(2500)
    expect(progress).toEqual([1000, 2000, 2500])
    expect(await items.count({ even: true })).toBe(1250)
    const large = 'x'.repeat(600_000)
    const sizes: number[] = []
    await db.collection('large').createMany([{ large }, { large }, { large }], { onProgress: ({ createdCount }) => sizes.push(createdCount) })
    expect(sizes).toEqual([2, 3])
  })

  test('a failing document takes its batch with it, and those before stay', async ({ db }) => {
    const items = db.collection<Item>('items')
    const input = [...numbered(25)].map((item, index) => (index === 17 ? { ...item, n: Symbol('no') as never } : item))
    const failure = await failureOf(() => items.createMany(input, { batchSize: 10 }))
    expect(failure?.code).toBe('VALIDATION_FAILED')
    expect(failure?.details).toEqual({ path: 'n', index: 17, createdCount: 10, replacedCount: 0, skippedCount: 0, repeatedCount: 0 })
    expect(await items.count()).toBe(10)
    const conflict = await failureOf(() => items.createMany([{ $id: 'new', n: 1 }, { $id: 'i000003', n: 2 }]))
    expect(conflict?.code).toBe('ALREADY_EXISTS')
    expect(conflict?.details.index).toBe(1)
    expect(await items.exists('new')).toBe(false)
  })

  test('two documents of one id in one input meet each other', async ({ db }) => {
    const items = db.collection<Item>('items')
    expect(await codeOf(() => items.createMany([{ $id: 'a', n: 1 }, { $id: 'a', n: 2 }]))).toBe('ALREADY_EXISTS')
    expect((await items.get('a'))?.n).toBe(1)
    await items.createMany([{ $id: 'b', n: 1 }, { $id: 'b', n: 2 }], { onConflict: 'replace' })
    expect((await items.get('b'))?.n).toBe(2)
  })

  test('onConflict skips or replaces what is there', async ({ db }) => {
    const items = db.collection<Item>('items')
    await items.createMany([{ $id: 'a', n: 1 }, { $id: 'gone', n: 1 }])
    await items.delete('gone')
    const skipped = await items.createMany([{ $id: 'a', n: 2 }, { $id: 'gone', n: 2 }, { $id: 'b', n: 2 }], { onConflict: 'skip' })
    expect(skipped).toEqual({ createdCount: 2, replacedCount: 0, skippedCount: 1, repeatedCount: 0 })
    expect((await items.get('a'))?.n).toBe(1)
    const replaced = await items.createMany([{ $id: 'a', n: 3 }, { $id: 'c', n: 3 }], { onConflict: 'replace' })
    expect(replaced).toEqual({ createdCount: 1, replacedCount: 1, skippedCount: 0, repeatedCount: 0 })
    expect(timeless(await items.get('a'))).toEqual({ $id: 'items/a', version: 2, n: 3 })
  })

  test('an interrupted import goes on under its txId without doubling anything', async ({ db, reopen }) => {
    async function* broken(): AsyncGenerator<Item> {
      for (const { n } of numbered(25)) {
        if (n === 22) throw new Error('the file went away')
        yield { n }
      }
    }
    const items = db.collection<Item>('items')
    await items.createMany(broken(), { batchSize: 10, txId: 'import-1' }).then(
      () => expect('resolved').toBe('rejected'),
      (error: Error) => expect(error.message).toBe('the file went away'),
    )
    const again = (await reopen()).collection<Item>('items')
    const whole = [...numbered(25)].map(({ n }) => ({ n }))
    expect(await again.createMany(whole, { batchSize: 10, txId: 'import-1' })).toEqual({ createdCount: 5, replacedCount: 0, skippedCount: 0, repeatedCount: 20 })
    expect(await again.count()).toBe(25)
    expect((await again.distinct('n')).length).toBe(25)
  })

  test('an aborted createMany stops between batches and keeps what was committed', async ({ db }) => {
    const items = db.collection<Item>('items')
    const controller = new AbortController()
    const onProgress = (): void => controller.abort()
    expect(await codeOf(() => items.createMany(numbered(5000), { batchSize: 10, signal: controller.signal, onProgress }))).toBe('ABORTED')
    const count = await items.count()
    expect(count % 10).toBe(0)
    expect(count >= 10 && count < 5000).toBe(true)
  })

  test('updateMany counts what it matched and what it changed', async ({ db }) => {
    const items = db.collection<Item>('items')
    await items.createMany(numbered(2500))
    expect(await items.updateMany({ even: true }, { $set: { n: 0 } }, { actor: 'ada' })).toEqual({ matchedCount: 1250, modifiedCount: 1249 })
    expect(await items.count({ n: 0 })).toBe(1250)
    expect(await items.count({ updatedBy: 'ada' })).toBe(1249)
    expect(await items.updateMany({ n: -1 }, { $set: { n: 0 } })).toEqual({ matchedCount: 0, modifiedCount: 0 })
  })

  test('updateMany changes each entity once, though the update moves it into the filter again', async ({ db }) => {
    const items = db.collection<Item>('items')
    await items.createMany(numbered(1500))
    await items.updateMany({}, { $inc: { n: 1 } })
    expect(await items.count({ version: 2 })).toBe(1500)
  })

  test('deleteMany deletes what the filter finds', async ({ db }) => {
    const items = db.collection<Item>('items')
    await items.createMany(numbered(1200))
    expect(await items.deleteMany({ n: { $lt: 1100 } })).toEqual({ deletedCount: 1100 })
    expect(await items.count()).toBe(100)
    expect(await items.count({}, { includeDeleted: true })).toBe(1200)
    expect(await items.deleteMany({})).toEqual({ deletedCount: 100 })
    expect(await items.deleteMany({})).toEqual({ deletedCount: 0 })
    expect(await lastSeq(db)).toBe(2400)
  })

  test('an update that fails for one entity changes none of its commit', async ({ db }) => {
    const items = db.collection('items')
    await items.createMany([{ $id: 'a', n: 1 }, { $id: 'b', n: 'text' }, { $id: 'c', n: 1 }])
    expect(await codeOf(() => items.updateMany({}, { $inc: { n: 1 } }))).toBe('INVALID_UPDATE')
    expect(await items.distinct('n')).toEqual([1, 'text'])
  })
}
