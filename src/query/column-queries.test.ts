import fc from 'fast-check'
import { Query as MingoQuery } from 'mingo'
import { describe, expect, test } from 'vitest'
import { document, filterCase, isKnownDifference } from '../../test/filter-cases.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import type { Filter } from '../model/filter-types.ts'
import { compileFilter } from '../model/filter/compile-filter.ts'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { compareBySort, parseSort } from '../model/sort.ts'
import { systemFields } from '../model/entity-document.ts'
import { cloneDocument, type Document, type Value } from '../model/values.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'

const seed = 20_261_126

/** Fields that are columns of one type, and now and then something that only `$rest` can hold. */
function mostly(fields: Readonly<Record<'a' | 'b' | 'c', fc.Arbitrary<unknown>>>): fc.Arbitrary<Document> {
  const odd = fc.constantFrom<Value>('x', null, 7, [1, 'x'])
  const rarely = (of: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.oneof({ weight: 20, arbitrary: of }, { weight: 1, arbitrary: odd })
  return fc.record({ a: rarely(fields.a), b: rarely(fields.b), c: rarely(fields.c) }, { requiredKeys: ['a'], noNullPrototype: true }) as fc.Arbitrary<Document>
}

const numbersAndTexts = mostly({ a: fc.constantFrom(0, 1, 2, 3, 1.5, -1), b: fc.constantFrom('x', 'y', 'xy', '', 'long '.repeat(20)), c: fc.array(fc.constantFrom(0, 1, 2, 3), { maxLength: 3 }) })
const groupsAndDates = mostly({
  a: fc.record({ a: fc.constantFrom<Value>(0, 1, 2, null), b: fc.constantFrom('x', 'y', 'xy') }, { requiredKeys: ['a'], noNullPrototype: true }),
  b: fc.constantFrom(new Date(0), new Date(1000), new Date(2000)),
  c: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.boolean()),
})

interface Spread {
  readonly db: ParqueDB
  readonly expected: ReadonlyMap<string, Document>
}

/** The documents over runs of several levels, with older versions of them underneath, tombstones, and some in the log alone. */
async function spread(documents: readonly Document[]): Promise<Spread> {
  const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false } })
  const items = db.collection('items')
  const id = (index: number): string => `i${String((index * 7919) % 1000).padStart(4, '0')}`
  const expected = new Map<string, Document>()
  const third = Math.ceil(documents.length / 3)
  const write = async (index: number, own: Document): Promise<void> => {
    await items.replace(id(index), { ...own }, { upsert: true })
    expected.set(id(index), own)
  }
  for (let index = 0; index < third * 2; index++) await write(index, documents[(index + 1) % documents.length] as Document)
  await db.flush()
  for (let index = 0; index < third; index++) await write(index, documents[index] as Document)
  await db.flush()
  await db.compact()
  for (let index = third; index < third * 2; index++) await write(index, documents[index] as Document)
  await db.flush()
  for (let index = 0; index < third * 2; index += 5) {
    await items.delete(id(index))
    expected.delete(id(index))
  }
  await db.flush()
  for (let index = third * 2 - 3; index < documents.length; index++) await write(index, documents[index] as Document)
  return { db, expected: new Map([...expected].toSorted(([left], [right]) => (left < right ? -1 : 1))) }
}

function bare(entity: Document): Document {
  return Object.fromEntries(Object.entries(entity).filter(([name]) => !systemFields.has(name)))
}

