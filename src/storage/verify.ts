import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { isEdgeSpace, stateOfEdge } from '../model/edge.ts'
import type { EntityState } from '../model/entity.ts'
import { equalValues } from '../model/values.ts'
import type { StoredEvent } from '../model/event.ts'
import { fold, stateOfCreate } from '../model/fold.ts'
import type { VerifyOptions, VerifyReport } from '../model/database-options.ts'
import { checkFormat } from './format.ts'
import { headEtag, readHead } from './head.ts'
import { forgottenSeq } from './horizon.ts'
import { holdsName } from './lookup.ts'
import { dataFiles, emptyManifest, eventsIn, filesOfRuns, horizonOf, readManifest, spanOf, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import { mergeSorted } from './merge-groups.ts'
import type { WriterRole } from './Publisher.ts'
import { replay } from './replay.ts'
import { byKeyAndSeq } from './rewrite.ts'
import { mergeStates } from './strips.ts'
import type { TableFiles } from './TableFiles.ts'
import { withView } from './view.ts'

/** `deep`: every event is folded again, too. */
export type VerifyInput = VerifyOptions & Pick<WriterRole, 'backend' | 'logBackend' | 'partition'>

type Problem = VerifyReport['problems'][number]

/** The last bytes of a Parquet file: length of the footer, and the magic. */
const footerTailBytes = 8
/** Looks at a head that is replaced meanwhile. */
const readAttempts = 10

/** Checks everything that the head reaches and goes on past what it finds; only a failing store, or the signal, stops it. */
export async function verifyPartition(input: VerifyInput): Promise<VerifyReport> {
  const report = { checkedFiles: 0, checkedBytes: 0, checkedEvents: 0, problems: [] as Problem[] }
  const check = async <T>(path: string, work: () => Promise<T>): Promise<T | undefined> => {
    checkAborted(input.signal)
    try {
      return await work()
    } catch (error) {
      if (!isParqueDBError(error) || error.code === 'ABORTED' || error.code === 'STORAGE_UNAVAILABLE') throw error
      report.problems.push({ path: typeof error.details['path'] === 'string' ? error.details['path'] : path, code: error.code, message: error.message })
      return undefined
    }
  }
  // Pinned, so that a merge in the background deletes no file that is still to be read.
  return withView(input.partition, async () => {
    await check('FORMAT', () => checkFormat(input.backend))
    const manifest = await check('epoch/', () => verifyHeadAndLog(input, report))
    if (manifest !== undefined) {
      checkManifest(manifest, report.problems)
      const total = [...dataFiles(manifest)]
      const compared = comparedFiles(manifest)
      for (const entry of total) {
        await check(entry.file.path, () => verifyFile(entry, { input, report, builds: !compared.has(entry.file) }))
        input.onProgress?.({ checkedFiles: report.checkedFiles, totalFiles: total.length })
      }
      if (input.deep === true && report.problems.length === 0) await check('entities/', () => verifyStates(manifest, { input, report }))
    }
    return { ok: report.problems.length === 0, ...report }
  })
}

type Totals = { -readonly [Name in keyof Omit<VerifyReport, 'ok' | 'problems'>]: number } & { readonly problems: Problem[] }

async function verifyHeadAndLog(input: VerifyInput, report: Totals): Promise<Manifest> {
  for (let attempt = 1; ; attempt++) {
    const { head, etag } = await readHead(input.logBackend)
    if (head === undefined) return emptyManifest
    try {
      const manifest = head.manifest === undefined ? emptyManifest : await readManifest(input.backend, head.manifest)
      const problem = await replay(input.logBackend, head, { afterSeq: manifest.flushedSeq }).then(
        ({ frames }) => void (report.checkedEvents += frames.reduce((sum, { events }) => sum + events.length, 0)),
        (error: unknown) => {
          if (isParqueDBError(error, 'CORRUPT_FILE')) return error
          throw error
        },
      )
      if (problem === undefined) return manifest
      // A flush meanwhile deletes what it has read into files: only what is wrong under one and the same head is damage.
      if (attempt < readAttempts && (await headEtag(input.logBackend)) !== etag) continue
      report.problems.push({ path: String(problem.details['path']), code: problem.code, message: problem.message })
      return manifest
    } catch (error) {
      if (!isParqueDBError(error, 'NOT_FOUND') || attempt === readAttempts || (await headEtag(input.logBackend)) === etag) throw error
    }
  }
}

/** F4: the segments' seqs are one stretch from 1 to flushedSeq; it begins later where everything before was forgotten. */
function checkManifest(manifest: Manifest, problems: Problem[]): void {
  const [first] = manifest.segments
  const hasForgotten = Object.keys(manifest.horizons).length > 0
  if (first === undefined && hasForgotten) return
  let next = first !== undefined && hasForgotten ? spanOf(first).from : 1
  for (const file of manifest.segments) {
    const { from, to } = spanOf(file)
    const isPart = file.minSeq >= from && file.maxSeq <= to && eventsIn(file) <= to - from + 1
    if (from !== next || !isPart || (file.span === undefined && eventsIn(file) !== to - from + 1)) {
      problems.push({ path: file.path, code: 'CORRUPT_FILE', message: `The segment ${file.path} should begin at event ${next}; the manifest says that it holds ${eventsIn(file)} events from ${file.minSeq} to ${file.maxSeq}.` })
    }
    next = to + 1
  }
  if (next !== manifest.flushedSeq + 1) problems.push({ path: `manifest ${manifest.id}`, code: 'CORRUPT_FILE', message: `The segments end at event ${next - 1}; the manifest says that ${manifest.flushedSeq} events are flushed.` })
}

async function verifyFile(entry: { kind: 'segment' | 'run'; file: FileEntry }, to: { input: VerifyInput; report: Totals; builds: boolean }): Promise<void> {
  const { input, report, builds } = to
  const { file } = entry
  report.checkedFiles++
  const info = await input.backend.stat(file.path)
  if (info === undefined || info.sizeBytes !== file.sizeBytes) {
    const found = info === undefined ? 'is missing' : `has ${info.sizeBytes} bytes`
    report.problems.push({ path: file.path, code: 'CORRUPT_FILE', message: `${file.path} ${found}; the manifest says that it has ${file.sizeBytes} bytes. Restore it from a backup.` })
    return
  }
  await checkFooter(file, input, report)
  const tables = input.partition.files
  // A reader kept from before may have read the file's index when it was whole.
  tables.forget(file.path)
  const reader = entry.kind === 'segment' ? await tables.segment(file) : await tables.run(file)
  report.checkedBytes += file.sizeBytes
  if (input.deep === true) await reader.verify({ builds, signal: input.signal })
  if (entry.kind === 'segment') report.checkedEvents += eventsIn(file)
}

/** Other readers start from the footer; its checksum is only in the manifest. */
async function checkFooter(file: FileEntry, input: VerifyInput, report: Totals): Promise<void> {
  const source = input.partition.files.source(file)
  const tail = await source.readRange({ start: file.sizeBytes - footerTailBytes, end: file.sizeBytes })
  const length = new DataView(tail.buffer, tail.byteOffset).getUint32(0, true)
  const isMagic = String.fromCharCode(...tail.subarray(4)) === 'PAR1'
  const start = file.sizeBytes - footerTailBytes - length
  const footer = isMagic && start >= 4 ? await source.readRange({ start, end: file.sizeBytes - footerTailBytes }) : undefined
  if (footer !== undefined && crc32(footer) === file.footerCrc32) return
  report.problems.push({ path: file.path, code: 'CORRUPT_FILE', message: `The footer of ${file.path} is damaged; this database does not need it, other readers of Parquet do. Restore the file from a backup, or compact to write it anew.` })
}

/** The files of which every event and state is made when the one is compared with the other. */
function comparedFiles(manifest: Manifest): Set<FileEntry> {
  const runs = Object.keys(manifest.runs).flatMap((ns) => [...filesOfRuns(manifest, ns), ...(horizonOf(manifest, ns)?.base ?? [])])
  return new Set([...manifest.segments, ...runs.flatMap(({ files }) => files)])
}

/**
 * Folds the whole history again, in one pass over the segments, and compares it with the runs: state is derived from
 * the log, so both must hold the same entities in the same states, and every snapshot must be what its events give.
 */
async function verifyStates(manifest: Manifest, to: { input: VerifyInput; report: Totals }): Promise<void> {
  const { signal, partition } = to.input
  for (const ns of Object.keys(manifest.runs)) {
    const problem = (id: string, what: string): void => {
      to.report.problems.push({ path: isEdgeSpace(ns) ? `edges/${ns}` : `entities/${ns}`, code: 'CORRUPT_FILE', message: `The stored state of ${ns}/${id} ${what}. Its history is right: report this, it is a bug.` })
    }
    const states = (runs: readonly RunEntry[]): AsyncGenerator<EntityState, undefined> => eachState(mergeStates(runs.map((run) => statesOfRun(run, partition.files, signal))), forgottenSeq(manifest, ns))
    const stored = states(filesOfRuns(manifest, ns))
    const base = states(horizonOf(manifest, ns)?.base ?? [])
    const segments = await Promise.all(manifest.segments.filter((file) => holdsName(file, ns)).map((file) => partition.files.segment(file)))
    const events = mergeSorted(segments.map((segment) => segment.scan({ ns, signal })), byKeyAndSeq)
    for await (const folded of foldedStates(events, base, problem)) {
      const next = await stored.next()
      if (next.done === true || !sameState(folded, next.value)) return problem(folded.id, `is not what its ${folded.version} events give`)
    }
    const extra = await stored.next()
    if (extra.done !== true) problem(extra.value.id, 'has no events')
  }
}

async function* statesOfRun(run: RunEntry, tables: TableFiles, signal: AbortSignal | undefined): AsyncGenerator<readonly EntityState[]> {
  for (const file of run.files) yield* (await tables.run(file)).scan({ signal })
}

/** Without tombstones that may be merged away at any time. */
async function* eachState(batches: AsyncIterable<readonly EntityState[]>, forgottenTo: number): AsyncGenerator<EntityState, undefined> {
  for await (const batch of batches) for (const state of batch) if (state.deletedAt === undefined || state.seq > forgottenTo) yield state
  return undefined
}

/** The last state of each entity, folded from its first event on, or from its base at the horizon, whatever snapshots say. */
async function* foldedStates(batches: AsyncIterable<readonly StoredEvent[]>, bases: AsyncGenerator<EntityState, undefined>, problem: (id: string, what: string) => void): AsyncGenerator<EntityState> {
  let state: EntityState | undefined
  let base = (await bases.next()).value
  for await (const events of batches) {
    for (const event of events) {
      if (event.id === '') continue
      if (state !== undefined && state.id !== event.id) {
        yield state
        state = undefined
      }
      for (; base !== undefined && compareStrings(base.id, event.id) <= 0; base = (await bases.next()).value) {
        if (base.id === event.id) state = base
        else yield base
      }
      // An edge's event tells all by itself. After a tombstone that was forgotten an entity begins again, as whichever version it was then.
      if (isEdgeSpace(event.ns)) {
        state = event.state ?? stateOfEdge(event)
        continue
      }
      state = state === undefined && event.op === 'CREATE' ? stateOfCreate(event) : fold(state ?? forgottenTombstone(event), event)
      if (event.state !== undefined && !sameState(state, event.state)) problem(event.id, `in the snapshot at version ${event.version} is not what its events give`)
    }
  }
  if (state !== undefined) yield state
  for (; base !== undefined; base = (await bases.next()).value) yield base
}

/** What a deleted entity that was brought back began from, where that is forgotten: of it the snapshot tells no more than when it was created. */
function forgottenTombstone({ state, version }: StoredEvent): EntityState | undefined {
  return state === undefined || version === 1 ? undefined : { ...state, version: version - 1, document: {} }
}

function sameState(left: EntityState, right: EntityState): boolean {
  return (
    left.version === right.version &&
    left.seq === right.seq &&
    left.createdAt === right.createdAt &&
    left.updatedAt === right.updatedAt &&
    left.createdBy === right.createdBy &&
    left.updatedBy === right.updatedBy &&
    left.deletedAt === right.deletedAt &&
    equalValues(left.document, right.document)
  )
}
