import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { RunFileWriter } from '../parquet/RunFileWriter.ts'
import { SegmentFileWriter } from '../parquet/SegmentFileWriter.ts'
import type { Shape } from '../parquet/shape.ts'
import { leastOf, runFileBytesMax, type MergeParts } from './compaction.ts'
import { byKeyAndSeq } from './flush.ts'
import { spanOf, withSpan, type FileEntry, type RunEntry } from './manifest.ts'
import type { View } from './view.ts'

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
  const options = { ...parts.output.fileOptions, shape, codec: parts.codec }
  let writer = new RunFileWriter(options)
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
      files.push(await parts.output.writeRun(ns, await parts.turns.through(writer.finishing())))
      writer = new RunFileWriter(options)
    }
    await parts.turns.end()
    checkAborted(parts.signal)
  }
  if (writer.rows > 0) files.push(await parts.output.writeRun(ns, await parts.turns.through(writer.finishing())))
  return { files, ...(deletedMinSeq !== undefined && { deletedMinSeq }) }
}

/** Where an event of a segment goes that is written anew. */
export type Placing = (event: StoredEvent) => 'keep' | 'archive' | 'drop'

/** Writes a segment's events anew, as two segments; in each an entity begins with its whole state; `inserted`, in order, are kept with them. Undefined: no event was placed there. Memory: both files. */
export async function rewriteSegment(file: FileEntry, place: Placing, parts: MergeParts & { view: View; inserted?: readonly StoredEvent[] }): Promise<{ kept: FileEntry | undefined; archived: FileEntry | undefined }> {
  const options = { ...parts.output.fileOptions, codec: parts.codec ?? (await parts.tables.segment(file)).codec }
  const to = { keep: new SegmentFileWriter(options), archive: new SegmentFileWriter(options) }
  let before: { ns: string; state: EntityState } | undefined
  const begun = new Set<'keep' | 'archive'>()
  const inserted = [...(parts.inserted ?? [])]
  const insertWhile = (isNext: (event: StoredEvent) => boolean): void => {
    for (let [next] = inserted; next !== undefined && isNext(next); [next] = inserted) {
      to.keep.append(next)
      inserted.shift()
    }
  }
  let read = 0
  let dropped = 0
  for await (const events of (await parts.tables.segment(file)).scan({ signal: parts.signal })) {
    read += events.length
    for (const event of events) {
      const sameEntity = before?.ns === event.ns && before.state.id === event.id
      if (!sameEntity) begun.clear()
      // What has a snapshot of another fold only is folded from the segments before; the mark of an erasure is of no entity.
      const prior = sameEntity ? before?.state : event.state === undefined && event.op !== 'CREATE' && event.id !== '' ? await parts.view.get(event, { seq: event.seq - 1 }) : undefined
      const state = stateAfter(prior, event)
      before = { ns: event.ns, state }
      const where = place(event)
      if (where === 'drop') dropped++
      if (where === 'drop') continue
      insertWhile((next) => byKeyAndSeq(next, event) < 0)
      to[where].append(begun.has(where) || event.state !== undefined ? event : { ...event, state })
      begun.add(where)
    }
    await parts.turns.end()
  }
  insertWhile(() => true)
  assert(read === file.rows && to.keep.rows + to.archive.rows === read - dropped + (parts.inserted?.length ?? 0), 'R3: a segment that is written anew loses no event but those that are to go')
  const [kept, archived] = [to.keep, to.archive].map((writer) => (writer.rows === 0 ? undefined : writer.finish()))
  return { kept: kept && (await parts.output.writeSegment(kept)), archived: archived && (await parts.output.writeSegment(archived, 'archive')) }
}

/** Segments with others, or none, in the place of some. The next one, or at the end the one before, stands for the seqs of those that are gone whole. */
export function replaceSegments(segments: readonly FileEntry[], outputs: ReadonlyMap<FileEntry, FileEntry | undefined>): FileEntry[] {
  const kept: FileEntry[] = []
  let from: number | undefined
  for (const file of segments) {
    const output = outputs.has(file) ? outputs.get(file) : file
    from ??= spanOf(file).from
    if (output === undefined) continue
    kept.push(output === file && from === spanOf(file).from ? file : withSpan(output, { from, to: spanOf(file).to }))
    from = undefined
  }
  const [last, end] = [kept.at(-1), segments.at(-1)]
  if (from !== undefined && last !== undefined && end !== undefined) kept[kept.length - 1] = withSpan(last, { from: spanOf(last).from, to: spanOf(end).to })
  return kept
}
