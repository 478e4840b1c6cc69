import { inspect } from 'node:util'
import type { ErrorCode, ParqueDB } from 'parquedb'

/** A call that somebody may make: what it gives, or the code that refuses it. */
export interface HostileRequest {
  readonly name: string
  readonly call: (db: ParqueDB) => unknown
  readonly gives?: unknown
  readonly refusal?: ErrorCode
}

/** What the calls are about: two users, and texts that a bad pattern would take for ever. */
export const requestFixture = [
  { $id: 'alice', name: 'Alice', password: 'secret', age: 30, tags: ['a', 'b'] },
  { $id: 'bob', name: 'Bob', password: 'hidden', age: 2 ** 53, tags: [] },
  { $id: 'long', name: 'a'.repeat(50_000), tags: ['x'.repeat(50_000)] },
]

const ids = async (found: AsyncIterable<unknown>): Promise<string[]> => {
  const all: string[] = []
  for await (const one of found) all.push((one as { $id: string }).$id)
  return all
}

const find = (filter: unknown, options?: object) => (db: ParqueDB) => ids(db.collection('users').find(filter as never, options as never))
const update = (change: unknown, options?: object) => (db: ParqueDB) => db.collection('users').update('alice', change as never, options as never)

function deep(operator: string, levels: number): unknown {
  let filter: unknown = { a: 1 }
  for (let level = 0; level < levels; level++) filter = operator === '$not' ? { $not: filter } : { [operator]: [filter] }
  return operator === '$not' ? { a: filter } : filter
}

const all = ['users/alice', 'users/bob', 'users/long']

/** Operators where values belong: the tricks by which a login is passed without a password. */
const injections: readonly HostileRequest[] = [
  { name: 'a password that is an operator is one, as it is in MongoDB', call: find({ name: 'Alice', password: { $ne: null } }), gives: ['users/alice'] },
  ...[{ $where: '1' }, { $expr: {} }, { $function: {} }, { $gt: '', a: 1 }, { $regex: '(' }, { $foo: 1 }, { $: 1 }, { $eq: { $gt: '' } }, { $in: [{ $gt: '' }] }, { $in: 'a' }, { $nin: {} }, { $exists: 'true' }].map((password): HostileRequest => {
    return { name: `a password that is ${JSON.stringify(password)}`, call: find({ password }), refusal: 'INVALID_FILTER' }
  }),
  ...[undefined, () => true, Symbol('s'), new Map(), 'a\ud800', 2n ** 64n, new Date(NaN)].map((password): HostileRequest => {
    return { name: `a password that is ${inspect(password)}`, call: find({ password }), refusal: 'INVALID_FILTER' }
  }),
  ...['$where', '$expr', '$jsonSchema', '$comment', '$text', '$foo', '$', '__proto__.admin', 'constructor.name', 'a.__proto__', 'a..b', '.a', 'a.', '', 'a.$gt', 'a.$', 'a\ud800', 'a.'.repeat(200) + 'a'].map((field): HostileRequest => {
    return { name: `a filter on ${JSON.stringify(field.slice(0, 30))}`, call: find({ [field]: 1 }), refusal: 'INVALID_FILTER' }
  }),
  ...[null, 1, 'text', [], () => true, new Date(0), new Map()].map((filter): HostileRequest => ({ name: `the filter ${inspect(filter)}`, call: find(filter), refusal: 'INVALID_FILTER' })),
  { name: 'a filter with an own __proto__', call: find(JSON.parse('{"__proto__": {"a": 1}}')), refusal: 'INVALID_FILTER' },
  { name: 'a filter with a prototype', call: find(Object.create({ name: 'Alice' })), refusal: 'INVALID_FILTER' },
]

const heavy: readonly HostileRequest[] = [
  ...['$and', '$or', '$nor', '$not'].map((operator): HostileRequest => ({ name: `10,000 levels of ${operator}`, call: find(deep(operator, 10_000)), refusal: 'LIMIT_EXCEEDED' })),
  ...['$and', '$or', '$nor'].map((operator): HostileRequest => ({ name: `50 levels of ${operator}`, call: find(deep(operator, 50)), gives: [] })),
  { name: '200,000 values of one $in', call: find({ age: { $in: Array.from({ length: 200_000 }, (_, n) => n) } }), refusal: 'LIMIT_EXCEEDED' },
  { name: '100,000 values of one $in', call: find({ age: { $in: Array.from({ length: 100_000 }, (_, n) => n) } }), gives: ['users/alice'] },
  { name: '20,000 conditions', call: find({ $or: Array.from({ length: 20_000 }, (_, n) => ({ age: n })) }), refusal: 'LIMIT_EXCEEDED' },
  { name: 'a filter of 20,000 fields', call: find(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`f${n}`, 1]))), refusal: 'LIMIT_EXCEEDED' },
  { name: 'a value 10,000 deep', call: find({ a: JSON.parse('['.repeat(9_000) + ']'.repeat(9_000)) }), refusal: 'LIMIT_EXCEEDED' },
]

