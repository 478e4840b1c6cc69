import { describe, expect, test } from 'vitest'
import { compareBySort, parseSort, sortValue } from './sort.ts'
import type { Document, Value } from './values.ts'

function sorted(documents: readonly Document[], sort: unknown): Document[] {
  return documents.toSorted(compareBySort(parseSort(sort)))
}

describe('parseSort', () => {
  test('takes an object or pairs, in order', () => {
    const keys = [
      { path: ['a'], direction: 1 },
      { path: ['b', 'c'], direction: -1 },
    ]
    expect(parseSort({ a: 1, 'b.c': -1 })).toEqual(keys)
    expect(parseSort([['a', 1], ['b.c', -1]])).toEqual(keys)
    expect(parseSort({ $id: 1 })).toEqual([{ path: ['$id'], direction: 1 }])
    expect([parseSort(undefined), parseSort({}), parseSort([])]).toEqual([[], [], []])
  })

  test.each([[null], ['a'], [{ a: 2 }], [{ a: 'asc' }], [{ a: true }], [[['a']]], [['a', 1]], [[[1, 1]]], [[['a', 1], ['a', -1]]], [{ 'a..b': 1 }], [{ $natural: 1 }], [{ 'a.__proto__': 1 }], [Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`f${index}`, 1]))]])('refuses %j', (sort) => {
    expect(() => parseSort(sort)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('sortValue', () => {
  /** [document, path, ascending, descending]; undefined is an empty array. */
  test.each<[Document, string, Value | undefined, Value | undefined]>([
    [{ a: 1 }, 'a', 1, 1],
    [{}, 'a', null, null],
    [{}, 'toString', null, null],
    [{ a: [3, 1, 2] }, 'a', 1, 3],
    [{ a: [] }, 'a', undefined, undefined],
    [{ a: [null, 5] }, 'a', null, 5],
    [{ a: [[1], 'x'] }, 'a', 'x', [1]],
    [{ a: { b: 1 } }, 'a.b', 1, 1],
    [{ a: 5 }, 'a.b', null, null],
    [{ a: [{ b: 1 }, { b: 3 }, { c: 1 }] }, 'a.b', null, 3],
    [{ a: [{ b: [4, 5] }, { b: 2 }] }, 'a.b', 2, 5],
    [{ a: [] }, 'a.b', null, null],
    [{ a: [7, 8] }, 'a.1', 8, 8],
  ])('of %j at %s', (document, path, ascending, descending) => {
    expect(sortValue(document, { path: path.split('.'), direction: 1 })).toEqual(ascending)
    expect(sortValue(document, { path: path.split('.'), direction: -1 })).toEqual(descending)
  })
})

test('documents are sorted by one key, then the next, and otherwise keep their order', () => {
  const documents: Document[] = [{ a: 2, n: 0 }, { a: 1, b: 1, n: 1 }, { a: 1, b: 2, n: 2 }, { a: 2, n: 3 }, { n: 4 }, { a: [], n: 5 }, { a: null, n: 6 }, { a: 'x', n: 7 }]
  expect(sorted(documents, { a: 1, b: -1 }).map(({ n }) => n)).toEqual([5, 4, 6, 2, 1, 0, 3, 7])
  expect(sorted(documents, { a: -1 }).map(({ n }) => n)).toEqual([7, 0, 3, 1, 2, 4, 6, 5])
})

test('an array counts as its least element ascending, as its greatest descending', () => {
  const documents: Document[] = [{ a: [1, 9], n: 0 }, { a: 5, n: 1 }]
  expect(sorted(documents, { a: 1 }).map(({ n }) => n)).toEqual([0, 1])
  expect(sorted(documents, { a: -1 }).map(({ n }) => n)).toEqual([0, 1])
})
