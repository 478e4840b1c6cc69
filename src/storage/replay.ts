import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { StoredEvent } from '../model/event.ts'
import type { LogFrame } from './append-log.ts'
import { epochFolder, epochPath, newestEpoch, type Head } from './head.ts'
import { logPartPath } from './log-part.ts'
import { decodePayload } from './log-payload.ts'
import { listLogParts, LogPartReader, type LogPartInfo, type LogPartSource, type LogPosition } from './log-reader.ts'
import { manifestFolder } from './manifest.ts'
import type { Partition } from './Partition.ts'
import type { StorageBackend } from './storage-backend.ts'

export const logPrefix = 'log'

/** A part up to this size is read by one request. */
const wholeBytesMax = 1024 * 1024
const readsAtOnce = 16

export interface ReplayStart {
  readonly afterSeq: number
  readonly from?: ReplayPosition | undefined
}

/** How far into an epoch's log a reader has come. */
export interface ReplayPosition {
  readonly part: string
  readonly position: LogPosition
}

/** A frame of the log, and the events in it. */
export interface ReplayedFrame {
  readonly frame: LogFrame
  readonly events: readonly StoredEvent[]
}

export interface ReplayResult {
  /** Every frame that holds events after the given seq, in order; nothing is missing between that seq and the end. */
  readonly frames: readonly ReplayedFrame[]
  /** Where to go on later; undefined while the epoch has no log. */
  readonly reached: ReplayPosition | undefined
  /** Bytes at the end that an unfinished append left. */
  readonly tornBytes: number
}

/**
 * Reads the log of the head's epoch, from `from` or its start, for what comes after `afterSeq`. Memory: all of that,
 * which flushing bounds. CORRUPT_FILE with file and offset for damage, and for events that are missing.
 */
export async function replay(backend: StorageBackend, head: Head, start: ReplayStart): Promise<ReplayResult> {
  const parts = (await knownParts(backend, head.epoch)).filter((part) => isWanted(part, head, start.from))
  const frames: ReplayedFrame[] = []
  let lastSeq = start.afterSeq
  let reached = start.from
  let tornBytes = 0
  for await (const { part, source } of readAhead(backend, parts, start.from)) {
    const from = part.path === start.from?.part ? start.from.position : undefined
    // A store without a log of its own makes a part at once or not at all, so that no end is torn.
    const reader = new LogPartReader(source, { path: part.path, from, isLast: part === parts.at(-1) && backend.openLog !== undefined })
    let offset = from?.offset ?? 0
    for await (const { frame, end } of reader.frames()) {
      const where = { path: part.path, offset }
      offset = end.offset
      // O6: objects below logStart are passed over, and after it nothing may be missing. Frames are never split by a flush: either all of one is in files, or none.
      if (frame.firstSeq <= lastSeq) continue
      if (frame.firstSeq !== lastSeq + 1) throw missingEvents({ from: lastSeq + 1, to: frame.firstSeq - 1 }, where)
      frames.push({ frame: { ...frame, payload: frame.payload.slice() }, events: decodePayload(frame, where) })
      lastSeq += frame.count
    }
    reached = { part: part.path, position: reader.tail.end }
    tornBytes += reader.tail.tornBytes
  }
  if (lastSeq < head.durableSeq) throw endMissing({ from: lastSeq + 1, to: head.durableSeq }, { head, reached })
  return { frames, reached, tornBytes }
}

/** A log is begun after its epoch, and the newest epochs stay: a log without one tells of a head that is gone, and that what is found without it is old. */
export async function knownParts(backend: StorageBackend, knownEpoch: number): Promise<LogPartInfo[]> {
  const parts = await listLogParts(backend, logPrefix)
  const last = parts.at(-1)
  if (last === undefined || last.epoch <= knownEpoch || last.epoch <= (await newestEpoch(backend))) return parts
  const path = epochPath(last.epoch)
  throw new ParqueDBError('CORRUPT_FILE', `The head ${path} is missing, though its log ${last.path} is there. Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset: 0 } })
}

/** Where there is no head. The first one comes before the first manifest: files without it are those of a database whose log is elsewhere, or whose heads are gone. */
export async function assertNoManifest(backend: StorageBackend): Promise<void> {
  const [found] = (await backend.list(manifestFolder, { limit: 1 })).objects
  if (found === undefined) return
  throw new ParqueDBError('CORRUPT_FILE', `There is no head in ${epochFolder}, though ${found.path} is there. Where the log is in another store, give that with the option log; else restore ${epochFolder} from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path: epochFolder, offset: 0 } })
}

/** Small parts are read whole, some at once: a log of objects has many. Of one that was read before there is less to read. */
async function* readAhead(backend: StorageBackend, parts: readonly LogPartInfo[], from: ReplayPosition | undefined): AsyncGenerator<{ part: LogPartInfo; source: LogPartSource }, void> {
  const read = async (part: LogPartInfo) => ({ part, source: part.sizeBytes > wholeBytesMax || part.path === from?.part ? backend : sourceOf(await backend.read(part.path)) })
  for (let index = 0; index < parts.length; index += readsAtOnce) yield* await Promise.all(parts.slice(index, index + readsAtOnce).map(read))
}

function sourceOf(bytes: Uint8Array): LogPartSource {
  return { stat: async (path) => ({ path, sizeBytes: bytes.length, etag: '' }), readRange: async (_path, { start, end }) => bytes.subarray(start, end) }
}

/** Adds what was replayed to the partition whose overlay ends where it begins. */
export function addReplayed(frames: readonly ReplayedFrame[], partition: Partition): void {
  for (const { frame, events } of frames) for (const event of events) partition.apply(event, { bytes: frame.payload.length / frame.count })
}

function missingEvents(seqs: { from: number; to: number }, where: { path: string; offset: number }): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `The log misses the events ${seqs.from} to ${seqs.to}: ${where.path} goes on after them. Restore the missing file below ${logPrefix}/ from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: where })
}

function endMissing(seqs: { from: number; to: number }, at: { head: Head; reached: ReplayPosition | undefined }): ParqueDBError {
  const path = at.reached?.part ?? logPartPath(logPrefix, { epoch: at.head.epoch, firstSeq: seqs.from })
  const offset = at.reached?.position.offset ?? 0
  return new ParqueDBError('CORRUPT_FILE', `The log misses the events ${seqs.from} to ${seqs.to}, which were durable: ${path} is damaged at byte ${offset}, or gone. Restore it from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset } })
}

function isWanted(part: LogPartInfo, head: Head, from: ReplayPosition | undefined): boolean {
  if (part.epoch !== head.epoch || part.firstSeq < head.logStart) return false
  return from === undefined || part.path > from.part || (part.path === from.part && part.sizeBytes !== from.position.offset)
}
