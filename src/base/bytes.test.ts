import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes, compareStrings, concatBytes, toHex, utf8Decode, utf8Encode } from './bytes.ts'

describe('compareStrings', () => {
  test('orders as the UTF-8 bytes are ordered', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 6 }), (left, right) => {
        expect(Math.sign(compareStrings(left, right))).toBe(Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right))))
      }),
      { seed: 1, numRuns: 3000 },
    )
  })

  test('puts a character beyond U+FFFF after U+FFEE, where UTF-16 has it before', () => {
    expect(compareStrings('\u{1f600}', '\uffee')).toBeGreaterThan(0)
    expect(['\uffee', '\u{1f600}'].toSorted()).toEqual(['\u{1f600}', '\uffee'])
  })
})

test('compareBytes is unsigned, and a prefix comes first', () => {
  expect(compareBytes(Uint8Array.of(0x80), Uint8Array.of(0x7f))).toBeGreaterThan(0)
  expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0)
  expect(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(0)
})

test('bytes are joined, written as hex, and decoded only when they are UTF-8', () => {
  expect(concatBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 255)])).toEqual(Uint8Array.of(1, 2, 255))
  expect(toHex(Uint8Array.of(0, 10, 255))).toBe('000aff')
  expect(utf8Decode(utf8Encode('\ufeffgrüße 😀'))).toBe('\ufeffgrüße 😀')
  expect(() => utf8Decode(Uint8Array.of(0xff))).toThrow(TypeError)
})
