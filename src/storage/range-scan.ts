import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { startOf } from './horizon.ts'
import { reaches, spansNamespace } from './lookup.ts'
import { filesOfRuns, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import type { Overlay } from './Overlay.ts'
import { lowerBound } from './SortedIds.ts'
import { mergeStates } from './strips.ts'
import type { TableFiles } from './TableFiles.ts'
import type { AsOf, IdBounds } from './view.ts'

/** Rows that the overlay hands to a merge at once. */
const overlayBatchRows = 1024

export interface RangeScan {
  readonly manifest: Manifest
  readonly overlay: Overlay
  readonly files: TableFiles
  /** The view's newest event. */
  readonly seq: number
  readonly ns: string
  /** Ascend and do not overlap. */
  readonly ranges: readonly IdBounds[]
  /** undefined: now. */
  readonly past: AsOf | undefined
  /** The state before an event whose snapshot is of another fold. */
  readonly before: (event: StoredEvent) => Promise<EntityState | undefined>
  readonly signal: AbortSignal | undefined
}

/** The states of a namespace within several ranges of ids, in order: each row group of a file is read once for all of them. */
export function scanRanges(of: RangeScan): AsyncGenerator<readonly EntityState[]> {
  const { manifest, ns, past } = of
  const start = past === undefined ? { runs: manifest.runs, seq: manifest.flushedSeq } : startOf(manifest, ns, past)
  const segments = past === undefined ? [] : manifest.segments.filter((file) => file.maxSeq > start.seq && reaches(file, past) && spansNamespace(file, ns))
  return mergeStates([...filesOfRuns(start, ns).map((run) => runStates(run, of)), ...segments.map((file) => segmentStates(file, of)), overlayStates(of)])
}

async function* runStates(run: RunEntry, { files, ranges, signal }: RangeScan): AsyncGenerator<readonly EntityState[]> {
  for (const file of run.files) {
    const [minId = ''] = file.minKey
    const [maxId = ''] = file.maxKey
    const within = ranges.filter((range) => !isBelow(maxId, range) && (range.beforeId === undefined || compareStrings(minId, range.beforeId) < 0))
    if (within.length > 0) yield* (await files.run(file)).scanRanges(within, signal)
  }
}

/** Each entity's state as far as one segment knows: it begins every entity with a snapshot. */
export async function* segmentStates(file: FileEntry, { files, ns, ranges, past, before, signal }: RangeScan): AsyncGenerator<readonly EntityState[]> {
  const reader = await files.segment(file)
  let state: EntityState | undefined
  for await (const events of reader.scanRanges(ranges.map((range) => ({ ...range, ns })), { toSeq: past?.seq, toTs: past?.ts, signal })) {
    const done: EntityState[] = []
    for (const event of events) {
      // The mark of an erasure belongs to no entity.
      if (event.id === '') continue
      if (state !== undefined && state.id !== event.id) {
        done.push(state)
        state = undefined
      }
      // Its snapshot is of another fold: earlier segments have what it follows from.
      if (state === undefined && event.state === undefined) state = await before(event)
      state = stateAfter(state, event)
    }
    if (done.length > 0) yield done
  }
  if (state !== undefined) yield [state]
}

export async function* overlayStates({ overlay, ns, ranges, seq, past, signal }: RangeScan): AsyncGenerator<readonly EntityState[]> {
  const ids = overlay.sortedIds(ns)
  let batch: EntityState[] = []
  for (const range of ranges) {
    for (let index = lowerBound(ids, (id) => isBelow(id, range)); index < ids.length; index++) {
      const id = ids[index] as string
      if (range.beforeId !== undefined && compareStrings(id, range.beforeId) >= 0) break
      const state = overlay.state({ ns, id }, { seq, asOf: past })
      if (state !== undefined) batch.push(state)
      if (batch.length < overlayBatchRows) continue
      checkAborted(signal)
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

/** Whether an id comes before where a range begins. */
export function isBelow(id: string, range: IdBounds): boolean {
  return (range.fromId !== undefined && compareStrings(id, range.fromId) < 0) || (range.afterId !== undefined && compareStrings(id, range.afterId) <= 0)
}
