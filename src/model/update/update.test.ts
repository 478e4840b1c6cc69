import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { defaultDocumentLimits } from '../parse-document.ts'
import type { Document } from '../values.ts'
import { cloneDocument, equalValues } from '../values.ts'
import { applyUpdate } from './apply-update.ts'
import { parseUpdate } from './parse-update.ts'

interface Options {
  readonly arrayFilters?: unknown
  readonly isInsert?: boolean
}

function updated(document: Document, update: unknown, { arrayFilters, isInsert = false }: Options = {}): Document {
  return applyUpdate(document, parseUpdate(update, { arrayFilters }), { nowMs: 1000, isInsert })
}

function show(value: unknown): string {
  return inspect(value, { depth: 9, breakLength: Infinity })
}

/** [document, update, result, options] */
type Example = [Document, unknown, Document, Options?]

const examples: Record<string, Example[]> = {
  $set: [
    [{ a: 1 }, { $set: { a: 2, z: 1, b: 2 } }, { a: 2, z: 1, b: 2 }],
    [{}, { $set: { 'a.b.c': 1 } }, { a: { b: { c: 1 } } }],
    [{}, { $set: { 'a.0': 1 } }, { a: { 0: 1 } }],
    [{ a: [1, 2] }, { $set: { 'a.0': 5 } }, { a: [5, 2] }],
    [{ a: [1] }, { $set: { 'a.3': 5 } }, { a: [1, null, null, 5] }],
    [{ a: [{ b: 1 }] }, { $set: { 'a.0.b': 2, 'a.1.b': 3 } }, { a: [{ b: 2 }, { b: 3 }] }],
    [{ a: 1 }, { $set: { a: 1n } }, { a: 1n }],
    [{}, { $set: { $type: 'Post' } }, { $type: 'Post' }],
    [{ a: 1 }, { $set: {} }, { a: 1 }],
  ],
  $setOnInsert: [
    [{}, { $setOnInsert: { a: 1 }, $set: { b: 2 } }, { a: 1, b: 2 }, { isInsert: true }],
    [{}, { $setOnInsert: { a: 1 }, $set: { b: 2 } }, { b: 2 }],
  ],
  $unset: [
    [{ a: 1, b: 2, c: { d: 1, e: 2 } }, { $unset: { a: '', 'c.d': 1 } }, { b: 2, c: { e: 2 } }],
    [{ a: [1, 2] }, { $unset: { 'a.0': '' } }, { a: [null, 2] }],
    [{ a: 1 }, { $unset: { 'a.b': '', 'x.y': '', b: '' } }, { a: 1 }],
    [{ a: [1] }, { $unset: { 'a.b': '', 'a.5': '' } }, { a: [1] }],
    [{ a: [{ b: 1 }, { b: 2 }] }, { $unset: { 'a.$[].b': '' } }, { a: [{}, {}] }],
  ],
  '$inc and $mul': [
    [{ a: 1, b: 2n }, { $inc: { a: 2, b: 3, c: 4, d: 5n } }, { a: 3, b: 5n, c: 4, d: 5n }],
    [{ a: 1 }, { $inc: { a: 2n } }, { a: 3n }],
    [{ a: 2n }, { $inc: { a: 0.5 } }, { a: 2.5 }],
    [{ a: 1.5 }, { $inc: { a: 2n } }, { a: 3.5 }],
    [{ a: 2n ** 63n - 2n }, { $inc: { a: 1 } }, { a: 2n ** 63n - 1n }],
    [{ a: { b: [1, 2] } }, { $inc: { 'a.b.1': -3 } }, { a: { b: [1, -1] } }],
    [{ a: 3, b: 3n }, { $mul: { a: 1.5, b: 2, c: -5, d: 5n } }, { a: 4.5, b: 6n, c: 0, d: 0n }],
    [{ a: 1 }, { $inc: { a: Number.NaN } }, { a: Number.NaN }],
  ],
  '$min and $max': [
    [{ a: 5, b: 5 }, { $min: { a: 3, b: 7, c: 1 } }, { a: 3, b: 5, c: 1 }],
    [{ a: 5, b: 5 }, { $max: { a: 3, b: 7, c: 1 } }, { a: 5, b: 7, c: 1 }],
    [{ a: 'x', b: null }, { $min: { a: 1, b: 1 } }, { a: 1, b: null }],
    [{ a: new Date(5), b: [1] }, { $max: { a: new Date(6), b: 9 } }, { a: new Date(6), b: [1] }],
    [{ a: 1 }, { $max: { a: 1n } }, { a: 1 }],
  ],
  $rename: [
    [{ a: 1, b: 2 }, { $rename: { a: 'c' } }, { b: 2, c: 1 }],
    [{ a: 1, b: 2 }, { $rename: { a: 'b' } }, { b: 1 }],
    [{ a: { b: 1, c: 2 } }, { $rename: { 'a.b': 'd.e' } }, { a: { c: 2 }, d: { e: 1 } }],
    [{ b: 2 }, { $rename: { a: 'b' } }, { b: 2 }],
  ],
  $currentDate: [
    [{}, { $currentDate: { a: true, 'b.c': { $type: 'date' } } }, { a: new Date(1000), b: { c: new Date(1000) } }],
  ],
  $push: [
    [{ a: [1] }, { $push: { a: 2, b: 1 } }, { a: [1, 2], b: [1] }],
    [{ a: [1] }, { $push: { a: [2, 3] } }, { a: [1, [2, 3]] }],
    [{ a: [1] }, { $push: { a: { $each: [2, 3] } } }, { a: [1, 2, 3] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [8, 9], $position: 0 } } }, { a: [8, 9, 1, 2] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [8, 9], $position: -1 } } }, { a: [1, 8, 9, 2] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [8], $position: 9 } } }, { a: [1, 2, 8] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [8], $position: -9 } } }, { a: [8, 1, 2] }],
    [{ a: [3, 1] }, { $push: { a: { $each: [2], $sort: 1 } } }, { a: [1, 2, 3] }],
    [{ a: [3, 1] }, { $push: { a: { $each: [2], $sort: -1, $slice: 2 } } }, { a: [3, 2] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [3], $slice: -2 } } }, { a: [2, 3] }],
    [{ a: [1, 2] }, { $push: { a: { $each: [], $slice: 0 } } }, { a: [] }],
    [{}, { $push: { a: { $each: [3, 1, 2], $sort: 1, $slice: 2 } } }, { a: [1, 2] }],
    [{ a: [{ s: 2, n: 'x' }, { s: 1, n: 'b' }] }, { $push: { a: { $each: [{ s: 1, n: 'a' }], $sort: { s: 1, n: -1 } } } }, { a: [{ s: 1, n: 'b' }, { s: 1, n: 'a' }, { s: 2, n: 'x' }] }],
    [{ a: [{ b: [1] }] }, { $push: { 'a.0.b': 2 } }, { a: [{ b: [1, 2] }] }],
  ],
  $addToSet: [
    [{ a: [1] }, { $addToSet: { a: 2, b: 1 } }, { a: [1, 2], b: [1] }],
    [{ a: [1, 1] }, { $addToSet: { a: 1n } }, { a: [1, 1] }],
    [{ a: [1] }, { $addToSet: { a: { $each: [2, 2, 1, 3] } } }, { a: [1, 2, 3] }],
    [{ a: [1] }, { $addToSet: { a: [1] } }, { a: [1, [1]] }],
    [{ a: [{ b: 1, c: 2 }] }, { $addToSet: { a: { c: 2, b: 1 } } }, { a: [{ b: 1, c: 2 }, { c: 2, b: 1 }] }],
    [{}, { $addToSet: { a: { $each: [] } } }, { a: [] }],
  ],
  '$pull and $pullAll': [
    [{ a: [1, 2, 1n, '1'] }, { $pull: { a: 1 } }, { a: [2, '1'] }],
    [{ a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }],
    [{ a: ['ax', 'b'] }, { $pull: { a: /^a/ } }, { a: ['b'] }],
    [{ a: [{ s: 8, t: 'B', x: 1 }, { s: 5 }, 8] }, { $pull: { a: { s: 8, t: 'B' } } }, { a: [{ s: 5 }, 8] }],
    [{ a: [{ b: [{ q: 1, n: 5 }] }, { b: [{ q: 2, n: 3 }] }] }, { $pull: { a: { b: { $elemMatch: { q: 2, n: { $gte: 1 } } } } } }, { a: [{ b: [{ q: 1, n: 5 }] }] }],
    [{ a: [[1, 2], [2, 1]] }, { $pull: { a: [1, 2] } }, { a: [[2, 1]] }],
    [{ a: [{ x: 1 }, { x: 2 }, { x: 3 }] }, { $pull: { a: { $or: [{ x: 1 }, { x: 3 }] } } }, { a: [{ x: 2 }] }],
    [{ a: [1] }, { $pull: { b: 1, 'c.d': 1 } }, { a: [1] }],
    [{ a: [1, 2, 3, 2] }, { $pullAll: { a: [2, 3] } }, { a: [1] }],
  ],
  $pop: [
    [{ a: [1, 2, 3], b: [1, 2, 3] }, { $pop: { a: 1, b: -1 } }, { a: [1, 2], b: [2, 3] }],
    [{ a: [] }, { $pop: { a: 1, b: 1 } }, { a: [] }],
  ],
  $bit: [
    [{ a: 13, b: 3, c: 1 }, { $bit: { a: { and: 10 }, b: { or: 5 }, c: { xor: 5 }, d: { or: 4 } } }, { a: 8, b: 7, c: 4, d: 4 }],
    [{ a: -1, b: 5n }, { $bit: { a: { and: 2 ** 40 }, b: { xor: 1 } } }, { a: 2 ** 40, b: 4n }],
    [{ a: 1 }, { $bit: { a: { or: 6, and: 5 } } }, { a: 5 }],
  ],
  positional: [
    [{ a: [1, 2] }, { $inc: { 'a.$[]': 10 } }, { a: [11, 12] }],
    [{ a: [{ b: [1, 2] }, { b: [3] }] }, { $mul: { 'a.$[].b.$[]': 2 } }, { a: [{ b: [2, 4] }, { b: [6] }] }],
    [{ a: [1, 8, 9] }, { $set: { 'a.$[high]': 5 } }, { a: [1, 5, 5] }, { arrayFilters: [{ high: { $gt: 5 } }] }],
    [{ a: [{ n: 'x', q: 1 }, { n: 'y', q: 1 }] }, { $inc: { 'a.$[item].q': 1 } }, { a: [{ n: 'x', q: 1 }, { n: 'y', q: 2 }] }, { arrayFilters: [{ 'item.n': 'y', 'item.q': { $lt: 5 } }] }],
    [{ a: [{ b: [1, 5] }, { b: [7] }] }, { $set: { 'a.$[].b.$[x]': 0 } }, { a: [{ b: [1, 0] }, { b: [0] }] }, { arrayFilters: [{ $or: [{ x: 5 }, { x: 7 }] }] }],
    [{ a: [1, 2], b: [2] }, { $pull: { a: 2 }, $set: { 'b.$[]': 1 } }, { a: [1], b: [1] }],
  ],
}

