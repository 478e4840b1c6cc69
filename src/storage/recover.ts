import { checkAborted } from '../base/abort.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { isMirrorSpace } from '../model/edge.ts'
import type { StoredEvent } from '../model/event.ts'
import { findFacts } from '../parquet/find-facts.ts'
import type { LostRows } from '../parquet/salvage-groups.ts'
import { dataFolders, namespaceOfRun } from './DataFiles.ts'
import type { Engine } from './engine.ts'
import { checkFormat } from './format.ts'
import { soundFrames } from './frame.ts'
import { newestSoundHead, type Head } from './head.ts'
import { HistoryRebuilder, type RebuiltCounts } from './HistoryRebuilder.ts'
import { withArchive } from './horizon.ts'
import { decodePayload } from './log-payload.ts'
import { listLogParts } from './log-reader.ts'
import { dataFiles, emptyManifest, readManifest, spanOf, type FileEntry } from './manifest.ts'
import { logPrefix } from './replay.ts'
import { listObjects, type StorageBackend } from './storage-backend.ts'
import { TableFiles } from './TableFiles.ts'

/** A part of a file that could not be read. */
export interface LostPart {
  readonly path: string
  readonly code: string
  readonly message: string
  /** Where rows of a data file are lost: how many; their first key, and the key after their last; the seqs that they lie between, inclusive. */
  readonly rows?: number
  readonly ns?: string
  readonly firstKey?: string
  readonly untilKey?: string
  readonly fromSeq?: number
  readonly toSeq?: number
}

export interface RecoverReport extends Readonly<RebuiltCounts> {
  /** Whether every event was there. Damage may have been found all the same, in files that hold nothing of their own. */
  readonly ok: boolean
  /** seqs of which no event could be read, inclusive. */
  readonly missing: readonly { readonly from: number; readonly to: number }[]
  readonly lost: readonly LostPart[]
}

export interface RecoverInput {
  readonly backend: StorageBackend
  /** Where the log and the epochs are. */
  readonly logBackend: StorageBackend
  /** Empty; it is not closed. */
  readonly target: Engine
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { events: number }) => void) | undefined
}

/**
 * Writes all that can still be read of a database, however damaged, into an empty one: every event whose entity is known up to it, and the newest sound state of
 * every entity. Nothing in the damaged one is changed. Memory: one segment, the log, and the names of entities that lost something. See docs/adr/0006-recover-writes-anew.md.
 */
export async function recover(input: RecoverInput): Promise<RecoverReport> {
  const lost: LostPart[] = []
  const lose = (error: ParqueDBError, more: Omit<LostPart, 'path' | 'code' | 'message'> = {}): void => {
    const { path } = error.details
    lost.push({ path: typeof path === 'string' ? path : '', code: error.code, message: error.message, ...more })
  }
  // Whatever it says: every file tells its own format, too.
  await checkFormat(input.backend).catch((error: unknown) => {
    if (!isParqueDBError(error, 'CORRUPT_FILE') && !isParqueDBError(error, 'UNSUPPORTED_FORMAT')) throw error
    lose(error)
  })
  const files = await findSoundFiles(input, lose)
  const rebuilder = new HistoryRebuilder(input.target)
  const gaps = new Gaps()
  const tables = new TableFiles(input.backend, { maxCachedColumnBytes: 0 })
  const add = async (events: Iterable<StoredEvent>): Promise<void> => {
    for (const event of events) {
      gaps.saw(event.seq)
      await rebuilder.addEvent(event)
    }
    checkAborted(input.signal)
    input.onProgress?.({ events: rebuilder.counts.events })
  }
  for (const { ns, file } of files.bases) await addStates({ ns, file }, { rebuilder, tables, lose })
  // They are decided while they are committed; none of them stands for a loss.
  await rebuilder.finish()
  rebuilder.counts.bridges = 0
  gaps.lastSeq = files.forgottenTo
  for (const group of overlapping(files.segments)) {
    const events = await eventsOf(group, { tables, lose })
    // Where nothing is lost, what is not there was forgotten or erased.
    if (events.length === group.reduce((sum, { rows }) => sum + rows, 0)) gaps.whole(group.map(spanOf))
    await add(events)
  }
  gaps.end(files.head?.flushedSeq ?? 0)
  // Where every event of them is there, runs have nothing to add.
  if (gaps.missing.length > 0 || files.head === undefined) {
    for (const { ns, file } of files.runs) await addStates({ ns, file }, { rebuilder, tables, lose })
  }
  await add(await eventsOfLog(input.logBackend, { head: files.head, afterSeq: gaps.lastSeq, lose }))
  gaps.end(files.head?.durableSeq ?? 0)
  await rebuilder.finish()
  const { counts } = rebuilder
  const ok = gaps.missing.length === 0 && counts.unfolded === 0 && counts.bridges === 0 && files.head !== undefined
  return { ok, ...counts, missing: gaps.missing, lost }
}

