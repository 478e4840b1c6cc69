import { expect, test } from 'vitest'
import { approximateBytes, cloneDocument, equalValues, isObject, ownField } from './values.ts'
import type { Value } from './values.ts'

test('a clone is equal and shares nothing', () => {
  const document = { a: [1, { b: new Date(1) }], c: new Uint8Array([1]), d: { e: null }, f: 5n }
  const copy = cloneDocument(document)
  expect(copy).toEqual(document)
  expect(copy['a']).not.toBe(document.a)
  expect(copy['c']).not.toBe(document.c)
  expect(copy['d']).not.toBe(document.d)
})

test.each<[Value, Value]>([
  [1, 1n],
  [0, -0],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [[1, 2], [1]],
  [[], {}],
  [new Date(0), 0],
  [new Date(0), new Date(1)],
  [new Uint8Array([1]), new Uint8Array([2])],
  [new Uint8Array([1]), [1]],
  [null, {}],
  [{ a: 1 }, { a: 1, b: 1 }],
  ['1', 1],
])('%o and %o are not the same', (left, right) => {
  expect(equalValues(left, right)).toBe(false)
  expect(equalValues(right, left)).toBe(false)
})

test.each<[Value, Value]>([
  [Number.NaN, Number.NaN],
  [-0, -0],
  [new Date(5), new Date(5)],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [{ a: [{ b: 1n }] }, { a: [{ b: 1n }] }],
])('%o and %o are the same', (left, right) => {
  expect(equalValues(left, right)).toBe(true)
})

test('absent is not null', () => {
  expect(equalValues(undefined, null)).toBe(false)
  expect(equalValues(undefined, undefined)).toBe(true)
})

test('ownField does not see what every object inherits', () => {
  expect(ownField({}, 'toString')).toBe(undefined)
  expect(ownField({ toString: 1 }, 'toString')).toBe(1)
})

test('isObject is true for plain objects alone', () => {
  const values: Value[] = [{}, [], null, new Date(0), new Uint8Array(1), 'a', 1]
  expect(values.map(isObject)).toEqual([true, false, false, false, false, false, false])
})

test('approximateBytes counts slots, names, text and bytes', () => {
  expect(approximateBytes({ ab: 'xyz', c: [1, new Uint8Array(10)] })).toBe(8 + 2 + 11 + 1 + 8 + 8 + 18)
})
