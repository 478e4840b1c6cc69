import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import type { OutputJob } from './DataFiles.ts'
import type { FileEntry, RunEntry } from './manifest.ts'
import type { Overlay } from './Overlay.ts'
import type { Turns } from './Turns.ts'

export interface FlushInput {
  readonly overlay: Overlay
  /** The newest seq to put into files; all before it in the overlay go too. */
  readonly toSeq: number
  readonly output: OutputJob
  readonly turns: Turns
}

/** Writes what the overlay holds up to `toSeq` as one segment and one run for each namespace. No manifest names them yet. */
export async function writeFlush(input: FlushInput): Promise<{ segment: FileEntry; runs: ReadonlyMap<string, RunEntry>; lastTs: number }> {
  const { overlay, toSeq, output } = input
  const [last] = overlay.events({ from: toSeq, to: toSeq })
  assert(last !== undefined, 'a flush has events')
  const segment = new SegmentFileWriter(output.fileOptions)
  const runs = new Map<string, RunEntry>()
  for (const ns of overlay.namespaces().toSorted(compareStrings)) {
    const run = await writeNamespace(ns, segment, input)
    if (run !== undefined) runs.set(ns, run)
  }
  return { segment: await output.writeSegment(await input.turns.through(segment.finishing())), runs, lastTs: last.ts }
}

/** Adds its events to the segment, by id and then by seq, and writes its run; undefined when it has no state up to `toSeq`. */
async function writeNamespace(ns: string, segment: SegmentFileWriter, { overlay, toSeq, output, turns }: FlushInput): Promise<RunEntry | undefined> {
  const shape = new ShapeBuilder()
  const states: EntityState[] = []
  let deletedMinSeq = Number.POSITIVE_INFINITY
  // The mark of an erasure has no id, and is no entity's state.
  for (const id of ['', ...overlay.sortedIds(ns)]) {
    let state: EntityState | undefined
    for (const change of overlay.changesOf({ ns, id })) {
      if (change.event.seq > toSeq) break
      segment.append(change.event)
      if (segment.isFull) await turns.through(segment.encode())
      state = change.state
    }
    if (state !== undefined && id !== '') {
      if (isObserved(states.length)) shape.add(state.document)
      states.push(state)
      if (state.deletedAt !== undefined) deletedMinSeq = Math.min(deletedMinSeq, state.seq)
    }
    const turn = turns.step()
    if (turn !== undefined) await turn
  }
  if (states.length === 0) return undefined
  const writer = new RunFileWriter({ ...output.fileOptions, shape: shape.build() })
  for (const state of states) {
    writer.append(state)
    if (writer.isFull) await turns.through(writer.encode())
    const turn = turns.step()
    if (turn !== undefined) await turn
  }
  return { level: 0, files: [await output.writeRun(ns, await turns.through(writer.finishing()))], ...(deletedMinSeq !== Number.POSITIVE_INFINITY && { deletedMinSeq }) }
}

/** Documents that are all looked at to choose columns, and of the later ones the share, one in so many. */
const observedMin = 2000
const observedEvery = 8

/** Which documents tell what they all look like. Scattered, so that none are passed over that come at regular intervals. */
function isObserved(index: number): boolean {
  return index < observedMin || (Math.imul(index, 0x9e3779b1) >>> 16) % observedEvery === 0
}

/** The order of a segment. */
export function byKeyAndSeq(left: Pick<StoredEvent, 'ns' | 'id' | 'seq'>, right: Pick<StoredEvent, 'ns' | 'id' | 'seq'>): number {
  return compareStrings(left.ns, right.ns) || compareStrings(left.id, right.id) || left.seq - right.seq
}
