import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { decompress as zstdDecompress } from 'fzstd'
import { parquetReadObjects, type Compressors } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { isParqueDBError } from '../src/base/ParqueDBError.ts'
import type { Document } from '../src/model/values.ts'
import { sourceOfBytes } from './source-of-bytes.ts'
import { lz4BlocksDecompress, lz4Decompress } from '../src/parquet/lz4.ts'
import { readForeignParquet } from '../src/parquet/read-foreign-parquet.ts'

/** apache/parquet-testing, where it is: CI has it not. */
const shared = resolve('../shared/data/parquet-testing')
const decompressors = { GZIP: (bytes: Uint8Array) => gunzipSync(bytes), BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes), ZSTD: (bytes: Uint8Array, size: number) => zstdDecompress(bytes, new Uint8Array(size)) }
const compressors: Compressors = { ...decompressors, LZ4_RAW: lz4Decompress, LZ4: lz4BlocksDecompress }

/** What is refused, and why. */
const refused: Readonly<Record<string, string>> = {
  'large_string_map.brotli.parquet': 'LIMIT_EXCEEDED',
  'nation.dict-malformed.parquet': 'CORRUPT_FILE',
}
/** Files of which hyparquet gives other values on purpose of ours: see readForeignParquet. */
const converted: Readonly<Record<string, string>> = {
  'byte_stream_split_extended.gzip.parquet': 'decimals, which it makes inexact floats',
  'fixed_length_decimal.parquet': 'decimals of more digits than a number has, which are texts',
  'int96_from_spark.parquet': 'a time before 1970, which it rounds up and we down',
}

function filesIn(folder: string): string[] {
  const path = join(shared, folder)
  return existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.parquet')) : []
}

async function read(folder: string, name: string): Promise<{ rows: Document[]; code?: string }> {
  const rows: Document[] = []
  try {
    const file = await readForeignParquet(sourceOfBytes(name, new Uint8Array(readFileSync(join(shared, folder, name)))), { decompressors })
    for await (const batch of file.rows()) rows.push(...batch)
    return { rows }
  } catch (error) {
    if (!isParqueDBError(error)) throw error
    return { rows, code: error.code }
  }
}

/** One form for what both give: nulls are absent, whole numbers one type. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.getTime()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map((one) => plain(one) ?? null)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).flatMap(([name, one]) => (plain(one) === undefined ? [] : [[name, plain(one)]])))
  return value ?? undefined
}

describe.skipIf(filesIn('data').length === 0)('the files of apache/parquet-testing (in ../shared/data)', () => {
  test.each(filesIn('data'))('data/%s is read as hyparquet reads it, or refused for a known reason', { timeout: 60_000 }, async (name) => {
    const { rows, code } = await read('data', name)
    expect(code).toBe(refused[name])
    if (code !== undefined || converted[name] !== undefined) return
    const bytes = new Uint8Array(readFileSync(join(shared, 'data', name)))
    const expected = await parquetReadObjects({ file: bytes.buffer, compressors, utf8: false, geoparquet: false, parsers: { geometryFromBytes: (wkb: Uint8Array) => wkb, geographyFromBytes: (wkb: Uint8Array) => wkb } as never })
    expect(rows.map(plain)).toEqual(expected.map(plain))
  })

  test.each(filesIn('bad_data'))('bad_data/%s ends in an error, or is read', { timeout: 20_000 }, async (name) => {
    expect([undefined, 'CORRUPT_FILE', 'UNSUPPORTED_FORMAT', 'LIMIT_EXCEEDED']).toContain((await read('bad_data', name)).code)
  })
})
