import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { crc32 } from '../base/crc32.ts'
import { exhaust } from '../base/exhaust.ts'
import { Arena } from './Arena.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import type { Codec } from './codecs.ts'
import { rowsBetween, type Column } from './Column.ts'
import { scalarsOf } from './column-values.ts'
import type { Leaf } from './columns.ts'
import { decodeChunk } from './decode-chunk.ts'
import { decodeRows, scalarsAt } from './decode-rows.ts'
import { encodeChunk, type EncodedChunk } from './encode-chunk.ts'
import { LeafBuilder } from './LeafBuilder.ts'
import type { LeafValue } from './columns.ts'
import { writePageHeader } from './page-header.ts'
import type { PageHeader } from './page-header.ts'
import { SnappyCompressor } from './snappy.ts'

const text: Leaf = { path: ['t'], kind: 'string', maxDefinition: 1, maxRepetition: 0 }
const list: Leaf = { path: ['l', 'list', 'element'], kind: 'int', maxDefinition: 2, maxRepetition: 1 }

/** A chunk whose checksums are right, so that only its sizes can give it away. */
function decodeCrafted(leaf: Leaf, header: Partial<PageHeader>, { body = new Uint8Array(10), codec }: { body?: Uint8Array; codec?: Codec } = {}): Column {
  const out = new ByteBuffer()
  const plain: PageHeader = { kind: 'data', uncompressedBytes: body.length, compressedBytes: body.length, crc32: crc32(body), encoding: 'DELTA_LENGTH_BYTE_ARRAY', valueCount: 5, nullCount: 0, rowCount: 5, definitionBytes: 0, repetitionBytes: 0 }
  writePageHeader({ ...plain, ...header }, out)
  out.append(body)
  const bytes = out.copy()
  return decodeChunk({ leaf, rowCount: 5, bytes, codec }, new Arena())
}

/** A gzip page whose last four bytes, its size, are these. */
function withEnd(page: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(page)
  new DataView(bytes.buffer).setUint32(bytes.length - 4, size, true)
  return bytes
}

function encode(leaf: Leaf, values: readonly LeafValue[]): EncodedChunk {
  const builder = new LeafBuilder(leaf, { bytes: 0 })
  for (const value of values) builder.value(value)
  return exhaust(encodeChunk(builder, { isSorted: false, compressor: new SnappyCompressor() }))
}

/** Values that come out in each encoding, of 5,000 rows. */
const columns: readonly { readonly name: string; readonly kind: Leaf['kind']; readonly isSorted?: true; readonly at: (row: number) => LeafValue | undefined }[] = [
  { name: 'ints that differ by the same', kind: 'int', at: (row) => row * 3 - 7 },
  { name: 'ints of all widths', kind: 'int', at: (row) => ((row * 7919) % 5003) * (row % 700 === 0 ? 2 ** 35 : 1) },
  { name: 'ints with a stretch that is the same', kind: 'int', at: (row) => (row < 3000 ? 5 : (row * 31) % 17) },
  { name: 'ints past what deltas hold', kind: 'int', at: (row) => 2 ** 52 + row },
  { name: 'dates', kind: 'date', at: (row) => 1_700_000_000_000 + row * 1000 + ((row * 37) % 990) },
  { name: 'doubles', kind: 'double', at: (row) => Math.fround(row * 1.7) * Math.PI ** (row % 40) },
  { name: 'measured doubles', kind: 'double', at: (row) => 48 + Math.sin(row / 50) },
  { name: 'few doubles', kind: 'double', at: (row) => (row % 7) / 10 },
  { name: 'bigints', kind: 'bigint', at: (row) => BigInt(row) << 40n },
  { name: 'booleans', kind: 'boolean', at: (row) => row % 3 === 0 || row > 4000 },
  { name: 'sorted texts', kind: 'string', isSorted: true, at: (row) => `id${String(row).padStart(7, '0')}${row % 13 === 0 ? 'é' : ''}` },
  { name: 'texts', kind: 'string', at: (row) => `${(row * 7919) % 5003} of ${row}` },
  { name: 'few texts', kind: 'string', at: (row) => (row < 200 ? 'first' : `city-${(row * 31) % 300}`) },
  { name: 'bytes', kind: 'bytes', at: (row) => Uint8Array.of(row, row >> 8) },
  { name: 'nulls among them', kind: 'int', at: (row) => (row % 5 === 0 ? undefined : row) },
  { name: 'nulls alone', kind: 'string', at: () => undefined },
]

test.each(columns)('some rows of a chunk are what they are in all of it: $name', ({ kind, isSorted = false, at }) => {
  const rowCount = 5000
  const leaf: Leaf = { path: ['c'], kind, maxDefinition: 1, maxRepetition: 0 }
  const builder = new LeafBuilder(leaf, { bytes: 0 })
  for (let row = 0; row < rowCount; row++) {
    const value = at(row)
    if (value !== undefined) builder.value(value)
    else builder.fillTo(row + 1)
  }
  const { bytes, isCompressed } = exhaust(encodeChunk(builder, { isSorted, compressor: new SnappyCompressor() }))
  const chunk = { leaf, rowCount, bytes, codec: isCompressed ? ('snappy' as const) : undefined }
  const all = scalarsOf(decodeChunk(chunk, new Arena()), rowsBetween(0, rowCount))
  for (const rows of [[], [0], [rowCount - 1], [0, 1, 2, 31, 32, 33, 127, 128, 129, 2999, 3000, 4998, 4999], [1, 700, 1400, 2100], rowsBetween(64, 64 + 300), rowsBetween(0, rowCount).filter((row) => row % 17 === 3), rowsBetween(0, 1000)]) {
    const wanted = Int32Array.from(rows)
    expect(scalarsAt(decodeRows(chunk, wanted, new Arena()))).toEqual(Array.from(wanted, (row) => all[row]))
  }
})

