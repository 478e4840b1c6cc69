import fc from 'fast-check'
import { Aggregator } from 'mingo'
import { beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB } from '../../db/ParqueDB.ts'
import type { Document, Value } from '../../model/values.ts'
import { MemoryBackend } from '../../storage/backends/MemoryBackend.ts'

const seed = 20_261_127

const item = fc.record(
  {
    n: fc.oneof({ weight: 8, arbitrary: fc.constantFrom<Value>(0, 1, 2, 3.5, -1) }, { weight: 1, arbitrary: fc.constantFrom<Value>('x', null) }),
    kind: fc.constantFrom<Value>('red', 'green', 'blue', ''),
    on: fc.boolean(),
    at: fc.constantFrom(new Date(0), new Date(86_400_000 * 400)),
    tags: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
    deep: fc.record({ a: fc.constantFrom<Value>(1, 2), b: fc.constantFrom<Value>('x', 'y') }, { requiredKeys: [], noNullPrototype: true }),
    ref: fc.constantFrom('k1', 'k2', 'k9'),
  },
  { requiredKeys: ['kind', 'n', 'tags', 'deep'], noNullPrototype: true },
) as fc.Arbitrary<Document>

const path = fc.constantFrom('$n', '$kind', '$on', '$deep.a', '$deep.b', '$at')
const numberPath = fc.constantFrom('$deep.a', '$none', '$on')
const expression: fc.Arbitrary<unknown> = fc.oneof(
  path,
  fc.constantFrom<unknown>({ $concat: ['$kind', '-', { $toUpper: { $ifNull: ['$ref', ''] } }] }, { $add: ['$deep.a', 1, 2] }, { $multiply: ['$deep.a', '$deep.a'] }, { $subtract: [10, '$deep.a'] }, { $cond: ['$on', 'yes', { $literal: '$no' }] }),
  fc.constantFrom<unknown>({ $ifNull: ['$deep.b', '$ref', 'none'] }, { $size: { $ifNull: ['$tags', []] } }, { $gte: ['$deep.a', 2] }, { $and: ['$on', { $eq: ['$kind', 'red'] }] }, { $or: ['$on', false] }, { $not: ['$on'] }, { $year: { $ifNull: ['$at', new Date(0)] } }),
  fc.constantFrom<unknown>(JSON.parse('{"$switch":{"branches":[{"case":{"$eq":["$kind","red"]},"then":1},{"case":"$on","then":2}],"default":3}}'), { $arrayElemAt: ['$tags', 0] }, { $in: ['a', '$tags'] }, { a: '$kind', b: { c: '$on' } }, { $mod: [{ $ifNull: ['$deep.a', 1] }, 2] }, { $strLenCP: { $ifNull: ['$kind', ''] } }),
)
const accumulator = fc.oneof(
  numberPath.map((of) => ({ $sum: of })),
  fc.constant({ $sum: 1 }),
  fc.constant({ $count: {} }),
  fc.constant({ $avg: '$deep.a' }),
  path.map((of) => ({ $min: of })),
  path.map((of) => ({ $max: of })),
  fc.constant({ $first: '$kind' }),
  fc.constant({ $last: '$kind' }),
  fc.constant({ $push: { $ifNull: ['$kind', 'none'] } }),
  fc.constant({ $addToSet: { $ifNull: ['$kind', 'none'] } }),
  fc.constant({ $stdDevPop: '$deep.a' }),
)
const match = fc.constantFrom<object>({ n: { $gte: 1 } }, { kind: 'red' }, { on: true }, { tags: 'a' }, { 'deep.a': { $exists: true } }, { kind: { $in: ['red', 'blue'] } })
const stage: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  match.map(($match) => ({ $match })),
  fc.tuple(fc.oneof(path, fc.constant(null), fc.constant({ k: '$kind', o: '$on' }), expression), accumulator, accumulator).map(([_id, x, y]) => ({ $group: { _id, x, y } })),
  expression.map((made) => ({ $addFields: { made } })),
  expression.map((made) => ({ $addFields: { 'deep.made': made, kind: '$$REMOVE' } })),
  expression.map((made) => ({ $project: { kind: 1, made } })),
  fc.constantFrom<Record<string, unknown>>({ $project: { kind: 1, 'deep.a': 1 } }, { $project: { tags: 0, deep: 0 } }, { $unwind: '$tags' }, { $unwind: { path: '$tags', includeArrayIndex: 'place', preserveNullAndEmptyArrays: true } }),
  fc.constantFrom<Record<string, unknown>>({ $sort: { 'deep.a': -1, $id: 1 } }, { $sort: { kind: 1, $id: -1 } }, { $skip: 3 }, { $limit: 20 }, { $count: 'found' }, { $sortByCount: '$kind' }),
  fc.constantFrom<Record<string, unknown>>({ $facet: { few: [{ $match: { on: true } }, { $group: { _id: null, n: { $sum: 1 } } }], kinds: [{ $group: { _id: '$kind', n: { $sum: 1 } } }] } }),
)