type Lose = (error: ParqueDBError, more?: Omit<LostPart, 'path' | 'code' | 'message'>) => void

/** Stretches of seqs that were not seen, when seqs are told in ascending order. */
class Gaps {
  readonly missing: { from: number; to: number }[] = []
  lastSeq = 0

  saw(seq: number): void {
    this.end(seq - 1)
    this.lastSeq = Math.max(this.lastSeq, seq)
  }

  /** All that there is of these stretches has been told. */
  whole(spans: readonly { from: number; to: number }[]): void {
    this.end(Math.min(...spans.map(({ from }) => from)) - 1)
    this.lastSeq = Math.max(this.lastSeq, ...spans.map(({ to }) => to))
  }

  /** Everything up to `seq` has been told. */
  end(seq: number): void {
    if (seq > this.lastSeq) this.missing.push({ from: this.lastSeq + 1, to: seq })
    this.lastSeq = Math.max(this.lastSeq, seq)
  }
}

/** Segments whose seqs overlap, together: without a manifest a merged one may lie beside what it was merged from. */
function overlapping(segments: readonly FileEntry[]): FileEntry[][] {
  const groups: FileEntry[][] = []
  let lastSeq = -1
  for (const file of segments) {
    const group = groups.at(-1)
    if (group === undefined || file.minSeq > lastSeq) groups.push([file])
    else group.push(file)
    lastSeq = Math.max(lastSeq, file.maxSeq)
  }
  return groups
}

async function eventsOf(segments: readonly FileEntry[], to: { tables: TableFiles; lose: Lose }): Promise<StoredEvent[]> {
  const bySeq = new Map<number, StoredEvent>()
  for (const file of segments) {
    await salvaging(to.lose, { fromSeq: file.minSeq, toSeq: file.maxSeq, rows: file.rows }, async () => {
      for await (const events of (await to.tables.segment(file)).salvage((rows) => to.lose(rows.error, factsOf(rows)))) for (const event of events) if (!isMirrorSpace(event.ns)) bySeq.set(event.seq, event)
    })
  }
  return inOrder(bySeq)
}

async function addStates({ ns, file }: SoundFiles['runs'][number], to: { rebuilder: HistoryRebuilder; tables: TableFiles; lose: Lose }): Promise<void> {
  await salvaging(to.lose, { ns, rows: file.rows }, async () => {
    for await (const states of (await to.tables.run(file)).salvage((rows) => to.lose(rows.error, { ns, ...factsOf(rows) }))) await to.rebuilder.addStates(ns, states)
  })
}

/** Of the epoch that the head names; of all of them, the newest first, when there is none to trust. */
async function eventsOfLog(backend: StorageBackend, from: { head: SoundFiles['head']; afterSeq: number; lose: Lose }): Promise<StoredEvent[]> {
  const bySeq = new Map<number, StoredEvent>()
  const { head, lose } = from
  for (const part of (await listLogParts(backend, logPrefix)).toReversed()) {
    if (head !== undefined && part.epoch !== head.epoch) continue
    await salvaging(lose, {}, async () => {
      const bytes = await backend.read(part.path)
      for (const { frame, offset, damagedFrom } of soundFrames(bytes, { epoch: part.epoch, searchedBytesMax: 4 * bytes.length })) {
        if (damagedFrom !== undefined) lose(new ParqueDBError('CORRUPT_FILE', `${part.path} is damaged from byte ${damagedFrom} to ${offset}.`, { details: { path: part.path, offset: damagedFrom } }))
        if (frame.firstSeq + frame.count <= from.afterSeq) continue
        for (const event of decodePayload(frame, { path: part.path, offset })) if (event.seq > from.afterSeq && !bySeq.has(event.seq)) bySeq.set(event.seq, event)
      }
    })
  }
  return inOrder(bySeq)
}

