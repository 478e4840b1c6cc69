import type { Compressors, FileMetaData, RowGroup } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { ByteBuffer } from './ByteBuffer.ts'
import { checkForeignPages } from './read-foreign-parquet.ts'
import { encodeDelta } from './delta-binary.ts'
import { writePageHeader } from './page-header.ts'

/** A chunk of one page in which each value shares `shared` bytes with the one before it and adds one. */
function check(shared: readonly number[], compressors: Compressors = {}): void {
  const body = new ByteBuffer()
  encodeDelta(shared, shared.length, body)
  encodeDelta(shared.map(() => 1), shared.length, body)
  body.append(new Uint8Array(shared.length))
  const chunk = new ByteBuffer()
  const sizes = { uncompressedBytes: body.length, compressedBytes: body.length, crc32: 0 }
  writePageHeader({ kind: 'data', ...sizes, encoding: 'DELTA_BYTE_ARRAY', valueCount: shared.length, nullCount: 0, rowCount: shared.length, definitionBytes: 0, repetitionBytes: 0 }, chunk)
  chunk.append(body.view())
  const bytes = chunk.copy()
  const codec = Object.keys(compressors)[0] ?? 'UNCOMPRESSED'
  const meta_data = { codec, num_values: BigInt(shared.length), path_in_schema: ['s'], data_page_offset: 0n, total_compressed_size: BigInt(bytes.length) }
  checkForeignPages({ columns: [{ meta_data }] } as unknown as RowGroup, { metadata: {} as FileMetaData, compressors, slice: (start, end) => bytes.subarray(start, end) })
}

describe('values that repeat the ones before them', () => {
  test('are refused before they are built where they would be more than a page may hold', () => {
    check(Array.from({ length: 1000 }, (_, index) => index))
    // Each of 40,000 values is one byte longer than the one before it: 800 MB of a page of 45 KB.
    expect(() => check(Array.from({ length: 40_000 }, (_, index) => index))).toThrow('more than 268435456 bytes')
  })

  test('are refused where they share more than there is', () => {
    expect(() => check([0, 5])).toThrow('longer than the value before it')
    expect(() => check([0, -1])).toThrow('longer than the value before it')
  })

  test('are looked at through their compression', () => {
    expect(() => check(Array.from({ length: 40_000 }, (_, index) => index), { SNAPPY: (bytes) => bytes })).toThrow('more than 268435456 bytes')
  })
})
