import { expect, test } from 'vitest'
import { systemClock, type Clock } from '../base/clock.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { DataFiles } from './DataFiles.ts'
import { mergeSegments, writeRunFiles, type MergeParts } from './rewrite.ts'
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
