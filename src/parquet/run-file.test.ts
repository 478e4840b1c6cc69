import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareStrings } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import type { Document, Value } from '../model/values.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import type { ByteSource } from './byte-source.ts'
import { rowsBetween } from './Column.ts'
import { listsOf, scalarsOf } from './column-values.ts'
import type { FieldColumn } from './DocumentAssembler.ts'
import { GroupCache } from './GroupCache.ts'
import type { RowGroup } from './RowGroup.ts'
import type { RunBatch } from './RunBatch.ts'
import { RunFileReader } from './RunFileReader.ts'
import { RunFileWriter } from './RunFileWriter.ts'
import { ShapeBuilder } from './shape.ts'
import type { Shape } from './shape.ts'
import type { WrittenFile } from './written-file.ts'

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'd', 'e', 'A', '1', '20', '$id', '$rest', 'with space', 'with.dot', 'with/slash', 'ünï', '', 'toString'),
  fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => !text.startsWith('$') && !['__proto__', 'constructor', 'prototype'].includes(text)),
).filter((text) => !text.startsWith('$'))
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 53, 5e-324, Number.MAX_VALUE))
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  number,
  fc.boolean(),
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 12 }),
)
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, { arbitrary: scalar, weight: 6 }, { arbitrary: fc.array(tie('value'), { maxLength: 4 }), weight: 1 }, { arbitrary: fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }), weight: 2 }),
}))
const anyDocument: fc.Arbitrary<Document> = fc.dictionary(name, value, { maxKeys: 8, noNullPrototype: true })
/** Documents of one shape, as collections mostly have: optional fields, explicit nulls, groups, lists. */
const similarDocument: fc.Arbitrary<Document> = fc.record<Document>(
  {
    title: fc.string({ unit: 'grapheme' }),
    year: fc.option(fc.integer()),
    ratio: number,
    tags: fc.array(fc.constantFrom('red', 'green', '', 'blue')),
    at: fc.option(fc.date({ noInvalidDate: true })),
    place: fc.option(fc.record<Document>({ lat: fc.double(), lon: fc.option(fc.double()), names: fc.array(fc.string()), inner: fc.record<Document>({ deep: fc.bigInt({ min: -5n, max: 5n }), odd: value }, { requiredKeys: [], noNullPrototype: true }) }, { requiredKeys: [], noNullPrototype: true })),
    odd: value,
    list: fc.array(fc.record({ x: fc.integer() }, { noNullPrototype: true })),
  },
  { requiredKeys: ['title', 'year'], noNullPrototype: true },
)

function shapeOf(documents: readonly Document[]): Shape {
  const shape = new ShapeBuilder()
  for (const document of documents) shape.add(document)
  return shape.build()
}

function stateOf(id: string, document: Document, seq = 1): EntityState {
  return { id, version: seq, seq, createdAt: 1000, createdBy: undefined, updatedAt: 1000 + seq, updatedBy: 'ann', deletedAt: undefined, document }
}

function statesOf(documents: readonly Document[]): EntityState[] {
  return documents.map((document, index) => stateOf(`id${String(index).padStart(6, '0')}`, document, index + 1))
}

function write(states: readonly EntityState[], options: { shape?: Shape; rowGroupBytes?: number } = {}): WrittenFile {
  const writer = new RunFileWriter({ shape: options.shape ?? shapeOf(states.map(({ document }) => document)), rowGroupBytes: options.rowGroupBytes })
  for (const state of states) writer.append(state)
  return writer.finish()
}

/** A source that counts what is asked of it. */
function countedSource(file: WrittenFile): ByteSource & { requests: number; bytes: number } {
  const source = sourceOfBytes('runs/test.parquet', file.bytes)
  const counted = {
    ...source,
    requests: 0,
    bytes: 0,
    readRange: (range: { start: number; end: number }) => {
      counted.requests += 1
      counted.bytes += range.end - range.start
      return source.readRange(range)
    },
  }
  return counted
}

async function open(file: WrittenFile): Promise<RunFileReader> {
  const { bytes, ...facts } = file
  return RunFileReader.open(sourceOfBytes('runs/test.parquet', bytes), JSON.parse(JSON.stringify(facts)) as typeof facts)
}

async function readAll(batches: AsyncIterable<EntityState[]>): Promise<EntityState[]> {
  const states: EntityState[] = []
  for await (const batch of batches) states.push(...batch)
  return states
}

