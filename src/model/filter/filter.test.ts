import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Document } from '../values.ts'
import { compileFilter } from './compile-filter.ts'
import { filterFields } from './filter-node.ts'
import { parseFilter } from './parse-filter.ts'

function matches(filter: unknown, document: Document): boolean {
  return compileFilter(parseFilter(filter))(document)
}

function show(filter: unknown): string {
  return inspect(filter, { depth: 9, breakLength: Infinity })
}

/** [filter, documents that match, documents that do not] */
type Example = [unknown, Document[], Document[]]

const date = new Date(5)
const bytes = new Uint8Array([1])

const examples: Record<string, Example[]> = {
  'implicit equality': [
    [{}, [{}, { a: 1 }], []],
    [{ a: 1 }, [{ a: 1 }, { a: 1n }, { a: [0, 1] }], [{}, { a: '1' }, { a: true }, { a: [[1]] }, { a: { b: 1 } }]],
    [{ a: 5n }, [{ a: 5 }, { a: 5n }], [{ a: 5.5 }, { a: '5' }]],
    [{ a: 'x' }, [{ a: 'x' }, { a: ['y', 'x'] }], [{ a: 'X' }, { a: null }]],
    [{ a: null }, [{}, { a: null }, { a: [1, null] }], [{ a: 0 }, { a: '' }, { a: [] }]],
    [{ a: Number.NaN }, [{ a: Number.NaN }], [{ a: 1 }, { a: null }, { a: 'NaN' }]],
    [{ a: date }, [{ a: new Date(5) }], [{ a: 5 }, { a: new Date(6) }]],
    [{ a: bytes }, [{ a: new Uint8Array([1]) }], [{ a: [1] }, { a: new Uint8Array([1, 2]) }]],
    [{ a: { b: 1, c: 2 } }, [{ a: { b: 1, c: 2 } }, { a: [{ b: 1, c: 2 }] }], [{ a: { c: 2, b: 1 } }, { a: { b: 1 } }]],
    [{ a: [1, 2] }, [{ a: [1, 2] }, { a: [0, [1, 2]] }], [{ a: [2, 1] }, { a: [1, 2, 3] }, { a: 1 }]],
    [{ a: [] }, [{ a: [] }, { a: [[]] }], [{}, { a: null }, { a: [1] }]],
    [{ a: {} }, [{ a: {} }], [{ a: { b: 1 } }, {}]],
    [{ toString: null }, [{}], []],
    [{ a: 1, b: 2 }, [{ a: 1, b: 2 }], [{ a: 1 }, { b: 2 }]],
    [{ $id: 'posts/a', $type: 'Post' }, [{ $id: 'posts/a', $type: 'Post' }], [{ $id: 'posts/a' }]],
  ],
  'dotted paths': [
    [{ 'a.b': 1 }, [{ a: { b: 1 } }, { a: [{ b: 0 }, { b: 1 }] }, { a: { b: [0, 1] } }, { a: [{ b: [1] }] }], [{ a: 1 }, { 'a.b': 1 }, { a: [[{ b: 1 }]] }]],
    [{ 'a.b.c': 1 }, [{ a: [{ b: [{ c: 1 }] }] }, { a: { b: { c: 1 } } }], [{ a: [{ b: { d: 1 } }] }]],
    [{ 'a.0': 1 }, [{ a: [1, 2] }, { a: { 0: 1 } }, { a: [{ 0: 1 }] }], [{ a: [2, 1] }, { a: [[1]] }, { a: 1 }]],
    [{ 'a.1.b': 1 }, [{ a: [{}, { b: 1 }] }], [{ a: [{ b: 1 }] }]],
    [{ 'a.0.0': 1 }, [{ a: [[1]] }], [{ a: [1] }]],
    [{ 'a.b': null }, [{}, { a: 4 }, { a: {} }, { a: null }, { a: { b: null } }, { a: [{ c: 1 }, { b: 1 }] }], [{ a: [] }, { a: [4] }, { a: [{ b: 4 }] }, { a: { b: 0 } }]],
  ],
  '$eq and $ne': [
    [{ a: { $eq: 1 } }, [{ a: 1 }, { a: [1] }], [{ a: 2 }]],
    [{ a: { $eq: null } }, [{}, { a: null }], [{ a: 1 }]],
    [{ a: { $ne: 1 } }, [{}, { a: 2 }, { a: [2] }], [{ a: 1 }, { a: [2, 1] }]],
    [{ a: { $ne: null } }, [{ a: 1 }, { a: [] }], [{}, { a: null }, { a: [null] }]],
  ],
  '$gt, $gte, $lt, $lte': [
    [{ a: { $gt: 1 } }, [{ a: 2 }, { a: 2n }, { a: [0, 2] }], [{ a: 1 }, { a: '2' }, { a: null }, {}, { a: new Date(2) }, { a: Number.NaN }, { a: true }]],
    [{ a: { $gte: 'b' } }, [{ a: 'b' }, { a: 'c' }], [{ a: 'a' }, { a: 5 }, { a: { b: 1 } }]],
    [{ a: { $lt: new Date(5) } }, [{ a: new Date(4) }], [{ a: 4 }, { a: new Date(5) }, {}]],
    [{ a: { $lte: 2n ** 53n } }, [{ a: 2 ** 53 }, { a: 2n ** 53n }], [{ a: 2n ** 53n + 1n }]],
    [{ a: { $gte: null } }, [{}, { a: null }], [{ a: 0 }]],
    [{ a: { $gt: null } }, [], [{}, { a: null }, { a: 1 }]],
    [{ a: { $gt: false } }, [{ a: true }], [{ a: false }, { a: 1 }]],
    [{ a: { $gt: [1, 2] } }, [{ a: [1, 3] }, { a: [0, [2]] }], [{ a: [1, 2] }, { a: 3 }, { a: [1] }]],
    [{ a: { $lt: { b: 2 } } }, [{ a: { b: 1 } }], [{ a: { b: 2 } }, { a: 1 }]],
    [{ a: { $gte: Number.NaN } }, [{ a: Number.NaN }], [{ a: 1 }]],
    [{ a: { $lt: Number.NaN } }, [], [{ a: Number.NaN }, { a: 1 }]],
    [{ a: { $gt: 1, $lt: 3 } }, [{ a: 2 }, { a: [0, 5] }], [{ a: 3 }]],
  ],
  '$in and $nin': [
    [{ a: { $in: [1, 'x'] } }, [{ a: 1 }, { a: 1n }, { a: ['x'] }], [{ a: 2 }, {}, { a: '1' }]],
    [{ a: { $in: [null] } }, [{}, { a: null }], [{ a: 0 }, { a: [] }]],
    [{ a: { $in: [/^x/, 1] } }, [{ a: 'xy' }, { a: [1] }, { a: ['xz'] }], [{ a: 'yx' }, { a: 2 }]],
    [{ a: { $in: [[1, 2], { b: 1 }] } }, [{ a: [1, 2] }, { a: [[1, 2]] }, { a: { b: 1n } }], [{ a: 1 }, { a: { b: 2 } }]],
    [{ a: { $in: [2n ** 60n + 1n, -0] } }, [{ a: 2n ** 60n + 1n }, { a: 0 }], [{ a: 2 ** 60 }]],
    [{ a: { $in: [] } }, [], [{}, { a: 1 }, { a: [] }]],
    [{ a: { $nin: [1, null] } }, [{ a: 2 }, { a: [] }], [{}, { a: [2, 1] }]],
  ],
  $exists: [
    [{ a: { $exists: true } }, [{ a: null }, { a: [] }], [{}]],
    [{ a: { $exists: false } }, [{}], [{ a: null }]],
    [{ 'a.b': { $exists: true } }, [{ a: { b: null } }, { a: [{}, { b: 1 }] }], [{ a: [] }, { a: 1 }, { a: [{}] }]],
    [{ 'a.1': { $exists: 1 } }, [{ a: [1, 2] }], [{ a: [1] }]],
  ],
  $type: [
    [{ a: { $type: 'string' } }, [{ a: 'x' }, { a: [1, 'x'] }], [{ a: 1 }, {}]],
    [{ a: { $type: 'array' } }, [{ a: [] }, { a: [[1]] }], [{ a: {} }]],
    [{ a: { $type: 4 } }, [{ a: [1] }], [{ a: 1 }]],
    [{ a: { $type: 'null' } }, [{ a: null }], [{}]],
    [{ a: { $type: 'number' } }, [{ a: 1 }, { a: 1n }, { a: 1.5 }], [{ a: '1' }]],
    [{ a: { $type: 'int' } }, [{ a: 1 }, { a: -(2 ** 31) }], [{ a: 1n }, { a: 1.5 }, { a: 2 ** 31 }, { a: -0 }]],
    [{ a: { $type: 'long' } }, [{ a: 1n }], [{ a: 1 }]],
    [{ a: { $type: 'double' } }, [{ a: 1.5 }, { a: 2 ** 31 }], [{ a: 1 }, { a: 1n }]],
    [{ a: { $type: ['date', 'bool', 5, 'object'] } }, [{ a: date }, { a: true }, { a: bytes }, { a: {} }], [{ a: 1 }, { a: 'x' }]],
  ],
  $regex: [
    [{ a: { $regex: '^ab' } }, [{ a: 'abc' }, { a: ['x', 'ab'] }], [{ a: 'xab' }, { a: 'AB' }, { a: 1 }, {}]],
    [{ a: { $regex: '^AB', $options: 'i' } }, [{ a: 'abc' }], [{ a: 'xab' }]],
    [{ a: { $options: 's', $regex: 'a.b' } }, [{ a: 'a\nb' }], [{ a: 'ab' }]],
    [{ a: /^b/m }, [{ a: 'a\nb' }], [{ a: 'ab' }]],
    [{ a: { $regex: /b+c$/i } }, [{ a: 'aBBC' }], [{ a: 'bcd' }]],
    [{ a: /^a\.b$/ }, [{ a: 'a.b' }], [{ a: 'axb' }, { a: 'a.b\n' }]],
    [{ a: /\u00e9|[\d]{2}/ }, [{ a: 'é' }, { a: '12' }], [{ a: '1' }]],
    [{ a: { $not: /^a/ } }, [{ a: 'b' }, {}, { a: 1 }], [{ a: 'a' }, { a: ['b', 'a'] }]],
    [{ a: /\u{1f600}/u }, [{ a: '😀' }], [{ a: 'x' }]],
    [{ a: /^.\\ud83d/ }, [{ a: '😀\\ud83d' }], [{ a: '😀' }]],
    [{ a: /(a+)+$/ }, [{ a: 'aaaa' }], [{ a: `${'a'.repeat(5000)}!` }]],
  ],
  $all: [
    [{ a: { $all: [1, 2] } }, [{ a: [2, 1, 3] }], [{ a: [1] }, { a: 1 }]],
    [{ a: { $all: [1] } }, [{ a: 1 }, { a: [1] }], [{ a: [[1]] }]],
    [{ a: { $all: [[1, 2]] } }, [{ a: [1, 2] }, { a: [[1, 2]] }], [{ a: [2, 1] }]],
    [{ a: { $all: [] } }, [], [{ a: [] }, {}]],
    [{ a: { $all: [/^x/, 'y'] } }, [{ a: ['xa', 'y'] }], [{ a: ['xa'] }]],
    [{ a: { $all: [{ $elemMatch: { b: 1, c: 2 } }, { $elemMatch: { b: 3 } }] } }, [{ a: [{ b: 1, c: 2 }, { b: 3 }] }], [{ a: [{ b: 1 }, { c: 2 }, { b: 3 }] }]],
  ],
  $elemMatch: [
    [{ a: { $elemMatch: { $gt: 1, $lt: 3 } } }, [{ a: [0, 2] }], [{ a: [0, 5] }, { a: 2 }, { a: [[2]] }, {}]],
    [{ a: { $elemMatch: { b: 1, c: 2 } } }, [{ a: [{ b: 1, c: 2 }] }], [{ a: [{ b: 1 }, { c: 2 }] }, { a: { b: 1, c: 2 } }, { a: [1] }]],
    [{ a: { $elemMatch: { $or: [{ b: 1 }, { b: 2 }] } } }, [{ a: [{ b: 2 }] }], [{ a: [{ b: 3 }] }]],
    [{ a: { $elemMatch: { 0: 1 } } }, [{ a: [[1, 2]] }], [{ a: [1] }]],
    [{ a: { $elemMatch: { $not: { $gt: 1 } } } }, [{ a: [5, 1] }], [{ a: [5, 6] }, { a: [] }]],
    [{ 'a.b': { $elemMatch: { $eq: 1 } } }, [{ a: [{ b: [1] }] }], [{ a: [{ b: 1 }] }]],
    [{ a: { $elemMatch: { $elemMatch: { $gt: 1 } } } }, [{ a: [[2]] }], [{ a: [2] }]],
    [{ a: { $elemMatch: { $in: [1, /^x/] } } }, [{ a: ['xy'] }, { a: [1] }], [{ a: ['y'] }]],
    [{ a: { $elemMatch: {} } }, [{ a: [{}] }], [{ a: [1] }]],
  ],
  '$size and $mod': [
    [{ a: { $size: 2 } }, [{ a: [1, [2]] }], [{ a: [1] }, { a: 'ab' }, {}, { a: [[1, 2]] }]],
    [{ a: { $mod: [4, 1] } }, [{ a: 5 }, { a: 5n }, { a: 5.9 }, { a: [2, 9] }], [{ a: 4 }, { a: '5' }, { a: null }, { a: Number.NaN }, { a: Infinity }]],
    [{ a: { $mod: [4, -1] } }, [{ a: -5 }], [{ a: 5 }, { a: 3 }]],
    [{ a: { $mod: [4.9, 0.5] } }, [{ a: 8 }], [{ a: 9 }]],
  ],
  '$and, $or, $nor, $not': [
    [{ $and: [{ a: 1 }, { b: 2 }] }, [{ a: 1, b: 2 }], [{ a: 1 }]],
    [{ $or: [{ a: 1 }, { b: 2 }], c: 3 }, [{ a: 1, c: 3 }, { b: 2, c: 3 }], [{ a: 1 }, { c: 3 }]],
    [{ $nor: [{ a: 1 }, { b: 2 }] }, [{}, { a: 2 }], [{ a: 1 }, { b: 2 }]],
    [{ a: { $not: { $gt: 1 } } }, [{}, { a: 1 }, { a: 'x' }], [{ a: 2 }, { a: [0, 2] }]],
    [{ a: { $not: { $not: { $eq: 1 } } } }, [{ a: 1 }], [{ a: 2 }]],
    [{ a: { $not: { $gt: 1, $lt: 3 } } }, [{ a: 3 }], [{ a: 2 }]],
  ],
  'sugar for strings': [
    [{ a: { $startsWith: 'a.' } }, [{ a: 'a.b' }, { a: ['x', 'a.'] }], [{ a: 'ab' }, { a: 1 }, {}]],
    [{ a: { $endsWith: 'b' } }, [{ a: 'ab' }], [{ a: 'ba' }]],
    [{ a: { $contains: 'b' } }, [{ a: 'abc' }, { a: ['b'] }], [{ a: 'ac' }, { a: { b: 1 } }]],
  ],
}

