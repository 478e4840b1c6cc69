import { ParqueDBError } from '../base/ParqueDBError.ts'
import { assert } from '../base/assert.ts'
import { crc32 } from '../base/crc32.ts'
import type { LogFrame } from './append-log.ts'

/*
 * A frame, little endian:
 *   length u32 | crc32 u32 | epoch u32 | firstSeq u64 | count u32 | chain u32 | payload
 * length: bytes of the payload. crc32: of everything after it. chain: the crc32 field of the frame before it in the
 * part; in a part's first frame the crc32 of the part's file name, so that a renamed or misplaced file is seen.
 * The top bit of count is set when the frame was written by the same append as the one before it.
 */
export const frameHeaderBytes = 28
const crcOffset = 4
const epochOffset = 8
const firstSeqOffset = 12
const countOffset = 20
const chainOffset = 24

/** Bounds what a reader allocates for one frame. */
export const framePayloadBytesMax = 64 * 1024 * 1024
const frameCountMax = 0x7fff_ffff
const epochMax = 0xffff_ffff
/** Set in the count of a frame whose append began with an earlier frame: alone it does not prove that the bytes before it were ever synced. */
const continuesAppendBit = 0x8000_0000

export interface DecodedFrame {
  readonly frame: LogFrame
  readonly chain: number
  /** This frame's crc32: the chain of the next one. */
  readonly crc: number
  /** Header and payload. */
  readonly sizeBytes: number
  /** Whether the frame before it was written by the same append. */
  readonly continuesAppend: boolean
}

/**
 * The bytes of one append. `chain` is that of the part so far; the result's is for the next append.
 * LIMIT_EXCEEDED when a payload is over 64 MiB.
 */
export function encodeFrames(frames: readonly LogFrame[], chain: number): { bytes: Uint8Array; chain: number } {
  let sizeBytes = 0
  for (const frame of frames) {
    checkFrame(frame)
    sizeBytes += frameHeaderBytes + frame.payload.length
  }
  const bytes = new Uint8Array(sizeBytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  let lastCrc = chain
  for (const { epoch, firstSeq, count, payload } of frames) {
    const end = at + frameHeaderBytes + payload.length
    view.setUint32(at, payload.length, true)
    view.setUint32(at + epochOffset, epoch, true)
    view.setBigUint64(at + firstSeqOffset, BigInt(firstSeq), true)
    view.setUint32(at + countOffset, at === 0 ? count : (count | continuesAppendBit) >>> 0, true)
    view.setUint32(at + chainOffset, lastCrc, true)
    bytes.set(payload, at + frameHeaderBytes)
    lastCrc = crc32(bytes.subarray(at + epochOffset, end))
    view.setUint32(at + crcOffset, lastCrc, true)
    at = end
  }
  return { bytes, chain: lastCrc }
}

/** Header and payload of the frame at `offset`, as its length field says; undefined when the header is cut off or the length is over the limit. */
export function frameSizeAt(bytes: Uint8Array, offset: number): number | undefined {
  if (offset + frameHeaderBytes > bytes.length) return undefined
  const payloadBytes = viewOf(bytes).getUint32(offset, true)
  return payloadBytes > framePayloadBytesMax ? undefined : frameHeaderBytes + payloadBytes
}

/** The frame at `offset`, undefined unless it is whole and its crc32 is right. The payload is a view of `bytes`. */
export function decodeFrame(bytes: Uint8Array, offset: number): DecodedFrame | undefined {
  const sizeBytes = frameSizeAt(bytes, offset)
  if (sizeBytes === undefined || offset + sizeBytes > bytes.length) return undefined
  const view = viewOf(bytes)
  const crc = view.getUint32(offset + crcOffset, true)
  const header = readFrameHeader(view, offset)
  if (header === undefined || crc32(bytes.subarray(offset + epochOffset, offset + sizeBytes)) !== crc) return undefined
  const { epoch, firstSeq, count, continuesAppend } = header
  const payload = bytes.subarray(offset + frameHeaderBytes, offset + sizeBytes)
  return { frame: { epoch, firstSeq, count, payload }, chain: view.getUint32(offset + chainOffset, true), crc, sizeBytes, continuesAppend }
}

/** A frame where it was found. */
export interface SoundFrame extends DecodedFrame {
  readonly offset: number
  /** Where the damage before it begins, if there is any. */
  readonly damagedFrom: number | undefined
}

/**
 * Every whole frame of an epoch in order, and where damage before it begins; frames after damage are found again by their checksums. Of what only looks like a frame
 * `searchedBytesMax` are looked at, and past that searching is given up: then it gives the place.
 */
export function* soundFrames(bytes: Uint8Array, search: { epoch: number; searchedBytesMax: number }): Generator<SoundFrame, number | undefined> {
  const view = viewOf(bytes)
  let damagedFrom: number | undefined
  let budgetBytes = search.searchedBytesMax
  for (let offset = 0; offset + frameHeaderBytes <= bytes.length; ) {
    // First a quick look at the one field that rules out nearly every offset.
    const mayBegin = view.getUint32(offset + epochOffset, true) === search.epoch && readFrameHeader(view, offset) !== undefined
    const sizeBytes = mayBegin ? frameSizeAt(bytes, offset) : undefined
    const decoded = sizeBytes === undefined ? undefined : decodeFrame(bytes, offset)
    if (decoded === undefined) {
      damagedFrom ??= offset
      if (sizeBytes !== undefined && offset + sizeBytes <= bytes.length) budgetBytes -= sizeBytes
      if (budgetBytes < 0) return offset
      offset++
      continue
    }
    yield { ...decoded, offset, damagedFrom }
    damagedFrom = undefined
    offset += decoded.sizeBytes
  }
  return undefined
}

/** The fields that tell whether a frame may begin here, before its crc32 is computed; undefined when they cannot be a frame's. */
function readFrameHeader(view: DataView, offset: number): { epoch: number; firstSeq: number; count: number; continuesAppend: boolean } | undefined {
  const epoch = view.getUint32(offset + epochOffset, true)
  const firstSeqHigh = view.getUint32(offset + firstSeqOffset + 4, true)
  const firstSeq = firstSeqHigh * 0x1_0000_0000 + view.getUint32(offset + firstSeqOffset, true)
  const countField = view.getUint32(offset + countOffset, true)
  const count = countField & frameCountMax
  if (epoch === 0 || count === 0 || firstSeq === 0 || !Number.isSafeInteger(firstSeq + count)) return undefined
  return { epoch, firstSeq, count, continuesAppend: countField !== count }
}

function checkFrame({ epoch, firstSeq, count, payload }: LogFrame): void {
  assert(Number.isInteger(epoch) && epoch >= 1 && epoch <= epochMax, 'an epoch is from 1 to 2^32 - 1')
  assert(Number.isInteger(count) && count >= 1 && count <= frameCountMax, 'a frame holds 1 to 2^31 - 1 events')
  assert(firstSeq >= 1 && Number.isSafeInteger(firstSeq + count), 'seq is a safe integer from 1')
  if (payload.length <= framePayloadBytesMax) return
  throw new ParqueDBError('LIMIT_EXCEEDED', `A commit of ${count} events from seq ${firstSeq} takes ${payload.length} bytes; one frame of the log holds ${framePayloadBytesMax}. Write fewer or smaller documents at once.`, { details: { firstSeq, count, payloadBytes: payload.length, payloadBytesMax: framePayloadBytesMax } })
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
