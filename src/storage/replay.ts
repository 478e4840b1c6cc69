import { assert } from '../base/assert.ts'
import type { StoredEvent } from '../model/event.ts'
import type { LogFrame } from './append-log.ts'
import type { Head } from './head.ts'
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

export interface ReplayResult {
  readonly events: readonly StoredEvent[]
  /** Where to go on later; undefined while the epoch has no log. */
  readonly reached: ReplayPosition | undefined
  /** Bytes at the end that an unfinished append left. */
  readonly tornBytes: number
}

/**
 * Reads the log of the head's epoch, from `from` or its start, and adds to the overlay what comes after it. `onFrame`
 * is given every frame that adds something, as it stands in the log.
 */
export async function replay(backend: StorageBackend, head: Head, to: { overlay: Overlay; from?: ReplayPosition | undefined; onFrame?: (frame: LogFrame) => void }): Promise<ReplayResult> {
  const parts = (await listLogParts(backend, logPrefix)).filter((part) => isWanted(part, head, to.from))
  const events: StoredEvent[] = []
  let reached = to.from
  let tornBytes = 0
  for (const [index, part] of parts.entries()) {
    const from = part.path === to.from?.part ? to.from.position : undefined
    const reader = new LogPartReader(backend, { path: part.path, from, isLast: index === parts.length - 1 })
    let offset = from?.offset ?? 0
    for await (const { frame, end } of reader.frames()) {
      if (addFrame(frame, { overlay: to.overlay, events, where: { path: part.path, offset } })) to.onFrame?.(frame)
      offset = end.offset
    }
    reached = { part: part.path, position: reader.tail.end }
    tornBytes += reader.tail.tornBytes
  }
  return { events, reached, tornBytes }
}

/** False when all of the frame is in files already. */
function addFrame(frame: LogFrame, to: { overlay: Overlay; events: StoredEvent[]; where: { path: string; offset: number } }): boolean {
  const { overlay, events, where } = to
  if (frame.firstSeq + frame.count <= overlay.lastSeq + 1) return false
  assert(frame.firstSeq === overlay.lastSeq + 1, 'F4: a frame begins where the one before it, or the flush, ended')
  for (const event of decodePayload(frame, where)) {
    overlay.add(event, { bytes: frame.payload.length / frame.count })
    events.push(event)
  }
  return true
}

function isWanted(part: LogPartInfo, head: Head, from: ReplayPosition | undefined): boolean {
  return part.epoch === head.epoch && part.firstSeq >= head.logStart && (from === undefined || part.path >= from.part)
}
