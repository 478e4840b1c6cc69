import { checkAborted } from '../base/abort.ts'
import { compareBytes, toHex } from '../base/bytes.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { crc32 } from '../base/crc32.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { noteCopy } from './copies.ts'
import { EpochFence } from './EpochFence.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { checkFormat, formatWritten, prepareFormat } from './format.ts'
import { deleteOldEpochs, headEtag, publishHead, readHead, takeEpoch } from './head.ts'
import { listLogParts } from './log-reader.ts'
import { dataFiles, openManifest, writeManifest, type DroppedFile, type FileEntry, type Manifest } from './manifest.ts'
import { openLog } from './FileLog.ts'
import { logPrefix, replay, type ReplayedFrame } from './replay.ts'
import { resolving } from './resolving.ts'
import { listObjects, type StorageBackend } from './storage-backend.ts'

/** Files of at most 32 MB that are in memory at once. */
const copiesAtOnce = 4
/** The source is read anew when a writer flushes or merges meanwhile; what was copied stays. */
const readAttempts = 10
/** Readers of the target may be at files that this copy drops: the next copy deletes them. */
const graceMs = 60_000

export interface CopyInput {
  readonly from: StorageBackend
  readonly to: StorageBackend
  readonly clock?: Clock
  readonly random?: Random
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

interface Contents {
  readonly manifest: Manifest
  readonly frames: readonly ReplayedFrame[]
  readonly lastSeq: number
  readonly newestEpoch: number
}

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
      const report = await new Copying(input).run()
      if (input.place !== undefined) await noteCopy(input.from, { place: input.place, lastSeq: report.lastSeq, atMs: (input.clock ?? systemClock).nowMs() })
      return report
    } catch (error) {
      const moved = isParqueDBError(error, 'NOT_FOUND') || isParqueDBError(error, 'CORRUPT_FILE')
      if (!moved || attempt === readAttempts || (await headEtag(input.from)) === etag) throw error
    }
  }
}

class Copying {
  readonly #input: CopyInput
  readonly #clock: Clock
  readonly #random: Random
  readonly #to: StorageBackend
  #copiedFiles = 0
  #copiedBytes = 0

  constructor(input: CopyInput) {
    this.#input = input
    this.#clock = input.clock ?? systemClock
    this.#random = input.random ?? systemRandom
    this.#to = resolving(input.to, { clock: this.#clock, random: this.#random })
  }

