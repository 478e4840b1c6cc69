import * as fc from 'fast-check'
import { parquetMetadata } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../base/random.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import type { GroupOfFile } from '../parquet/TableReader.ts'
import { withEventSourcing, type EventSourcedBackend } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { mergeGroups, type GroupToMerge } from './merge-groups.ts'

interface Row {
  readonly key: number
}

async function* groupsOf(keys: readonly (readonly number[])[]): AsyncGenerator<GroupToMerge<Row>> {
  for (const group of keys) {
    const rows = group.map((key) => ({ key }))
    yield { source: rows as unknown as GroupOfFile, first: rows[0] as Row, bound: rows.at(-1) as Row, rows: () => rows }
  }
}

describe('mergeGroups', () => {
  test('equals sorting everything, whatever is taken over whole', async () => {
    const input = fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(input, { maxLength: 4 }), fc.func(fc.boolean()), async (inputs, takes) => {
        // No key stands twice, and the groups of an input ascend.
        const distinct = inputs.map((groups, of) => groups.map((keys, at) => [...new Set(keys)].map((key) => at * 2 ** 34 + key * 4 + of).toSorted((left, right) => left - right)))
        const merged: number[] = []
        let whole = 0
        for await (const step of mergeGroups(distinct.map(groupsOf), { compare: (left, right) => left.key - right.key, takes })) {
          if (step.kind === 'group') whole++
          merged.push(...(step.kind === 'group' ? (step.source as unknown as Row[]) : step.rows).map(({ key }) => key))
        }
        expect(merged).toEqual(distinct.flat(2).toSorted((left, right) => left - right))
        expect(whole).toBeLessThanOrEqual(distinct.flat().length)
      }),
    )
  })
})

function documentOf(index: number, version: number): { text: string; version: number } {
  const text = Array.from({ length: 8 }, (_, part) => ((index * 8 + part + 1) * 2_654_435_761 % 2 ** 32).toString(36)).join(' ')
  return { text, version }
}

async function commit(engine: EventSourcedBackend, ids: readonly number[], version: number): Promise<void> {
  for (let at = 0; at < ids.length; at += 500) {
    const batch = ids.slice(at, at + 500)
    await engine.appendEvents(batch.map((index) => ({ op: version === 1 ? 'CREATE' : 'UPDATE', target: `items:e${String(index).padStart(6, '0')}`, after: documentOf(index, version) })))
  }
  await engine.flush()
}

