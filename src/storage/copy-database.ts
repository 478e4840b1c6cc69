import { checkAborted } from '../base/abort.ts'
import { compareBytes, toHex } from '../base/bytes.ts'
import { systemClock } from '../base/clock.ts'
import { crc32 } from '../base/crc32.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom } from '../base/random.ts'
import { noteCopy } from './copies.ts'
import { EpochFence } from './EpochFence.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { checkFormat, prepareFormat } from './format.ts'
import { deleteOldEpochs, headEtag, headOf, publishHead, readHead, takeEpoch } from './head.ts'
import { listLogParts } from './log-reader.ts'
import { dataFiles, openManifest, writeManifest, type DroppedFile, type FileEntry, type Manifest } from './manifest.ts'
import { openLog } from './FileLog.ts'
import { logPrefix, replay } from './replay.ts'
import { resolving } from './resolving.ts'
import type { RetryParts } from './retry.ts'
import { listObjects, type StorageBackend } from './storage-backend.ts'

/** Files of at most 32 MB that are in memory at once. */
const copiesAtOnce = 4
/** The source is read anew when a writer flushes or merges meanwhile; what was copied stays. */
const readAttempts = 10
/** Readers of the target may be at files that this copy drops: the next copy deletes them. */
const graceMs = 60_000

export interface CopyInput extends Partial<RetryParts> {
  readonly from: StorageBackend
  readonly to: StorageBackend
  /** What the source is to call the target, which an erasure there then names as a copy; else nothing is written to the source. */
  readonly place?: string | undefined
  /** Ends with ABORTED between two files; the next copy goes on from there. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { files: number; totalFiles: number; bytes: number; totalBytes: number }) => void) | undefined
}

export interface CopyReport {
  /** seq of the newest event that the target has now. */
  readonly lastSeq: number
  readonly copiedFiles: number
  readonly copiedBytes: number
  /** Files that were there already. */
  readonly presentFiles: number
}

type Contents = Readonly<NonNullable<Awaited<ReturnType<typeof contentsOf>>>>

/**
 * Makes `to` hold the database that is in `from`: first the files that it lacks, then, as its writer, the log and a head. Until that one is
 * there, `to` is what it was. The source may be written meanwhile; it is copied as of one moment. NOT_FOUND without a source;
 * ALREADY_EXISTS when `to` holds anything but an earlier state of the same database; WRITER_LOCKED or WRITER_FENCED when it has another writer;
 * CORRUPT_FILE for a file of the source that is damaged.
 */
export async function copyDatabase(input: CopyInput): Promise<CopyReport> {
  for (let attempt = 1; ; attempt++) {
    const etag = await headEtag(input.from)
    try {
      const report = await copyOnce(input)
      if (input.place !== undefined) await noteCopy(input.from, { place: input.place, lastSeq: report.lastSeq, atMs: (input.clock ?? systemClock).nowMs() })
      return report
    } catch (error) {
      const moved = isParqueDBError(error, 'NOT_FOUND') || isParqueDBError(error, 'CORRUPT_FILE')
      if (!moved || attempt === readAttempts || (await headEtag(input.from)) === etag) throw error
    }
  }
}

/** One attempt. `target` is `to`, whose puts of unknown outcome are decided. */
interface Copying extends Omit<CopyInput, keyof RetryParts>, RetryParts {
  readonly target: StorageBackend
  copiedFiles: number
  copiedBytes: number
}

