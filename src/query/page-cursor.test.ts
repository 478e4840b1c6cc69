import { describe, expect, test } from 'vitest'
import type { Value } from '../model/values.ts'
import { decodeCursor, encodeCursor, fingerprintOf } from './page-cursor.ts'

const values: (Value | undefined)[] = [null, undefined, [], true, -0, Number.NaN, 1n, 'ünï\u0000\u{1f680}', new Date(-5), Uint8Array.of(1, 2), { a: [1] }]

describe('a cursor', () => {
  test('brings a position back exactly, and is safe in a URL', () => {
    const cursor = encodeCursor({ values, id: 'a/b é' }, 7)
    expect(/^[\w-]+$/.test(cursor)).toBe(true)
    expect(decodeCursor(cursor, { fingerprint: 7, keyCount: values.length })).toEqual({ values, id: 'a/b é' })
  })

  test('of another query, or with another number of sort keys, is INVALID_ARGUMENT', () => {
    const cursor = encodeCursor({ values: [1], id: 'a' }, 7)
    for (const query of [{ fingerprint: 8, keyCount: 1 }, { fingerprint: 7, keyCount: 2 }]) {
      expect(() => decodeCursor(cursor, query)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  test('with any one character changed is INVALID_ARGUMENT', () => {
    const cursor = encodeCursor({ values: [1, 'text'], id: 'some id' }, 7)
    for (let at = 0; at < cursor.length; at++) {
      const damaged = cursor.slice(0, at) + (cursor[at] === 'A' ? 'B' : 'A') + cursor.slice(at + 1)
      expect(() => decodeCursor(damaged, { fingerprint: 7, keyCount: 2 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  test('of a row whose sort values are very long is LIMIT_EXCEEDED', () => {
    expect(() => encodeCursor({ values: ['x'.repeat(2_000_000)], id: 'a' }, 7)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }))
  })
})

test('fingerprints tell queries apart', () => {
  const parts = [{ a: 1 }, { a: 1n }, { a: '1' }, { a: Number.NaN }, { a: null }, { a: Uint8Array.of(1) }, { a: Uint8Array.of(2) }, { a: new Set(['x']) }, { a: new Set(['y']) }, {}]
  expect(new Set(parts.map((part) => fingerprintOf([part]))).size).toBe(parts.length)
})
