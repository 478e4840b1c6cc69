import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crc32 } from '../base/crc32.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Document } from '../model/values.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { RunFileReader } from './RunFileReader.ts'
import { RunFileWriter } from './RunFileWriter.ts'
import { SegmentFileWriter } from './SegmentFileWriter.ts'
import { ShapeBuilder } from './shape.ts'
import type { WrittenFile } from './written-file.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parquedb-readers-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function writeRun(documents: readonly Document[], rowGroupBytes = 8000): WrittenFile {
  const shape = new ShapeBuilder()
  for (const document of documents) shape.add(document)
  const writer = new RunFileWriter({ shape: shape.build(), rowGroupBytes, metadata: { made: 'by a test' } })
  documents.forEach((document, index) => {
    const state: EntityState = { id: `id${String(index).padStart(6, '0')}`, version: 1, seq: index + 1, createdAt: -1000, createdBy: undefined, updatedAt: 1000, updatedBy: 'ann', deletedAt: undefined, document }
    writer.append(state)
  })
  return writer.finish()
}

/** Rows of a query, in which `$file` stands for the file. A DuckDB of its own for each: some legal files kill an instance. */
async function duckdb(file: WrittenFile, sql: string): Promise<Record<string, unknown>[]> {
  const path = join(folder, `${crc32(file.bytes)}.parquet`)
  writeFileSync(path, file.bytes)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    return (await connection.runAndReadAll(sql.replaceAll('$file', `'${path}'`))).getRowObjectsJS()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function hyparquet(file: WrittenFile): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: file.bytes.slice().buffer, utf8: false })
}

const documents: Document[] = Array.from({ length: 3000 }, (_, index) => ({
  int: index * 37 - 50_000,
  wide: (index - 1500) * 6_000_000_000_000,
  double: index === 7 ? -0 : index / 3,
  price: [1.5, 2.25, 99.99][index % 3] as number,
  word: `wörd ${(index * 7919) % 3001}`,
  city: ['Oslo', 'Rome', '東京', '😀'][index % 4] as string,
  flag: index % 3 === 0,
  big: BigInt(index) * 3_000_000_000_000_000n - 4_000_000_000_000_000_000n,
  at: new Date(index * 86_400_000 * 30 - 62_000_000_000_000),
  raw: Uint8Array.of(index & 255, 255 - (index & 255)),
  tags: ['a', 'b', 'c'].slice(index % 4),
  scores: Array.from({ length: index % 3 }, (_unused, at) => at + index / 2),
  place: index % 5 === 0 ? {} : { lat: index / 10, 'the name': `p${index % 11}`, nest: { depth: index } },
  ...(index % 2 === 0 && { sometimes: `s${index}` }),
}))
const file = writeRun(documents)