describe('a chunk that announces more than it can hold', () => {
  test.each([
    ['an uncompressed size past its bytes', { uncompressedBytes: 2 ** 31 }],
    ['a compressed size past its bytes', { compressedBytes: 2 ** 31 }],
    ['more values than rows', { valueCount: 2 ** 31 }],
    ['other rows than its row group', { rowCount: 6 }],
    ['more nulls than values', { nullCount: 6 }],
    ['levels past its bytes', { definitionBytes: 11 }],
    ['an encoding that its type does not have', { encoding: 'DELTA_BINARY_PACKED' as const }],
    ['a dictionary and no data', { kind: 'dictionary' as const }],
  ])('is refused before anything is allocated: %s', (_name, header) => {
    expect(() => decodeCrafted(text, header)).toThrow('damaged')
  })

  test('is refused when it would expand more than Snappy can', () => {
    expect(() => decodeCrafted(text, { uncompressedBytes: 2 ** 30 }, { codec: 'snappy' })).toThrow('more than its bytes can expand to')
  })

  test.each([
    ['more than its bytes can expand to', { uncompressedBytes: 2 ** 30 }, gzipSync(new Uint8Array(10))],
    ['is no gzip of the size', { uncompressedBytes: 9 }, gzipSync(new Uint8Array(10))],
    ['is no gzip of the size', { uncompressedBytes: 10 }, gzipSync(new Uint8Array(10)).subarray(0, 12)],
    ['is no gzip of the size', { uncompressedBytes: 10 }, withEnd(new Uint8Array(30).fill(255), 10)],
    ['is no gzip of the size', { uncompressedBytes: 20 }, withEnd(gzipSync(new Uint8Array(10)), 20)],
  ])('is refused when it is gzip and %s', (problem, header, page) => {
    const body = new Uint8Array(page)
    expect(() => decodeCrafted(text, { ...header, compressedBytes: body.length, crc32: crc32(body) }, { body, codec: 'gzip' })).toThrow(problem)
  })

  test('is refused when its lists would have more elements than any row group', () => {
    expect(() => decodeCrafted(list, { valueCount: 2 ** 30, encoding: 'DELTA_BINARY_PACKED' })).toThrow('another number of rows')
  })

  test('is refused when its lengths are longer than its bytes', () => {
    expect(() => decodeCrafted(text, {}, { body: Uint8Array.of(128, 1, 4, 5, 254, 255, 3, 0, 0, 0, 0, 0) })).toThrow('longer than their page')
  })
})

describe('the encoding of a column', () => {
  test('is chosen by its values', () => {
    const of = (kind: Leaf['kind'], values: readonly LeafValue[]): string => encode({ ...text, kind }, values).encoding
    const many = Array.from({ length: 400 }, (_, index) => index)
    expect(of('string', many.map((index) => `value ${index % 7}`))).toBe('RLE_DICTIONARY')
    expect(of('string', many.map((index) => `${index} values`))).toBe('DELTA_LENGTH_BYTE_ARRAY')
    expect(of('string', many.map((index) => `01HXYZABCDEFGHJKMNPQRS${1000 + index}`))).toBe('DELTA_BYTE_ARRAY')
    expect(of('double', many.map((index) => (index % 7) / 3))).toBe('RLE_DICTIONARY')
    expect(of('double', many.map((index) => (index % 7) * -0))).toBe('PLAIN')
    expect(of('double', many.map((index) => index / 3))).toBe('BYTE_STREAM_SPLIT')
    expect(of('int', many)).toBe('DELTA_BINARY_PACKED')
    expect(of('int', [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])).toBe('PLAIN')
    expect(of('boolean', [true, false])).toBe('RLE')
    expect(of('bigint', [1n])).toBe('PLAIN')
  })

  test('takes shared beginnings out of short values only, and gives them back', () => {
    const ids = Array.from({ length: 300 }, (_, index) => `ü-made-one-after-another-${index % 90 === 0 ? 'z' : ''}${index}`)
    const { bytes, isCompressed, encoding } = encode(text, ids)
    const column = decodeChunk({ leaf: text, rowCount: 300, bytes, codec: isCompressed ? 'snappy' : undefined }, new Arena())
    expect([encoding, scalarsOf(column, rowsBetween(0, 300))]).toEqual(['DELTA_BYTE_ARRAY', ids])
    // What one of these expands to is bounded where it is read.
    expect(encode(text, ids.map((id) => 'x'.repeat(8000) + id)).encoding).toBe('DELTA_LENGTH_BYTE_ARRAY')
  })

  test('is compressed only where that saves something', () => {
    expect(encode(text, Array.from({ length: 300 }, (_, index) => `${index} are the same words again and again`)).isCompressed).toBe(true)
    expect(encode(text, ['x', 'q7']).isCompressed).toBe(false)
  })
})
