import type { ErrorCode } from 'parquedb'

/** A document that somebody may hand over: it is refused with this code, or is there exactly (as `stored`, where that is not the same). */
export interface HostileDocument {
  readonly name: string
  readonly document: unknown
  readonly refusal?: ErrorCode
  readonly stored?: unknown
}

type Named = readonly [name: string, value: unknown]

class Point {
  x = 1
}

const numbers: readonly Named[] = [
  0, -0, 1, -1, 0.1 + 0.2, 1e21, 1e-7, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 63, 2 ** 64, 1e308, 5e-324, -5e-324,
  Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON, 2.2250738585072014e-308, NaN, Infinity, -Infinity,
].map((value) => [`the number ${Object.is(value, -0) ? '-0' : value}`, value])

const integers: readonly Named[] = [0n, -1n, 2n ** 31n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n)].map((value) => [`the bigint ${value}`, value])

const texts: readonly Named[] = [
  ['', ' ', '\0', 'a\0b', '\u0001\u001f\u007f\u0085', '\n\r\t', '\u2028\u2029', '\ufeffbom', '\u202eright to left', '\u200b\u200d', 'e\u0301', '\u00e9', '\ufffd', '\uffff', '\u{10ffff}', '👩‍👩‍👧‍👦', '𝒳'],
  ['$gt', '$$ROOT', '{"$gt":""}', '{"$date":"2020-01-01T00:00:00Z"}', '__proto__', 'null', 'undefined', 'NaN', '-0', '1e400', '9007199254740993', '2020-01-01T00:00:00.000Z', 'true'],
  ["'; DROP TABLE users; --", '<script>', '../../etc/passwd', '%00', '\\', '\\u0000', '"', "'", '`', 'PAR1', '\ud83d\ude00'],
].flatMap((group) => group.map((text): Named => [`the text ${JSON.stringify(text)}`, text]))

const others: readonly Named[] = [
  ['null', null],
  ['true', true],
  ['no bytes', new Uint8Array()],
  ['every byte', Uint8Array.from({ length: 256 }, (_, byte) => byte)],
  ['a view of bytes', new Uint8Array(Uint8Array.of(9, 1, 2, 9).buffer, 1, 2)],
  ['an empty array', []],
  ['an empty object', {}],
  ['arrays in arrays', [[], [[]], [[[null]]], [1, [2, [3]]]]],
  ['an array of every type', [null, true, 1, -0, 1n, 'a', new Date(0), Uint8Array.of(1), [], {}]],
  ['an array of nulls', [null, null]],
  ['objects with holes', [{ a: 1 }, {}, { a: null }, { b: [] }]],
  ...[0, -1, 1, 8.64e15, -8.64e15, 253402300800000, -62167219200001, 951782400000].map((ms): Named => [`the date ${ms}`, new Date(ms)]),
]

const notValues: readonly Named[] = [
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
  ['an instance', new Point()],
  ['a Map', new Map([['a', 1]])],
  ['a Set', new Set([1])],
  ['a regular expression', /a/],
  ['a boxed number', Object(1)],
  ['a boxed text', Object('a')],
  ['a boxed bigint', Object(1n)],
  ['an error', new Error('e')],
  ['a promise', Promise.resolve(1)],
  ['an ArrayBuffer', new ArrayBuffer(4)],
  ['floats', new Float64Array(2)],
  ['a DataView', new DataView(new ArrayBuffer(4))],
  ['an invalid date', new Date(NaN)],
  ['undefined in an array', [1, undefined]],
  ['a hole in an array', [1, , 3]],
  ['2^63', 2n ** 63n],
  ['-2^63 - 1', -(2n ** 63n) - 1n],
  ['a huge bigint', 10n ** 1000n],
  ['a high surrogate', 'a\ud83d'],
  ['a low surrogate', '\ude00a'],
  ['surrogates the wrong way round', '\ude00\ud83d'],
  ['an operator', { $gt: 1 }],
  ['a query', { $where: 'while(true);' }],
  ['a wrapper of Extended JSON', { $date: 0 }],
  ['an operator deep inside', { a: [{ b: { $set: 1 } }] }],
  ['an own __proto__', JSON.parse('{"__proto__": {"admin": true}}')],
  ['an own constructor', { constructor: { prototype: { admin: true } } }],
  ['an own prototype', { prototype: 1 }],
]

