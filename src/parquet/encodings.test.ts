import fc from 'fast-check'
import { snappyUncompress } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { exhaust } from '../base/exhaust.ts'
import { packBits, unpackBits } from './bit-packing.ts'
import { byteArraysOfTexts, decodeDeltaBytes, decodeDeltaLength, decodePlainByteArrays, encodeDeltaBytes, encodeDeltaLength, encodePlainByteArrays, textsOf, utf8Length } from './byte-arrays.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import { Arena } from './Arena.ts'
import { ByteCursor } from './ByteCursor.ts'
import { decodeDelta, deltaMagnitudeMax, encodeDelta } from './delta-binary.ts'
import { lz4Decompress } from './lz4.ts'
import { decodeHybrid, encodeHybrid } from './rle-hybrid.ts'
import { SnappyCompressor, snappyDecompress } from './snappy.ts'

const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }))

test('packed bits of every width come back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 53 }), fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 8, maxLength: 64 }), (width, fractions) => {
      const count = fractions.length - (fractions.length % 8)
      const values = Float64Array.from(fractions.slice(0, count), (fraction) => Math.floor(fraction * 2 ** width))
      const bytes = new Uint8Array((count * width) / 8)
      expect(packBits(values, { start: 0, count, width }, { bytes, at: 0 })).toBe(bytes.length)
      const back = new Float64Array(count)
      unpackBits(new ByteCursor(bytes), { start: 0, count, width }, back)
      expect(back).toEqual(values)
    }),
  )
})

test('runs and packed codes come back', () => {
  const runs = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 40 })), { minLength: 1 })
  fc.assert(
    fc.property(runs, (pairs) => {
      const codes = Uint16Array.from(pairs.flatMap(([code, repeats]) => new Array<number>(repeats).fill(code)))
      const out = new ByteBuffer()
      encodeHybrid(codes, { count: codes.length, width: 9 }, out)
      const back = new Uint16Array(codes.length)
      decodeHybrid(out.view(), { width: 9, greatest: 300 }, back)
      expect(back).toEqual(codes)
    }),
  )
})

test('a code past the dictionary is refused', () => {
  const out = new ByteBuffer()
  encodeHybrid(Uint16Array.of(1, 2, 3, 7, 1, 2, 3, 1), { count: 8, width: 3 }, out)
  expect(() => decodeHybrid(out.view(), { width: 3, greatest: 6 }, new Uint16Array(8))).toThrow('a level or code is over 6')
})

test('whole numbers come back from their deltas, also the greatest that deltas take', () => {
  const number = fc.oneof(fc.integer(), fc.integer({ min: -100, max: 100 }), fc.constantFrom(deltaMagnitudeMax, -deltaMagnitudeMax, deltaMagnitudeMax - 1, 0))
  fc.assert(
    fc.property(fc.array(number, { maxLength: 400 }), (numbers) => {
      const out = new ByteBuffer()
      encodeDelta(numbers, numbers.length, out)
      const back = new Float64Array(numbers.length)
      decodeDelta(new ByteCursor(out.view()), back)
      expect(Array.from(back)).toEqual(numbers)
    }),
  )
})

describe('texts', () => {
  test('come back from lengths and bytes', () => {
    fc.assert(
      fc.property(texts, (values) => {
        const out = new ByteBuffer()
        encodeDeltaLength(byteArraysOfTexts(values), out)
        expect(textsOf(decodeDeltaLength(new ByteCursor(out.view()), values.length, new Arena()), 0, values.length)).toEqual(values)
      }),
    )
  })

  test('come back from shared prefixes', () => {
    fc.assert(
      fc.property(texts, (values) => {
        const sorted = values.toSorted()
        const out = new ByteBuffer()
        encodeDeltaBytes(byteArraysOfTexts(sorted), out)
        expect(textsOf(decodeDeltaBytes(new ByteCursor(out.view()), sorted.length, { sizeMax: 1e6, memory: new Arena() }), 0, sorted.length)).toEqual(sorted)
      }),
    )
  })

  test('come back from a dictionary page', () => {
    fc.assert(
      fc.property(texts, (values) => {
        const out = new ByteBuffer()
        encodePlainByteArrays(byteArraysOfTexts(values), out)
        expect(textsOf(decodePlainByteArrays(out.view(), values.length, new Arena()), 0, values.length)).toEqual(values)
      }),
    )
  })

  test('have the length that they have in UTF-8', () => {
    expect(['', 'abc', 'é', '€', '😀', 'a€😀'].map(utf8Length)).toEqual([0, 3, 2, 3, 4, 8])
  })

  test('that expand past their bound are refused', () => {
    const out = new ByteBuffer()
    encodeDeltaBytes(byteArraysOfTexts(['a'.repeat(100), 'a'.repeat(100), 'a'.repeat(100)]), out)
    expect(() => decodeDeltaBytes(new ByteCursor(out.view()), 3, { sizeMax: 299, memory: new Arena() })).toThrow('expand to more')
  })
})

describe('snappy', () => {
  const compressible = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 400 })), { maxLength: 30 }).map((pairs) => Uint8Array.from(pairs.flatMap(([part, repeats]) => new Array(repeats).fill([...part]).flat() as number[])))

  test('gives back what was compressed, to us and to hyparquet', () => {
    const compressor = new SnappyCompressor()
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), compressible), (bytes) => {
        const small = exhaust(compressor.compress(bytes)).slice()
        expect(snappyDecompress(small, new Uint8Array(bytes.length))).toEqual(bytes)
        const theirs = new Uint8Array(bytes.length)
        if (bytes.length > 0) snappyUncompress(small, theirs)
        expect(theirs).toEqual(bytes)
      }),
      { numRuns: 60 },
    )
  })

  test('gives others their turn between two blocks', () => {
    expect([...new SnappyCompressor().compress(new Uint8Array(300_000))]).toHaveLength(4)
    expect([...new SnappyCompressor().compress(new Uint8Array(1 << 16))]).toHaveLength(0)
  })

  test('makes a long repetition short, across its blocks of 64 KB', () => {
    const bytes = new Uint8Array(300_000).fill(7)
    const small = exhaust(new SnappyCompressor().compress(bytes))
    expect(small.length).toBeLessThan(16_000)
    expect(snappyDecompress(small, new Uint8Array(bytes.length)).every((byte) => byte === 7)).toBe(true)
  })

  test('refuses damaged bytes without reading or writing past an end', () => {
    const bytes = new TextEncoder().encode('the quick brown fox and the quick brown dog '.repeat(20))
    const small = exhaust(new SnappyCompressor().compress(bytes)).slice()
    for (let at = 0; at < small.length; at++) {
      const cut = small.slice(0, at)
      expect(() => snappyDecompress(cut, new Uint8Array(bytes.length))).toThrow('damaged')
    }
    expect(() => snappyDecompress(Uint8Array.of(5, 1), new Uint8Array(5))).toThrow('damaged')
    expect(() => snappyDecompress(Uint8Array.of(4, 0b10, 1, 0), new Uint8Array(4))).toThrow('outside')
  })
})

test('an LZ4 block is decompressed, and a damaged one refused', () => {
  // 'abcabcabcabcX': three literals, a copy of nine from three back, one literal.
  const block = Uint8Array.of(0x35, 97, 98, 99, 3, 0, 0x10, 88)
  expect(new TextDecoder().decode(lz4Decompress(block, 13))).toBe('abcabcabcabcX')
  for (let at = 0; at < block.length; at++) expect(() => lz4Decompress(block.slice(0, at), 13)).toThrow('damaged')
})