describe('compaction', () => {
  test('takes row groups over that nothing else overlaps, and merges the others: states, history and files stay right', async () => {
    const storage = new MemoryBackend()
    const engine = withEventSourcing(storage, { random: seededRandom(1), compaction: { background: false }, graceMs: 0 })
    const count = 12_000
    const all = Array.from({ length: count }, (_, index) => index)
    for (let start = 0; start < count; start += 4000) await commit(engine, all.slice(start, start + 4000), 1)
    // The first entities change, and one in the middle of the last run does, so that only some row groups are overlapped.
    const changed = [...all.slice(0, 1500), 11_000]
    await commit(engine, changed, 2)
    const before = new Set<string>()
    for (const { path } of (await storage.list('entities/')).objects) for (const text of chunksOf(await storage.read(path))) before.add(text)
    await engine.compact()
    const stats = await engine.stats()
    expect(stats.namespaces['items']).toMatchObject({ runs: 1, rows: count })
    expect(stats.segments.count).toBe(1)
    const [{ path } = { path: '' }] = (await storage.list('entities/')).objects
    const kept = chunksOf(await storage.read(path)).filter((text) => before.has(text))
    expect(kept.length).toBeGreaterThan(5)
    expect(kept.length).toBeLessThan(before.size - 2)
    expect(await engine.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    for (const index of [0, 1, 1499, 1500, 3999, 4000, 8123, 10_999, 11_000, 11_001, 11_999]) {
      const id = `e${String(index).padStart(6, '0')}`
      const versions = changed.includes(index) ? 2 : 1
      expect(await engine.reconstructEntity('items', id)).toMatchObject(documentOf(index, versions))
      expect(await engine.reconstructEntity('items', id, { asOf: count })).toMatchObject(documentOf(index, 1))
      expect(await engine.getEntityEvents('items', id)).toHaveLength(versions)
    }
    await engine.close()
  })

  test('takes row groups over that are full of rows, however few bytes those take', async () => {
    const storage = new MemoryBackend()
    const engine = withEventSourcing(storage, { random: seededRandom(1), compaction: { background: false }, graceMs: 0 })
    const rows = 20_000
    for (let run = 0; run < 2; run++) {
      for (let start = run * rows; start < (run + 1) * rows; start += 5000) {
        await engine.appendEvents(Array.from({ length: 5000 }, (_, index) => ({ op: 'CREATE' as const, target: `items:e${String(start + index).padStart(6, '0')}`, after: { n: 1 } })))
      }
      await engine.flush()
    }
    const chunksIn = async (folder: string): Promise<string[]> => (await Promise.all((await storage.list(folder)).objects.map(async ({ path }) => chunksOf(await storage.read(path))))).flat()
    const before = { states: await chunksIn('entities/'), events: await chunksIn('events/') }
    await engine.compact()
    expect((await chunksIn('entities/')).toSorted()).toEqual(before.states.toSorted())
    expect((await chunksIn('events/')).toSorted()).toEqual(before.events.toSorted())
    expect(await engine.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await engine.close()
  })

  test('writes what it merges with gzip where that is asked for: smaller, taken over as it stands by the next, and read by everything', async () => {
    const sizes: number[] = []
    for (const codec of ['snappy', 'gzip'] as const) {
      const storage = new MemoryBackend()
      const engine = withEventSourcing(storage, { random: seededRandom(1), compaction: { background: false, codec }, graceMs: 0 })
      const all = Array.from({ length: 6000 }, (_, index) => index)
      await commit(engine, all.slice(0, 2000), 1)
      await commit(engine, all.slice(2000, 4000), 1)
      await engine.compact()
      const filesIn = async (): Promise<{ path: string; codecs: Set<string> }[]> => {
        const objects = [...(await storage.list('entities/')).objects, ...(await storage.list('events/')).objects]
        return Promise.all(objects.map(async ({ path }) => ({ path, codecs: new Set(parquetMetadata((await storage.read(path)).slice().buffer).row_groups.flatMap(({ columns }) => columns.map(({ meta_data }) => String(meta_data?.codec)))) })))
      }
      const merged = await filesIn()
      expect(merged.map(({ codecs }) => codecs)).toEqual([new Set(['UNCOMPRESSED', codec.toUpperCase()]), new Set(['UNCOMPRESSED', codec.toUpperCase()])])
      const chunks = chunksOf(await storage.read(merged[0]?.path ?? ''))
      sizes.push(...(await Promise.all(merged.map(async ({ path }) => (await storage.read(path)).length))))
      await commit(engine, all.slice(4000), 1)
      expect((await filesIn()).some(({ codecs }) => codecs.has('SNAPPY'))).toBe(true)
      await engine.compact()
      const [run] = await filesIn()
      expect(run?.codecs.has(codec.toUpperCase())).toBe(true)
      expect(chunksOf(await storage.read(run?.path ?? '')).filter((text) => chunks.includes(text)).length).toBeGreaterThan(2)
      expect(await engine.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
      for (const index of [0, 10, 1999, 2000, 5999]) expect((await engine.reconstructEntity('items', `e${String(index).padStart(6, '0')}`))).toMatchObject(documentOf(index, 1))
      await engine.close()
      // Whoever merges it without a wish keeps what is there.
      const later = withEventSourcing(storage, { random: seededRandom(2), compaction: { background: false }, graceMs: 0 })
      await commit(later, [5, 6], 2)
      await later.compact()
      await later.retain({ policy: { mode: 'drop', maxEvents: 10 } })
      for (const { codecs } of await filesIn()) expect(codecs).toEqual(new Set(['UNCOMPRESSED', codec.toUpperCase()]))
      expect(await later.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
      await later.close()
    }
    const [states = 0, events = 0, smallStates = 0, smallEvents = 0] = sizes
    expect(smallStates).toBeLessThan(states * 0.9)
    expect(smallEvents).toBeLessThan(events * 0.9)
  })

  test('a merge of some runs keeps what says that an entity was deleted, for the runs that still have it', async () => {
    const engine = withEventSourcing(new MemoryBackend(), { random: seededRandom(1), compaction: { fanIn: 2 }, graceMs: 0, schedule: () => undefined })
    await commit(engine, Array.from({ length: 3000 }, (_, index) => index), 1)
    for (const id of ['e000007', 'e000009']) {
      await engine.appendEvent({ op: 'DELETE', target: `items:${id}` })
      await engine.flush()
    }
    await engine.maintain()
    // The large one, and that of the two small ones.
    expect((await engine.stats()).namespaces['items']?.runs).toBe(2)
    expect(await engine.reconstructEntity('items', 'e000007')).toBeUndefined()
    expect(await engine.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await engine.close()
  })

  test('of a collection of which all was deleted and is forgotten, a merge leaves no file', async () => {
    const db = new ParqueDB({ storage: new MemoryBackend(), compaction: { background: false }, graceMs: 0 })
    const items = db.collection('items')
    await items.createMany([{ $id: 'a' }, { $id: 'b' }])
    await items.deleteMany({})
    await db.collection('others').create({ $id: 'c' })
    await db.flush()
    await db.retain({ policy: { mode: 'drop', maxEvents: 0 } })
    const { namespaces } = await db.stats()
    expect([namespaces['items']?.runs ?? 0, namespaces['others']?.runs]).toEqual([0, 1])
    expect(await db.collection('others').count()).toBe(1)
    expect(await db.verify({ deep: true })).toMatchObject({ ok: true, problems: [] })
    await db.close()
  })

  test('refuses a codec that it has not', () => {
    expect(() => withEventSourcing(new MemoryBackend(), { compaction: { codec: 'zip' as 'gzip' } })).toThrow("must be 'snappy' or 'gzip'")
  })
})

/** The column chunk of `$seq` of each row group, as text: no two have the same. */
function chunksOf(bytes: Uint8Array): string[] {
  const file = bytes.slice()
  return parquetMetadata(file.buffer).row_groups.map(({ columns: [, , column] }) => {
    const start = Number(column?.meta_data?.data_page_offset)
    return Buffer.from(file.subarray(start, start + Number(column?.meta_data?.total_compressed_size))).toString('latin1')
  })
}
