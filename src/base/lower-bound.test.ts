import { expect, test } from 'vitest'
import { lowerBound } from './lower-bound.ts'

test('lowerBound gives the first that is not below', () => {
  expect([0, 1, 4, 9].map((bound) => lowerBound([1, 3, 3, 8], (item) => item < bound))).toEqual([0, 0, 3, 4])
})

test('lowerBound takes a length for indexes alone', () => {
  expect([0, 2, 5].map((bound) => lowerBound({ length: 4 }, (_, index) => index < bound))).toEqual([0, 2, 4])
})