/** toEqual does not see the order of fields, which we keep. */
function expectSame(actual: readonly EntityState[], expected: readonly EntityState[]): void {
  expect(actual).toStrictEqual(expected)
  const order = (value: Value): unknown => (value !== null && typeof value === 'object' && !ArrayBuffer.isView(value) && !(value instanceof Date) ? Object.entries(value).map(([key, inner]) => [key, order(inner)]) : typeof value)
  expect(actual.map(({ document }) => order(document))).toStrictEqual(expected.map(({ document }) => order(document)))
}

describe('a run', () => {
  test('gives back documents of any types exactly, the order of their fields included', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyDocument, { maxLength: 12 }), async (documents) => {
        const states = statesOf(documents)
        expectSame(await readAll((await open(write(states))).scan()), states)
      }),
      { numRuns: 150 },
    )
  })

  test('is written the same, byte for byte, by states that are copied out of another run and ones that are appended', async () => {
    const laterDocument: fc.Arbitrary<Document> = fc.record<Document>({ title: fc.string(), zip: fc.integer(), zone: fc.record<Document>({ code: fc.string() }, { noNullPrototype: true }), ratio: fc.double() }, { requiredKeys: ['title'], noNullPrototype: true })
    const plainDocument: fc.Arbitrary<Document> = fc.record<Document>({ title: fc.string(), year: fc.integer(), ratio: fc.integer() }, { noNullPrototype: true })
    const copied = { all: 0, some: 0, steps: 0 }
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.array(fc.oneof(similarDocument, anyDocument), { minLength: 1, maxLength: 30 }), fc.array(plainDocument, { minLength: 10, maxLength: 30 })), fc.array(laterDocument, { maxLength: 3 }), fc.infiniteStream(fc.constantFrom('copy', 'append', 'leave out')), async (documents, later, deeds) => {
        const states = statesOf(documents).map((state, index) => (index % 7 === 3 ? { ...state, deletedAt: state.updatedAt, createdBy: 'bob', document: index % 2 === 0 ? {} : state.document } : state))
        const reader = await open(write(states, { rowGroupBytes: 400 }))
        const shape = shapeOf([...documents, ...later])
        const [copying, appending] = [new RunFileWriter({ shape, rowGroupBytes: 600 }), new RunFileWriter({ shape, rowGroupBytes: 600 })]
        for await (const source of reader.groupsToMerge({ bytesMax: 1000 })) {
          const columns = copying.columnsFrom(source)
          const appended = reader.statesOf(source.group)
          for (const [row, state] of reader.statesToCopy(source.group, columns).entries()) {
            const { value: deed } = deeds.next()
            if (deed === 'leave out') continue
            if (deed === 'copy' && 'source' in state) {
              copied.steps += [...copying.copyRows([state])].length
              copied[columns === 'all' ? 'all' : 'some']++
            } else copying.append(appended[row] as EntityState)
            appending.append(appended[row] as EntityState)
          }
        }
        expect(copying.finish()).toEqual(appending.finish())
      }),
      { numRuns: 60 },
    )
    // Also where the file has columns that the other one had not.
    expect(Math.min(copied.all, copied.some)).toBeGreaterThan(20)
    // Others have their turn while a row group that is full is encoded.
    expect(copied.steps).toBeGreaterThan(100)
  })

  test('gives back similar documents exactly, one by one and all at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(similarDocument, { minLength: 1, maxLength: 30 }), async (documents) => {
        const states = statesOf(documents)
        const reader = await open(write(states, { rowGroupBytes: 400 }))
        expectSame(await readAll(reader.scan()), states)
        const one = states[documents.length >> 1] as EntityState
        expectSame([(await reader.get(one.id)) as EntityState], [one])
        await reader.verify()
      }),
      { numRuns: 100 },
    )
  })

  test('gives back documents exactly when the shape is that of others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(similarDocument, { maxLength: 10 }), fc.array(anyDocument, { maxLength: 10 }), async (observed, documents) => {
        const states = statesOf([...documents, ...observed.slice(0, 3)])
        expectSame(await readAll((await open(write(states, { shape: shapeOf(observed) }))).scan()), states)
      }),
      { numRuns: 100 },
    )
  })

  test('holds no rows', async () => {
    const file = write([])
    expect(file).toMatchObject({ rows: 0, minKey: [], maxKey: [], minSeq: 0, maxSeq: 0 })
    const reader = await open(file)
    expect(await readAll(reader.scan())).toEqual([])
    expect(await reader.get('x')).toBeUndefined()
    await reader.verify()
  })

  test('tells tombstones from empty documents', async () => {
    const live = stateOf('a', { note: null }, 1)
    const empty = stateOf('b', {}, 2)
    const dead: EntityState = { ...stateOf('c', {}, 3), deletedAt: 1003 }
    const deadWithDocument: EntityState = { ...stateOf('d', { note: 'kept' }, 4), deletedAt: 1004, updatedBy: undefined }
    const states = [live, empty, dead, deadWithDocument]
    expectSame(await readAll((await open(write(states))).scan()), states)
  })

  test('says in its facts what is in it', () => {
    const file = write([stateOf('ä', { a: 1 }, 7), stateOf('b', { a: 1 }, 3)].toSorted((left, right) => compareStrings(left.id, right.id)))
    expect(file).toMatchObject({ rows: 2, minKey: ['b'], maxKey: ['ä'], minSeq: 3, maxSeq: 7, minTs: 1003, maxTs: 1007 })
  })

  test('refuses keys that do not ascend, by the bytes of UTF-8', () => {
    const writer = new RunFileWriter({ shape: shapeOf([]) })
    writer.append(stateOf('\u{ffff}', {}))
    writer.append(stateOf('\u{10000}', {}))
    expect(() => writer.append(stateOf('\u{10000}', {}))).toThrow('ascend')
    expect(() => writer.append(stateOf('a', {}))).toThrow('ascend')
  })

  test('keeps its metadata and the shape that it was written with', async () => {
    const shape = shapeOf([{ a: 1, b: { c: ['x'] } }, { a: null }])
    const writer = new RunFileWriter({ shape, metadata: { fold: '3' } })
    writer.append(stateOf('a', { a: 1 }))
    const reader = await open(writer.finish())
    expect(await reader.shape()).toEqual(shape)
    expect(reader.metadata).toEqual({ fold: '3' })
  })
})

