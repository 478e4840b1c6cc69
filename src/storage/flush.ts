import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder, type Shape } from '../parquet/shape.ts'
import type { OutputJob } from './DataFiles.ts'
import type { Erasure, FileEntry, RunEntry } from './manifest.ts'
import type { Overlay } from './Overlay.ts'
import { asSteps, writeRunFiles } from './rewrite.ts'
import type { Turns } from './Turns.ts'

export interface FlushInput {
  readonly overlay: Overlay
  /** The newest seq to put into files; all before it in the overlay go too. */
  readonly toSeq: number
  readonly output: OutputJob
  readonly turns: Turns
}

/** Files that are being written at a time: the way of each to the disk or to a bucket takes longer than making the next one. */
const writesAtOnce = 6

/** Writes what the overlay holds up to `toSeq` as one segment and one run for each namespace. No manifest names them yet. Nothing is being written any more when it ends. */
export async function writeFlush(input: FlushInput): Promise<{ segment: FileEntry; runs: ReadonlyMap<string, RunEntry>; erasing: readonly Erasure[]; lastTs: number }> {
  const { overlay, toSeq, output } = input
  const [last] = overlay.events({ from: toSeq, to: toSeq })
  assert(last !== undefined, 'a flush has events')
  const segment = new SegmentFileWriter(output.fileOptions)
  const erasing: Erasure[] = []
  const writes: Promise<[string, RunEntry]>[] = []
  try {
    for (const ns of overlay.namespaces().toSorted(compareStrings)) {
      const { states, shape } = await takeNamespace(ns, { segment, erasing }, input)
      await writes.at(-writesAtOnce)
      const run = { ns, steps: () => asSteps([states]), shape, codec: undefined, forgetUpTo: 0 }
      if (states.length > 0) writes.push(writeRunFiles(run, input).then((written) => [ns, { level: 0, ...written }]))
      // Whoever waits for it hears of it.
      writes.at(-1)?.catch(() => undefined)
    }
    const written = await output.writeSegment(await input.turns.through(segment.finishing()))
    return { segment: written, runs: new Map(await Promise.all(writes)), erasing: erasing.toSorted((left, right) => left.seq - right.seq), lastTs: last.ts }
  } finally {
    await Promise.allSettled(writes)
  }
}

/** Adds its events to the segment, by id and then by seq, those that erase an entity to the list, too, and gives its states up to `toSeq`, and a shape for them. */
async function takeNamespace(ns: string, { segment, erasing }: { segment: SegmentFileWriter; erasing: Erasure[] }, { overlay, toSeq, turns }: FlushInput): Promise<{ states: readonly EntityState[]; shape: Shape }> {
  const shape = new ShapeBuilder()
  const states: EntityState[] = []
  // The mark of an erasure has no id, and is no entity's state.
  for (const id of ['', ...overlay.sortedIds(ns)]) {
    let state: EntityState | undefined
    for (const change of overlay.changesOf({ ns, id })) {
      if (change.event.seq > toSeq) break
      segment.append(change.event)
      if (change.event.op === 'ERASE' && id !== '') erasing.push({ ns, id, seq: change.event.seq })
      if (segment.isFull) await turns.through(segment.encode())
      state = change.state
    }
    if (state !== undefined && id !== '') {
      if (isObserved(states.length)) shape.add(state.document)
      states.push(state)
    }
    const turn = turns.step()
    if (turn !== undefined) await turn
  }
  return { states, shape: shape.build() }
}

/** Documents that are all looked at to choose columns, and of the later ones the share, one in so many. */
const observedMin = 2000
const observedEvery = 8

/** Which documents tell what they all look like. Scattered, so that none are passed over that come at regular intervals. */
function isObserved(index: number): boolean {
  return index < observedMin || (Math.imul(index, 0x9e3779b1) >>> 16) % observedEvery === 0
}
