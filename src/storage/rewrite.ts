import { checkAborted } from '../base/abort.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import type { Shape } from '../parquet/shape.ts'
import { leastOf, runFileBytesMax, type MergeParts } from './compaction.ts'
import { fileMetadata } from './flush.ts'
import type { FileEntry, RunEntry } from './manifest.ts'

export interface RunInput {
  readonly ns: string
  /** In order of id, each once. */
  readonly states: AsyncIterable<readonly EntityState[]>
  readonly shape: Shape
  /** Tombstones up to this seq are left out. */
  readonly forgetUpTo: number
}

/** Writes states as the files of one run; none when there are no states. */
export async function writeRunFiles({ ns, states, shape, forgetUpTo }: RunInput, parts: MergeParts): Promise<Omit<RunEntry, 'level'>> {
  const files: FileEntry[] = []
  let deletedMinSeq: number | undefined
  let writer = new RunFileWriter({ shape, metadata: fileMetadata })
  for await (const batch of states) {
    for (const state of batch) {
      if (state.deletedAt !== undefined) {
        if (state.seq <= forgetUpTo) continue
        deletedMinSeq = leastOf([deletedMinSeq, state.seq])
      }
      writer.append(state)
    }
    parts.onRows?.(batch.length)
    if (writer.bytes >= runFileBytesMax) {
      files.push(await parts.output.writeRun(ns, writer.finish()))
      writer = new RunFileWriter({ shape, metadata: fileMetadata })
    }
    await parts.clock.sleep(0)
    checkAborted(parts.signal)
  }
  if (writer.rows > 0) files.push(await parts.output.writeRun(ns, writer.finish()))
  return { files, ...(deletedMinSeq !== undefined && { deletedMinSeq }) }
}

/** Where an event of a segment goes that is written anew; another event may stand in its place. */
export type Placing = (event: StoredEvent) => 'keep' | 'archive' | 'drop'

/** Writes a segment's events anew, as two segments; in each an entity begins with its whole state. Undefined: no event was placed there. Memory: both files. */
export async function rewriteSegment(file: FileEntry, place: Placing, parts: MergeParts): Promise<{ kept: FileEntry | undefined; archived: FileEntry | undefined }> {
  const to = { keep: new SegmentFileWriter({ metadata: fileMetadata }), archive: new SegmentFileWriter({ metadata: fileMetadata }) }
  let before: { ns: string; state: EntityState } | undefined
  const begun = new Set<'keep' | 'archive'>()
  for await (const events of (await parts.tables.segment(file)).scan({ signal: parts.signal })) {
    for (const event of events) {
      const sameEntity = before?.ns === event.ns && before.state.id === event.id
      if (!sameEntity) begun.clear()
      const state = stateAfter(sameEntity ? before?.state : undefined, event)
      before = { ns: event.ns, state }
      const where = place(event)
      if (where === 'drop') continue
      to[where].append(begun.has(where) || event.state !== undefined ? event : { ...event, state })
      begun.add(where)
    }
    await parts.clock.sleep(0)
  }
  const [kept, archived] = [to.keep, to.archive].map((writer) => (writer.rows === 0 ? undefined : writer.finish()))
  return { kept: kept && (await parts.output.writeSegment(kept)), archived: archived && (await parts.output.writeSegment(archived, 'archive')) }
}
