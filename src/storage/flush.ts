import { compareStrings } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { isEdgeSpace, mirrored } from '../model/edge.ts'
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

/** Rows that are encoded before the event loop gets a turn. */
const rowsPerTurn = 1000

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
  const { overlay, toSeq } = input
  const events = [...overlay.events({ from: 1, to: toSeq })]
  const lastTs = (events.at(-1) as StoredEvent).ts
  const segment = await writeSegment(events, input)
  const runs = new Map<string, RunEntry>()
  for (const ns of overlay.namespaces().toSorted(compareStrings)) {
    const states = newestStates(overlay, { ns, toSeq })
    if (states.length > 0) runs.set(ns, await writeRun(states, { input, ns }))
  }
  return { segment, runs, lastTs }
}

async function writeSegment(events: StoredEvent[], input: FlushInput): Promise<FileEntry> {
  const writer = new SegmentFileWriter({ metadata: fileMetadata })
  let sinceTurn = 0
  const fromBothEnds = events.flatMap((event) => [event, ...(isEdgeSpace(event.ns) ? [mirrored(event) as StoredEvent] : [])])
  for (const event of fromBothEnds.toSorted(byKeyAndSeq)) {
    writer.append(event)
    if (++sinceTurn % rowsPerTurn === 0) await input.clock.sleep(0)
  }
  return input.output.writeSegment(writer.finish())
}

async function writeRun(states: readonly EntityState[], to: { input: FlushInput; ns: string }): Promise<RunEntry> {
  const shape = new ShapeBuilder()
  for (const { document } of states) shape.add(document)
  const writer = new RunFileWriter({ shape: shape.build(), metadata: fileMetadata })
  let sinceTurn = 0
  for (const state of states) {
    writer.append(state)
    if (++sinceTurn % rowsPerTurn === 0) await to.input.clock.sleep(0)
  }
  const deletedMinSeq = states.reduce((least, { deletedAt, seq }) => (deletedAt === undefined ? least : Math.min(least, seq)), Number.POSITIVE_INFINITY)
  return { level: 0, files: [await to.input.output.writeRun(to.ns, writer.finish())], ...(deletedMinSeq !== Number.POSITIVE_INFINITY && { deletedMinSeq }) }
}

function newestStates(overlay: Overlay, of: { ns: string; toSeq: number }): EntityState[] {
  const states: EntityState[] = []
  for (const id of overlay.sortedIds(of.ns)) {
    const state = overlay.state({ ns: of.ns, id }, { seq: of.toSeq })
    if (state !== undefined) states.push(state)
  }
  return states
}

/** Kept in every data file, so that a reader knows whether its own fold made the states. */
export const fileMetadata: Readonly<Record<string, string>> = { [foldKey]: String(foldVersion) }

/** The order of a segment. */
export function byKeyAndSeq(left: StoredEvent, right: StoredEvent): number {
  return compareStrings(left.ns, right.ns) || compareStrings(left.id, right.id) || left.seq - right.seq
}
