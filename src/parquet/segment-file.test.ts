import { parquetReadObjects } from 'hyparquet'
import { expect, describe, test } from 'vitest'
import { edgeKey, stateOfEdge } from '../model/edge.ts'
import { compareStrings } from '../base/bytes.ts'
import { exhaust } from '../base/exhaust.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { SegmentFileReader } from './SegmentFileReader.ts'
import { SegmentFileWriter, withoutStates, type EventToCopy } from './SegmentFileWriter.ts'
import type { WrittenFile } from './written-file.ts'

const snapshotEvery = 100

/** `versions` events of an entity: a CREATE, then UPDATEs, a snapshot at the first and at every hundredth after it. */
function history({ ns, id }: EntityKey, { versions, firstSeq }: { versions: number; firstSeq: number }): StoredEvent[] {
  return Array.from({ length: versions }, (_, index): StoredEvent => {
    const seq = firstSeq + index * 3
    const document = { count: index, big: BigInt(index), at: new Date(index), name: `naïve ${id}` }
    const isFirst = index === 0
    const state: EntityState = { id, version: index + 1, seq, createdAt: firstSeq * 10, createdBy: 'ann', updatedAt: seq * 10, updatedBy: 'ann', deletedAt: undefined, document }
    return {
      seq,
      ts: seq * 10,
      eventId: `event-${seq}`,
      op: isFirst ? 'CREATE' : 'UPDATE',
      ns,
      id,
      version: index + 1,
      after: isFirst ? document : undefined,
      patch: isFirst ? undefined : { set: { count: index, 'a.b': new Date(index), $type: 'x' }, unset: ['gone.field'] },
      actor: index % 2 === 0 ? 'ann' : undefined,
      txId: index % 5 === 0 ? `tx-${seq}` : undefined,
      metadata: index % 7 === 0 ? { source: 'test', n: 1n } : undefined,
      state: index % snapshotEvery === 0 ? state : undefined,
    }
  })
}

const busy: EntityKey = { ns: 'b', id: 'hot' }
const busyEvents = history(busy, { versions: 6000, firstSeq: 1000 })
const otherEvents = (ns: string, id: string, firstSeq: number): StoredEvent[] => history({ ns, id }, { versions: 3, firstSeq })
/** In key order; 'a' has many entities, 'b' a busy one between two others, 'b!' sorts after 'b' though '!' is less than '/'. */
const events: StoredEvent[] = [
  ...Array.from({ length: 300 }, (_, index) => otherEvents('a', `e${String(index).padStart(4, '0')}`, 1 + index)).flat(),
  ...otherEvents('b', 'cold', 900),
  ...busyEvents,
  ...otherEvents('b', 'tepid', 19_001),
  ...otherEvents('b!', 'x', 19_100),
]

function write(rows: readonly StoredEvent[], rowGroupBytes = 16 * 1024): WrittenFile {
  const writer = new SegmentFileWriter({ metadata: { fold: '1' }, rowGroupBytes })
  for (const event of rows) writer.append(event)
  return writer.finish()
}

const file = write(events)

async function open(): Promise<{ reader: SegmentFileReader; requests: () => number }> {
  const { bytes, ...facts } = file
  const source = sourceOfBytes('events/test.parquet', bytes)
  let count = 0
  const reader = await SegmentFileReader.open({ ...source, readRange: (range) => ((count += 1), source.readRange(range)) }, JSON.parse(JSON.stringify(facts)) as typeof facts)
  return {
    reader,
    requests: () => {
      const now = count
      count = 0
      return now
    },
  }
}

async function readAll(batches: AsyncIterable<StoredEvent[]>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = []
  for await (const batch of batches) all.push(...batch)
  return all
}