  async run(): Promise<CopyReport> {
    const { from, to } = this.#input
    const source = await contentsOf(from)
    if (source === undefined) throw new ParqueDBError('NOT_FOUND', `There is no database in this ${from.kind} store to be copied.`, { details: { path: 'FORMAT' } })
    const lock = await to.lockWriter?.()
    try {
      await prepareFormat(this.#to, new Set([to]), this.#random)
      const target = await contentsOf(to)
      if (target !== undefined && target.lastSeq > 0) await refuseUnlessEarlier(from, to, { target, source })
      const files = [...dataFiles(source.manifest)].map(({ file }) => file)
      const named = new Map([...dataFiles(target?.manifest ?? source.manifest)].map(({ file }) => [file.path, target === undefined ? undefined : file]))
      const taken: Taken = { named, dropped: new Set(target?.manifest.dropped.map(({ path }) => path)) }
      await this.#copyMissing(files, taken)
      const isSame = target !== undefined && target.lastSeq === source.lastSeq && named.size === files.length && files.every(({ path }) => named.has(path))
      if (!isSame) await this.#publish(source, { target, files, taken })
      return { lastSeq: source.lastSeq, copiedFiles: this.#copiedFiles, copiedBytes: this.#copiedBytes, presentFiles: files.length - this.#copiedFiles }
    } finally {
      await lock?.release()
    }
  }

  async #copyMissing(files: readonly FileEntry[], taken: Taken): Promise<void> {
    const present = await sizesOf(this.#to, new Set(files.map(({ path }) => path.slice(0, path.indexOf('/') + 1))))
    const wanted = files.filter((file) => !(isSameFile(taken.named.get(file.path), file) && present.get(file.path) === file.sizeBytes))
    const totalBytes = wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    let done = 0
    let bytes = 0
    const waiting = wanted.values()
    const copyAll = async (): Promise<void> => {
      for (const file of waiting) {
        checkAborted(this.#input.signal)
        await this.#copy(file, { taken, isThere: present.has(file.path) })
        done++
        bytes += file.sizeBytes
        this.#input.onProgress?.({ files: done, totalFiles: wanted.length, bytes, totalBytes })
      }
    }
    await Promise.all(Array.from({ length: copiesAtOnce }, copyAll))
  }

  async #copy(file: FileEntry, { taken, isThere }: { taken: Taken; isThere: boolean }): Promise<void> {
    const bytes = await this.#input.from.read(file.path)
    checkContent(file, bytes)
    if (isThere) {
      // What an interrupted copy left is whole, and is not copied again.
      if (compareBytes(await this.#to.read(file.path), bytes) === 0) return
      if (taken.named.get(file.path) !== undefined || taken.dropped.has(file.path)) throw notEarlier(`it has another file ${file.path}`)
      await this.#to.put(file.path, bytes)
    } else await this.#to.put(file.path, bytes, { ifAbsent: true })
    this.#copiedFiles++
    this.#copiedBytes += bytes.length
  }

  /** As the writer of the target, of an epoch above those that the names of the source's files come from. */
  async #publish(source: Contents, { target, files, taken }: { target: Contents | undefined; files: readonly FileEntry[]; taken: Taken }): Promise<void> {
    const { epoch, etag } = await takeEpoch(this.#input.to, source.newestEpoch)
    const fence = new EpochFence(this.#to, epoch)
    // A writer that was here before the epoch was taken may have swept what no head named yet.
    await this.#copyMissing(files, { ...taken, named: new Map(files.map((file) => [file.path, file])) })
    const log = await openLog(this.#to, { prefix: logPrefix, epoch })
    await log.append(source.frames.map(({ frame }) => ({ ...frame, epoch })))
    await log.close()
    const { flushedSeq } = source.manifest
    const manifest: Manifest = { ...source.manifest, id: Math.max(source.manifest.id, target?.manifest.id ?? 0) + 1, dropped: [] }
    const dropped = target === undefined ? [] : await this.#dropped(target.manifest, { files, manifestId: manifest.id })
    const address = await writeManifest(this.#to, { ...manifest, dropped }, toHex(this.#random.bytes(8)))
    await fence.check()
    await publishHead(this.#to, { format: formatWritten, isClosed: true, epoch, manifest: address, manifestId: manifest.id, flushedSeq, logStart: flushedSeq + 1, durableSeq: source.lastSeq }, etag)
    await fence.check()
    for (const part of await listLogParts(this.#to, logPrefix)) if (part.epoch < epoch) await this.#to.delete(part.path)
    await deleteOldEpochs(this.#to, epoch)
  }

  /** What the target had and has no more; of what was dropped before, that is deleted whose grace has passed. */
  async #dropped(manifest: Manifest, { files, manifestId }: { files: readonly FileEntry[]; manifestId: number }): Promise<DroppedFile[]> {
    const nowMs = this.#clock.nowMs()
    const kept = new Set(files.map(({ path }) => path))
    const gone = [...dataFiles(manifest)].filter(({ file }) => !kept.has(file.path)).map(({ file: { path, sizeBytes } }) => ({ path, sizeBytes, atMs: nowMs, manifestId }))
    for (const file of manifest.dropped) {
      if (file.atMs + graceMs > nowMs) gone.push(file)
      else await this.#to.delete(file.path)
    }
    return gone
  }
}

/** Names that the target uses: files that its manifest has, and such that its readers may be at. */
interface Taken {
  readonly named: ReadonlyMap<string, FileEntry | undefined>
  readonly dropped: ReadonlySet<string>
}

/** What a store holds, as of one moment; undefined when there is no database. */
async function contentsOf(backend: StorageBackend): Promise<Contents | undefined> {
  if (!(await checkFormat(backend))) return undefined
  const { head, newestEpoch } = await readHead(backend)
  const manifest = await openManifest(backend, head?.manifest)
  const { flushedSeq } = manifest
  const { frames } = head === undefined ? { frames: [] } : await replay(backend, head, { afterSeq: flushedSeq, wholeParts: backend.openLog === undefined })
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
  for (const prefix of prefixes) {
    for await (const { path, sizeBytes } of listObjects(backend, prefix)) sizes.set(path, sizeBytes)
  }
  return sizes
}