/** What `work` gives; undefined where a file is not, or no more, what it should be. */
async function salvaging<T>(lose: Lose, more: Omit<LostPart, 'path' | 'code' | 'message'>, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isParqueDBError(error, 'CORRUPT_FILE') && !isParqueDBError(error, 'NOT_FOUND')) throw error
    lose(error, more)
    return undefined
  }
}

function factsOf({ rows, firstKey, untilKey, minSeq, maxSeq }: LostRows): Omit<LostPart, 'path' | 'code' | 'message'> {
  return { rows, firstKey: firstKey.join('/'), untilKey: untilKey.join('/'), fromSeq: minSeq, toSeq: maxSeq }
}

function inOrder(bySeq: ReadonlyMap<number, StoredEvent>): StoredEvent[] {
  return [...bySeq.values()].toSorted((left, right) => left.seq - right.seq)
}

export interface SoundFiles {
  /** undefined when the newest one cannot be trusted: then everything that is there is looked at. */
  readonly head: Head | undefined
  readonly segments: readonly FileEntry[]
  readonly runs: readonly { readonly ns: string; readonly file: FileEntry }[]
  /** The states that the history begins with, where what was before is forgotten. */
  readonly bases: SoundFiles['runs']
  /** Events up to this seq may be missing because they were forgotten. */
  readonly forgottenTo: number
}

/** The data files to salvage from: those that the manifest names or, where head or manifest are damaged, all that are there and tell what they are. */
async function findSoundFiles(from: { backend: StorageBackend; logBackend: StorageBackend }, onDamage: (error: ParqueDBError) => void): Promise<SoundFiles> {
  let isDamaged = false
  const newest = await newestSoundHead(from.logBackend, (error) => {
    isDamaged = true
    onDamage(error)
  })
  const head = isDamaged ? undefined : newest
  const manifest = head && (await salvaging(onDamage, {}, async () => (head.manifest === undefined ? emptyManifest : readManifest(from.backend, head.manifest))))
  if (manifest === undefined) return { head, ...(await listDataFiles(from.backend, onDamage)), bases: [], forgottenTo: 0 }
  const all = withArchive(manifest)
  const runs = [...dataFiles(manifest)].flatMap(({ ns, file }) => (ns === undefined ? [] : [{ ns, file }]))
  const bases = Object.entries(all.horizons).flatMap(([ns, { base }]) => base.flatMap((run) => run.files.map((file) => ({ ns, file }))))
  return { head, segments: all.segments.toSorted((left, right) => left.minSeq - right.minSeq), runs, bases, forgottenTo: Math.max(0, ...Object.values(all.horizons).map(({ seq }) => seq)) }
}

/** Data files by what they say of themselves. A file that no manifest ever named holds nothing that is not true. */
async function listDataFiles(backend: StorageBackend, onDamage: (error: ParqueDBError) => void): Promise<Pick<SoundFiles, 'segments' | 'runs'>> {
  const segments: FileEntry[] = []
  const runs: { ns: string; file: FileEntry }[] = []
  for (const folder of dataFolders) {
    for await (const { path } of listObjects(backend, folder)) {
      if (!path.endsWith('.parquet')) continue
      const ns = namespaceOfRun(path)
      const bytes = await backend.read(path)
      const found = findFacts(bytes)
      const file = found && { ...found.facts, path, sizeBytes: bytes.length }
      if (file !== undefined && found?.kind === 'segment' && ns === undefined) segments.push(file)
      else if (file !== undefined && found?.kind === 'run' && ns !== undefined) runs.push({ ns, file })
      else onDamage(new ParqueDBError('CORRUPT_FILE', `${path} has no index that could be read, and the manifest that would say where it is, is lost.`, { details: { path, offset: 0 } }))
    }
  }
  return { segments: segments.toSorted((left, right) => left.minSeq - right.minSeq), runs }
}
