import { decodeFrame, frameHeaderBytes, frameSizeAt, mayBeginFrame, readFrameHeader } from './frame.ts'
import type { LogFrame } from './append-log.ts'

/** Bytes whose checksums are computed in search of the next frame, for each byte of the part: past it they only look like frames to mislead. */
const searchFactor = 4

/** Every whole frame of a log part in order, and whether bytes between it and the one before it are damaged; frames after damage are found again by their checksums. */
export function* soundFrames(bytes: Uint8Array, epoch: number): Generator<{ frame: LogFrame; offset: number; damagedFrom: number | undefined }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let damagedFrom: number | undefined
  let budgetBytes = searchFactor * bytes.length
  for (let offset = 0; offset + frameHeaderBytes <= bytes.length && budgetBytes >= 0; ) {
    const sizeBytes = mayBeginFrame(view, offset, epoch) && readFrameHeader(view, offset) !== undefined ? frameSizeAt(bytes, offset) : undefined
    const decoded = sizeBytes === undefined ? undefined : decodeFrame(bytes, offset)
    if (decoded === undefined) {
      damagedFrom ??= offset
      if (sizeBytes !== undefined && offset + sizeBytes <= bytes.length) budgetBytes -= sizeBytes
      offset++
      continue
    }
    yield { frame: decoded.frame, offset, damagedFrom }
    damagedFrom = undefined
    offset += decoded.sizeBytes
  }
}