describe('DuckDB', () => {
  test('sees typed columns with the names of the fields', async () => {
    const columns = await duckdb(file, 'select column_name, column_type from (describe select * from $file)')
    expect(columns.map(({ column_name, column_type }) => `${String(column_name)}: ${String(column_type)}`)).toEqual([
      '$id: VARCHAR',
      '$version: BIGINT',
      '$seq: BIGINT',
      '$createdAt: TIMESTAMP WITH TIME ZONE',
      '$updatedAt: TIMESTAMP WITH TIME ZONE',
      '$createdBy: VARCHAR',
      '$updatedBy: VARCHAR',
      '$deleted: BOOLEAN',
      '$deletedAt: TIMESTAMP WITH TIME ZONE',
      'int: BIGINT',
      'wide: BIGINT',
      'double: DOUBLE',
      'price: DOUBLE',
      'word: VARCHAR',
      'city: VARCHAR',
      'flag: BOOLEAN',
      'big: BIGINT',
      'at: TIMESTAMP WITH TIME ZONE',
      'raw: BLOB',
      'tags: VARCHAR[]',
      'scores: DOUBLE[]',
      'place: STRUCT(lat DOUBLE, "the name" VARCHAR, nest STRUCT(depth BIGINT))',
      'sometimes: VARCHAR',
      '$rest: VARCHAR',
    ])
  })

  test('counts, sums and filters as we would', async () => {
    const [sums] = await duckdb(
      file,
      `select count(*)::int as n, sum("int")::bigint::varchar as ints, sum(wide)::varchar as wides, sum("double") as doubles, sum(price) as prices, count(distinct word)::int as words,
        count(*) filter (where flag)::int as flags, sum(big)::varchar as bigs, sum(epoch_ms("at"))::varchar as times, sum(octet_length(raw))::int as raws, sum(len(tags))::int as tags,
        sum(list_sum(scores)) as scores, sum(place.lat) as lats, count(place)::int as places, sum(place.nest.depth)::int as depths, count(sometimes)::int as sometimes, count("$rest")::int as rests from $file`,
    )
    const sum = (of: (document: Document) => number): number => documents.reduce((total, document) => total + of(document), 0)
    const bigSum = (of: (document: Document) => bigint): string => String(documents.reduce((total, document) => total + of(document), 0n))
    expect(sums).toMatchObject({
      n: 3000,
      ints: String(sum(({ int }) => int as number)),
      wides: bigSum(({ wide }) => BigInt(wide as number)),
      words: new Set(documents.map(({ word }) => word)).size,
      flags: 1000,
      bigs: bigSum(({ big }) => big as bigint),
      times: bigSum(({ at }) => BigInt((at as Date).getTime())),
      raws: 6000,
      tags: sum(({ tags }) => (tags as string[]).length),
      places: 3000,
      depths: sum(({ place }) => ((place as Document)['nest'] as Document | undefined)?.['depth'] as number | undefined ?? 0),
      sometimes: 1500,
      rests: 0,
    })
    expect(sums?.['doubles']).toBeCloseTo(sum(({ double }) => double as number), 6)
    expect(sums?.['prices']).toBeCloseTo(sum(({ price }) => price as number), 6)
    expect(sums?.['scores']).toBeCloseTo(sum(({ scores }) => (scores as number[]).reduce((total, score) => total + score, 0)), 4)
    expect(sums?.['lats']).toBeCloseTo(sum(({ place }) => ((place as Document)['lat'] as number | undefined) ?? 0), 6)
  })

  test('uses the statistics and finds what is there', async () => {
    const count = async (where: string): Promise<unknown> => (await duckdb(file, `select count(*)::int as n from $file where ${where}`))[0]?.['n']
    expect(await count(`"$id" = 'id002500'`)).toBe(1)
    expect(await count(`"$id" >= 'id002990'`)).toBe(10)
    expect(await count(`"int" = -50000`)).toBe(1)
    expect(await count(`"int" between 0 and 3700`)).toBe(100)
    expect(await count(`city = '東京'`)).toBe(750)
    expect(await count(`"double" = 0`)).toBe(2)
    expect(await count(`big < -3990000000000000000`)).toBe(4)
    expect(await count(`"at" < timestamptz '0010-01-01 00:00:00+00'`)).toBe(documents.filter(({ at }) => (at as Date).getTime() < Date.UTC(2010, 0, 1) - (Date.UTC(2010, 0, 1) - new Date('0010-01-01T00:00:00Z').getTime())).length)
    expect(await count(`not flag`)).toBe(2000)
    expect(await count(`place.nest.depth is null`)).toBe(600)
  })

  test('reads a long text whose statistics are cut, and texts that order only by their bytes', async () => {
    const texts = ['\u{ffff}'.repeat(40), '\u{10ffff}'.repeat(30), `${'z'.repeat(63)}é`, '', 'a'.repeat(1000)]
    const cut = writeRun(texts.map((text) => ({ text })))
    for (const text of texts) expect(await duckdb(cut, `select count(*)::int as n from $file where text = '${text}'`)).toEqual([{ n: 1 }])
  })

  test('reads a file without rows, one row, and columns of nulls', async () => {
    expect(await duckdb(writeRun([]), 'select count(*)::int as n from $file')).toEqual([{ n: 0 }])
    expect(await duckdb(writeRun([{ a: 1 }]), 'select a::int as a, "$createdBy" as c from $file')).toEqual([{ a: 1, c: null }])
    const sparse = writeRun(Array.from({ length: 900 }, (_, index): Document => (index < 2 ? { rare: 'x', list: [1], group: { x: 1 } } : { common: index })), 600)
    expect(await duckdb(sparse, 'select count(rare)::int as r, count(list)::int as l, count("group")::int as g, count(common)::int as c from $file')).toEqual([{ r: 2, l: 2, g: 2, c: 898 }])
  })

  test('opens a file whose documents have names that differ only in case', async () => {
    const cased = writeRun([{ name: 'a', Name: 'b', g: { X: 1, x: 2 } }, { name: 'c', g: { x: 3 } }])
    expect(await duckdb(cased, `select name, g.x::int as x, "$rest"->>'Name' as other from $file order by name`)).toEqual([
      { name: 'a', x: 2, other: 'b' },
      { name: 'c', x: 3, other: null },
    ])
  })

  test('reads segments', async () => {
    const writer = new SegmentFileWriter({ rowGroupBytes: 4000 })
    const events = Array.from({ length: 1000 }, (_, index): StoredEvent => ({
      seq: index + 1,
      ts: index * 1000,
      eventId: `e${index}`,
      op: 'UPDATE',
      ns: 'posts',
      id: `p${String(Math.floor(index / 10)).padStart(4, '0')}`,
      version: (index % 10) + 1,
      after: undefined,
      patch: { set: { views: index } },
      actor: index % 2 === 0 ? 'ann' : undefined,
      txId: undefined,
      metadata: undefined,
      state: undefined,
    }))
    for (const event of events) writer.append(event)
    const sql = `select count(*)::int as n, count(distinct id)::int as ids, sum(seq)::int as seqs, sum(epoch_ms(ts))::bigint::varchar as times, count(actor)::int as actors, sum((patch->'$.set.views')::int)::int as views from $file`
    expect(await duckdb(writer.finish(), sql)).toEqual([{ n: 1000, ids: 100, seqs: 500_500, times: '499500000', actors: 500, views: 499_500 }])
  })
})

