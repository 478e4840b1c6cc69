import { readFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { decompress } from 'fzstd'
import { describe, expect, test } from 'vitest'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { readForeignParquet } from './read-foreign-parquet.ts'

/*
 * test/foreign/parquet-wasm-*.parquet: parquet-wasm 0.8.0 (Rust's parquet) wrote the 40 rows below from apache-arrow's tables, 25 rows a row group; uncompressed, snappy
 * and zstd with pages of the first version, gzip, brotli and lz4 (LZ4_RAW) with those of the second.
 */
const rows = Array.from({ length: 40 }, (_, index) => ({
  ...(index % 7 !== 3 && { whole: index * 1000 - 20_000 }),
  wide: index * 123_456_789_012 - 1_000_000_000_000,
  ...(index % 5 !== 0 && { real: index / 3 - 4 }),
  ...(index % 4 !== 0 && { flag: index % 3 === 0 }),
  ...(index % 6 !== 5 && { text: ['', 'wörd', '東京', '😀', 'plain'][index % 5] + String(index) }),
  kind: ['red', 'green', 'blue'][index % 3],
  time: (index - 20) * 86_400_000 * 365,
  raw: [index, 255 - index],
  ...(index % 4 !== 0 && { tags: ['a', 'b', 'c'].slice(index % 4) }),
  ...(index % 5 !== 2 && { place: { lat: index / 4, ...(index % 2 === 0 && { name: `p${index}` }) } }),
}))

describe('a file that parquet-wasm wrote', () => {
  test.each(['uncompressed', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'])('is imported with equal values: %s', async (codec) => {
    const bytes = new Uint8Array(readFileSync(new URL(`../../test/foreign/parquet-wasm-${codec}.parquet`, import.meta.url)))
    const decompressors = { GZIP: (page: Uint8Array) => gunzipSync(page), BROTLI: (page: Uint8Array) => brotliDecompressSync(page), ZSTD: (page: Uint8Array, size: number) => decompress(page, new Uint8Array(size)) }
    const read: unknown[] = []
    for await (const batch of (await readForeignParquet(sourceOfBytes(codec, bytes), { decompressors })).rows()) read.push(...batch.map(plain))
    expect(read).toEqual(rows)
  })
})

/** Nulls are absent, whole numbers of one type, times and bytes as numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.getTime()
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value ?? undefined
  return Object.fromEntries(Object.entries(value).flatMap(([name, inside]) => (inside === null || inside === undefined ? [] : [[name, plain(inside)]])))
}
