import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { StoredEvent } from '../model/event.ts'
import type { LogFrame } from './append-log.ts'
import type { Head } from './head.ts'
import { logPartPath } from './log-part.ts'
import { decodePayload } from './log-payload.ts'
import { listLogParts, LogPartReader, type LogPartInfo, type LogPosition } from './log-reader.ts'
import type { Overlay } from './Overlay.ts'
import type { StorageBackend } from './storage-backend.ts'

export const logPrefix = 'log'

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
export async function replay(backend: StorageBackend, head: Head, start: { afterSeq: number; from?: ReplayPosition | undefined }): Promise<ReplayResult> {
  const parts = (await listLogParts(backend, logPrefix)).filter((part) => isWanted(part, head, start.from))
  const frames: ReplayedFrame[] = []
  let lastSeq = start.afterSeq
  let reached = start.from
  let tornBytes = 0
  for (const [index, part] of parts.entries()) {
    const from = part.path === start.from?.part ? start.from.position : undefined
    const reader = new LogPartReader(backend, { path: part.path, from, isLast: index === parts.length - 1 })
    let offset = from?.offset ?? 0
    for await (const { frame, end } of reader.frames()) {
      const where = { path: part.path, offset }
      offset = end.offset
      // Frames are never split by a flush: either all of one is in files, or none.
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

/** Adds what was replayed to the overlay that ends where it begins. */
export function addReplayed(frames: readonly ReplayedFrame[], overlay: Overlay): void {
  for (const { frame, events } of frames) {
    for (const event of events) overlay.add(event, { bytes: frame.payload.length / frame.count })
  }
}

function missingEvents(seqs: { from: number; to: number }, where: { path: string; offset: number }): ParqueDBError {
  return new ParqueDBError(
    'CORRUPT_FILE',
    `The log misses the events ${seqs.from} to ${seqs.to}: ${where.path} goes on after them. Restore the missing file below ${logPrefix}/ from a backup, or salvage what is sound with \`parquedb recover\`.`,
    { details: where },
  )
}

function endMissing(seqs: { from: number; to: number }, at: { head: Head; reached: ReplayPosition | undefined }): ParqueDBError {
  const path = at.reached?.part ?? logPartPath(logPrefix, { epoch: at.head.epoch, firstSeq: seqs.from })
  const offset = at.reached?.position.offset ?? 0
  return new ParqueDBError(
    'CORRUPT_FILE',
    `The log misses the events ${seqs.from} to ${seqs.to}, which were durable: ${path} is damaged at byte ${offset}, or gone. Restore it from a backup, or salvage what is sound with \`parquedb recover\`.`,
    { details: { path, offset } },
  )
}

function isWanted(part: LogPartInfo, head: Head, from: ReplayPosition | undefined): boolean {
  return part.epoch === head.epoch && part.firstSeq >= head.logStart && (from === undefined || part.path >= from.part)
}
