import type { Database } from '../../model/database.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, failureOf, lastSeq } from './observe.ts'

/** Calls that TypeScript would refuse, as JavaScript makes them. */
// oxlint-disable-next-line typescript/no-explicit-any -- the point is to pass what the types forbid
type Loose = Record<string, (...given: unknown[]) => any>

const loose = (db: Database): Loose => db.collection('a') as unknown as Loose
const call = (target: Loose, name: string, ...given: unknown[]): unknown => target[name]?.(...given)
/** Runs what find and history give. */
const run = async (cursor: unknown): Promise<unknown> => (cursor as { toArray(): Promise<unknown> }).toArray()

export function refusalTests(test: DatabaseTest, { expect }: TestTools): void {
  test('an unknown option is INVALID_ARGUMENT on every method, and changes nothing', async ({ db }) => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    const before = await lastSeq(db)
    const a = loose(db)
    const bad = { upsrt: true }
    const calls: [string, () => unknown][] = [
      ['create', () => call(a, 'create', { n: 1 }, bad)],
      ['createMany', () => call(a, 'createMany', [{ n: 1 }], bad)],
      ['get', () => call(a, 'get', 'x', bad)],
      ['getMany', () => call(a, 'getMany', ['x'], bad)],
      ['find', () => call(a, 'find', {}, bad)],
      ['findOne', () => call(a, 'findOne', {}, bad)],
      ['count', () => call(a, 'count', {}, bad)],
      ['exists', () => call(a, 'exists', 'x', bad)],
      ['distinct', () => call(a, 'distinct', 'n', {}, bad)],
      ['explain', () => call(a, 'explain', {}, bad)],
      ['update', () => call(a, 'update', 'x', { $set: { n: 2 } }, bad)],
      ['updateMany', () => call(a, 'updateMany', {}, { $set: { n: 2 } }, bad)],
      ['replace', () => call(a, 'replace', 'x', { n: 2 }, bad)],
      ['upsert', () => call(a, 'upsert', 'y', { $set: { n: 2 } }, bad)],
      ['findOneAndUpdate', () => call(a, 'findOneAndUpdate', {}, { $set: { n: 2 } }, bad)],
      ['delete', () => call(a, 'delete', 'x', bad)],
      ['deleteMany', () => call(a, 'deleteMany', {}, bad)],
      ['restore', () => call(a, 'restore', 'x', bad)],
      ['history', () => call(a, 'history', 'x', bad)],
      ['revert', () => call(a, 'revert', 'x', { version: 1, ...bad })],
      ['transaction', () => db.transaction(async () => undefined, bad as never)],
      ['events', () => db.events(bad as never)],
      ['subscribe', () => db.subscribe(bad as never)],
      ['collections', () => db.collections(bad as never)],
      ['compact', () => db.compact(bad as never)],
      ['verify', () => db.verify(bad as never)],
    ]
    for (const [method, attempt] of calls) {
      const failure = await failureOf(attempt)
      expect([method, failure?.code, failure?.details.option]).toEqual([method, 'INVALID_ARGUMENT', 'upsrt'])
    }
    expect(await codeOf(() => call(a, 'find', {}, 'options'))).toBe('INVALID_ARGUMENT')
    expect(await lastSeq(db)).toBe(before)
    expect(await db.collection('a').count({ n: 1 })).toBe(1)
  })

  test('an option of a wrong kind is INVALID_ARGUMENT and names itself', async ({ db }) => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    const a = loose(db)
    const calls: [string, () => unknown][] = [
      ['limit', () => call(a, 'find', {}, { limit: 0 })],
      ['limit', () => call(a, 'find', {}, { limit: 1.5 })],
      ['limit', () => call(a, 'find', {}, { limit: '10' })],
      ['skip', () => call(a, 'find', {}, { skip: -1 })],
      ['sort', () => call(a, 'find', {}, { sort: { n: 2 } })],
      ['sort', () => call(a, 'find', {}, { sort: 'n' })],
      ['project', () => call(a, 'find', {}, { project: { a: 1, b: 0 } })],
      ['includeDeleted', () => call(a, 'find', {}, { includeDeleted: 'yes' })],
      ['includeDeleted', () => call(a, 'get', 'x', { includeDeleted: 1 })],
      ['cursor', () => call(a, 'find', {}, { cursor: 5 })],
      ['signal', () => call(a, 'find', {}, { signal: true })],
      ['asOf', () => call(a, 'get', 'x', { asOf: 'yesterday' })],
      ['asOf', () => call(a, 'get', 'x', { asOf: '2026-02-30' })],
      ['asOf', () => call(a, 'get', 'x', { asOf: '2026-03-01T12:00:00' })],
      ['asOf', () => call(a, 'get', 'x', { asOf: -1 })],
      ['asOf', () => call(a, 'get', 'x', { asOf: 1.5 })],
      ['asOf', () => call(a, 'get', 'x', { asOf: new Date(Number.NaN) })],
      ['asOf', () => call(a, 'get', 'x', { asOf: null })],
      ['actor', () => call(a, 'create', { n: 1 }, { actor: '' })],
      ['actor', () => call(a, 'create', { n: 1 }, { actor: 7 })],
      ['txId', () => call(a, 'create', { n: 1 }, { txId: 'x'.repeat(300) })],
      ['expectedVersion', () => call(a, 'update', 'x', { $set: { n: 1 } }, { expectedVersion: 0 })],
      ['expectedVersion', () => call(a, 'update', 'x', { $set: { n: 1 } }, { expectedVersion: '1' })],
      ['upsert', () => call(a, 'replace', 'x', { n: 1 }, { upsert: 1 })],
      ['returnDocument', () => call(a, 'findOneAndUpdate', {}, { $set: { n: 1 } }, { returnDocument: 'new' })],
      ['batchSize', () => call(a, 'createMany', [], { batchSize: 5000 })],
      ['onConflict', () => call(a, 'createMany', [], { onConflict: 'ignore' })],
      ['onProgress', () => call(a, 'createMany', [], { onProgress: true })],
      ['returnIds', () => call(a, 'createMany', [], { returnIds: 'all' })],
      ['reverse', () => call(a, 'history', 'x', { reverse: 1 })],
      ['from', () => call(a, 'history', 'x', { from: 'then' })],
      ['fromSeq', () => db.subscribe({ fromSeq: 0 })],
      ['toSeq', () => db.events({ toSeq: -1 })],
      ['from', () => db.events({ from: 5 as never })],
      ['op', () => db.events({ op: 'PATCH' as never })],
      ['retries', () => db.transaction(async () => undefined, { retries: -1 })],
      ['deep', () => db.verify({ deep: 1 as never })],
    ]
    for (const [option, attempt] of calls) {
      const failure = await failureOf(attempt)
      expect([option, failure?.code, failure?.details.option]).toEqual([option, 'INVALID_ARGUMENT', option])
    }
    expect((await failureOf(() => db.collection('a').get('x', { asOf: 2 })))?.details).toEqual({ seq: 2, newestSeq: 1 })
    expect(await codeOf(() => db.collection('a').find({}, { asOf: 2 }).toArray())).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => call(a, 'create', { n: 1 }, { metadata: 'text' }))).toBe('VALIDATION_FAILED')
    expect(await lastSeq(db)).toBe(1)
  })

  test('an argument of a wrong kind is refused', async ({ db }) => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    const a = loose(db)
    const calls: [string, () => unknown][] = [
      ['INVALID_ARGUMENT', () => db.collection('')],
      ['INVALID_ARGUMENT', () => db.collection('a/b')],
      ['INVALID_ARGUMENT', () => db.collection('$x')],
      ['INVALID_ARGUMENT', () => db.collection(5 as never)],
      ['INVALID_ARGUMENT', () => call(a, 'get', '')],
      ['INVALID_ARGUMENT', () => call(a, 'get', 5)],
      ['INVALID_ARGUMENT', () => call(a, 'get', 'x'.repeat(2000))],
      ['INVALID_ARGUMENT', () => call(a, 'get', '\ud800')],
      ['INVALID_ARGUMENT', () => call(a, 'getMany', 'x')],
      ['INVALID_ARGUMENT', () => call(a, 'create', { $id: 5 })],
      ['INVALID_ARGUMENT', () => call(a, 'createMany', 'text')],
      ['INVALID_ARGUMENT', () => call(a, 'createMany', { n: 1 })],
      ['INVALID_ARGUMENT', () => call(a, 'updateMany')],
      ['INVALID_ARGUMENT', () => call(a, 'deleteMany')],
      ['INVALID_ARGUMENT', () => call(a, 'findOneAndUpdate')],
      ['INVALID_ARGUMENT', () => call(a, 'distinct', 5)],
      ['INVALID_ARGUMENT', () => call(a, 'distinct', 'a..b')],
      ...['', '.', '..'].flatMap((name): [string, () => unknown][] => [
        ['INVALID_ARGUMENT', () => call(a, 'countRelated', 'x', name)],
        ['INVALID_ARGUMENT', () => call(a, 'related', 'x', name)],
      ]),
      ['INVALID_ARGUMENT', () => call(a, 'diff', 'x')],
      ['INVALID_ARGUMENT', () => call(a, 'diff', 'x', { seq: 1 })],
      ['INVALID_ARGUMENT', () => call(a, 'diff', 'x', { version: 1, asOf: 1 })],
      ['INVALID_ARGUMENT', () => call(a, 'diff', 'x', { version: 0 })],
      ['INVALID_ARGUMENT', () => call(a, 'revert', 'x')],
      ['INVALID_ARGUMENT', () => call(a, 'revert', 'x', { version: 1, asOf: 1 })],
      ['INVALID_ARGUMENT', () => db.transaction('work' as never)],
      ['INVALID_FILTER', () => call(a, 'find', 'text')],
      ['INVALID_FILTER', () => call(a, 'find', { n: { $near: 1 } })],
      ['INVALID_FILTER', () => call(a, 'find', { $where: () => true })],
      ['INVALID_FILTER', () => call(a, 'count', { n: { $gt: 1, $foo: 2 } })],
      ['INVALID_FILTER', () => call(a, 'deleteMany', { $or: [] })],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { n: 1 })],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $sett: { n: 1 } })],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $set: { version: 7 } })],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $push: { n: 1 } })],
      ['INVALID_UPDATE', () => call(a, 'updateMany', {}, { $inc: { n: 'one' } })],
      ['INVALID_UPDATE', () => call(a, 'upsert', 'y', undefined)],
      ['VALIDATION_FAILED', () => call(a, 'create', 5)],
      ['VALIDATION_FAILED', () => call(a, 'create', undefined)],
      ['VALIDATION_FAILED', () => call(a, 'create', [1])],
      ['VALIDATION_FAILED', () => call(a, 'create', { n: () => 1 })],
      ['VALIDATION_FAILED', () => call(a, 'create', { $foo: 1 })],
      ['VALIDATION_FAILED', () => call(a, 'create', { n: 1, version: 3 })],
      ['VALIDATION_FAILED', () => call(a, 'create', { n: 1, createdAt: new Date(0) })],
      ['VALIDATION_FAILED', () => call(a, 'create', JSON.parse('{"__proto__":{"x":1}}'))],
      ['VALIDATION_FAILED', () => call(a, 'createMany', [{ n: 1n << 64n }])],
      ['VALIDATION_FAILED', () => call(a, 'replace', 'x', null)],
      ['VALIDATION_FAILED', () => call(a, 'update', 'x', { $set: { n: Symbol('s') } })],
      ['LIMIT_EXCEEDED', () => call(a, 'create', { text: 'x'.repeat(17 * 1024 * 1024) })],
    ]
    for (const [index, [code, attempt]] of calls.entries()) expect([index, await codeOf(attempt)]).toEqual([index, code])
    expect(await codeOf(() => run(call(a, 'history', '')))).toBe('INVALID_ARGUMENT')
    const messages = [await failureOf(() => call(a, 'count', 'text')), await failureOf(() => call(a, 'update', 'x', {})), await failureOf(() => call(a, 'count', { $or: [5] }))].map((failure) => failure?.message)
    expect(messages).toEqual(['The filter must be an object, not a string.', 'The update has no operator; use one, as $set, or replace() to replace the whole document.', 'In the filter, $or must be an object, not a number.'])
    expect(await lastSeq(db)).toBe(1)
  })

  test('undefined is never a condition that is left out, nor a field that is not set', async ({ db }) => {
    await db.collection('a').create({ $id: 'x', n: 1, list: [1] })
    const a = loose(db)
    const none = { n: undefined }
    const calls: [string, () => unknown][] = [
      ...(['deleteMany', 'count', 'exists', 'findOne'] as const).map((method): [string, () => unknown] => ['INVALID_FILTER', () => call(a, method, none)]),
      ...(['updateMany', 'findOneAndUpdate'] as const).map((method): [string, () => unknown] => ['INVALID_FILTER', () => call(a, method, none, { $set: { n: 2 } })]),
      ['INVALID_FILTER', () => call(a, 'distinct', 'n', none)],
      ['INVALID_FILTER', () => call(a, 'find', { $and: [none] })],
      ...[{ $gt: undefined }, { $in: [undefined] }].map((n): [string, () => unknown] => ['INVALID_FILTER', () => call(a, 'find', { n })]),
      ['INVALID_FILTER', () => call(a, 'find', { $or: undefined })],
      ...(['related', 'countRelated'] as const).map((method): [string, () => unknown] => ['INVALID_FILTER', () => call(a, method, 'x', 'has', { filter: none })]),
      ['INVALID_FILTER', () => call(a, 'aggregate', [{ $match: none }])],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $set: { 'list.$[i]': 2 } }, { arrayFilters: [{ i: undefined }] })],
      ['INVALID_FILTER', () => db.transaction((tx) => tx.collection('a').deleteMany(none as never))],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $set: none })],
      ['INVALID_UPDATE', () => call(a, 'update', 'x', { $set: undefined })],
      ['INVALID_UPDATE', () => call(a, 'upsert', 'x', { $inc: none })],
      ['VALIDATION_FAILED', () => call(a, 'updateMany', {}, { $push: none })],
      ['VALIDATION_FAILED', () => call(a, 'create', { list: [undefined] })],
      ['VALIDATION_FAILED', () => call(a, 'createMany', [undefined])],
    ]
    for (const [index, [code, attempt]] of calls.entries()) expect([index, await codeOf(attempt)]).toEqual([index, code])
    expect((await failureOf(() => call(a, 'deleteMany', none)))?.message).toBe("In the filter, Equality on 'n' is undefined; use null or { $exists: false } for an absent field.")
    expect(await db.collection('a').count(undefined)).toBe(1)
    expect(await lastSeq(db)).toBe(1)
    await call(a, 'create', { $id: 'y', n: undefined, inside: { m: undefined } })
    await call(a, 'createMany', [{ $id: undefined, n: undefined }])
    expect(Object.keys((await db.collection('a').get('y')) ?? {})).toEqual(['$id', 'version', 'createdAt', 'updatedAt', 'inside'])
    expect(await db.collection('a').count({ n: { $exists: false } })).toBe(2)
    expect(((await call(a, 'update', 'y', { $set: { inside: { m: 1, k: undefined } } })) as { inside: unknown }).inside).toEqual({ m: 1 })
  })

  test('a filter on own methods or prototypes finds nothing and harms nothing', async ({ db }) => {
    const a = db.collection('a')
    await a.create({ $id: 'x', n: 1 })
    expect(await a.count({ toString: { $exists: true } })).toBe(0)
    expect(await codeOf(() => a.count(JSON.parse('{"__proto__":1}')))).toBe('INVALID_FILTER')
    expect(await codeOf(() => a.update('x', { $set: JSON.parse('{"__proto__.polluted":1}') }))).toBe('INVALID_UPDATE')
    expect('polluted' in {}).toBe(false)
  })

  test('after close every method is CLOSED, and closing again is fine', async ({ db }) => {
    const a = db.collection('a')
    await a.create({ $id: 'x', n: 1 })
    await db.close()
    await db.close()
    await db[Symbol.asyncDispose]()
    const calls: (() => unknown)[] = [
      () => db.collection('a'),
      () => db.transaction(async () => 1),
      () => db.events(),
      () => db.subscribe(),
      () => db.collections(),
      () => db.flush(),
      () => db.compact(),
      () => db.stats(),
      () => db.verify(),
      () => a.create({ n: 1 }),
      () => a.createMany([{ n: 1 }]),
      () => a.get('x'),
      () => a.getMany(['x']),
      () => a.find().toArray(),
      () => a.find().page(),
      () => a.findOne(),
      () => a.count(),
      () => a.exists('x'),
      () => a.distinct('n'),
      () => a.explain(),
      () => a.update('x', { $inc: { n: 1 } }),
      () => a.updateMany({}, { $inc: { n: 1 } }),
      () => a.replace('x', { n: 1 }),
      () => a.upsert('x', { $inc: { n: 1 } }),
      () => a.findOneAndUpdate({}, { $inc: { n: 1 } }),
      () => a.delete('x'),
      () => a.deleteMany({}),
      () => a.restore('x'),
      () => a.history('x').toArray(),
      () => a.diff('x', 1),
      () => a.revert('x', { version: 1 }),
    ]
    for (const [index, attempt] of calls.entries()) expect([index, await codeOf(attempt)]).toEqual([index, 'CLOSED'])
  })

  test('an unknown limit, or one out of range, is refused when the database is opened', async ({ reopen }) => {
    expect(await codeOf(() => reopen({ limits: { documentsMax: 1 } as never }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => reopen({ limits: { sortDocumentsMax: 0 } }))).toBe('INVALID_ARGUMENT')
    const db = await reopen({ limits: { documentBytesMax: 100, depthMax: 3 } })
    expect((await failureOf(() => db.collection('a').create({ text: 'x'.repeat(200) })))?.details.limit).toBe('documentBytesMax')
    expect((await failureOf(() => db.collection('a').create({ a: { b: { c: {} } } })))?.details.limit).toBe('depthMax')
    await db.collection('a').create({ $id: 'x', list: [] })
    expect((await failureOf(() => db.collection('a').update('x', { $set: { list: 'x'.repeat(99) } })))?.code).toBe('LIMIT_EXCEEDED')
    expect((await db.collection('a').get('x'))?.version).toBe(1)
  })
}