const fieldNames = [
  ['', ' ', '.', '..', 'a.b', 'a..b', '.a', 'a.', 'a$', '\0', 'a\0b', '\n', '\u2028', '\ufeff', 'e\u0301', '\u00e9', '😀', '\u202e', '0', '-1', '1e3', '01', '4294967295', '[0]', '*', 'a,b', 'a b', 'a"b', "a'b", '`', '\\', 'a\\.b', '../x', '%00'],
  ['toString', 'hasOwnProperty', 'valueOf', 'length', '__defineGetter__', '__lookupGetter__', 'toJSON', 'then', 'id', 'ns', 'seq', 'ts', 'op', 'state', 'document', 'doc', 'rest', 'data', 'key', 'value', 'key_value', 'list', 'element', 'item', 'array', 'bag', 'map', 'metadata', 'typed_value', 'x'.repeat(1000), '_', '_id', '_rest', 'a_', 'NULL', 'select', 'default'],
].flat()

const refusedNames: readonly (readonly [string, ErrorCode])[] = [
  ['$', 'VALIDATION_FAILED'],
  ['$where', 'VALIDATION_FAILED'],
  ['$set', 'VALIDATION_FAILED'],
  ['$ref', 'VALIDATION_FAILED'],
  ['constructor', 'VALIDATION_FAILED'],
  ['prototype', 'VALIDATION_FAILED'],
  ['a\ud800', 'VALIDATION_FAILED'],
  ['\udfff', 'VALIDATION_FAILED'],
]

const systemNames = ['version', 'createdAt', 'createdBy', 'updatedAt', 'updatedBy', 'deletedAt']

/** A value on top, in an object and in an array: three ways into a file. */
function places(value: unknown): unknown {
  return { v: value, o: { v: value }, l: [value, { v: value }] }
}

function nested(depth: number, kind: 'object' | 'array'): unknown {
  let value: unknown = kind === 'object' ? {} : []
  for (let level = 2; level < depth; level++) value = kind === 'object' ? { d: value } : [value]
  return { d: value }
}

function keys(count: number): unknown {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))
}

/** 2^30 leaves in thirty objects. */
function billionLaughs(): unknown {
  let value: unknown = 'ha'
  for (let level = 0; level < 30; level++) value = [value, value]
  return { v: value }
}

function cycle(): unknown {
  const inner: Record<string, unknown> = {}
  inner.self = { inner }
  return { inner }
}

const shared = { a: [1] }
const mebibyte = 1024 * 1024