describe('a run of many rows', () => {
  const states = statesOf(Array.from({ length: 5000 }, (_, index) => ({ n: index, text: `row ${(index * 7919) % 5003}`, city: ['Rome', 'Oslo', 'Bern'][index % 3] as string })))
  const file = write(states)

  test('is opened in one request and read by key in one more, of at most 128 KB', async () => {
    const source = countedSource(file)
    const reader = await RunFileReader.open(source, file)
    expect(source.requests).toBe(1)
    source.bytes = 0
    expect(await reader.get('id003000')).toStrictEqual(states[3000])
    expect(source.requests).toBe(2)
    expect(source.bytes).toBeLessThan(128 * 1024)
  })

  test('answers for absent ids without a request in nearly all cases', async () => {
    const source = countedSource(file)
    const reader = await RunFileReader.open(source, file)
    for (let index = 0; index < 1000; index++) expect(await reader.get(`id00${1000 + index}x`)).toBeUndefined()
    expect(source.requests).toBeLessThan(20)
    expect(await reader.get('zzz')).toBeUndefined()
    expect(await reader.get('')).toBeUndefined()
  })

  test('is scanned between bounds', async () => {
    const reader = await open(file)
    const ids = async (options: Parameters<RunFileReader['scan']>[0]): Promise<string[]> => (await readAll(reader.scan(options))).map(({ id }) => id)
    expect(await ids({ fromId: 'id001234', beforeId: 'id001237' })).toEqual(['id001234', 'id001235', 'id001236'])
    expect(await ids({ afterId: 'id001234', beforeId: 'id001237' })).toEqual(['id001235', 'id001236'])
    expect(await ids({ afterId: 'id004998' })).toEqual(['id004999'])
    expect(await ids({ afterId: 'id004999' })).toEqual([])
    expect(await ids({ beforeId: 'id000000' })).toEqual([])
    expect(await ids({ fromId: 'id000003', beforeId: 'id000003' })).toEqual([])
    expect(await ids({ fromId: 'a', beforeId: 'id000001' })).toEqual(['id000000'])
    expect((await ids({})).length).toBe(5000)
  })

  test('gives many ids from row groups that a former reader of the file has left in the cache', async () => {
    const cache = new GroupCache(64 * 1024 * 1024)
    for (let round = 0; round < 2; round++) {
      const reader = await RunFileReader.open(countedSource(file), file, cache)
      const found = await reader.getMany(['id000001', 'id004999'])
      expect([...found.values()]).toStrictEqual([1, 4999].map((index) => states[index]))
    }
  })

  test('gives many ids with each row group read once', async () => {
    const source = countedSource(file)
    const reader = await RunFileReader.open(source, file)
    const found = await reader.getMany(['id000001', 'id000002', 'id002500', 'id004999', 'id009999', 'nowhere'])
    expect([...found.values()]).toStrictEqual([1, 2, 2500, 4999].map((index) => states[index]))
    expect(source.requests).toBeLessThanOrEqual(4)
  })

  test('gives columns of many row groups as one, whatever each of them was encoded as, and keeps them', async () => {
    const documents = Array.from({ length: 3000 }, (_, index): Document => ({
      few: `city ${index % 5}`,
      // Some row groups have a dictionary, others have none.
      mixed: index % 1000 < 500 ? `again ${index % 7}` : `once ${index}`,
      maybe: index % 3 === 0 ? null : index * 1.5,
      big: BigInt(index) * 10n ** 12n,
      flag: index % 4 === 0,
      list: Array.from({ length: index % 4 }, (_value, at) => index + at),
      bytes: Uint8Array.of(index & 255, index >>> 8),
      ...(index % 2 === 0 && { at: new Date(index * 1000) }),
    }))
    const written = statesOf(documents)
    const writer = new RunFileWriter({ shape: shapeOf(documents), rowGroupBytes: 2000 })
    for (const state of written) writer.append(state)
    const small = writer.finish()
    const cache = new GroupCache(64 * 1024 * 1024)
    const reader = await RunFileReader.open(countedSource(small), small, cache)
    const trace = { files: 0, prunedFiles: 0, rowGroups: 0, prunedRowGroups: 0, cachedRowGroups: 0, pages: 0, decodedPages: 0, requests: 0, bytes: 0, eventsFolded: 0, startSeq: 0 }
    for (let round = 0; round < 2; round++) {
      let first = 0
      let batches = 0
      for await (const [slice] of reader.batches({ trace })) {
        const { batch, start, end } = slice as { batch: RunBatch; start: number; end: number }
        const rows = rowsBetween(start, end)
        const expected = documents.slice(first, first + rows.length)
        for (const field of ['few', 'mixed', 'maybe', 'big', 'flag', 'bytes', 'at', 'list']) {
          const found = batch.find([field]) as FieldColumn
          const values = found.isList ? listsOf(batch.column(found.index), rows) : scalarsOf(batch.column(found.index), rows)
          expect([field, values]).toStrictEqual([field, expected.map((document) => (field === 'maybe' ? (document[field] ?? undefined) : document[field]))])
        }
        if (round === 0) expect(batch.states(rows.filter((row) => row % 50 === 0))).toStrictEqual(written.slice(first, first + rows.length).filter((_, row) => row % 50 === 0))
        first += rows.length
        batches += 1
      }
      expect(first).toBe(3000)
      expect(batches * 4).toBeLessThan(trace.rowGroups / (round + 1))
      if (round === 0) trace.decodedPages = 0
    }
    // Joined columns are kept: nothing was decoded in the second round.
    expect([trace.cachedRowGroups, trace.decodedPages]).toEqual([trace.rowGroups / 2, 0])
  })

  test('keeps few of the chunks of some bytes that its row groups do not share', async () => {
    // Each row group has another value in `kind`, and in nothing else that is so small.
    const states = statesOf(Array.from({ length: 4000 }, (_, index) => ({ kind: `kind ${Math.floor(index / 50)}`, text: `${index} `.repeat(20) })))
    const reader = await open(write(states, { rowGroupBytes: 1000 }))
    let groupCount = 0
    let file: RowGroup['file'] | undefined
    for await (const { group } of reader.groupsToMerge({ bytesMax: 1_000_000 })) {
      groupCount += 1
      file = group.file
      reader.statesOf(group)
    }
    expect(groupCount).toBeGreaterThan(40)
    expect(file?.tinyChunks.size).toBeGreaterThan(4)
    expect(file?.tinyChunks.size).toBeLessThanOrEqual(groupCount / 4 + 1)
    expectSame(await readAll(reader.scan()), states)
  })

  test('stops when it is told to', async () => {
    const reader = await open(file)
    const stop = new AbortController()
    const batches = reader.scan({ signal: stop.signal })
    expect((await batches.next()).done).toBe(false)
    stop.abort()
    await expect(batches.next()).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('estimates its size while it is written', () => {
    const writer = new RunFileWriter({ shape: shapeOf(states.map(({ document }) => document)) })
    for (const state of states) writer.append(state)
    expect(writer.rows).toBe(5000)
    expect(writer.bytes).toBeGreaterThan(file.bytes.length * 0.7)
    expect(writer.bytes).toBeLessThan(file.bytes.length * 1.3)
  })

  test('loads a filter that is not in the index after some reads in vain', async () => {
    const many = write(statesOf(Array.from({ length: 60_000 }, (_, n) => ({ n }))))
    const source = countedSource(many)
    const reader = await RunFileReader.open(source, many)
    for (let index = 0; index < 1000; index++) expect(await reader.get(`id0${10_000 + index}x`)).toBeUndefined()
    expect(source.requests).toBeLessThan(30)
    expect(await reader.get('id059999')).toStrictEqual(stateOf('id059999', { n: 59_999 }, 60_000))
  })
})