/** Each of them takes a backtracking engine longer than anybody waits. */
const patterns: readonly HostileRequest[] = [
  ...['(a+)+$', '(a|a)*$', '(a|aa)+$', '(.*a){20}$', '^(a?){50}a{50}$', '(a*)*b', '((a+)*)+b', '(a+){10}b', '([a-zA-Z]+)*1', '(x+x+)+y', '^(([a-z])+.)+[A-Z]([a-z])+$', '(.+)+\\1?'].map((pattern): HostileRequest => {
    const isRefused = pattern.includes('\\1')
    return { name: `the pattern ${pattern}`, call: find({ name: { $regex: `${pattern}X` } }), ...(isRefused ? { refusal: 'INVALID_FILTER' } : { gives: [] }) }
  }),
  ...['(?=a)a', '(?!a)b', '(?<=a)b', '(?<!a)b', '(a)\\1', '(', '[', 'a**', '*', '(?P<n', '\\', 'a{1001}', 'a{2,1}', '(a{1000}){1000}', '\\ud83d', 'a\ud800', '(?<a>x)(?<a>y)', '(?R)', '(?>a)'].map((pattern): HostileRequest => {
    return { name: `the pattern ${JSON.stringify(pattern)}`, call: find({ name: { $regex: pattern } }), refusal: 'INVALID_FILTER' }
  }),
  { name: 'a pattern of 5,000 characters', call: find({ name: { $regex: 'a'.repeat(5_000) } }), refusal: 'LIMIT_EXCEEDED' },
  { name: 'a pattern nested 1,500 deep', call: find({ name: { $regex: '('.repeat(1_500) + 'a' + ')'.repeat(1_500) } }), refusal: 'INVALID_FILTER' },
  { name: 'a pattern of 2,000 alternatives', call: find({ name: { $regex: `^(${'a|'.repeat(2_000)}b)$` } }), gives: [] },
  ...['x', 'y', 'ii ', 'constructor'].map((flags): HostileRequest => ({ name: `the flags ${flags}`, call: find({ name: { $regex: 'a', $options: flags } }), refusal: 'INVALID_FILTER' })),
  { name: 'options without a pattern', call: find({ name: { $options: 'i' } }), refusal: 'INVALID_FILTER' },
  { name: 'an expression with the flag y', call: find({ name: /a/y }), refusal: 'INVALID_FILTER' },
]

const options: readonly HostileRequest[] = [
  ...([{ limit: 0 }, { limit: -1 }, { limit: 1.5 }, { limit: NaN }, { limit: '1' }, { limit: 2 ** 53 }, { skip: -1 }, { skip: '1' }, { cursor: 'x' }, { cursor: '' }, { cursor: 1 }, { cursor: 'eyJ2IjoxfQ' }, { asOf: 'yesterday' }, { asOf: NaN }, { asOf: -1 }, { asOf: 1.5 }, { asOf: {} }] as const).map((given): HostileRequest => {
    return { name: `find with ${JSON.stringify(given)}`, call: find({}, given), refusal: 'INVALID_ARGUMENT' }
  }),
  ...([{ lmit: 1 }, { sort: 1 }, { sort: { a: 2 } }, { sort: { a: '1' } }, { sort: { 'a..b': 1 } }, { sort: JSON.parse('{"__proto__": 1}') as object }, { sort: [['a', 1, 2]] }, { sort: { $a: 1 } }, { project: 1 }, { project: { a: 1, b: 0 } }, { project: { a: { $slice: 1 } } }, { project: ['a', 'a.b'] }, { project: { 'a.__proto__': 1 } }, { signal: 1 }, { includeDeleted: 'yes' }] as const).map((given): HostileRequest => {
    return { name: `find with the options ${JSON.stringify(given)}`, call: find({}, given), refusal: 'INVALID_ARGUMENT' }
  }),
  ...[null, 1, 'limit', []].map((given): HostileRequest => ({ name: `find with ${JSON.stringify(given)} as options`, call: find({}, given as never), refusal: 'INVALID_ARGUMENT' })),
  { name: 'a limit of 2^53 - 1', call: find({}, { limit: 2 ** 53 - 1 }), gives: all },
  { name: 'a skip of 2^53 - 1', call: find({}, { skip: 2 ** 53 - 1 }), gives: [] },
  ...[{ actor: 'x'.repeat(300) }, { actor: 1 }, { actor: '' }, { actor: 'a\ud800' }, { txId: 'a\ud800' }, { txId: '' }, { txId: 'x'.repeat(10_000) }, { expectedVersion: 0 }, { expectedVersion: -1 }, { expectedVersion: '1' }, { expectedVersion: 1.5 }, { nope: 1 }].map((given): HostileRequest => {
    return { name: `update with ${JSON.stringify(given).slice(0, 40)}`, call: update({ $set: { a: 1 } }, given), refusal: 'INVALID_ARGUMENT' }
  }),
  ...[{ metadata: { f: () => 1 } }, { metadata: 'text' }, { metadata: { $a: 1 } }].map((given): HostileRequest => ({ name: `update with bad metadata ${inspect(given.metadata)}`, call: update({ $set: { a: 1 } }, given), refusal: 'VALIDATION_FAILED' })),
  { name: 'metadata of 17 MB', call: update({ $set: { a: 1 } }, { metadata: { a: 'x'.repeat(17 << 20) } }), refusal: 'LIMIT_EXCEEDED' },
]

