import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { seededRandom } from '../base/random.ts'
import type { Document } from '../model/values.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { readForeignParquet } from './read-foreign-parquet.ts'
import type { ForeignParquetOptions } from './read-foreign-parquet.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parquedb-foreign-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file that DuckDB writes of a query. */
async function duckdbFile(query: string, options = 'compression snappy'): Promise<Uint8Array> {
  const path = join(folder, 'made.parquet')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run(`copy (${query}) to '${path}' (format parquet, ${options})`)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
  return new Uint8Array(readFileSync(path))
}

const nodeCodecs: ForeignParquetOptions = { decompressors: { GZIP: (bytes) => gunzipSync(bytes), BROTLI: (bytes) => brotliDecompressSync(bytes) } }

async function rowsOf(bytes: Uint8Array, options: ForeignParquetOptions = nodeCodecs): Promise<Document[]> {
  const rows: Document[] = []
  const file = await readForeignParquet(sourceOfBytes('import.parquet', bytes), options)
  for await (const batch of file.rows()) rows.push(...batch)
  expect(rows.length).toBe(file.rowCount)
  return rows
}

describe('a file of DuckDB', () => {
  test('gives values of every type', async () => {
    const bytes = await duckdbFile(`select 7::tinyint as tiny, 70000::integer as small, 9007199254740991::bigint as safe, 9007199254740993::bigint as big, 18446744073709551615::ubigint as huge,
      1.5::double as d, 0.5::float as f, true as b, 'zoë' as s, '\\xFF\\x00'::blob as raw, date '1969-12-31' as day, timestamp '1969-12-31 23:59:59.9995' as us, timestamptz '2020-02-02 00:00:00+00' as tz,
      timestamp_ns '2020-02-02 00:00:00.123456789' as ns, 12.34::decimal(9,2) as dec, -0.05::decimal(4,2) as neg, 123456789012345678.90::decimal(20,2) as wide, '2f1a4d1c-0000-4000-8000-000000000001'::uuid as id,
      [1, null, 3] as list, [[1], []] as lists, {'x': 1, 'y': null, 'z': {'w': 'in'}} as obj, map {'k': 1, 'l': 2} as m, [{'a': 1}, {'a': null}] as objs, null::integer as nothing, 'red'::enum('red', 'blue') as e`)
    expect(await rowsOf(bytes)).toStrictEqual([
      {
        tiny: 7,
        small: 70_000,
        safe: 9_007_199_254_740_991,
        big: 9_007_199_254_740_993n,
        huge: 18_446_744_073_709_551_615n,
        d: 1.5,
        f: 0.5,
        b: true,
        s: 'zoë',
        raw: Uint8Array.of(255, 0),
        day: new Date('1969-12-31'),
        us: new Date('1969-12-31T23:59:59.999Z'),
        tz: new Date('2020-02-02'),
        ns: new Date('2020-02-02T00:00:00.123Z'),
        dec: 12.34,
        neg: -0.05,
        wide: '123456789012345678.90',
        id: '2f1a4d1c-0000-4000-8000-000000000001',
        list: [1, null, 3],
        lists: [[1], []],
        obj: { x: 1, z: { w: 'in' } },
        m: { k: 1, l: 2 },
        objs: [{ a: 1 }, {}],
        e: 'red',
      },
    ])
    expect((await rowsOf(bytes, { nulls: 'null' }))[0]).toMatchObject({ nothing: null, obj: { x: 1, y: null }, objs: [{ a: 1 }, { a: null }] })
  })

  test.each(['uncompressed', 'snappy', 'gzip', 'brotli', 'lz4_raw'])('is read when it is compressed with %s', async (codec) => {
    const bytes = await duckdbFile("select i::integer as i, 'text ' || (i % 10) as t from range(5000) r(i)", `compression ${codec}, row_group_size 2048`)
    const rows = await rowsOf(bytes)
    expect(rows.length).toBe(5000)
    expect(rows[4321]).toStrictEqual({ i: 4321, t: 'text 1' })
  })

  test('is refused with the column and the codec when that has no decompressor', async () => {
    const zstd = await duckdbFile('select 1 as one', 'compression zstd')
    await expect(rowsOf(zstd)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', details: { path: 'import.parquet', column: 'one' }, message: expect.stringContaining('ZSTD') as string })
    const gzip = await duckdbFile('select 1 as one', 'compression gzip')
    await expect(rowsOf(gzip, {})).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
  })

  test('gives maps as objects whatever their keys are, and refuses those that no object can hold', async () => {
    const maps = await duckdbFile("select map {1: 'one', 2: null} as ints, map {date '2020-02-02': 1} as dates, map {'toString': [1], '': [2]} as texts, map {}::map(varchar, integer) as none, null::map(varchar, integer) as absent")
    expect(await rowsOf(maps)).toStrictEqual([{ ints: { 1: 'one', 2: null }, dates: { '2020-02-02T00:00:00.000Z': 1 }, texts: { toString: [1], '': [2] }, none: {} }])
    const nested = await duckdbFile("select [map {'a': map {'b': i}}] as deep from range(3) r(i)")
    expect(await rowsOf(nested)).toStrictEqual([0, 1, 2].map((i) => ({ deep: [{ a: { b: i } }] })))
    const prototype = await duckdbFile("select {'in': map {'__proto__': 1}} as m")
    await expect(rowsOf(prototype)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining("'m' is a map with the key '__proto__'") as string })
    const twice = await duckdbFile("select map {'k': 1, 'l': 2} as m")
    const at = Buffer.from(twice).indexOf('\u0001\u0000\u0000\u0000l')
    twice[at + 4] = 'k'.charCodeAt(0)
    await expect(rowsOf(twice)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining('stands twice') as string })
  })

  test('says what its columns are', async () => {
    const bytes = await duckdbFile("select 1::bigint as n, 'x' as s, [1] as l")
    const file = await readForeignParquet(sourceOfBytes('f', bytes))
    expect(file.columns).toEqual([
      { name: 'n', type: 'int_64 (int64)' },
      { name: 's', type: 'utf8 (byte_array)' },
      { name: 'l', type: 'list' },
    ])
    expect(file.createdBy).toContain('DuckDB')
  })

  test('gives no rows when it has none', async () => {
    expect(await rowsOf(await duckdbFile('select 1 as a where false'))).toEqual([])
  })
})