/**
 * Groups and sets have no order of their own; equal counts may stand in any. mingo gives NaN for the null that is $stdDevPop of nothing, and leaves out
 * the empty object that MongoDB makes for a dotted field without a value.
 */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable).toSorted((left, right) => (text(left) < text(right) ? -1 : 1))
  if (typeof value === 'number') return Number.isNaN(value) ? null : Number(value.toPrecision(12))
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inside]) => [name, comparable(inside)] as const)
      .filter(([, inside]) => inside !== null && inside !== undefined && text(inside) !== '{}')
      .toSorted(([left], [right]) => (left < right ? -1 : 1)),
  )
}

/** mingo's documents have their id in `_id`, and its expressions no name that begins with '$'. */
function renamed({ $id, ...document }: Document): Document {
  return $id === undefined || document['_id'] !== undefined ? document : { _id: $id, ...document }
}

function withUnderscore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnderscore)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name === '$id' ? '_id' : name, withUnderscore(inside)]))
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? ''
}

describe('pipelines', () => {
  const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false } })
  const items = db.collection('items')
  let documents: Document[] = []

  beforeAll(async () => {
    const own = fc.sample(item, { numRuns: 120, seed })
    for (const [index, document] of own.entries()) {
      await items.replace(`i${String((index * 37) % 120).padStart(3, '0')}`, { ...document }, { upsert: true })
      if (index === 50 || index === 90) await db.flush()
    }
    await items.update('i000', { $set: { kind: 'red' } })
    await db.collection('kinds').createMany([{ $id: 'k1', of: 'red', many: [1, 2] }, { $id: 'k2', of: ['blue', 'green'] }, { $id: 'k3' }])
    documents = (await items.find().toArray()) as unknown as Document[]
  })

  test('agree with mingo on generated stages', async () => {
    let comparedCount = 0
    for (const pipeline of fc.sample(fc.array(stage, { minLength: 1, maxLength: 4 }), { numRuns: 600, seed })) {
      // After a window over rows whose order is open, anything may be left.
      const names = pipeline.map((one) => Object.keys(one)[0] ?? '')
      const groups = names.findIndex((name) => ['$group', '$sortByCount', '$facet', '$unwind'].includes(name))
      if (groups >= 0 && names.slice(groups + 1).some((name) => ['$skip', '$limit', '$group', '$bucket'].includes(name))) continue
      const theirs = outcome(() => new Aggregator(withUnderscore(pipeline) as never).run(structuredClone(documents.map(renamed)) as never) as unknown as Document[])
      const ours = await items.aggregate(pipeline).toArray().catch((error: unknown) => error as Error)
      if (theirs instanceof Error || ours instanceof Error) {
        expect([ours instanceof Error, theirs instanceof Error], text([pipeline, ours, theirs])).toEqual([true, true])
        continue
      }
      comparedCount += 1
      expect(comparable(ours.map(renamed)), text(pipeline as never)).toEqual(comparable(theirs))
    }
    expect(comparedCount).toBeGreaterThan(250)
  }, 60_000)

  test('look documents of another collection up, by id and by values in lists', async () => {
    const byId = await items.aggregate([{ $match: { $id: { $in: ['i000', 'i001'] } } }, { $addFields: { key: { $concat: ['kinds/', { $ifNull: ['$ref', 'k1'] }] } } }, { $lookup: { from: 'kinds', localField: 'key', foreignField: '$id', as: 'found' } }]).toArray()
    for (const { key, found } of byId) expect((found as Document[]).map(({ $id }) => $id)).toEqual(key === 'kinds/k9' ? [] : [key])
    const byValue = await db.collection('kinds').aggregate([{ $lookup: { from: 'kinds', localField: 'of', foreignField: 'of', as: 'same' } }, { $project: { same: '$same.$id' } }]).toArray()
    expect(byValue).toEqual([
      { $id: 'kinds/k1', same: ['kinds/k1'] },
      { $id: 'kinds/k2', same: ['kinds/k2'] },
      { $id: 'kinds/k3', same: ['kinds/k3'] },
    ])
  })

  test('put values into buckets', async () => {
    const bucket = { groupBy: '$many', boundaries: [0, 2, 4], output: { count: { $sum: 1 } } }
    expect(await db.collection('kinds').aggregate([{ $unwind: '$many' }, { $bucket: bucket }]).toArray()).toEqual([{ _id: 0, count: 1 }, { _id: 2, count: 1 }])
    await expect(db.collection('kinds').aggregate([{ $bucket: bucket }]).toArray()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { stage: '$bucket' } })
    expect(await db.collection('kinds').aggregate([{ $bucket: { ...bucket, default: 'none' } }]).toArray()).toContainEqual({ _id: 'none', count: 3 })
  })

  test('take a sample of the size that is asked for, without repeats', async () => {
    const sample = await items.aggregate([{ $sample: { size: 20 } }]).toArray()
    expect([sample.length, new Set(sample.map(({ $id }) => $id)).size]).toEqual([20, 20])
    expect((await items.aggregate([{ $sample: { size: 500 } }]).toArray()).length).toBe(120)
  })

  test('keep bigints exact, and numbers and bigints that are equal in one group', async () => {
    const sums = db.collection('sums')
    await sums.createMany([{ k: 1, v: 2n ** 60n }, { k: 1n, v: 1n }, { k: 2, v: 1n }, { k: 2, v: 0.5 }])
    const wanted = [{ _id: 1, total: 2n ** 60n + 1n }, { _id: 2, total: 1.5 }]
    const ask = async (): Promise<unknown> => (await sums.aggregate([{ $group: { _id: '$k', total: { $sum: '$v' } } }, { $sort: { _id: 1 } }]).toArray()).map(({ _id, total }) => ({ _id: Number(_id), total }))
    expect(await ask()).toEqual(wanted)
    await db.flush()
    expect(await ask()).toEqual(wanted)
  })

  test.each<[string, Value[], Value[], Value[]]>([
    ['zeros', [0, -0, 0, -0], [0], [0]],
    ['a zero that is negative', [-0], [0], [0]],
    ['a bigint and a number', [5n, 5, 6n], [5, 6n], [5, 6n]],
    ['numbers in an object', [{ a: 5 }, { a: 5n }, { a: 6n }], [{ a: 5 }, { a: 6n }], [{ a: 5 }, { a: 6n }]],
    ['numbers in lists', [[0], [-0], [[2n ** 60n]], [[2 ** 60]]], [[0], [[2 ** 60]]], [0, [2 ** 60]]],
    ['texts that look like others', ['5', 5, 'number5', null, 'null'], [null, 5, '5', 'null', 'number5'], [null, 5, '5', 'null', 'number5']],
  ])('of %s those that filters take for equal are one group, and one value, before and after a flush', async (name, values, groups, different) => {
    const things = db.collection(`equal-${name.replaceAll(' ', '-')}`)
    await things.createMany(values.map((v, index) => ({ $id: `t${index}`, v, w: 'x', y: { z: v } })))
    const ask = async (_id: unknown): Promise<unknown[]> => (await things.aggregate([{ $group: { _id, n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray()).map((group) => group['_id'])
    for (const when of ['before', 'after']) {
      expect(await ask('$v'), when).toEqual(groups)
      expect(await ask('$y.z'), when).toEqual(groups)
      expect(await ask({ a: '$v' }), when).toEqual(groups.map((a) => ({ a })))
      expect(await ask({ a: '$v', b: '$w' }), when).toEqual(groups.map((a) => ({ a, b: 'x' })))
      expect(await ask(['$v']), when).toEqual(groups.map((a) => [a]))
      expect(await things.distinct('v'), when).toEqual(different)
      expect(await things.aggregate([{ $group: { _id: null, all: { $addToSet: '$v' } } }, { $unwind: '$all' }, { $sort: { all: 1 } }]).toArray(), when).toEqual(groups.map((all) => ({ _id: null, all })))
      await db.flush()
    }
  })

  test.each<[object, Value]>([
    [{ $mod: ['$v', 10n] }, 7n],
    [{ $mod: [{ $subtract: [0n, '$v'] }, 10n] }, -7n],
    [{ $mod: ['$v', 10] }, 8],
    [{ $round: '$v' }, 2n ** 63n - 1n],
    [{ $round: ['$v', 3] }, 2n ** 63n - 1n],
    [{ $round: ['$v', -3n] }, 9223372036854776000],
    [{ $round: [25n, -1] }, 20n],
    [{ $round: [-35n, -1] }, -40n],
    [{ $round: [-26n, -1] }, -30n],
    [{ $round: [49n, -2] }, 0n],
    [{ $round: [1250, -2] }, 1200],
    [{ $pow: [3n, 39n] }, 4052555153018976267n],
    [{ $pow: [-2n, 63n] }, -(2n ** 63n)],
    [{ $pow: [2n, 63n] }, 2 ** 63],
    [{ $pow: [2n, -1n] }, 0.5],
    [{ $pow: [-1n, '$v'] }, -1n],
    [{ $pow: [3n, '$v'] }, Infinity],
  ])('%o is exact', async (expression, made) => {
    const longs = db.collection('longs')
    await longs.replace('v', { v: 2n ** 63n - 1n }, { upsert: true })
    expect(await longs.aggregate([{ $project: { $id: 0, made: expression } }]).toArray()).toEqual([{ made }])
  })

  test.each<[string, object[]]>([
    ['a literal', [{ $addFields: { a: { $literal: { n: 1 } }, b: [new Date(0)] } }]],
    ['a field twice', [{ $project: { a: '$o', b: '$o', c: ['$o'] } }]],
    ['the document in itself', [{ $addFields: { a: '$$ROOT' } }]],
    ['a field of elements', [{ $addFields: { 'list.made': '$o' } }]],
    ['what is looked up', [{ $lookup: { from: 'owned', localField: 'k', foreignField: 'k', as: 'L' } }]],
    ['what is looked up and unwound', [{ $lookup: { from: 'owned', localField: 'k', foreignField: 'k', as: 'L' } }, { $unwind: '$L' }]],
    ['by edges', [{ $addFields: { both: [1, 2] } }, { $unwind: '$both' }, { $lookup: { relationship: 'to', as: 'L' } }]],
    ['unwound', [{ $unwind: '$list' }]],
    ['facets', [{ $facet: { a: [], b: [{ $match: {} }], c: [{ $unwind: '$list' }] } }]],
    ['a group', [{ $group: { _id: '$o', a: { $push: '$$ROOT' }, b: { $addToSet: '$o' }, c: { $first: '$o' }, d: { $last: '$$ROOT' }, e: { $min: '$o' } } }]],
    ['a bucket', [{ $bucket: { groupBy: '$o', boundaries: [{}, { n: 9 }], output: { a: { $push: { $literal: { n: 1 } } } } } }]],
  ])('share nothing: %s', async (_name, pipeline) => {
    const literals = structuredClone(pipeline)
    const owned = db.collection('owned')
    if ((await owned.count()) === 0) {
      await owned.createMany(Array.from({ length: 3 }, (_, n) => ({ $id: `o${n}`, k: 1, o: { n: 1, at: new Date(1) }, list: [{ n: 1 }, { n: 2 }] })))
      for (const id of ['o0', 'o1']) await owned.link(id, 'to', 'owned/o2')
    }
    const results = await owned.aggregate(pipeline).toArray()
    const seen = new Set<unknown>()
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(seen.has(value), text(value)).toBe(false)
      seen.add(value)
      Object.values(value).forEach(visit)
    }
    visit(results)
    expect(seen.size).toBeGreaterThan(3)
    visit(pipeline)
    expect(pipeline).toEqual(literals)
    visit(await owned.aggregate(pipeline).toArray())
  })

  test('see the past, and a transaction its own writes', async () => {
    const { lastSeq } = await db.stats()
    const count = (of: typeof items, options?: object): Promise<unknown> => of.aggregate([{ $match: { kind: 'red' } }, { $count: 'red' }], options).toArray()
    const [before] = (await count(items)) as [{ red: number }]
    await db.transaction(async (tx) => {
      await tx.collection('items').create({ kind: 'red' })
      expect(await count(tx.collection('items'))).toEqual([{ red: before.red + 1 }])
    })
    expect(await count(items)).toEqual([{ red: before.red + 1 }])
    expect(await count(items, { asOf: lastSeq })).toEqual([before])
  })

  test('that hold too much are LIMIT_EXCEEDED', async () => {
    const storage = new MemoryBackend()
    const small = new ParqueDB({ storage, limits: { sortDocumentsMax: 5 } })
    await small.collection('a').createMany(Array.from({ length: 10 }, (_, n) => ({ n })))
    // From the log, and from columns.
    for (const round of [1, 2]) {
      for (const stages of [[{ $group: { _id: '$n' } }], [{ $group: { _id: null, all: { $push: '$n' } } }], [{ $group: { _id: null, all: { $addToSet: '$n' } } }], [{ $addFields: { m: 1 } }, { $sort: { n: 1 } }], [{ $facet: { a: [] } }]]) {
        await expect(small.collection('a').aggregate(stages).toArray(), `${round}`).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 'sortDocumentsMax', most: 5 } })
      }
      await small.flush()
    }
    expect((await small.collection('a').aggregate([{ $sort: { n: -1 } }, { $limit: 1 }]).toArray()).map(({ n }) => n)).toEqual([9])
    await small.close()
  })

  test.each([
    [{}, 'aggregate', ''],
    [[{ $nope: 1 }], '$nope', ''],
    [[{ $match: {}, $sort: {} }], '$match', ''],
    [[{ $group: { total: { $sum: 1 } } }], '$group', ''],
    [[{ $group: { _id: null, total: { $median: '$n' } } }], '$group', 'total'],
    [[{ $group: { _id: { $nope: 1 } } }], '$group $nope', '_id'],
    [[{ $project: { a: { $add: ['$n', { $nope: 1 }] } } }], '$project $nope', 'a'],
    [[{ $addFields: { a: { $cond: [1, 2] } } }], '$addFields $cond', 'a'],
    [[{ $addFields: { a: '$$now' } }], '$addFields', 'a'],
    [[{ $addFields: { a: { $abs: [1, 2] } } }], '$addFields $abs', 'a'],
    [[{ $limit: 0 }], '$limit', ''],
    [[{ $sample: { size: 'x' } }], '$sample', ''],
    [[{ $unwind: 'tags' }], '$unwind', ''],
    [[{ $lookup: { from: 'x' } }], '$lookup', ''],
    [[{ $lookup: { relationship: 'x', as: 'y', foreignField: 'z' } }], '$lookup', ''],
    [[{ $lookup: { relationship: 'x', as: 'y', direction: 'up' } }], '$lookup', 'direction'],
    [[{ $bucket: { groupBy: '$n', boundaries: [2, 1] } }], '$bucket', 'boundaries'],
    [[{ $facet: { a: [{ $nope: 1 }] } }], '$nope', ''],
    [[{ $count: '$x' }], '$count', ''],
    [[{ $count: '__proto__' }], '$count', ''],
    [[{ $addFields: { a: { $switch: { branches: [JSON.parse('{"case":true,"thenn":1}')] } } } }], '$addFields $switch', 'a'],
    [[{ $addFields: { a: { $switch: { branches: [JSON.parse('{"case":true,"then":1,"else":1}')] } } } }], '$addFields $switch', 'a'],
    [[{ $addFields: { a: { $switch: { branches: [JSON.parse('{"case":true,"then":1}')], defalt: 1 } } } }], '$addFields $switch', 'a'],
    [[{ $addFields: { a: { $cond: JSON.parse('{"if":1,"then":2,"else":3,"esle":3}') } } }], '$addFields $cond', 'a'],
    [[{ $addFields: { a: { $cond: [1, 2, 3, 4] } } }], '$addFields $cond', 'a'],
    [[{ $addFields: { a: { $ifNull: [] } } }], '$addFields $ifNull', 'a'],
    [[{ $addFields: { a: { $dateToString: { date: '$at', formaat: '%Y' } } } }], '$addFields $dateToString', 'a'],
    [[{ $addFields: { a: { $literal: () => 1 } } }], '$addFields $literal', 'a'],
    [[{ $addFields: { a: { $literal: undefined } } }], '$addFields $literal', 'a'],
    [[{ $addFields: { a: { $literal: { b: [2n ** 64n] } } } }], '$addFields $literal', 'a.b.0'],
    [[{ $addFields: { a: { $concat: ['\ud800'] } } }], '$addFields', 'a'],
    [[{ $addFields: { a: new Date(Number.NaN) } }], '$addFields', 'a'],
    [[{ $addFields: { a: { $ifNull: ['$n', JSON.parse('{"__proto__":1}')] } } }], '$addFields', 'a'],
    [[{ $addFields: JSON.parse('{"__proto__":1}') }], '$addFields', '__proto__'],
    [[{ $addFields: { a: '$b..c' } }], '$addFields', 'b..c'],
    [[{ $addFields: { a: '$' } }], '$addFields', ''],
    [[{ $addFields: { a: '$$ROOT.' } }], '$addFields', ''],
    [[{ $addFields: { a: 1, 'a.b': 2 } }], '$addFields', 'a.b'],
    [[{ $addFields: { a: { b: '$n' }, 'a.b': '$n' } }], '$addFields', 'a.b'],
    [[{ $project: { 'a.b.c': '$n', a: 1 } }], '$project', 'a.b.c'],
    [[{ $lookup: { from: 'x', localField: '$a', foreignField: 'b', as: 'c' } }], '$lookup', '$a'],
    [[{ $lookup: { from: 'x', localField: 'a', foreignField: '$b', as: 'c' } }], '$lookup', '$b'],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, 'a'] } }], '$bucket', 'boundaries'],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, 5], default: 3 } }], '$bucket', 'default'],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, 1], outputt: {} } }], '$bucket', ''],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, undefined] } }], '$bucket', 'boundaries'],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, () => 1] } }], '$bucket', 'boundaries'],
    [[{ $bucket: { groupBy: '$n', boundaries: [0, 1], default: Symbol('x') } }], '$bucket', 'default'],
    [[{ $sample: { size: 1, sise: 1 } }], '$sample', ''],
    [[{ $unwind: { path: '$tags', preserveNullAndEmptyArrays: 'yes' } }], '$unwind', ''],
    [[{ $unwind: { path: '$tags', includeArrayIndex: '$i' } }], '$unwind', ''],
    [[{ $group: { _id: null, n: { $count: 5 } } }], '$group $count', 'n'],
    [[{ $group: { _id: JSON.parse('{"__proto__":"$n"}') } }], '$group', '_id'],
    [[{ $group: JSON.parse('{"_id":null,"__proto__":{"$sum":1}}') }], '$group', '__proto__'],
    [[{ $facet: JSON.parse('{"__proto__":[]}') }], '$facet', ''],
    [[{ $lookup: { from: 'x', localField: 'a', foreignField: 'b', as: 'c', on: 'd' } }], '$lookup', ''],
  ])('%o is refused at once, with its stage and path', (pipeline, stage, path) => {
    expect(() => items.aggregate(pipeline as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { option: 'pipeline', stage, path } }))
  })

  test('the path of distinct is no expression', async () => {
    await expect(items.distinct('$kind')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { path: '$kind' } })
  })

  test.each([{ $sqrt: -1 }, { $pow: [0, -1] }, { $pow: [0n, -1n] }, { $round: [12, 0.5] }, { $arrayElemAt: ['$tags', 0.5] }, { $substrCP: ['$kind', -1, 1] }, { $substrCP: ['$kind', 0, -1] }, { $substrCP: ['$kind', 0.5, 1] }])('%o is refused', async (expression) => {
    const [operator] = Object.keys(expression)
    await expect(items.aggregate([{ $addFields: { a: expression } }]).toArray()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { option: 'pipeline', stage: `$addFields ${operator}`, path: 'a' } })
  })

  test('the names of an entity may stand in an object that is made', async () => {
    const [first] = await items.aggregate([{ $match: { $id: 'i000' } }, { $project: { $id: 0, of: { $mergeObjects: [{ $id: '$$id' }, { 'a.b': 1 }] } } }]).toArray()
    expect(first).toEqual({ of: { $id: 'items/i000', 'a.b': 1 } })
  })

  function outcome<T>(run: () => T): T | Error {
    try {
      return run()
    } catch (error) {
      return error as Error
    }
  }
})