describe('hyparquet', () => {
  test('reads the same values', async () => {
    const rows = await hyparquet(file)
    expect(rows.length).toBe(3000)
    rows.forEach((row, index) => {
      const document = documents[index] as Document
      expect(row).toMatchObject({
        $id: `id${String(index).padStart(6, '0')}`,
        $version: 1n,
        $createdAt: new Date(-1000),
        $deleted: false,
        int: BigInt(document['int'] as number),
        wide: BigInt(document['wide'] as number),
        double: document['double'],
        price: document['price'],
        word: document['word'],
        city: document['city'],
        flag: document['flag'],
        big: document['big'],
        at: document['at'],
        raw: document['raw'],
        tags: document['tags'],
        scores: document['scores'],
      })
    })
  })

  test('finds the metadata, the sorting column and bounds of each row group', () => {
    const metadata = parquetMetadata(file.bytes.slice().buffer)
    expect(metadata.created_by).toBe('parquedb')
    expect(metadata.key_value_metadata).toEqual([
      { key: 'parquedb.format', value: '4' },
      { key: 'made', value: 'by a test' },
    ])
    expect(metadata.row_groups.length).toBeGreaterThan(5)
    expect(metadata.row_groups[0]?.sorting_columns).toEqual([{ column_idx: 0, descending: false, nulls_first: false }])
    const statistics = (name: string): unknown => metadata.row_groups[0]?.columns.find((column) => column.meta_data?.path_in_schema[0] === name)?.meta_data?.statistics
    expect(statistics('$id')).toMatchObject({ min_value: 'id000000', null_count: 0n, is_min_value_exact: true, is_max_value_exact: true })
    expect(statistics('int')).toMatchObject({ min_value: -50_000n, null_count: 0n })
    expect(statistics('double')).toMatchObject({ min_value: -0 })
    expect(statistics('$createdBy')).toMatchObject({ min_value: undefined, null_count: BigInt(metadata.row_groups[0]?.num_rows ?? 0) })
  })

  test('finds the same id for a field in every file, and another for each field', () => {
    const idsIn = (of: WrittenFile): Map<string, number> => new Map(parquetMetadata(of.bytes.slice().buffer).schema.flatMap(({ name, field_id: id }) => (id === undefined ? [] : [[name, id]])))
    const ids = idsIn(file)
    const others = idsIn(writeRun([{ tags: ['x'], place: { lat: 0.5 }, other: 1, city: 'Rome' }]))
    for (const name of ['$id', 'tags', 'place', 'lat', 'city', '$rest']) expect([name, others.get(name)]).toEqual([name, ids.get(name)])
    expect(new Set(ids.values()).size).toBe(ids.size)
    expect(ids.size).toBe(29)
  })

  test('finds no bounds where a NaN is', () => {
    const nan = parquetMetadata(writeRun([{ x: 1.5 }, { x: Number.NaN }]).bytes.slice().buffer)
    expect(nan.row_groups[0]?.columns.find((column) => column.meta_data?.path_in_schema[0] === 'x')?.meta_data?.statistics).toEqual({ null_count: 0n })
  })
})

