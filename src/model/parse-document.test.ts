import { describe, expect, test } from 'vitest'
import { checkDocumentLimits, defaultDocumentLimits, parseDocument, parseValue } from './parse-document.ts'

class Money {
  readonly cents = 5
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = { a: value }
  return value
}

describe('parseDocument', () => {
  test('copies every kind of value deeply', () => {
    const input = { n: null, b: true, i: -0, x: Number.NaN, s: 'é\u0000😀', big: 2n ** 63n - 1n, at: new Date(5), bytes: new Uint8Array([1, 2]), list: [1, [2]], inside: { a: 1 } }
    const document = parseDocument(input)
    expect(document).toEqual(input)
    expect(document).not.toBe(input)
    expect(document['list']).not.toBe(input.list)
    expect(document['at']).not.toBe(input.at)
    expect(document['bytes']).not.toBe(input.bytes)
    expect(Object.is(document['i'], -0)).toBe(true)
  })

  test('takes a field that is undefined for absent, and keeps null', () => {
    expect(Object.keys(parseDocument({ a: undefined, b: null, c: { d: undefined } }))).toEqual(['b', 'c'])
  })

  test('reads own fields only, of objects without a prototype too', () => {
    expect(parseDocument(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 })
    expect(parseDocument({ a: 1, [Symbol('s')]: 2 })).toEqual({ a: 1 })
  })

  test('leaves out what it is told to skip, unread', () => {
    expect(parseDocument({ $id: 'posts/a', title: 'x' }, defaultDocumentLimits, { skip: new Set(['$id']) })).toEqual({ title: 'x' })
  })

  test.each([
    ['a function', { a: { b: () => 1 } }, 'a.b'],
    ['a symbol', { a: Symbol('s') }, 'a'],
    ['undefined in an array', { a: [1, undefined] }, 'a.1'],
    ['a hole in an array', { a: [1, , 2] }, 'a.1'],
    ['an instance of a class', { a: new Money() }, 'a'],
    ['a Map', { a: new Map() }, 'a'],
    ['an invalid Date', { a: new Date(Number.NaN) }, 'a'],
    ['a lone surrogate', { a: 'x\ud800' }, 'a'],
    ['a lone surrogate in a name', { '\udc00': 1 }, '\udc00'],
    ['a name with $', { a: { $b: 1 } }, 'a.$b'],
    ['a top-level name with $', { $id: 'a' }, '$id'],
    ['$type that is no string', { $type: 1 }, '$type'],
    ['__proto__', JSON.parse('{"a":{"__proto__":1}}'), 'a.__proto__'],
    ['constructor', { constructor: 1 }, 'constructor'],
    ['prototype', { a: [{ prototype: 1 }] }, 'a.0.prototype'],
    ['a bigint beyond int64', { a: 2n ** 63n }, 'a'],
  ])('refuses %s with its path', (_, input, path) => {
    expect(() => parseDocument(input)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED', details: { path } }))
  })

  test.each([null, 1, 'a', [], new Date(0), undefined, new Money()])('refuses %j as a document', (input) => {
    expect(() => parseDocument(input)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
  })

  test('says of a $type that is no string what it must be', () => {
    expect(() => parseDocument({ $type: 5 })).toThrow("'$type' must be text, not a number")
  })

  test('accepts a top-level $type that is a string', () => {
    expect(parseDocument({ $type: 'Post' })).toEqual({ $type: 'Post' })
  })

  test('finds a cycle, also a wide one and one through an array', () => {
    const self: Record<string, unknown> = {}
    self['a'] = { again: [self] }
    const wide: Record<string, unknown> = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`f${index}`, index]))
    wide['self'] = wide
    for (const input of [self, wide]) expect(() => parseDocument(input)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED', message: expect.stringContaining('contains itself') }))
  })

  test('accepts 100 levels, and refuses 101 or 10,000 without overflowing the stack', () => {
    expect(parseDocument(nested(100))).toEqual(nested(100))
    for (const depth of [101, 10_000]) {
      expect(() => parseDocument(nested(depth))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ limit: 'depthMax', most: 100 }) }))
    }
  })

  test.each([
    ['documentBytesMax', { ...defaultDocumentLimits, documentBytesMax: 100 }, { a: 'x'.repeat(100) }],
    ['fieldCountMax', { ...defaultDocumentLimits, fieldCountMax: 2 }, { a: 1, b: { c: 1 } }],
    ['depthMax', { ...defaultDocumentLimits, depthMax: 2 }, { a: [[1]] }],
  ])('names the limit %s', (limit, limits, input) => {
    expect(() => parseDocument(input, limits)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ limit }) }))
    expect(() => checkDocumentLimits(input, limits)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: expect.objectContaining({ limit }) }))
  })

  test('refuses limits that would let the walk overflow the stack', () => {
    expect(() => parseDocument({}, { ...defaultDocumentLimits, depthMax: 100_000 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

test('parseValue says where the value stands', () => {
  expect(() => parseValue([{ b: () => 1 }], 'a')).toThrow(expect.objectContaining({ details: { path: 'a.0.b' } }))
  expect(() => parseValue(undefined, 'a')).toThrow(expect.objectContaining({ details: { path: 'a' } }))
})
