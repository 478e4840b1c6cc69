import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { foldFromSnapshot, stateAfter } from '../model/fold.ts'
import type { Codec } from '../parquet/codecs.ts'
import type { RunFileReader } from '../parquet/RunFileReader.ts'
import { RunFileWriter, type StateToCopy } from '../parquet/RunFileWriter.ts'
import { SegmentFileWriter, withoutStates, type EventToCopy } from '../parquet/SegmentFileWriter.ts'
import { ShapeBuilder, type Shape } from '../parquet/shape.ts'
import type { GroupOfFile } from '../parquet/TableReader.ts'
import { forgets, type MergeJob } from './compaction.ts'
import type { OutputJob } from './DataFiles.ts'
import { spanOf, withSpan, type FileEntry, type RunEntry } from './manifest.ts'
import { mergeGroups, mergeRequestBytes, type GroupToMerge, type MergeStep } from './merge-groups.ts'
import type { TableFiles } from './TableFiles.ts'
import type { Turns } from './Turns.ts'
import type { View } from './view.ts'

/** Rows whose columns are copied one after the other. */
const copiedAtOnce = 128
/** A merged run goes on in a new file past this: it is held whole while it is written. */
const runFileBytesMax = 16 * 1024 * 1024

export interface MergeParts {
  readonly tables: TableFiles
  readonly output: OutputJob
  readonly turns: Turns
  readonly autoSnapshotThreshold: number
  /** undefined: gzip where an input is, else snappy. */
  readonly codec: Codec | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the rows read since the last call. */
  readonly onRows?: ((rows: number) => void) | undefined
}

/** Merges runs into one: of each entity the newest state, tombstones included down to `forgetUpTo`. Memory: a row group an input and one output file. */
export async function mergeRuns(job: Extract<MergeJob, { kind: 'runs' }>, parts: MergeParts & { forgetUpTo: number }): Promise<RunEntry> {
  const { ns, inputs } = job
  const isForgetting = forgets(inputs, parts.forgetUpTo)
  const scan = { signal: parts.signal, bytesMax: mergeRequestBytes(inputs.length) }
  const run = await writeRunFiles({
    ns,
    steps: ({ columnsFrom, takes }) => mergeGroups(inputs.map((input) => groupsOfRun(input, parts.tables, { ...scan, columnsFrom })), { compare: byIdNewestFirst, takes: (source) => !isForgetting && takes(source) }),
    forgetUpTo: isForgetting ? parts.forgetUpTo : 0,
    // What is taken over as it stands may hold any tombstone of its run.
    deletedMinSeq: isForgetting ? undefined : leastOf(inputs.map((input) => input.deletedMinSeq)),
    ...(await commonForm(inputs, parts)),
  }, parts)
  return { level: Math.max(...inputs.map(({ level }) => level)) + 1, ...run }
}

/** What the files of some runs are to be written as: with all of their columns, and as gzip where one of them is. */
export async function commonForm(runs: readonly RunEntry[], { tables, codec }: MergeParts): Promise<Pick<RunInput, 'shape' | 'codec'>> {
  const form = { shape: new ShapeBuilder(), codec }
  for (const file of runs.flatMap(({ files }) => files)) {
    const reader = await tables.run(file)
    form.shape.merge(await reader.shape())
    form.codec ??= reader.codec
  }
  return { shape: form.shape.build(), codec: form.codec }
}

export interface RunInput {
  readonly ns: string
  /** Row groups, where the run `takes` them, and states, to be copied where the run knows the `columnsFrom` which, in order of id, of each entity the newest one first: that is written. */
  readonly steps: (run: Pick<RunFileWriter, 'columnsFrom' | 'takes'>) => AsyncIterable<MergeStep<RunRow>>
  readonly shape: Shape
  readonly codec: Codec | undefined
  /** Tombstones up to this seq are left out. */
  readonly forgetUpTo: number
  /** At most the seqs of the tombstones in the row groups. */
  readonly deletedMinSeq?: number | undefined
}