describe.each(Object.entries(examples))('%s', (_, list) => {
  test.each(list.map(([filter, yes, no]) => ({ name: show(filter), filter, yes, no })))('$name', ({ filter, yes, no }) => {
    expect(yes.filter((document) => !matches(filter, document))).toEqual([])
    expect(no.filter((document) => matches(filter, document))).toEqual([])
  })
})

/** [filter, what the message says, the path it names] */
const refused: readonly [unknown, string, string][] = [
  [null, 'must be an object', ''],
  [[], 'must be an object', ''],
  [() => true, 'must be an object', ''],
  [{ $where: '1' }, '$where', ''],
  [{ $expr: {} }, '$expr', ''],
  [{ $text: { $search: 'x' } }, 'not available yet', ''],
  [{ a: { $near: [0, 0] } }, 'not available yet', 'a'],
  [{ a: { $foo: 1 } }, '$foo', 'a'],
  [{ a: { b: { $gt: 1 } } }, 'a.b.$gt', 'a'],
  [{ a: { $gt: 1, b: 1 } }, "beside the field 'b'", 'a'],
  [{ a: { b: 1, $gt: 1 } }, "beside the field 'b'", 'a'],
  [{ a: undefined }, 'undefined', 'a'],
  [{ a: { $eq: undefined } }, 'undefined', 'a'],
  [{ a: { $in: [undefined] } }, 'undefined', 'a'],
  [{ a: () => 1 }, 'function', 'a'],
  [{ a: Symbol('s') }, 'symbol', 'a'],
  [{ a: { $gt: /x/ } }, 'regular expression', 'a'],
  [{ a: { $ne: /x/ } }, 'regular expression', 'a'],
  [{ a: { $eq: new Map() } }, 'Map', 'a'],
  [{ a: { $in: 1 } }, 'array', 'a'],
  [{ a: { $nin: {} } }, 'array', 'a'],
  [{ a: { $exists: 'yes' } }, 'true or false', 'a'],
  [{ a: { $type: 'objectId' } }, 'objectId', 'a'],
  [{ a: { $type: [] } }, 'at least one', 'a'],
  [{ a: { $type: 99 } }, '99', 'a'],
  [{ a: { $regex: 1 } }, 'string', 'a'],
  [{ a: { $regex: '(' } }, 'cannot be compiled', 'a'],
  [{ a: { $regex: '(a)\\1' } }, 'backreferences', 'a'],
  [{ a: /(?=a)/ }, 'lookaround', 'a'],
  [{ a: /(?<!a)b/ }, 'lookaround', 'a'],
  [{ a: /\ud83d\ude00/ }, 'surrogate', 'a'],
  [{ a: { $regex: 'x\ud83d' } }, 'surrogate', 'a'],
  [{ a: /a/y }, "flag 'y'", 'a'],
  [{ a: { $regex: 'a', $options: 'x' } }, "flag 'x'", 'a'],
  [{ a: { $regex: /a/i, $options: 'm' } }, '$options', 'a'],
  [{ a: { $regex: 'a', $options: 1 } }, '$options', 'a'],
  [{ a: { $options: 'i' } }, '$options', 'a'],
  [{ a: { $all: 1 } }, 'array', 'a'],
  [{ a: { $all: [{ $gt: 1 }] } }, '$gt', 'a'],
  [{ a: { $all: [{ $elemMatch: { b: 1 }, $gt: 1 }] } }, '$elemMatch', 'a'],
  [{ a: { $elemMatch: 1 } }, 'object', 'a'],
  [{ a: { $elemMatch: { $gt: 1, b: 1 } } }, "beside the field 'b'", ''],
  [{ a: { $size: -1 } }, 'whole number', 'a'],
  [{ a: { $size: 1.5 } }, 'whole number', 'a'],
  [{ a: { $size: '1' } }, 'whole number', 'a'],
  [{ a: { $mod: [0, 1] } }, 'divisor', 'a'],
  [{ a: { $mod: [1] } }, '[divisor, remainder]', 'a'],
  [{ a: { $mod: ['1', 1] } }, 'numbers', 'a'],
  [{ a: { $mod: [Number.NaN, 1] } }, 'numbers', 'a'],
  [{ a: { $not: 1 } }, '$ne', 'a'],
  [{ a: { $not: {} } }, '$not', 'a'],
  [{ $not: { a: 1 } }, '$nor', ''],
  [{ $and: [] }, 'at least one', ''],
  [{ $or: {} }, 'array', ''],
  [{ $nor: [1] }, 'object', ''],
  [{ a: { $and: [{ b: 1 }] } }, '$and', 'a'],
  [{ a: { $contains: 1 } }, 'string', 'a'],
  [{ 'a..b': 1 }, 'empty segment', 'a..b'],
  [{ '': 1 }, 'empty segment', ''],
  [{ 'a.__proto__': 1 }, 'prototype', 'a.__proto__'],
  [{ constructor: 1 }, 'prototype', 'constructor'],
  [JSON.parse('{"__proto__":1}'), 'prototype', '__proto__'],
  [JSON.parse('{"a":{"b":{"__proto__":1}}}'), 'prototype', 'a'],
  [{ 'a.$id': 1 }, '$id', 'a.$id'],
  [{ 'a.$': 1 }, 'path', 'a.$'],
]