const updates: readonly HostileRequest[] = [
  ...[null, 1, 'text', [], {}, [{ $set: { a: 1 } }], { a: 1 }, { $foo: {} }, { $set: 1 }, { $set: null }, { $set: [] }, { $set: { a: 1 }, b: 2 }, { $set: { '': 1 } }, { $set: { 'a..b': 1 } }, { $set: { '$a.b': 1 } }, { $set: { 'a.$b': 1 } }, { $set: { 'a.$': 1 } }, { $set: { 'a.$[': 1 } }].map((change): HostileRequest => {
    return { name: `the update ${JSON.stringify(change)}`, call: update(change), refusal: 'INVALID_UPDATE' }
  }),
  ...['__proto__', '__proto__.polluted', 'a.__proto__.polluted', 'constructor.prototype.polluted', 'tags.constructor', 'version', '$id', 'createdAt', 'updatedBy.x', 'deletedAt', 'x.'.repeat(150) + 'x', 'a\ud800'].map((path): HostileRequest => {
    return { name: `$set of ${JSON.stringify(path.slice(0, 40))}`, call: update({ $set: { [path]: 1 } }), refusal: 'INVALID_UPDATE' }
  }),
  ...[{ $inc: { age: '1' } }, { $inc: { age: null } }, { $inc: { name: 1 } }, { $mul: { name: 2 } }, { $push: { name: 1 } }, { $push: { tags: { $each: 1 } } }, { $push: { tags: { $each: [], $slice: 'x' } } }, { $pop: { tags: 2 } }, { $pull: { name: 1 } }, { $pullAll: { tags: 'a' } }, { $bit: { age: { and: 1.5 } } }, { $bit: { age: { nand: 1 } } }, { $rename: { a: 1 } }, { $rename: { a: '' } }, { $rename: { name: '__proto__' } }, { $rename: { name: 'version' } }, { $currentDate: { a: 'date' } }, { $set: { a: 1 }, $unset: { 'a.b': 1 } }, { $set: { a: 1, 'a.b': 2 } }, { $addToSet: { name: 1 } }, { $unset: { version: 1 } }].map((change): HostileRequest => {
    return { name: `the update ${JSON.stringify(change)}`, call: update(change), refusal: 'INVALID_UPDATE' }
  }),
  { name: '$inc by bigint past 64 bits', call: update({ $set: { n: 2n ** 63n - 1n } }), gives: undefined },
  { name: '$inc past 64 bits', call: update({ $inc: { n: 1n } }), refusal: 'INVALID_UPDATE' },
  { name: 'an index of a billion', call: update({ $set: { 'tags.1000000000': 1 } }), refusal: 'INVALID_UPDATE' },
  { name: 'an index of 20,000', call: update({ $set: { 'tags.20000': 1 } }), refusal: 'LIMIT_EXCEEDED' },
  { name: 'an update past the size of a document', call: update({ $set: { big: 'x'.repeat(17 << 20) } }), refusal: 'LIMIT_EXCEEDED' },
  { name: 'an update of a thousand levels', call: update({ $set: { a: JSON.parse('['.repeat(1_000) + ']'.repeat(1_000)) } }), refusal: 'LIMIT_EXCEEDED' },
]