test('a file of hyparquet-writer is read', async () => {
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: ['a', 'b', 'c'], type: 'STRING' },
      { name: 'n', data: [1, null, 3], type: 'INT32' },
      { name: 'json', data: [{ x: 1 }, [1, 2], null], type: 'JSON' },
      { name: 'at', data: [new Date(0), new Date(5), null], type: 'TIMESTAMP' },
    ],
  })
  expect(await rowsOf(new Uint8Array(buffer))).toStrictEqual([{ id: 'a', n: 1, json: { x: 1 }, at: new Date(0) }, { id: 'b', json: [1, 2], at: new Date(5) }, { id: 'c', n: 3 }])
})

describe('what is no Parquet file', () => {
  test('is refused with a reason', async () => {
    await expect(rowsOf(new Uint8Array(0))).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
    await expect(rowsOf(new TextEncoder().encode('id,name\n1,Ann\n2,Bob\n'))).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
    await expect(rowsOf(new TextEncoder().encode('................PARE'))).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining('encrypted') as string })
    await expect(rowsOf(Uint8Array.of(80, 65, 82, 49, 255, 255, 255, 127, 80, 65, 82, 49))).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
  })

  test('ends in an error of ours, or is read, whichever byte of its footer is changed', async () => {
    const bytes = await duckdbFile("select i, 'x' || i as s, [i] as l from range(50) r(i)")
    const random = seededRandom(11)
    const footer = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
    for (let at = bytes.length - 8 - footer; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ ((random.bytes(1)[0] as number) | 1)
      try {
        const file = await readForeignParquet(sourceOfBytes('f', changed))
        for await (const batch of file.rows()) expect(batch.length).toBeLessThanOrEqual(1000)
      } catch (error) {
        expect({ at, error, isOurs: isParqueDBError(error) }).toMatchObject({ at, isOurs: true })
      }
    }
  })
})