describe('a filter is refused', () => {
  test.each(refused.map(([filter, text, path]) => ({ name: show(filter), filter, text, path })))('$name', ({ filter, text, path }) => {
    expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ code: 'INVALID_FILTER', message: expect.stringContaining(text), details: expect.objectContaining({ path }) }))
  })

  test('past its limits', () => {
    let deep: Record<string, unknown> = { a: 1 }
    for (let level = 0; level < 200; level++) deep = { $and: [deep] }
    let cyclic: Record<string, unknown> = {}
    cyclic = Object.assign(cyclic, { $or: [cyclic] })
    const wide = { $or: Array.from({ length: 10_001 }, () => ({ a: 1 })) }
    const long = { a: { $in: Array.from({ length: 100_001 }, (_, index) => index) } }
    for (const filter of [deep, cyclic, wide, long, { a: { $regex: 'a'.repeat(4097) } }]) expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })
})

test('a filter does not notice later changes of the object it was made from', () => {
  const wanted = { b: [1] }
  const compiled = compileFilter(parseFilter({ a: wanted }))
  wanted.b.push(2)
  expect(compiled({ a: { b: [1] } })).toBe(true)
})

test('filterFields names the top-level fields, whatever holds them', () => {
  const filter = { a: 1, 'b.c': { $not: { $gt: 1 } }, $or: [{ d: { $elemMatch: { x: 1 } } }, { $nor: [{ e: { $exists: true } }] }], $id: 'x', f: { $all: [{ $elemMatch: { $gt: 1 } }] } }
  expect([...filterFields(parseFilter(filter))]).toEqual(['a', 'b', 'd', 'e', '$id', 'f'])
})

test('a pattern tells a planner its prefix', () => {
  expect(parseFilter({ a: /^ab\.c/ })).toEqual({ kind: 'regex', path: ['a'], pattern: expect.objectContaining({ source: '^ab\\.c', flags: '', literal: { kind: 'startsWith', text: 'ab.c' } }) })
})