const shapes: readonly HostileDocument[] = [
  { name: 'no fields', document: {} },
  { name: 'no prototype', document: Object.assign(Object.create(null), { a: 1 }), stored: { a: 1 } },
  { name: 'undefined fields', document: { a: undefined, b: { c: undefined } }, stored: { b: {} } },
  { name: 'fields that are symbols or hidden', document: Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'hidden', { value: 3 }), stored: { a: 1 } },
  { name: 'a getter', document: { get a() { return 1 } }, stored: { a: 1 } },
  { name: 'an object twice', document: { a: shared, b: shared }, stored: { a: { a: [1] }, b: { a: [1] } } },
  { name: 'a Buffer', document: { v: Buffer.from('abc') }, stored: { v: Uint8Array.of(97, 98, 99) } },
  { name: 'names that differ in case', document: { a: 1, A: 2, å: 3, Å: 4, '\u212b': 5 } },
  { name: 'names that look the same', document: { '\u00e9': 1, 'e\u0301': 2 } },
  { name: 'names and a path of them', document: { 'a.b': 1, a: { b: 2, 'b.c': 3 }, 'a.b.c': 4 } },
  { name: 'whole numbers as names', document: { b: 1, 1: 2, 0: 3 } },
  { name: 'a type', document: { $type: 'Post', a: 1 } },
  { name: 'a type that is none', document: { $type: 1 }, refusal: 'VALIDATION_FAILED' },
  { name: 'the deepest object', document: nested(100, 'object') },
  { name: 'the deepest array', document: nested(100, 'array') },
  { name: 'an object one too deep', document: nested(102, 'object'), refusal: 'LIMIT_EXCEEDED' },
  { name: 'an object 10,000 deep', document: nested(10_000, 'object'), refusal: 'LIMIT_EXCEEDED' },
  { name: 'an array 10,000 deep', document: nested(10_000, 'array'), refusal: 'LIMIT_EXCEEDED' },
  { name: 'a billion laughs', document: billionLaughs(), refusal: 'LIMIT_EXCEEDED' },
  { name: 'a cycle', document: cycle(), refusal: 'VALIDATION_FAILED' },
  ...systemNames.map((name): HostileDocument => ({ name: `a ${name} of its own`, document: { [name]: 1 }, refusal: 'VALIDATION_FAILED' })),
  ...systemNames.map((name): HostileDocument => ({ name: `a ${name} inside`, document: { a: { [name]: 1 } } })),
  ...[undefined, null, 1, 'text', [], new Date(0), () => 1].map((document): HostileDocument => ({ name: `${String(document)} as document`, document, refusal: 'VALIDATION_FAILED' })),
]

/** Apart, since what shares a file with them is read more slowly. */
export const largeDocuments: readonly HostileDocument[] = [
  { name: '9,999 fields', document: keys(9_999) },
  { name: '100,000 fields', document: keys(100_000), refusal: 'LIMIT_EXCEEDED' },
  { name: '100,000 elements', document: { l: Array.from({ length: 100_000 }, (_, index) => index) } },
  { name: '5,000 objects of 2,000 fields', document: { l: Array.from({ length: 5_000 }, (_, index) => ({ [`f${index % 2_000}`]: index })) } },
  { name: 'a text of 10 MB', document: { v: 'é😀'.repeat((10 * mebibyte) / 6) } },
  { name: '10 MB of bytes', document: { v: new Uint8Array(10 * mebibyte).fill(0xff) } },
  { name: 'a text of 17 MB', document: { v: 'x'.repeat(17 * mebibyte) }, refusal: 'LIMIT_EXCEEDED' },
  { name: 'an array of 3 million numbers', document: { v: new Array(3_000_000).fill(0) }, refusal: 'LIMIT_EXCEEDED' },
]

export const hostileDocuments: readonly HostileDocument[] = [
  ...[...numbers, ...integers, ...texts, ...others].map(([name, value]) => ({ name, document: places(value) })),
  ...notValues.map(([name, value]): HostileDocument => ({ name, document: { v: value }, refusal: 'VALIDATION_FAILED' })),
  ...notValues.map(([name, value]): HostileDocument => ({ name: `${name}, deep inside`, document: { o: [{ l: [value] }] }, refusal: 'VALIDATION_FAILED' })),
  ...fieldNames.flatMap((field): HostileDocument[] => [
    { name: `the field ${JSON.stringify(field.slice(0, 20))}`, document: { [field]: 1 } },
    { name: `the field ${JSON.stringify(field.slice(0, 20))} inside`, document: { o: { [field]: { [field]: [field] } }, l: [{ [field]: null }, {}] } },
  ]),
  ...refusedNames.map(([field, refusal]): HostileDocument => ({ name: `the field ${JSON.stringify(field)}`, document: { o: [{ [field]: 1 }] }, refusal })),
  ...shapes,
]