/** Writes the files of one run; none when there are no states. */
export async function writeRunFiles(input: RunInput, parts: Pick<MergeParts, 'output' | 'turns' | 'signal' | 'onRows'>): Promise<Omit<RunEntry, 'level'>> {
  const { ns, steps, shape, codec, forgetUpTo } = input
  const files: FileEntry[] = []
  let { deletedMinSeq } = input
  const options = { ...parts.output.fileOptions, shape, codec }
  let writer = new RunFileWriter(options)
  let lastId: string | undefined
  const endFile = async (): Promise<void> => {
    files.push(await parts.output.writeRun(ns, await parts.turns.through(writer.finishing())))
    writer = new RunFileWriter(options)
  }
  const copies: StateToCopy[] = []
  const copy = (): Promise<void> => parts.turns.through(writer.copyRows(copies.splice(0)))
  for await (const step of steps({ columnsFrom: (source) => writer.columnsFrom(source), takes: (source) => writer.takes(source) })) {
    for (const state of step.kind === 'group' ? [] : step.rows) {
      if (writer.isFull) await parts.turns.through(writer.encode())
      const isNewest = state.id !== lastId
      lastId = state.id
      if (!isNewest || (state.deletedAt !== undefined && state.seq <= forgetUpTo)) continue
      if ('source' in state) {
        copies.push(state)
        if (copies.length >= copiedAtOnce) await copy()
      } else {
        if (copies.length > 0) await copy()
        writer.append(state)
      }
      if (state.deletedAt !== undefined) deletedMinSeq = leastOf([deletedMinSeq, state.seq])
      const turn = parts.turns.step()
      if (turn !== undefined) await turn
    }
    await copy()
    if (step.kind === 'group') await parts.turns.through(writer.copy(step.source))
    if (writer.bytes >= runFileBytesMax) await endFile()
    await endStep(step, parts)
  }
  if (writer.rows > 0) await endFile()
  return { files, ...(deletedMinSeq !== undefined && { deletedMinSeq }) }
}

/** Batches of states as steps. */
export async function* asSteps(batches: AsyncIterable<readonly EntityState[]> | Iterable<readonly EntityState[]>): AsyncGenerator<MergeStep<EntityState>> {
  for await (const rows of batches) yield { kind: 'rows', rows }
}

function leastOf(seqs: readonly (number | undefined)[]): number | undefined {
  return seqs.reduce((least, seq) => (seq === undefined || (least !== undefined && least <= seq) ? least : seq), undefined)
}

type ScanOfMerge = Parameters<RunFileReader['groupsToMerge']>[0]

type RunRow = EntityState | StateToCopy

function byIdNewestFirst(left: Pick<EntityState, 'id' | 'seq'>, right: Pick<EntityState, 'id' | 'seq'>): number {
  return compareStrings(left.id, right.id) || right.seq - left.seq
}

async function* groupsOfRun(run: RunEntry, tables: TableFiles, { columnsFrom, ...options }: ScanOfMerge & Pick<RunFileWriter, 'columnsFrom'>): AsyncGenerator<GroupToMerge<RunRow>> {
  for (const file of run.files) {
    const reader = await tables.run(file)
    for await (const source of reader.groupsToMerge(options)) {
      const { entry } = source.group
      const at = (id: string | undefined, seq: number): EntityState => ({ id, seq }) as EntityState
      yield { source, first: at(entry.firstKey[0], entry.firstSeq), bound: at(source.bound[0], 0), rows: () => reader.statesToCopy(source.group, columnsFrom(source)) }
    }
  }
}

/** Lets others have their turn, and says how far the merge has come. */
async function endStep(step: MergeStep<unknown>, parts: Pick<MergeParts, 'turns' | 'signal' | 'onRows'>): Promise<void> {
  parts.onRows?.(step.kind === 'group' ? step.source.group.rowCount : step.rows.length)
  await parts.turns.end()
  checkAborted(parts.signal)
}

