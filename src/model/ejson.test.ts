import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { fromExtendedJson, parseExtendedJson, stringifyExtendedJson, toExtendedJson } from './ejson.ts'
import { equalValues } from './values.ts'
import type { Value } from './values.ts'

const name = fc.string({ unit: 'grapheme' }).filter((text) => !text.startsWith('$') && !['__proto__', 'constructor', 'prototype'].includes(text))
const value = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Value>(null, true, false, Number.NaN, Infinity, -Infinity, -0, 0),
    fc.double(),
    fc.integer(),
    fc.string({ unit: 'grapheme' }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

test('any value survives the way to text and back exactly', () => {
  fc.assert(
    fc.property(value, (original) => equalValues(parseExtendedJson(stringifyExtendedJson(original)), original)),
    { seed: 3, numRuns: 3000 },
  )
})

test.each<[Value, string]>([
  [new Date(0), '{"$date":"1970-01-01T00:00:00.000Z"}'],
  [new Date('0000-01-01T00:00:00.000Z'), '{"$date":"0000-01-01T00:00:00.000Z"}'],
  [new Date(-62167219200001), '{"$date":{"$numberLong":"-62167219200001"}}'],
  [new Date(253402300800000), '{"$date":{"$numberLong":"253402300800000"}}'],
  [5n, '{"$numberLong":"5"}'],
  [new Uint8Array([255, 0, 1, 2]), '{"$binary":{"base64":"/wABAg==","subType":"00"}}'],
  [-0, '{"$numberDouble":"-0.0"}'],
  [Number.NaN, '{"$numberDouble":"NaN"}'],
  [-Infinity, '{"$numberDouble":"-Infinity"}'],
  [{ a: [1, 1.5, 'x', null, true] }, '{"a":[1,1.5,"x",null,true]}'],
])('%o is written as %s', (original, text) => {
  expect(stringifyExtendedJson(original)).toBe(text)
  expect(equalValues(parseExtendedJson(text), original)).toBe(true)
})

test('what needs no wrapper is the same reference, both ways', () => {
  const plain = { a: [1, { b: 'x' }], c: null }
  expect(toExtendedJson(plain)).toBe(plain)
  expect(fromExtendedJson(plain)).toBe(plain)
  const mixed = { plain, at: new Date(0) }
  expect((toExtendedJson(mixed) as { plain: unknown }).plain).toBe(plain)
  expect(mixed.at).toEqual(new Date(0))
})

test('reads canonical numbers, and dates with an offset', () => {
  expect(parseExtendedJson('{"a":{"$numberInt":"-5"},"b":{"$numberDouble":"1.5"},"c":{"$date":{"$numberLong":"7"}}}')).toEqual({ a: -5, b: 1.5, c: new Date(7) })
  expect(parseExtendedJson('{"$date":"2020-01-01T01:00:00+0100"}')).toEqual(new Date('2020-01-01T00:00:00Z'))
})

test('keeps $id and $type of the outermost object, and operators when asked to', () => {
  expect(parseExtendedJson('{"$id":"posts/a","$type":"Post"}')).toEqual({ $id: 'posts/a', $type: 'Post' })
  expect(parseExtendedJson('{"n":{"$gt":{"$numberLong":"5"}}}', { keepOperators: true })).toEqual({ n: { $gt: 5n } })
  expect(parseExtendedJson('{"n":{"$undefined":true}}', { keepOperators: true })).toStrictEqual({ n: undefined })
})

describe('refuses', () => {
  test.each([
    ['{"a":{"$oid":"507f1f77bcf86cd799439011"}}', 'a'],
    ['{"a":[{"$gt":5}]}', 'a.0'],
    ['{"a":{"$undefined":true}}', 'a'],
    ['{"a":{"$id":"x"}}', 'a'],
    ['{"$id":5}', ''],
    ['{"a":{"$date":"2020-13-01T00:00:00Z"}}', 'a'],
    ['{"a":{"$date":"yesterday"}}', 'a'],
    ['{"a":{"$date":5}}', 'a'],
    ['{"a":{"$date":{"$numberLong":"9000000000000000"}}}', 'a'],
    ['{"a":{"$numberLong":"9223372036854775808"}}', 'a'],
    ['{"a":{"$numberLong":5}}', 'a'],
    ['{"a":{"$numberLong":"5","b":1}}', 'a'],
    ['{"a":{"$numberInt":"2147483648"}}', 'a'],
    ['{"a":{"$numberDouble":"five"}}', 'a'],
    ['{"a":{"$binary":{"base64":"a","subType":"00"}}}', 'a'],
    ['{"a":{"$binary":{"base64":"YQ==","subType":"04"}}}', 'a'],
    ['{"a":{"$binary":"YQ=="}}', 'a'],
    ['{"a":{"__proto__":{"b":1}}}', 'a'],
    ['{"constructor":1}', ''],
    ['{"a":"\\ud800"}', 'a'],
    ['{"a":', ''],
  ])('%s', (text, path) => {
    expect(() => parseExtendedJson(text)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED', details: { path } }))
  })

  test('100,000 levels without overflowing the stack', () => {
    expect(() => parseExtendedJson('['.repeat(100_000) + ']'.repeat(100_000))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })

  test('what is not JSON at all', () => {
    for (const input of [undefined, 5n, new Date(0), () => 1]) expect(() => fromExtendedJson(input)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
  })
})

test('base64 is that of RFC 4648', () => {
  const pairs: [string, string][] = [['', ''], ['f', 'Zg=='], ['fo', 'Zm8='], ['foo', 'Zm9v'], ['foob', 'Zm9vYg=='], ['fooba', 'Zm9vYmE='], ['foobar', 'Zm9vYmFy']]
  for (const [text, encoded] of pairs) {
    expect(encodeBase64(new TextEncoder().encode(text))).toBe(encoded)
    expect(decodeBase64(encoded)).toEqual(new TextEncoder().encode(text))
  }
})

test.each(['Z', 'Zg', 'Zg=', 'Zh==', 'Zm9=', '====', 'Z===', 'Zg==Zg==', 'Zm9 ', 'Zm9é', '=Zm9'])("base64 '%s' is refused", (text) => {
  expect(decodeBase64(text)).toBe(undefined)
})