describe.each(Object.entries(examples))('%s', (_, list) => {
  test.each(list.map(([document, update, result, options]) => ({ name: `${show(document)} ${show(update)}`, document, update, result, options })))('$name', ({ document, update, result, options }) => {
    const before = cloneDocument(document)
    const after = updated(document, update, options)
    expect(after).toEqual(result)
    expect(equalValues(after, result)).toBe(true)
    expect(document).toEqual(before)
  })
})

test('what an update does not change keeps its reference, the whole document when nothing does', () => {
  const document = { a: { b: 1 }, c: { d: [1, 2], e: { f: 1 } }, g: [{ h: 1 }, { h: 2 }] }
  const changed = updated(document, { $set: { 'c.e.f': 2, 'g.1.h': 3 } }) as typeof document
  expect(changed.a).toBe(document.a)
  expect(changed.c.d).toBe(document.c.d)
  expect(changed.g[0]).toBe(document.g[0])
  for (const update of [{ $set: { a: { b: 1 } } }, { $unset: { x: 1 } }, { $min: { 'a.b': 5 } }, { $pull: { 'c.d': 9 } }, { $addToSet: { 'c.d': 1 } }, { $inc: { 'a.b': 0 } }, { $push: { g: { $each: [] } } }]) {
    expect(updated(document, update)).toBe(document)
  }
})