/** Merges neighbouring segments into one, keeping a snapshot at each entity's first event and at every threshold after it. */
export async function mergeSegments(job: Extract<MergeJob, { kind: 'segments' }>, parts: MergeParts): Promise<FileEntry> {
  let { codec } = parts
  for (const file of job.inputs) codec ??= (await parts.tables.segment(file)).codec
  const writer = new SegmentFileWriter({ ...parts.output.fileOptions, codec })
  /** Of one entity: from the newest event that tells its state on. Empty while none does, as of what began before these segments and has a snapshot of another fold only: it stays without one. */
  let told: SegmentRow[] = []
  let before: EntityKey | undefined
  let sinceSnapshot = 0
  const copies: EventToCopy[] = []
  const copy = (): Promise<void> => parts.turns.through(writer.copyRows(copies.splice(0)))
  const scan = { signal: parts.signal, bytesMax: mergeRequestBytes(job.inputs.length), fits: (source: GroupOfFile) => writer.fits(source) }
  const steps = mergeGroups(job.inputs.map((file) => groupsOfSegment(file, parts.tables, scan)), { compare: byKeyAndSeq, takes: (source) => writer.takes(source) })
  for await (const step of steps) {
    for (const row of step.kind === 'group' ? [] : step.rows) {
      if (writer.isFull) await parts.turns.through(writer.encode())
      if (before?.ns !== row.ns || before.id !== row.id) told = []
      before = row
      const hasState = 'source' in row ? row.hasState : row.state !== undefined
      const isFirst = told.length === 0
      if (hasState) told = [row]
      else if (!isFirst) told.push(row)
      const takesSnapshot = told.length > 0 && (isFirst || row.op === 'CREATE' || sinceSnapshot + 1 >= parts.autoSnapshotThreshold)
      sinceSnapshot = takesSnapshot ? 0 : sinceSnapshot + 1
      if ('source' in row && (hasState || !takesSnapshot)) {
        copies.push(takesSnapshot || !hasState ? row : { ...row, columns: withoutStates })
        if (copies.length >= copiedAtOnce) await copy()
      } else {
        if (copies.length > 0) await copy()
        const event = { ...eventOf(row), state: takesSnapshot ? foldFromSnapshot(told.map(eventOf)) : undefined }
        writer.append(event)
        if (takesSnapshot) told = [event]
      }
      const turn = parts.turns.step()
      if (turn !== undefined) await turn
    }
    await copy()
    if (step.kind === 'group') await parts.turns.through(writer.copy(step.source))
    await endStep(step, parts)
  }
  const [first, last] = [job.inputs[0], job.inputs.at(-1)] as [FileEntry, FileEntry]
  return withSpan(await parts.output.writeSegment(await parts.turns.through(writer.finishing())), { from: spanOf(first).from, to: spanOf(last).to })
}

type SegmentRow = StoredEvent | EventToCopy

/** The order of a segment. */
export function byKeyAndSeq(left: Pick<StoredEvent, 'ns' | 'id' | 'seq'>, right: Pick<StoredEvent, 'ns' | 'id' | 'seq'>): number {
  return compareStrings(left.ns, right.ns) || compareStrings(left.id, right.id) || left.seq - right.seq
}

function eventOf(row: SegmentRow): StoredEvent {
  return 'source' in row ? row.eventAt(row.row) : row
}

async function* groupsOfSegment(file: FileEntry, tables: TableFiles, { fits, ...options }: ScanOfMerge & Pick<SegmentFileWriter, 'fits'>): AsyncGenerator<GroupToMerge<SegmentRow>> {
  const reader = await tables.segment(file)
  for await (const source of reader.groupsToMerge(options)) {
    const { entry } = source.group
    const at = ([ns, id]: readonly string[], seq: number): StoredEvent => ({ ns, id, seq }) as StoredEvent
    yield { source, first: at(entry.firstKey, entry.firstSeq), bound: at(source.bound, Number.POSITIVE_INFINITY), rows: () => (fits(source) ? reader.eventsToCopy(source.group) : reader.eventsOf(source.group)) }
  }
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
      if (to[where].isFull) await parts.turns.through(to[where].encode())
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
