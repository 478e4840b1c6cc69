import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { RunFileReader } from '../parquet/RunFileReader.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { foldKey } from '../parquet/segment-columns.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import { mergeSegments } from './rewrite.ts'
import { DataFiles } from './DataFiles.ts'
import { pastInSegments } from './lookup.ts'
import type { FileEntry } from './manifest.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { TableFiles } from './TableFiles.ts'
import { Turns } from './Turns.ts'

const key = { ns: 'n', id: 'x' }

/** Event `seq` of the one entity: a CREATE, then UPDATEs of `v`, whose snapshot says something else than they do. */
function eventOf(seq: number): StoredEvent {
  const state: EntityState = { id: 'x', version: seq, seq, createdAt: 1, createdBy: undefined, updatedAt: seq, updatedBy: undefined, deletedAt: undefined, document: { wrong: seq } }
  const common = { seq, ts: seq, eventId: `e${seq}`, ...key, version: seq, actor: undefined, txId: undefined, metadata: undefined }
  return seq === 1 ? { ...common, op: 'CREATE', after: { v: 1 }, patch: undefined, state: undefined } : { ...common, op: 'UPDATE', after: undefined, patch: { set: { v: seq } }, state }
}

describe('snapshots that another version of the fold made', () => {
  let tables: TableFiles
  let files: DataFiles
  let segments: FileEntry[]

  beforeEach(async () => {
    const backend = new MemoryBackend()
    tables = new TableFiles(backend, { maxCachedColumnBytes: 0 })
    files = new DataFiles({ backend, tables, epoch: 1, rowGroupBytes: 64 * 1024 })
    segments = []
    for (const seqs of [[1, 2], [3, 4], [5]]) {
      const writer = new SegmentFileWriter({ metadata: { [foldKey]: '0' } })
      for (const seq of seqs) writer.append(eventOf(seq))
      segments.push(await files.job().writeSegment(writer.finish()))
    }
  })

  const past = async (from: readonly FileEntry[], seq: number): Promise<unknown> =>
    (await pastInSegments(tables, from.filter((file) => file.minSeq <= seq).toReversed(), { key, asOf: { seq }, base: async () => undefined }))?.document

  test('are passed over: replay starts in an earlier segment', async () => {
    for (const seq of [1, 2, 3, 4, 5]) expect(await past(segments, seq)).toEqual({ v: seq })
  })

  test('are left out by a merge, which makes its own where it can', async () => {
    const parts = { tables, turns: new Turns(systemClock, () => false), codec: 'snappy' as const, autoSnapshotThreshold: 100 }
    const later = await mergeSegments({ kind: 'segments', inputs: segments.slice(1) }, { ...parts, output: files.job() })
    expect((await (await tables.segment(later)).entityEvents(key)).map(({ state }) => state)).toEqual([undefined, undefined, undefined])
    for (const seq of [2, 3, 5]) expect(await past([segments[0] as FileEntry, later], seq)).toEqual({ v: seq })
    const whole = await mergeSegments({ kind: 'segments', inputs: [segments[0] as FileEntry, later] }, { ...parts, output: files.job() })
    expect((await tables.segment(whole)).metadata[foldKey]).toBe('1')
    for (const seq of [1, 4, 5]) expect(await past([whole], seq)).toEqual({ v: seq })
  })
})

test('states that another version of the fold made are refused', async () => {
  const states = [{ id: 'x', version: 1, seq: 1, createdAt: 1, createdBy: undefined, updatedAt: 1, updatedBy: undefined, deletedAt: undefined, document: { v: 1 } }]
  for (const fold of ['1', '0']) {
    const writer = new RunFileWriter({ shape: new ShapeBuilder().build(), metadata: { [foldKey]: fold } })
    for (const state of states) writer.append(state)
    const file = writer.finish()
    const opening = RunFileReader.open(sourceOfBytes('entities/n/run.parquet', file.bytes), file)
    if (fold === '1') expect(await (await opening).get('x')).toEqual(states[0])
    else await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', message: expect.stringContaining('fold 0; this one is 1') as string, details: { path: 'entities/n/run.parquet', fold: '0' } })
  }
})
