import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { edgeRange, edgeSpace } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { gathered } from '../model/ResultCursor.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { ScanTrace } from '../parquet/TableReader.ts'
import { startOf } from './horizon.ts'
import { reaches, segmentsFor, holdsName } from './lookup.ts'
import { filesOfRuns, type Checkpoint, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import { mergeSorted } from './merge-groups.ts'
import type { Overlay } from './Overlay.ts'
import { lowerBound } from '../base/lower-bound.ts'
import { mergeStates } from './strips.ts'
import type { TableFiles } from './TableFiles.ts'
import type { AsOf, EntityEventOptions } from './view.ts'

/** Rows that are handed on at once, of the overlay or of memory. */
const batchRows = 1024

export interface RangeScan {
  readonly manifest: Manifest
  readonly overlay: Overlay
  readonly files: TableFiles
  /** The view's newest event. */
  readonly seq: number
  readonly ns: string
  /** Ascend and do not overlap. */
  readonly ranges: readonly IdRange[]
  /** undefined: now. */
  readonly past: AsOf | undefined
  /** The state before an event whose snapshot is of another fold. */
  readonly before: (event: StoredEvent) => Promise<EntityState | undefined>
  readonly signal: AbortSignal | undefined
  readonly trace?: ScanTrace | undefined
}

/** The states of a namespace within several ranges of ids, in order: of those before the first that memory does not tell, from there, without waiting where that is all; then each row group of a file is read once for all that are left. */
export function scanRanges(of: RangeScan): AsyncIterable<readonly EntityState[]> | Iterable<readonly EntityState[]> {
  const known = knownFrom(of, 0)
  return known.end === of.ranges.length ? [known.states] : scanOn(of, known)
}

async function* scanOn(of: RangeScan, known: ReturnType<typeof knownFrom>): AsyncGenerator<readonly EntityState[]> {
  let { states, end } = known
  for (; states.length > 0; ({ states, end } = knownFrom(of, end))) yield states
  if (end < of.ranges.length) yield* readRanges({ ...of, ranges: of.ranges.slice(end) })
}

/** The states of the ranges from `start` on, up to those before `end`: until they are many, or memory does not tell the next ones. */
function knownFrom(of: RangeScan, start: number): { states: readonly EntityState[]; end: number } {
  const states: EntityState[] = []
  let end = start
  while (of.past === undefined && end < of.ranges.length && states.length < batchRows) {
    const within = statesInMemory(of, of.ranges[end] as IdRange)
    if (within === undefined) break
    for (const state of within) states.push(state)
    end += 1
  }
  return { states, end }
}

/** The newest states within a range, where they are few and in memory. */
function statesInMemory(of: RangeScan, range: IdRange): readonly EntityState[] | undefined {
  const { manifest, files, overlay, ns } = of
  const { fromId, afterId, beforeId } = range
  const sources: (readonly EntityState[])[] = []
  for (const run of filesOfRuns(manifest, ns)) {
    for (const file of run.files) {
      if (!holdsRange(file, range)) continue
      const states = fromId === undefined || beforeId === undefined || afterId !== undefined ? undefined : files.runNow(file)?.statesNow({ fromId, beforeId }, batchRows)
      if (states === undefined) return undefined
      if (states.length > 0) sources.push(states)
    }
  }
  if (overlay.entityCount(ns) > 0) sources.push([...overlayRange(of, range)])
  if (sources.length < 2) return sources[0] ?? []
  const newest = new Map<string, EntityState>()
  for (const state of sources.flat()) if ((newest.get(state.id)?.seq ?? -1) < state.seq) newest.set(state.id, state)
  return [...newest.values()].toSorted((left, right) => compareStrings(left.id, right.id))
}

function readRanges(of: RangeScan): AsyncGenerator<readonly EntityState[]> {
  const { manifest, ns, past } = of
  const { start, segments } = filesToRead(manifest, ns, past)
  return mergeStates([...filesOfRuns(start, ns).map((run) => runStates(run, of)), ...segments.map((file) => segmentStates(file, of)), overlayStates(of)])
}

/** What a namespace's states at a point are made of: the runs of where reading starts, and the segments after it; of now the newest runs alone. */
export function filesToRead(manifest: Manifest, ns: string, past: AsOf | undefined): { start: Pick<Checkpoint, 'seq' | 'runs'>; segments: readonly FileEntry[] } {
  if (past === undefined) return { start: { runs: manifest.runs, seq: manifest.flushedSeq }, segments: [] }
  const start = startOf(manifest, ns, past)
  return { start, segments: manifest.segments.filter((file) => file.maxSeq > start.seq && reaches(file, past) && holdsName(file, ns)) }
}

async function* runStates(run: RunEntry, { files, ranges, signal }: RangeScan): AsyncGenerator<readonly EntityState[]> {
  for (const file of run.files) {
    const within = ranges.filter((range) => holdsRange(file, range))
    if (within.length > 0) yield* (await files.run(file)).scanRanges(within, signal)
  }
}

/** Each entity's state as far as one segment knows: it begins every entity with a snapshot. */
export async function* segmentStates(file: FileEntry, { files, ns, ranges, past, before, signal, trace }: RangeScan): AsyncGenerator<readonly EntityState[]> {
  let state: EntityState | undefined
  for await (const events of (await files.segment(file)).scanRanges(ranges.map((range) => ({ ...range, ns })), { toSeq: past?.seq, toTs: past?.ts, signal, trace })) {
    if (trace !== undefined) trace.eventsFolded += events.length
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

export async function* overlayStates(of: RangeScan): AsyncGenerator<readonly EntityState[]> {
  let batch: EntityState[] = []
  for (const range of of.ranges) {
    for (const state of overlayRange(of, range)) {
      batch.push(state)
      if (batch.length < batchRows) continue
      checkAborted(of.signal)
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

function* overlayRange({ overlay, ns, seq, past }: RangeScan, range: IdRange): Generator<EntityState> {
  for (const id of overlayIds(overlay, ns, range)) {
    const state = overlay.state({ ns, id }, { seq, asOf: past })
    if (state !== undefined) yield state
  }
}

/** The overlay's ids within a range, those that came after a view included. */
function* overlayIds(overlay: Overlay, ns: string, range: IdRange): Generator<string> {
  const ids = overlay.sortedIds(ns)
  for (let index = lowerBound(ids, (id) => isBelow(id, range)); index < ids.length; index++) {
    const id = ids[index] as string
    if (range.beforeId !== undefined && compareStrings(id, range.beforeId) >= 0) return
    yield id
  }
}

/** Whether a file's ids reach into a range. */
export function holdsRange({ minKey: [minId = ''], maxKey: [maxId = ''] }: FileEntry, range: IdRange): boolean {
  return !isBelow(maxId, range) && (range.beforeId === undefined || compareStrings(minId, range.beforeId) < 0)
}

export function isWithin(id: string, range: IdRange): boolean {
  return !isBelow(id, range) && (range.beforeId === undefined || compareStrings(id, range.beforeId) < 0)
}

/** Whether an id comes before where a range begins. */
function isBelow(id: string, range: IdRange): boolean {
  return (range.fromId !== undefined && compareStrings(id, range.fromId) < 0) || (range.afterId !== undefined && compareStrings(id, range.afterId) <= 0)
}

type Reading = Pick<RangeScan, 'manifest' | 'overlay' | 'files'> & { readonly key: EntityKey }

type Range = EntityEventOptions & { readonly fromSeq: number; readonly toSeq: number }

/** An entity's events, and those of its edges where they are wanted, in seq order or against it. Memory: what one segment, and the overlay, have of them. */
export async function* entityEvents(of: Reading, range: Range): AsyncGenerator<StoredEvent> {
  const sources = [eventsOfEntity(of, range), ...(range.edges === true ? [eventsOfEdges(of, range)] : [])]
  for await (const events of mergeSorted(sources, range.reverse === true ? (left, right) => right.seq - left.seq : bySeq)) yield* events
}

function eventsOfEntity({ manifest, overlay, files, key }: Reading, range: Range): AsyncGenerator<readonly StoredEvent[]> {
  const read = async (file: FileEntry): Promise<readonly StoredEvent[]> => {
    const reader = await files.segment(file)
    return reader.mayContainKey(key) ? reader.entityEvents(key, range) : []
  }
  return inTurn({ files: segmentsFor(manifest, key, { seq: range.toSeq }), read, unflushed: overlay.changesOf(key).map(({ event }) => event) }, range)
}

function eventsOfEdges({ manifest, overlay, files, key }: Reading, range: Range): AsyncGenerator<readonly StoredEvent[]> {
  const ns = edgeSpace(key.ns, 'out')
  const bounds = edgeRange(key, undefined)
  const read = async (file: FileEntry): Promise<readonly StoredEvent[]> => {
    return (await gathered((await files.segment(file)).scan({ ...range, ...bounds, ns }))).toSorted(bySeq)
  }
  // A collection that never had an edge has no runs of them.
  const segments = filesOfRuns(manifest, ns).length === 0 ? [] : manifest.segments.filter((file) => file.minSeq <= range.toSeq && holdsName(file, ns))
  const unflushed = [...overlayIds(overlay, ns, bounds)].flatMap((id) => overlay.changesOf({ ns, id }).map(({ event }) => event)).toSorted(bySeq)
  return inTurn({ files: segments.toReversed(), read, unflushed }, range)
}

/** `files` newest first. */
async function* inTurn(of: { files: readonly FileEntry[]; read: (file: FileEntry) => Promise<readonly StoredEvent[]>; unflushed: readonly StoredEvent[] }, range: Range): AsyncGenerator<readonly StoredEvent[]> {
  const { fromSeq, toSeq, fromTs = 0, toTs = Number.POSITIVE_INFINITY, reverse = false, signal } = range
  const unflushed = of.unflushed.filter(({ seq, ts }) => seq >= fromSeq && seq <= toSeq && ts >= fromTs && ts <= toTs)
  if (reverse) yield unflushed.toReversed()
  for (const file of reverse ? of.files : of.files.toReversed()) {
    if (file.maxSeq < fromSeq || file.maxTs < fromTs || file.minTs > toTs) continue
    checkAborted(signal)
    const events = await of.read(file)
    yield reverse ? events.toReversed() : events
  }
  if (!reverse) yield unflushed
}

function bySeq(left: StoredEvent, right: StoredEvent): number {
  return left.seq - right.seq
}
