import { expect, test } from 'vitest'
import { compareValues, valuesMatchEqual } from './compare.ts'
import type { Value } from './values.ts'

/** In order; the values of one line are equal. */
const ascending: readonly (readonly (Value | undefined)[])[] = [
  [undefined, null],
  [Number.NaN],
  [-Infinity],
  [-(2n ** 63n)],
  [-1, -1n],
  [0, -0, 0n],
  [0.5],
  [1, 1n],
  [2 ** 53, 2n ** 53n],
  [2n ** 53n + 1n],
  [2 ** 53 + 2],
  [Infinity],
  [''],
  ['a'],
  ['a\u0000'],
  ['b'],
  ['\uffff'],
  ['😀'],
  [{}],
  [{ a: 1 }, { a: 1n }],
  [{ a: 1, b: 0 }],
  [{ b: 0 }],
  [{ b: 0, a: 1 }],
  [{ a: 'x' }],
  [[]],
  [[null]],
  [[1]],
  [[1, 0]],
  [['a']],
  [new Uint8Array([])],
  [new Uint8Array([9])],
  [new Uint8Array([0, 1])],
  [false],
  [true],
  [new Date(-1)],
  [new Date(0)],
]

test("values of all types stand in BSON's order", () => {
  for (const [leftPlace, lefts] of ascending.entries()) {
    for (const [rightPlace, rights] of ascending.entries()) {
      for (const left of lefts) for (const right of rights) expect([left, right, Math.sign(compareValues(left, right))]).toEqual([left, right, Math.sign(leftPlace - rightPlace)])
    }
  }
})

test('the equality of filters follows the order', () => {
  expect(valuesMatchEqual(1, 1n)).toBe(true)
  expect(valuesMatchEqual({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(false)
  expect(valuesMatchEqual([1, { a: Number.NaN }], [1n, { a: Number.NaN }])).toBe(true)
  expect(valuesMatchEqual(undefined, null)).toBe(true)
  expect(valuesMatchEqual(null, 0)).toBe(false)
})
