import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { foldVersion } from '../model/fold.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { foldKey } from '../parquet/segment-columns.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import type { OutputJob } from './DataFiles.ts'
import type { FileEntry, RunEntry } from './manifest.ts'
import type { Overlay } from './Overlay.ts'

/** Rows that are worked on before the event loop gets a turn, and the time after which it gets one sooner. The encoding of one row group comes on top. */
const rowsPerTurn = 500
const turnMsMax = 5
const rowsPerLook = 32

export interface FlushOutput {
  readonly segment: FileEntry
  readonly runs: ReadonlyMap<string, RunEntry>
  readonly lastTs: number
}

export interface FlushInput {
  readonly overlay: Overlay
  /** The newest seq to put into files; all before it in the overlay go too. */
  readonly toSeq: number
  readonly output: OutputJob
  readonly clock: Clock
}

/** Writes what the overlay holds up to `toSeq` as one segment and one run for each namespace. No manifest names them yet. */
export async function writeFlush(input: FlushInput): Promise<FlushOutput> {
  const { overlay, toSeq, output } = input
  const [last] = overlay.events({ from: toSeq, to: toSeq })
  assert(last !== undefined, 'a flush has events')
  const segment = new SegmentFileWriter({ metadata: fileMetadata })
  const runs = new Map<string, RunEntry>()
  for (const ns of overlay.namespaces().toSorted(compareStrings)) {
    const run = await writeNamespace(ns, segment, input)
    if (run !== undefined) runs.set(ns, run)
  }
  return { segment: await output.writeSegment(segment.finish()), runs, lastTs: last.ts }
}

/** Adds its events to the segment, by id and then by seq, and writes its run; undefined when it has no state up to `toSeq`. */
async function writeNamespace(ns: string, segment: SegmentFileWriter, { overlay, toSeq, output, clock }: FlushInput): Promise<RunEntry | undefined> {
  const shape = new ShapeBuilder()
  const states: EntityState[] = []
  let deletedMinSeq = Number.POSITIVE_INFINITY
  // The mark of an erasure has no id, and is no entity's state.
  await eachInTurns(['', ...overlay.sortedIds(ns)], clock, (id) => {
    for (const event of overlay.eventsOf({ ns, id })) if (event.seq <= toSeq) segment.append(event)
    const state = id === '' ? undefined : overlay.state({ ns, id }, { seq: toSeq })
    if (state === undefined) return
    states.push(state)
    shape.add(state.document)
    if (state.deletedAt !== undefined) deletedMinSeq = Math.min(deletedMinSeq, state.seq)
  })
  if (states.length === 0) return undefined
  const writer = new RunFileWriter({ shape: shape.build(), metadata: fileMetadata })
  await eachInTurns(states, clock, (state) => writer.append(state))
  return { level: 0, files: [await output.writeRun(ns, writer.finish())], ...(deletedMinSeq !== Number.POSITIVE_INFINITY && { deletedMinSeq }) }
}

async function eachInTurns<T>(items: readonly T[], clock: Clock, work: (item: T) => void): Promise<void> {
  let turnMs = clock.nowMs()
  for (let index = 0; index < items.length; index++) {
    work(items[index] as T)
    const isDue = (index + 1) % rowsPerTurn === 0 || (index % rowsPerLook === 0 && clock.nowMs() - turnMs >= turnMsMax)
    if (!isDue) continue
    await clock.sleep(0)
    turnMs = clock.nowMs()
  }
}

/** Kept in every data file, so that a reader knows whether its own fold made the states. */
export const fileMetadata: Readonly<Record<string, string>> = { [foldKey]: String(foldVersion) }

/** The order of a segment. */
export function byKeyAndSeq(left: StoredEvent, right: StoredEvent): number {
  return compareStrings(left.ns, right.ns) || compareStrings(left.id, right.id) || left.seq - right.seq
}