/** Names that a file system, an object or a path would take for something else. */
const names: readonly HostileRequest[] = [
  ...['', '/', '../up', '../../etc/passwd', 'a/b', 'a:b', '$users', '\0', 'a\nb', '\u0085', 'x'.repeat(121), '😀'.repeat(31), 'a\ud800'].map((ns): HostileRequest => {
    return { name: `the collection ${JSON.stringify(ns.slice(0, 30))}`, call: (db) => db.collection(ns), refusal: 'INVALID_ARGUMENT' }
  }),
  ...[null, undefined, 1, {}, [], ['users']].map((ns): HostileRequest => ({ name: `the collection ${JSON.stringify(ns)}`, call: (db) => db.collection(ns as never), refusal: 'INVALID_ARGUMENT' })),
  ...['', 'x'.repeat(1_025), '😀'.repeat(257), 'a\ud800', '\udc00'].map((id): HostileRequest => ({ name: `the id ${JSON.stringify(id.slice(0, 30))}`, call: (db) => db.collection('users').create({ $id: id }), refusal: 'INVALID_ARGUMENT' })),
  ...[null, 1, {}, ['a'], true, { $gt: '' }].map((id): HostileRequest => ({ name: `the id ${JSON.stringify(id)}`, call: (db) => db.collection('users').get(id as never), refusal: 'INVALID_ARGUMENT' })),
  ...[{ toString: () => 'alice' }, new String('alice')].map((id): HostileRequest => ({ name: `an object that reads ${String(id)}`, call: (db) => db.collection('users').delete(id as never), refusal: 'INVALID_ARGUMENT' })),
  { name: 'a getMany of what is no array', call: (db) => db.collection('users').getMany('alice' as never), refusal: 'INVALID_ARGUMENT' },
  { name: 'a deleteMany without a filter', call: (db) => db.collection('users').deleteMany(undefined as never), refusal: 'INVALID_ARGUMENT' },
  { name: 'a transaction of nothing', call: (db) => db.transaction(1 as never), refusal: 'INVALID_ARGUMENT' },
  { name: 'a createMany of nothing', call: (db) => db.collection('users').createMany(1 as never), refusal: 'INVALID_ARGUMENT' },
  { name: 'a createMany of a text', call: (db) => db.collection('users').createMany('ab' as never), refusal: 'INVALID_ARGUMENT' },
  { name: 'distinct of __proto__', call: (db) => db.collection('users').distinct('__proto__'), refusal: 'INVALID_ARGUMENT' },
  { name: 'distinct of an inherited name', call: (db) => db.collection('users').distinct('toString'), gives: [] },
  { name: 'events of a bad time', call: async (db) => (await db.events({ from: 'soon' }).next()).value, refusal: 'INVALID_ARGUMENT' },
  { name: 'a version of nothing', call: (db) => db.collection('users').revert('alice', {} as never), refusal: 'INVALID_ARGUMENT' },
]

export const hostileRequests: readonly HostileRequest[] = [...injections, ...heavy, ...patterns, ...options, ...updates, ...names]

/** Names that are allowed, and have to stay apart, in files too. */
export const oddNames: readonly string[] = [
  'a', 'A', '\u00e9', 'e\u0301', '.', '..', '...', 'a.', ' ', 'a ', '~', '-', '--', '*', '?', '%', '%2F', '%2e%2e', '\\', 'a\\b', '..\\..\\x', 'CON', 'nul', 'aux.txt', '<>|"', "'", '`', '&;$(x)', '__proto__', 'constructor', 'toString',
  'hasOwnProperty', 'null', 'undefined', '0', '-1', '1e3', '😀', '\u202ea', '\ufeff', '\u200b', '\uffff', '\u{10ffff}', 'x'.repeat(120), 'é'.repeat(60), 'runs', 'log', 'FORMAT', 'ns=a', 'a=b', '.parquedb-tmp', '#', '@', '+', ',', '{a}', '[0]', '^', '!',
]
/** And as ids only. */
export const oddIds: readonly string[] = ['/', '//', '../x', 'a/b', 'a:b', '$id', '\0', '\n', '\u0085', 'users', 'users:x', 'x'.repeat(1_024), '😀'.repeat(256)]