async function copyOnce(input: CopyInput): Promise<CopyReport> {
  const { from, to, clock = systemClock, random = systemRandom } = input
  const copying: Copying = { ...input, clock, random, target: resolving(to, { clock, random }), copiedFiles: 0, copiedBytes: 0 }
  const source = await contentsOf(from)
  if (source === undefined) throw new ParqueDBError('NOT_FOUND', `There is no database in this ${from.kind} store to be copied.`, { details: { path: 'FORMAT' } })
  const lock = await to.lockWriter?.()
  try {
    await prepareFormat(copying.target, new Set([to]), random)
    const former = await contentsOf(to)
    if (former !== undefined && former.lastSeq > 0) await refuseUnlessEarlier(from, to, { target: former, source })
    const files = [...dataFiles(source.manifest)].map(({ file }) => file)
    const named = new Map([...dataFiles(former?.manifest ?? source.manifest)].map(({ file }) => [file.path, former === undefined ? undefined : file]))
    const taken: Taken = { named, dropped: new Set(former?.manifest.dropped.map(({ path }) => path)) }
    await copyMissing(copying, files, taken)
    const isSame = former !== undefined && former.lastSeq === source.lastSeq && named.size === files.length && files.every(({ path }) => named.has(path))
    if (!isSame) await publish(copying, source, { former, files, taken })
    return { lastSeq: source.lastSeq, copiedFiles: copying.copiedFiles, copiedBytes: copying.copiedBytes, presentFiles: files.length - copying.copiedFiles }
  } finally {
    await lock?.release()
  }
}

async function copyMissing(copying: Copying, files: readonly FileEntry[], taken: Taken): Promise<void> {
  const present = await sizesOf(copying.target, new Set(files.map(({ path }) => path.slice(0, path.indexOf('/') + 1))))
  const wanted = files.filter((file) => !(isSameFile(taken.named.get(file.path), file) && present.get(file.path) === file.sizeBytes))
  const totalBytes = wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let done = 0
  let bytes = 0
  const waiting = wanted.values()
  const copyAll = async (): Promise<void> => {
    for (const file of waiting) {
      checkAborted(copying.signal)
      await copyFile(copying, file, { taken, isThere: present.has(file.path) })
      done++
      bytes += file.sizeBytes
      copying.onProgress?.({ files: done, totalFiles: wanted.length, bytes, totalBytes })
    }
  }
  await Promise.all(Array.from({ length: copiesAtOnce }, copyAll))
}

async function copyFile(copying: Copying, file: FileEntry, { taken, isThere }: { taken: Taken; isThere: boolean }): Promise<void> {
  const { from, target } = copying
  const bytes = await from.read(file.path)
  checkContent(file, bytes)
  if (isThere) {
    // What an interrupted copy left is whole, and is not copied again.
    if (compareBytes(await target.read(file.path), bytes) === 0) return
    if (taken.named.get(file.path) !== undefined || taken.dropped.has(file.path)) throw notEarlier(`it has another file ${file.path}`)
    await target.put(file.path, bytes)
  } else await target.put(file.path, bytes, { ifAbsent: true })
  copying.copiedFiles++
  copying.copiedBytes += bytes.length
}

/** As the writer of the target, of an epoch above those that the names of the source's files come from. */
async function publish(copying: Copying, source: Contents, { former, files, taken }: { former: Contents | undefined; files: readonly FileEntry[]; taken: Taken }): Promise<void> {
  const { to, target, random } = copying
  const { epoch, etag } = await takeEpoch(to, source.newestEpoch)
  const fence = new EpochFence(target, epoch)
  // A writer that was here before the epoch was taken may have swept what no head named yet.
  await copyMissing(copying, files, { ...taken, named: new Map(files.map((file) => [file.path, file])) })
  const log = await openLog(target, { prefix: logPrefix, epoch })
  await log.append(source.frames.map(({ frame }) => ({ ...frame, epoch })))
  await log.close()
  const manifest: Manifest = { ...source.manifest, id: Math.max(source.manifest.id, former?.manifest.id ?? 0) + 1, dropped: [] }
  const dropped = former === undefined ? [] : await droppedFrom(copying, former.manifest, { files, manifestId: manifest.id })
  const address = await writeManifest(target, { ...manifest, dropped }, toHex(random.bytes(8)))
  await fence.check()
  await publishHead(target, headOf(manifest, { epoch, manifest: address, durableSeq: source.lastSeq, isClosed: true }), etag)
  await fence.check()
  for (const part of await listLogParts(target, logPrefix)) if (part.epoch < epoch) await target.delete(part.path)
  await deleteOldEpochs(target, epoch)
}