test('a parsed update can be applied again, and does not notice later changes of what it was made from', () => {
  const given = { $set: { a: { b: [1] } } }
  const parsed = parseUpdate(given)
  given.$set.a.b.push(2)
  const context = { nowMs: 0, isInsert: false }
  const once = applyUpdate({}, parsed, context)
  expect(applyUpdate(once, parseUpdate({ $push: { 'a.b': 9 } }), context)).toEqual({ a: { b: [1, 9] } })
  expect(applyUpdate({}, parsed, context)).toEqual({ a: { b: [1] } })
})

/** [update, what the message says, options] */
const refused: readonly [unknown, string, unknown?][] = [
  [null, 'must be an object'],
  [[{ $set: { a: 1 } }], 'must be an object'],
  [{}, 'no operator'],
  [{ a: 1 }, 'replace()'],
  [{ $set: { a: 1 }, b: 1 }, 'replace()'],
  [{ $foo: { a: 1 } }, '$foo'],
  [{ $set: 1 }, 'object of fields'],
  [{ $set: { a: undefined } }, 'undefined'],
  [{ $set: { a: 1 }, $inc: { a: 1 } }, 'conflicts'],
  [{ $set: { a: 1, 'a.b': 1 } }, 'conflicts'],
  [{ $set: { 'a.b': 1 }, $unset: { a: 1 } }, 'conflicts'],
  [{ $set: { 'a.$[]': 1, 'a.0': 1 } }, 'conflicts'],
  [{ $rename: { a: 'b' }, $set: { b: 1 } }, 'conflicts'],
  [{ $rename: { a: 'a' } }, 'conflicts'],
  [{ $rename: { a: 'a.b' } }, 'conflicts'],
  [{ $rename: { a: 1 } }, 'string'],
  [{ $rename: { 'a.$[]': 'b' } }, 'elements'],
  [{ $set: { $id: 'x' } }, '$id'],
  [{ $set: { version: 1 } }, 'version'],
  [{ $inc: { 'createdAt.x': 1 } }, 'createdAt'],
  [{ $rename: { a: 'updatedBy' } }, 'updatedBy'],
  [{ $set: { $type: 1 } }, 'string'],
  [{ $inc: { $type: 1 } }, 'string'],
  [{ $set: { 'a.$': 1 } }, '$[name]'],
  [{ $set: { 'a.$x': 1 } }, '$x'],
  [{ $set: { $x: 1 } }, '$x'],
  [{ $set: { '$[]': 1 } }, '$[]'],
  [{ $set: { 'a..b': 1 } }, 'empty segment'],
  [{ $set: { '': 1 } }, 'empty segment'],
  [{ $set: { 'a.__proto__.b': 1 } }, 'prototype'],
  [JSON.parse('{"$set":{"__proto__":1}}'), 'prototype'],
  [{ $inc: { a: '1' } }, 'number'],
  [{ $mul: { a: null } }, 'number'],
  [{ $currentDate: { a: false } }, 'true'],
  [{ $currentDate: { a: { $type: 'timestamp' } } }, 'date'],
  [{ $push: { a: { $each: 1 } } }, 'array'],
  [{ $push: { a: { $each: [], $foo: 1 } } }, '$foo'],
  [{ $push: { a: { $each: [], x: 1 } } }, "'x'"],
  [{ $push: { a: { $slice: 1 } } }, '$each'],
  [{ $push: { a: { $each: [], $slice: 1.5 } } }, 'whole number'],
  [{ $push: { a: { $each: [], $position: '0' } } }, 'whole number'],
  [{ $push: { a: { $each: [], $sort: 2 } } }, '1, -1'],
  [{ $push: { a: { $each: [], $sort: { b: 0 } } } }, "'b'"],
  [{ $addToSet: { a: { $each: {} } } }, 'array'],
  [{ $addToSet: { a: { $each: [], $slice: 1 } } }, '$slice'],
  [{ $pullAll: { a: 1 } }, 'array'],
  [{ $pull: { a: { $foo: 1 } } }, '$foo'],
  [{ $pull: { a: /(?=x)/ } }, 'lookaround'],
  [{ $pop: { a: 2 } }, '-1'],
  [{ $bit: { a: {} } }, 'and, or, xor'],
  [{ $bit: { a: { nand: 1 } } }, 'nand'],
  [{ $bit: { a: { and: 1.5 } } }, 'whole number'],
  [{ $set: { 'a.$[x]': 1 } }, 'arrayFilters'],
  [{ $set: { a: 1 } }, 'used by no path', [{ x: 1 }]],
  [{ $set: { 'a.$[x]': 1 } }, 'twice', [{ x: 1 }, { x: 2 }]],
  [{ $set: { 'a.$[x]': 1 } }, 'one named element', [{ x: 1, y: 1 }]],
  [{ $set: { 'a.$[x]': 1 } }, 'one named element', [{}]],
  [{ $set: { 'a.$[X]': 1 } }, 'small letter', [{ X: 1 }]],
  [{ $set: { 'a.$[x]': 1 } }, '$foo', [{ x: { $foo: 1 } }]],
  [{ $set: { 'a.$[x]': 1 } }, 'array', { x: 1 }],
]