describe.each([
  { name: 'of any types', arbitrary: document as fc.Arbitrary<Document>, filterCount: 300 },
  { name: 'with columns of numbers, texts and lists', arbitrary: numbersAndTexts, filterCount: 900 },
  { name: 'with groups, dates and nulls', arbitrary: groupsAndDates, filterCount: 900 },
])('documents $name, spread over runs, levels, the log and $rest', ({ name, arbitrary, filterCount }) => {
  test('are found as by the plain filter and by mingo, counted, and told apart', async () => {
    const documents = fc.sample(arbitrary, { numRuns: 90, seed })
    const { db, expected } = await spread(documents)
    const items = db.collection('items')
    let comparedCount = 0
    let assembledCount = 0
    for (const one of fc.sample(filterCase, { numRuns: filterCount, seed })) {
      const matches = compileFilter(parseFilter(one.filter))
      const wanted = [...expected].filter(([, own]) => matches(own))
      const found = (await items.find(one.filter as Filter).toArray()) as unknown as Document[]
      expect(found.map(({ $id }) => $id), JSON.stringify(one.filter)).toEqual(wanted.map(([id]) => `items/${id}`))
      expect(found.map(bare)).toEqual(wanted.map(([, own]) => own))
      expect(await items.count(one.filter as Filter)).toBe(wanted.length)
      assembledCount += (await items.explain(one.filter as Filter)).rowsAssembled
      const mingo = new MingoQuery(one.filter)
      for (const [id, own] of expected) {
        if (isKnownDifference(one, own)) continue
        comparedCount += 1
        expect(mingo.test(cloneDocument(own)), `${JSON.stringify(one.filter)} of ${JSON.stringify(own)}`).toBe(wanted.some(([other]) => other === id))
      }
    }
    expect(comparedCount).toBeGreaterThan(filterCount * 20)
    // Where there are columns, most rows of files are decided by them: those of the log are a third of all.
    if (name !== 'of any types') expect(assembledCount / filterCount).toBeLessThan(expected.size * 0.65)
    await db.close()
  }, 60_000)

  test('are sorted as by the plain order, with any limit and skip', async () => {
    const documents = fc.sample(arbitrary, { numRuns: 90, seed: seed + 1 })
    const { db, expected } = await spread(documents)
    const items = db.collection('items')
    for (const sort of [{ a: 1 }, { a: -1 }, { b: -1 }, { b: 1, a: -1 }, { 'c.a': 1 }, { c: -1 }, { $id: -1 }] as const) {
      const ordered = [...expected].map(([id, own]) => ({ $id: id, ...own })).toSorted(compareBySort(parseSort(sort)))
      for (const window of [{ limit: 1 }, { limit: 7 }, { limit: 10, skip: 5 }, { skip: 3 }, {}, { limit: 150 }]) {
        const skip = 'skip' in window ? window.skip : 0
        const wanted = ordered.slice(skip, 'limit' in window ? skip + window.limit : undefined).map(({ $id }) => `items/${$id}`)
        expect((await items.find({}, { sort, ...window }).toArray()).map(({ $id }) => $id), JSON.stringify([sort, window])).toEqual(wanted)
      }
    }
    await db.close()
  }, 60_000)

  test('have the distinct values that their documents have', async () => {
    const documents = fc.sample(arbitrary, { numRuns: 90, seed: seed + 2 })
    const { db, expected } = await spread(documents)
    const plain = new ParqueDB({ storage: new MemoryBackend() })
    await plain.collection('items').createMany([...expected].map(([id, own]) => ({ ...own, $id: id })))
    for (const path of ['a', 'b', 'c', 'c.a', 'a.0', 'version']) {
      const distinct = async (of: ParqueDB): Promise<Value[]> => of.collection('items').distinct(path, { b: { $ne: 'y' } })
      if (path !== 'version') expect(await distinct(db)).toEqual(await distinct(plain))
      else expect((await distinct(db)).length).toBeGreaterThan(1)
    }
    await plain.close()
    await db.close()
  })
})

test('bounds of numbers and dates, alone and two of a kind, are what the plain filter makes of them, to the last bit', async () => {
  const edges = [Number.NEGATIVE_INFINITY, -Number.MAX_VALUE, -1.5, -Number.MIN_VALUE, -0, 0, Number.MIN_VALUE, 1, 1 + Number.EPSILON, 2 ** 53, Number.MAX_VALUE, Number.POSITIVE_INFINITY, Number.NaN]
  const documents = edges.flatMap((x, index): Document[] => [{ x, at: new Date(index * 1000), list: [x, 1] }, { x: index % 2 === 0 ? x : null, at: new Date(index * 1000 + 1), list: [edges[index - 1] ?? 0] }])
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const items = db.collection('items')
  await items.createMany(documents.map((own, index) => ({ $id: `i${String(index).padStart(4, '0')}`, ...own })))
  await db.flush()
  await db.compact()
  const operators = ['$eq', '$gt', '$gte', '$lt', '$lte'] as const
  const conditions: Filter[] = []
  for (const [path, values] of [['x', edges], ['list', edges], ['at', [0, 999, 1000, 5001, 12_000].map((ms) => new Date(ms))]] as const) {
    for (const value of values) for (const operator of operators) conditions.push({ [path]: { [operator]: value } })
    for (const low of values) for (const high of values) conditions.push({ [path]: { $gt: low, $lte: high } }, { $and: [{ [path]: { $lt: high } }, { x: { $exists: true } }, { [path]: { $gte: low } }, { [path]: { $gt: low } }] })
  }
  for (const filter of conditions) {
    const matches = compileFilter(parseFilter(filter))
    const wanted = documents.flatMap((own, index) => (matches(own) ? [`items/i${String(index).padStart(4, '0')}`] : []))
    expect([filter, (await items.find(filter).toArray()).map(({ $id }) => $id)]).toEqual([filter, wanted])
  }
  await db.close()
})

test('sums and averages of doubles do not tell how the documents lie in files', async () => {
  const amounts = { '1': 1e16, '3': -1e16, '2': 1, '4': 0.1 }
  const sums = async (batches: readonly (readonly (keyof typeof amounts)[])[]): Promise<unknown> => {
    const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false } })
    for (const ids of batches) {
      await db.collection('c').createMany(ids.map(($id) => ({ $id, amount: amounts[$id], limit: Number.POSITIVE_INFINITY })))
      if (batches.length > 1) await db.flush()
    }
    const found = await db.collection('c').aggregate([{ $group: { _id: null, sum: { $sum: '$amount' }, avg: { $avg: '$amount' }, limit: { $sum: '$limit' } } }]).toArray()
    await db.close()
    return found
  }
  const expected = [{ _id: null, sum: 1.1, avg: 0.275, limit: Number.POSITIVE_INFINITY }]
  for (const batches of [[['1', '3', '2', '4']], [['1', '3'], ['2', '4']], [['1', '2'], ['3', '4']], [['4'], ['1', '2', '3']]] as const) expect(await sums(batches)).toEqual(expected)
})
