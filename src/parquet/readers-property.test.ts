import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EntityState } from '../model/entity.ts'
import type { Document, Value } from '../model/values.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import type { Codec } from './codecs.ts'
import { RunFileReader } from './RunFileReader.ts'
import { RunFileWriter } from './RunFileWriter.ts'
import { ShapeBuilder } from './shape.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parquedb-properties-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(documents: readonly Document[], codec: Codec): { bytes: Uint8Array; facts: Parameters<typeof RunFileReader.open>[1] } {
  const shape = new ShapeBuilder()
  for (const document of documents) shape.add(document)
  const writer = new RunFileWriter({ shape: shape.build(), rowGroupBytes: 3000, codec })
  documents.forEach((document, index) => {
    const state: EntityState = { id: String(index).padStart(6, '0'), version: 1, seq: index + 1, createdAt: -1, createdBy: undefined, updatedAt: 0, updatedBy: undefined, deletedAt: undefined, document }
    writer.append(state)
  })
  const { bytes, ...facts } = writer.finish()
  return { bytes, facts }
}

async function inDuckDB(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  const path = join(folder, 'one.parquet')
  writeFileSync(path, bytes)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    return (await connection.runAndReadAll(`SELECT * FROM '${path}' ORDER BY "$id"`)).getRowObjectsJS()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function inHyparquet(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: bytes.slice().buffer, utf8: false, compressors: { GZIP: (page: Uint8Array) => gunzipSync(page) } })
}

async function inOurs({ bytes, facts }: ReturnType<typeof write>): Promise<Document[]> {
  const reader = await RunFileReader.open(sourceOfBytes('f', bytes), facts)
  const read: Document[] = []
  for await (const states of reader.scan()) read.push(...states.map(({ document }) => document))
  return read
}

/** Integers of both widths alike, times as milliseconds, bytes as text; absent and null alike, as columns have them. */
function plain(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value) && !Object.is(value, -0))) return `integer ${String(BigInt(value))}`
  if (value instanceof Date) return `time ${value.getTime()}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, plain(inside)])) : value
}

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('', 'a', 'é', '東京', '😀', '\u0000', 'x'.repeat(100), '\uffee'.repeat(70)))
const scalars = {
  text,
  int: fc.oneof(fc.maxSafeInteger().filter((value) => !Object.is(value, -0)), fc.constantFrom(0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)),
  double: fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, 0.1)),
  big: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n)),
  flag: fc.boolean(),
  time: fc.oneof(fc.date({ noInvalidDate: true, min: new Date(-62_000_000_000_000) }), fc.constantFrom(new Date(-1), new Date(0))),
  raw: fc.uint8Array({ maxLength: 6 }),
}
const element = { texts: fc.array(text, { maxLength: 4 }), ints: fc.array(scalars.int, { maxLength: 4 }), times: fc.array(scalars.time, { maxLength: 3 }), flags: fc.array(scalars.flag, { maxLength: 9 }) }
const group = fc.record({ name: text, size: scalars.int, inside: fc.record({ flag: fc.boolean(), real: fc.double({ noNaN: true }) }, { requiredKeys: [] }), tags: element.texts }, { requiredKeys: [] })
const fields = { ...scalars, ...element, group }

/** Of each field: always, now and then, hardly ever or never there, alone or as explicit nulls. */
const documents = fc
  .record({ count: fc.integer({ min: 0, max: 60 }), present: fc.array(fc.constantFrom(0, 1, 2, 17, 1000), { minLength: 12, maxLength: 12 }), withNulls: fc.boolean(), seed: fc.nat() })
  .chain(({ count, present, withNulls }) =>
    fc.array(fc.record(fields), { minLength: count, maxLength: count }).map((full) =>
      full.map((document, index) => {
        const kept = Object.entries(document).flatMap(([name, value], at): [string, Value][] => {
          const every = present[at] ?? 1
          if (every !== 0 && index % every === 0) return [[name, value as Value]]
          return withNulls ? [[name, null]] : []
        })
        return Object.fromEntries(kept) as Document
      }),
    ),
  )

describe('whatever documents hold', () => {
  test.each(['snappy', 'gzip'] as const)('DuckDB, hyparquet and we read the same values: %s', { timeout: 120_000 }, async (codec) => {
    await fc.assert(
      fc.asyncProperty(documents, async (given) => {
        const file = write(given, codec)
        expect(await inOurs(file)).toEqual(given)
        const names = [...new Set(given.flatMap((document) => Object.keys(document)))]
        const rows = { duckdb: await inDuckDB(file.bytes), hyparquet: await inHyparquet(file.bytes) }
        for (const read of Object.values(rows)) {
          expect(read).toHaveLength(given.length)
          const columns = new Set(Object.keys(read[0] ?? {}))
          read.forEach((row, index) => {
            const rest = JSON.parse(typeof row['$rest'] === 'string' ? row['$rest'] : '{}') as Record<string, unknown>
            for (const name of names) if (columns.has(name) && !(name in rest)) expect({ index, name, value: shaped(plain(row[name])) }).toEqual({ index, name, value: shaped(plain(given[index]?.[name])) })
          })
        }
      }),
      { numRuns: 25 },
    )
  })

  test('a row group of nothing but nulls is read by everybody', async () => {
    const given: Document[] = Array.from({ length: 900 }, (_, index) => ({ index, ...(index === 899 && { late: 'here', list: ['x'], place: { at: 1 } }) }))
    const file = write(given, 'snappy')
    for (const rows of [await inDuckDB(file.bytes), await inHyparquet(file.bytes)]) {
      expect(rows.filter((row) => row['late'] !== null && row['late'] !== undefined).map((row) => plain(row['index']))).toEqual(['integer 899'])
      expect(rows).toHaveLength(900)
    }
  })
})

/** A group of nothing but nulls, and fields of it that are null, are absent to some readers. */
function shaped(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const inside = Object.entries(value).flatMap(([name, one]) => (shaped(one) === null ? [] : [[name, shaped(one)]]))
  return Object.fromEntries(inside)
}