describe('a file that took over row groups of another', () => {
  test('is read as one that was written row by row, by everybody', async () => {
    const { bytes, ...facts } = file
    const reader = await RunFileReader.open(sourceOfBytes('r', bytes), facts)
    const shape = new ShapeBuilder()
    for (const document of documents) shape.add(document)
    const writer = new RunFileWriter({ shape: shape.build(), rowGroupBytes: 8000, metadata: { made: 'by a test' } })
    let taken = 0
    for await (const source of reader.groupsToMerge({ bytesMax: 20_000 })) {
      const isTaken = taken % 3 !== 1 && writer.takes(source)
      taken++
      if (isTaken) for (const _ of writer.copy(source));
      else for (const state of reader.statesOf(source.group)) writer.append(state)
    }
    expect(taken).toBeGreaterThan(5)
    const copy = writer.finish()
    expect(copy.bytes.length).not.toBe(bytes.length)
    expect(await hyparquet(copy)).toEqual(await hyparquet(file))
    const sql = 'SELECT count(*) AS rows, sum(int) AS ints, min("$id") AS first, max("$id") AS last FROM $file WHERE "$id" >= \'id000500\''
    expect(await duckdb(copy, sql)).toEqual(await duckdb(file, sql))
    const again = await RunFileReader.open(sourceOfBytes('c', copy.bytes), copy)
    await again.verify()
    expect((await again.get('id001234'))?.document).toEqual(documents[1234])
  })
})

test('measured numbers are split by bytes where that is smaller, and read by everybody', async () => {
  const values = Array.from({ length: 3000 }, (_, index) => ({ degrees: 48 + Math.sin(index / 50) * 5 }))
  const split = writeRun(values, 64 * 1024)
  const column = parquetMetadata(split.bytes.slice().buffer).row_groups[0]?.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === 'degrees')
  expect(column?.meta_data?.encodings).toContain('BYTE_STREAM_SPLIT')
  expect(Number(column?.meta_data?.total_compressed_size)).toBeLessThan(0.85 * 8 * Number(column?.meta_data?.num_values))
  const rows = await hyparquet(split)
  expect(rows.map((row) => ({ degrees: row['degrees'] }))).toEqual(values)
  expect(await duckdb(split, 'SELECT min(degrees) AS least, max(degrees) AS greatest FROM $file')).toEqual([{ least: Math.min(...values.map(({ degrees }) => degrees)), greatest: Math.max(...values.map(({ degrees }) => degrees)) }])
  const { bytes, ...facts } = split
  const reader = await RunFileReader.open(sourceOfBytes('r', bytes), facts)
  const read: Document[] = []
  for await (const states of reader.scan()) read.push(...states.map(({ document }) => document))
  expect(read).toEqual(values)
})