/** What the target had and has no more; of what was dropped before, that is deleted whose grace has passed. */
async function droppedFrom({ target, clock }: Copying, manifest: Manifest, { files, manifestId }: { files: readonly FileEntry[]; manifestId: number }): Promise<DroppedFile[]> {
  const nowMs = clock.nowMs()
  const kept = new Set(files.map(({ path }) => path))
  const gone = [...dataFiles(manifest)].filter(({ file }) => !kept.has(file.path)).map(({ file: { path, sizeBytes } }) => ({ path, sizeBytes, atMs: nowMs, manifestId }))
  for (const file of manifest.dropped) {
    if (file.atMs + graceMs > nowMs) gone.push(file)
    else await target.delete(file.path)
  }
  return gone
}

/** Names that the target uses: files that its manifest has, and such that its readers may be at. */
interface Taken {
  readonly named: ReadonlyMap<string, FileEntry | undefined>
  readonly dropped: ReadonlySet<string>
}

/** What a store holds, as of one moment; undefined when there is no database. */
async function contentsOf(backend: StorageBackend) {
  if (!(await checkFormat(backend))) return undefined
  const { head, newestEpoch } = await readHead(backend)
  const manifest = await openManifest(backend, head?.manifest)
  const { flushedSeq } = manifest
  const { frames } = head === undefined ? { frames: [] } : await replay(backend, head, { afterSeq: flushedSeq })
  return { manifest, frames, lastSeq: frames.reduce((_, { frame }) => frame.firstSeq + frame.count - 1, flushedSeq), newestEpoch }
}

/** The target's newest event is in the source at the same place: then all before it is, too. */
async function refuseUnlessEarlier(from: StorageBackend, to: StorageBackend, { target, source }: { target: Contents; source: Contents }): Promise<void> {
  const seq = target.lastSeq
  if (seq > source.lastSeq) throw notEarlier(`it has ${seq} events, and the source ${source.lastSeq}`)
  const [theirs, ours] = [await eventIdAt(to, seq), await eventIdAt(from, seq)]
  if (theirs === undefined || theirs !== ours) throw notEarlier(theirs === undefined || ours === undefined ? `event ${seq} was forgotten, so that nothing can be compared` : `event ${seq} differs`)
}

async function eventIdAt(backend: StorageBackend, seq: number): Promise<string | undefined> {
  const engine = withEventSourcing(backend, { readOnly: true })
  try {
    for await (const { id } of engine.readEvents({ fromSeq: seq, toSeq: seq })) return id
    return undefined
  } finally {
    await engine.close()
  }
}

function notEarlier(why: string): ParqueDBError {
  return new ParqueDBError('ALREADY_EXISTS', `The target does not hold an earlier state of this database: ${why}. Nothing was overwritten. Copy to an empty place, or copy the other way if the target is the newer one.`, { details: { reason: why } })
}

/** Of one path only one file is ever made, wherever the database is; facts that differ tell that two databases went apart. */
function isSameFile(known: FileEntry | undefined, file: FileEntry): boolean {
  return known !== undefined && known.sizeBytes === file.sizeBytes && known.footerCrc32 === file.footerCrc32 && known.index.crc32 === file.index.crc32
}

/** CORRUPT_FILE unless the size and the checksums of the index and the footer are the manifest's. The rows have theirs, which every read checks. */
function checkContent(file: FileEntry, bytes: Uint8Array): void {
  const end = bytes.length - 8
  const footerBytes = end < 0 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true)
  const isSound = bytes.length === file.sizeBytes && crc32(bytes.subarray(file.index.start, file.index.end)) === file.index.crc32 && crc32(bytes.subarray(Math.max(0, end - footerBytes), end)) === file.footerCrc32
  if (isSound) return
  throw new ParqueDBError('CORRUPT_FILE', `${file.path} is not as the manifest says, so it was not copied. Restore it from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path: file.path, offset: 0 } })
}

async function sizesOf(backend: StorageBackend, prefixes: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>()
  for (const prefix of prefixes) for await (const { path, sizeBytes } of listObjects(backend, prefix)) sizes.set(path, sizeBytes)
  return sizes
}