describe('an update is refused', () => {
  test.each(refused.map(([update, text, arrayFilters]) => ({ name: `${show(update)} ${arrayFilters === undefined ? '' : show(arrayFilters)}`, update, text, arrayFilters })))('$name', ({ update, text, arrayFilters }) => {
    expect(() => parseUpdate(update, { arrayFilters })).toThrow(expect.objectContaining({ code: 'INVALID_UPDATE', message: expect.stringContaining(text) }))
  })

  test.each([{ $set: { a: () => 1 } }, { $set: { a: { $b: 1 } } }, { $push: { a: { $each: [undefined] } } }, { $inc: { a: 2n ** 63n } }, { $min: { a: 'x\ud800' } }, { $set: { a: JSON.parse('{"__proto__":1}') } }])(
    'for a value that cannot be stored: %o',
    (update) => {
      expect(() => parseUpdate(update)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
    },
  )

  test('past 10,000 operations', () => {
    const update = { $set: Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`f${index}`, 1])) }
    expect(() => parseUpdate(update)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })
})

/** [document, update, the path that the message names] */
const misfits: readonly [Document, unknown, string][] = [
  [{ a: 'x' }, { $inc: { a: 1 } }, 'a'],
  [{ a: null }, { $inc: { a: 1 } }, 'a'],
  [{ a: true }, { $mul: { a: 1 } }, 'a'],
  [{ a: 2n ** 63n - 1n }, { $inc: { a: 1 } }, 'a'],
  [{ a: 2n ** 62n }, { $mul: { a: 2n } }, 'a'],
  [{ a: 1 }, { $push: { a: 1 } }, 'a'],
  [{ a: null }, { $push: { a: 1 } }, 'a'],
  [{ a: {} }, { $addToSet: { a: 1 } }, 'a'],
  [{ a: 'x' }, { $pull: { a: 1 } }, 'a'],
  [{ a: 'x' }, { $pullAll: { a: [] } }, 'a'],
  [{ a: 'x' }, { $pop: { a: 1 } }, 'a'],
  [{ a: 1.5 }, { $bit: { a: { or: 1 } } }, 'a'],
  [{ a: null }, { $bit: { a: { or: 1 } } }, 'a'],
  [{ a: 1 }, { $set: { 'a.b': 1 } }, 'a.b'],
  [{ a: null }, { $set: { 'a.b': 1 } }, 'a.b'],
  [{ a: [1] }, { $set: { 'a.b': 1 } }, 'a.b'],
  [{ a: 1 }, { $pop: { 'a.b': 1 } }, 'a.b'],
  [{ a: 1 }, { $set: { 'a.$[]': 1 } }, 'a.$[]'],
  [{}, { $set: { 'a.$[]': 1 } }, 'a.$[]'],
  [{ a: [1] }, { $rename: { 'a.0': 'b' } }, 'a.0'],
  [{ a: 1, b: [] }, { $rename: { a: 'b.0' } }, 'b.0'],
]

describe('a document that does not fit the update is refused', () => {
  test.each(misfits.map(([document, update, path]) => ({ name: `${show(document)} ${show(update)}`, document, update, path })))('$name', ({ document, update, path }) => {
    expect(() => updated(document, update)).toThrow(expect.objectContaining({ code: 'INVALID_UPDATE', details: expect.objectContaining({ path }) }))
  })

  test('when the result is past a limit', () => {
    const limits = { ...defaultDocumentLimits, documentBytesMax: 60 }
    const grow = parseUpdate({ $push: { a: 'x'.repeat(30) } })
    expect(() => applyUpdate({ a: ['x'.repeat(30)] }, grow, { nowMs: 0, isInsert: false, limits })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ limit: 'documentBytesMax' }) }))
    expect(() => updated({ a: [] }, { $set: { 'a.20000': 1 } })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
    expect(() => updated({}, { $set: { [Array.from({ length: 100 }, () => 'a').join('.')]: { b: 1 } } })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })
})
