import { expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import { foldKey } from '../parquet/segment-columns.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { DataFiles } from './DataFiles.ts'
import type { FileEntry } from './manifest.ts'
import { byKeyAndSeq, mergeSegments, writeRunFiles, type MergeParts } from './rewrite.ts'
import { TableFiles } from './TableFiles.ts'
import { Turns } from './Turns.ts'

/** Each look at the time takes so long that it is somebody else's turn; `onTurn` hears of those. */
function partsWith(onTurn: () => void): MergeParts & { files: DataFiles } {
  let nowMs = 0
  const clock: Clock = { ...systemClock, nowMs: () => (nowMs += 10), sleep: async () => onTurn() }
  const backend = new MemoryBackend()
  const tables = new TableFiles(backend, { maxCachedColumnBytes: 0 })
  const files = new DataFiles({ backend, tables, epoch: 1, rowGroupBytes: 64 * 1024 })
  return { tables, files, output: files.job(), turns: new Turns(clock, () => false), autoSnapshotThreshold: 100, codec: undefined }
}

const idOf = (index: number): string => `e${String(index).padStart(6, '0')}`
const count = 2000

test('others have their turn while the rows of one row group are written anew', async () => {
  let written = 0
  let longest = 0
  let since = 0
  const parts = partsWith(() => {
    longest = Math.max(longest, written - since)
    since = written
  })
  const states = Array.from({ length: count }, (_, index): EntityState => ({ id: idOf(index), version: 1, seq: index + 1, createdAt: 1, createdBy: undefined, updatedAt: 1, updatedBy: undefined, deletedAt: undefined, document: { n: index } }))
  const rows = Object.assign([...states], {
    *[Symbol.iterator]() {
      for (const state of states) {
        written++
        yield state
      }
    },
  })
  const shape = new ShapeBuilder()
  for (const { document } of states) shape.add(document)
  async function* steps(): AsyncGenerator<{ kind: 'rows'; rows: readonly EntityState[] }> {
    yield { kind: 'rows', rows }
  }
  const run = await writeRunFiles({ ns: 'items', steps, shape: shape.build(), codec: 'snappy', forgetUpTo: 0 }, parts)
  expect(run.files.reduce((sum, file) => sum + file.rows, 0)).toBe(count)
  expect(longest).toBeGreaterThan(0)
  expect(longest).toBeLessThanOrEqual(32)
})

test('segments that interleave are merged as if every event had been folded: a snapshot at the first event that tells a state, at a CREATE, and at every threshold after it', async () => {
  const bytes = seededRandom(5).bytes(30 * 4 * 60 * 3)
  let drawn = 0
  const random = (): number => (bytes[drawn++] as number) / 256
  for (let round = 0; round < 30; round++) {
    const threshold = 2 + (round % 4)
    const parts = { ...partsWith(() => undefined), autoSnapshotThreshold: threshold }
    const states = new Map<string, EntityState>()
    const all: StoredEvent[] = []
    const segments: FileEntry[] = []
    for (let part = 0; part < 4; part++) {
      const events: StoredEvent[] = []
      const begun = new Set<string>()
      for (let index = 0; index < 60; index++) {
        const id = idOf(Math.floor(random() * 12))
        const before = states.get(id)
        const seq = all.length + 1
        const op = before === undefined || random() < 0.1 ? 'CREATE' : random() < 0.15 ? 'DELETE' : 'UPDATE'
        const event: StoredEvent = { seq, ts: seq, eventId: `v${seq}`, op, ns: 'items', id, version: (before?.version ?? 0) + 1, after: op === 'CREATE' ? { n: seq } : undefined, patch: op === 'UPDATE' ? { set: { m: seq } } : undefined, actor: undefined, txId: index % 5 === 0 ? `t${seq}` : undefined, metadata: undefined, state: undefined }
        const state = fold(before, event)
        states.set(id, state)
        all.push({ ...event, state })
        // A segment's first event of an entity has its state, unless another fold made the file.
        events.push({ ...event, state: op === 'CREATE' || (!begun.has(id) && part !== 1) ? state : undefined })
        begun.add(id)
      }
      const metadata = part === 1 ? { [foldKey]: '0' } : parts.output.fileOptions.metadata
      const writer = new SegmentFileWriter({ ...parts.output.fileOptions, metadata, rowGroupBytes: 600 })
      for (const event of events.toSorted(byKeyAndSeq)) writer.append(event)
      segments.push(await parts.files.job().writeSegment(writer.finish()))
    }
    // The first one is not among them, so that some entities begin before all that is merged.
    const inputs = segments.slice(1)
    const merged = await mergeSegments({ kind: 'segments', inputs }, parts)
    const found: StoredEvent[] = []
    for await (const events of (await parts.tables.segment(merged)).scan()) found.push(...events)
    const expected = all.slice(60).toSorted(byKeyAndSeq)
    const told = new Set<string>()
    let since = 0
    for (const [index, event] of expected.entries()) {
      const isTold = event.op === 'CREATE' || told.has(event.id) || event.seq > 120
      const isFirst = isTold && !told.has(event.id)
      const hasState = isTold && (isFirst || event.op === 'CREATE' || since + 1 >= threshold)
      since = hasState ? 0 : since + 1
      if (isTold) told.add(event.id)
      expect(found[index]).toStrictEqual({ ...event, state: hasState ? event.state : undefined })
    }
    expect(found).toHaveLength(expected.length)
  }
})

test('others have their turn while the events of segments are merged', async () => {
  let turns = 0
  const parts = partsWith(() => void turns++)
  const segments = []
  // They interleave, so that none is taken over.
  for (const part of [0, 1]) {
    const writer = new SegmentFileWriter({})
    for (let index = part; index < count; index += 2) {
      const event: StoredEvent = { seq: part * count + index + 1, ts: 1, eventId: `v${index}`, op: 'CREATE', ns: 'items', id: idOf(index), version: 1, after: { n: index }, patch: undefined, actor: undefined, txId: undefined, metadata: undefined, state: undefined }
      writer.append(event)
    }
    segments.push(await parts.files.job().writeSegment(writer.finish()))
  }
  const merged = await mergeSegments({ kind: 'segments', inputs: segments }, parts)
  expect(merged.rows).toBe(count)
  expect(turns).toBeGreaterThanOrEqual(Math.floor(count / 32))
})