describe('a segment', () => {
  test('gives back its events exactly, in key order', async () => {
    const { reader } = await open()
    expect(await readAll(reader.scan())).toStrictEqual(events)
    expect(reader.metadata).toEqual({ fold: '1' })
    await reader.verify()
  })

  test('takes a row group over in which edges begin, and goes on with edges', async () => {
    const edgeOf = (seq: number): StoredEvent => {
      const key = edgeKey({ from: { ns: 'b', id: 'hot' }, predicate: 'knows', to: { ns: 'a', id: `e${seq}` } })
      const event = { seq, ts: seq * 10, eventId: `event-${seq}`, op: 'REL_CREATE' as const, ...key, version: 1, after: { since: seq }, patch: undefined, actor: undefined, txId: undefined, metadata: undefined }
      return { ...event, state: stateOfEdge(event) }
    }
    const edges = [1000, 1001, 1002].map(edgeOf)
    const earlier = [...otherEvents('b', 'cold', 1), ...edges.slice(0, 2)]
    const source = new SegmentFileWriter()
    for (const event of earlier) source.append(event)
    const { bytes, ...facts } = source.finish()
    const merged = new SegmentFileWriter()
    for await (const group of (await SegmentFileReader.open(sourceOfBytes('s', bytes), facts)).groupsToMerge({ bytesMax: 1_000_000 })) for (const _ of merged.copy(group));
    for (const edge of edges.slice(2)) merged.append(edge)
    const { bytes: mergedBytes, ...mergedFacts } = merged.finish()
    const reader = await SegmentFileReader.open(sourceOfBytes('m', mergedBytes), mergedFacts)
    expect(await readAll(reader.scan())).toStrictEqual([...earlier, ...edges.slice(2)])
  })

  test('says in its facts what is in it', () => {
    expect(file).toMatchObject({ rows: 6909, minKey: ['a', 'e0000'], maxKey: ['b!', 'x'], minSeq: 1, maxSeq: 19_106, minTs: 10, maxTs: 191_060 })
  })

  test('gives one entity, however many row groups it spans', async () => {
    const { reader } = await open()
    expect(await reader.entityEvents(busy)).toStrictEqual(busyEvents)
    expect(await reader.entityEvents({ ns: 'a', id: 'e0123' })).toStrictEqual(events.filter(({ ns, id }) => ns === 'a' && id === 'e0123'))
    expect(await reader.entityEvents({ ns: 'b!', id: 'x' })).toStrictEqual(events.slice(-3))
    expect(await reader.entityEvents(busy, { fromSeq: 4000, toSeq: 4010 })).toStrictEqual(busyEvents.filter(({ seq }) => seq >= 4000 && seq <= 4010))
  })

  test('reads nothing for a key that it does not have', async () => {
    const { reader, requests } = await open()
    requests()
    for (const key of [{ ns: 'a', id: 'e0123x' }, { ns: 'c', id: 'x' }, { ns: '', id: '' }, { ns: 'b', id: 'hotter' }]) {
      expect(reader.mayContainKey(key)).toBe(false)
      expect(await reader.entityEvents(key)).toEqual([])
      expect(await reader.eventsAsOf(key, { seq: 1e9 })).toEqual([])
    }
    expect(requests()).toBe(0)
  })

  test('gives what a past state is folded from, in one or two requests of many', async () => {
    const { reader, requests } = await open()
    for (const index of [0, 1, 99, 100, 101, 2750, 5999]) {
      const { seq, ts } = busyEvents[index] as StoredEvent
      const expected = busyEvents.slice(index - (index % snapshotEvery), index + 1)
      requests()
      expect(await reader.eventsAsOf(busy, { seq: seq + 2 })).toStrictEqual(expected)
      expect(requests()).toBeLessThanOrEqual(2)
      expect(await reader.eventsAsOf(busy, { ts: ts + 5 })).toStrictEqual(expected)
      expect(await reader.eventsAsOf(busy, { seq, ts: 1e9 })).toStrictEqual(expected)
    }
    expect(await reader.eventsAsOf(busy, { seq: 999 })).toEqual([])
    expect(await reader.eventsAsOf(busy, {})).toStrictEqual(busyEvents.slice(5900))
  })

  test('is scanned within a namespace, between ids, seqs and times', async () => {
    const { reader } = await open()
    const within = (wanted: (event: StoredEvent) => boolean): StoredEvent[] => events.filter(wanted)
    expect(await readAll(reader.scan({ ns: 'b' }))).toStrictEqual(within(({ ns }) => ns === 'b'))
    expect(await readAll(reader.scan({ ns: 'b', afterId: 'cold', beforeId: 'tepid', toSeq: 1030 }))).toStrictEqual(busyEvents.slice(0, 11))
    expect(await readAll(reader.scan({ ns: 'a', fromId: 'e0298' }))).toStrictEqual(within(({ ns, id }) => ns === 'a' && id >= 'e0298'))
    expect(await readAll(reader.scan({ fromSeq: 290, toSeq: 1003 }))).toStrictEqual(within(({ seq }) => seq >= 290 && seq <= 1003))
    expect(await readAll(reader.scan({ fromTs: 190_010, toTs: 191_000 }))).toStrictEqual(within(({ ts }) => ts >= 190_010 && ts <= 191_000))
    expect(await readAll(reader.scan({ ns: 'nowhere' }))).toEqual([])
  })

  test('finds events by event id and by transaction, and reads nothing for an id that it does not have', async () => {
    const { reader, requests } = await open()
    expect(await reader.findById('event-4000')).toStrictEqual([busyEvents[1000]])
    expect(await reader.findById('tx-4000')).toStrictEqual([busyEvents[1000]])
    requests()
    expect(await reader.findById('nobody')).toEqual([])
    expect(requests()).toBe(0)
  })

  test('reads of many row groups the ones that have the event, or hardly more', async () => {
    const { bytes, ...facts } = file
    const source = sourceOfBytes('events/test.parquet', bytes)
    const read = { bytes: 0 }
    const reader = await SegmentFileReader.open({ ...source, readRange: (range) => ((read.bytes += range.end - range.start), source.readRange(range)) }, facts)
    expect(await reader.findById('nobody')).toEqual([])
    read.bytes = 0
    expect(await reader.findById('event-4000')).toStrictEqual([busyEvents[1000]])
    expect(read.bytes).toBeGreaterThan(0)
    expect(read.bytes * 3).toBeLessThan(bytes.length)
  })

  test('knows what row groups that it took over have, and have not', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => otherEvents('a', `e${String(index).padStart(4, '0')}`, 1 + index * 10).slice(0, 1)).flat()
    const { bytes, ...facts } = write(many, 2000)
    const merged = new SegmentFileWriter({ metadata: { fold: '1' }, rowGroupBytes: 2000 })
    const original = await SegmentFileReader.open(sourceOfBytes('s', bytes), facts)
    let taken = 0
    for await (const source of original.groupsToMerge({ bytesMax: 1_000_000 })) {
      if (merged.takes(source)) {
        for (const _ of merged.copy(source));
        taken += 1
      } else for (const event of original.eventsOf(source.group)) merged.append(event)
    }
    expect(taken).toBeGreaterThan(2)
    const { bytes: mergedBytes, ...mergedFacts } = merged.finish()
    const reader = await SegmentFileReader.open(sourceOfBytes('m', mergedBytes), mergedFacts)
    await reader.verify()
    expect(await readAll(reader.scan())).toStrictEqual(many)
    for (const event of many.filter((_, index) => index % 50 === 0)) {
      expect(reader.mayContainKey(event)).toBe(true)
      expect(await reader.findById(event.eventId)).toStrictEqual([event])
    }
    const absent = Array.from({ length: 1000 }, (_, index) => ({ ns: 'a', id: `e${String(index).padStart(4, '0')}x` }))
    expect(absent.filter((key) => reader.mayContainKey(key)).length).toBeLessThan(30)
  })

  test('is written the same, byte for byte, by events that are copied out of another segment, without some snapshots, and ones that are appended', async () => {
    const edges = (['out', 'in'] as const).map((direction, index): StoredEvent => {
      const key = edgeKey({ from: { ns: 'a', id: 'e0000' }, predicate: 'likes', to: { ns: 'a', id: 'b' } }, direction)
      const event: StoredEvent = { seq: 90_000 + index * 2, ts: 5, eventId: 'edge', op: 'REL_CREATE', ...key, version: 1, after: { weight: 1 }, patch: undefined, actor: undefined, txId: 'tx', metadata: undefined, state: undefined }
      return { ...event, state: stateOfEdge(event) }
    })
    const all = [...edges, ...events].toSorted((left, right) => compareStrings(left.ns, right.ns) || compareStrings(left.id, right.id) || left.seq - right.seq)
    const { bytes, ...facts } = write(all)
    const reader = await SegmentFileReader.open(sourceOfBytes('s', bytes), facts)
    const writers = [0, 1].map(() => new SegmentFileWriter({ metadata: { fold: '1' }, rowGroupBytes: 9000 })) as [SegmentFileWriter, SegmentFileWriter]
    let [copies, lost] = [0, 0]
    for await (const source of reader.groupsToMerge({ bytesMax: 100_000 })) {
      expect(writers[0].fits(source)).toBe(true)
      const toCopy = reader.eventsToCopy(source.group)
      for (const [row, event] of reader.eventsOf(source.group).entries()) {
        const copy = toCopy[row] as EventToCopy
        expect(copy.eventAt(row)).toStrictEqual(event)
        expect(copy.hasState).toBe(event.state !== undefined)
        if (event.seq % 11 === 0) continue
        const isWithout = event.seq % 3 === 1
        writers[1].append(isWithout ? { ...event, state: undefined } : event)
        if (row % 3 === 0) writers[0].append(isWithout ? { ...event, state: undefined } : event)
        else {
          exhaust(writers[0].copyRows([isWithout ? { ...copy, columns: withoutStates } : copy]))
          copies++
          if (isWithout && event.op === 'UPDATE' && event.state !== undefined) lost++
        }
      }
    }
    expect(copies).toBeGreaterThan(1000)
    expect(lost).toBeGreaterThan(5)
    expect(writers[0].finish()).toEqual(writers[1].finish())
  })

  test('keeps the document of a CREATE once, which is its snapshot', async () => {
    const [created] = history({ ns: 'a', id: 'one' }, { versions: 1, firstSeq: 1 }) as [StoredEvent]
    const { bytes, ...facts } = write([{ ...created, state: undefined }])
    const [row] = await parquetReadObjects({ file: bytes.slice().buffer })
    expect(row).toMatchObject({ op: 'CREATE', after: expect.stringContaining('{"count":0') as string, state: null })
    const reader = await SegmentFileReader.open(sourceOfBytes('s', bytes), facts)
    expect(await readAll(reader.scan())).toStrictEqual([created])
  })

  test('refuses events that are out of order, and a namespace with a NUL', () => {
    const [first, second] = busyEvents as [StoredEvent, StoredEvent]
    const writer = new SegmentFileWriter()
    writer.append(second)
    expect(() => writer.append(first)).toThrow('ascend')
    expect(() => new SegmentFileWriter().append({ ...first, ns: 'a\0b' })).toThrow('NUL')
  })

  test('is not taken for a run', async () => {
    const { RunFileReader } = await import('./RunFileReader.ts')
    await expect(RunFileReader.open(sourceOfBytes('s', file.bytes), file)).rejects.toMatchObject({ code: 'CORRUPT_FILE' })
  })
})
