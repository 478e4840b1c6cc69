import { ParqueDBError } from '../base/ParqueDBError.ts'
import { assert } from '../base/assert.ts'
import type { LogFrame } from './append-log.ts'
import { decodeFrame, frameHeaderBytes, framePayloadBytesMax, frameSizeAt, soundFrames, type DecodedFrame } from './frame.ts'
import { firstChain, parseLogPartPath, type LogPartName } from './log-part.ts'
import { notFound } from './request-rules.ts'
import { listObjects, type ObjectInfo, type StorageBackend } from './storage-backend.ts'

/** One request's worth of log; a larger frame is read by itself. */
const chunkBytes = 1024 * 1024

/** A place between two frames of a part, where reading can go on. */
export interface LogPosition {
  readonly offset: number
  /** Of the frame that begins here. */
  readonly chain: number
  /** firstSeq of the frame that begins here. */
  readonly nextSeq: number
}

/** Where a part is read from. */
export type LogPartSource = Pick<StorageBackend, 'stat' | 'readRange'>

export interface LogPartOptions {
  readonly path: string
  /** Where to go on; the start of the part when absent. */
  readonly from?: LogPosition | undefined
  /** Whether the part is the newest of its epoch: only there may an unfinished append be. */
  readonly isLast: boolean
}

export interface LogEntry {
  /** Its payload is a view of the reader's buffer: copy what is kept. */
  readonly frame: LogFrame
  /** The place after it. */
  readonly end: LogPosition
}

/** Where a part's whole frames end. */
export interface LogTail {
  readonly end: LogPosition
  /** Bytes behind `end` that an unfinished append left; zeros at the end of them are none, as a folder's log has some ready for what comes. */
  readonly tornBytes: number
}

/** A part of the log that is there. */
export type LogPartInfo = LogPartName & Omit<ObjectInfo, 'etag'>

/** The log's parts, ordered by epoch and first seq. Files whose names are not a part's are not the log's, and are passed over. */
export async function listLogParts(backend: StorageBackend, prefix: string): Promise<LogPartInfo[]> {
  const parts: LogPartInfo[] = []
  for await (const { path, sizeBytes } of listObjects(backend, `${prefix}/`)) {
    const name = path.lastIndexOf('/') === prefix.length ? parseLogPartPath(path) : undefined
    if (name !== undefined) parts.push({ path, ...name, sizeBytes })
  }
  return parts
}

/**
 * Reads the frames of one part in order, with memory for one chunk or one frame, and for what is behind a torn one. It reads up to the length that the
 * part has when `frames()` starts, so a writer may append meanwhile, or end the part behind its last frame.
 *
 * A bad frame ends the part as a torn tail when the part is the last of its epoch and no later append is found behind
 * it; else it is CORRUPT_FILE with the file and the offset: bytes that were durable are damaged.
 */
export class LogPartReader {
  readonly #source: LogPartSource
  readonly #options: LogPartOptions
  readonly #epoch: number
  #position: LogPosition
  #tail: LogTail | undefined
  /** Where the part ends, as far as is known. */
  #partEnd = 0
  #chunk: { readonly start: number; readonly bytes: Uint8Array } = { start: 0, bytes: new Uint8Array(0) }

  constructor(source: LogPartSource, options: LogPartOptions) {
    const name = parseLogPartPath(options.path)
    assert(name !== undefined, 'a log part is named by its epoch and first seq')
    this.#source = source
    this.#options = options
    this.#epoch = name.epoch
    this.#position = options.from ?? { offset: 0, chain: firstChain(options.path), nextSeq: name.firstSeq }
  }

  /** Known after `frames()` has ended. */
  get tail(): LogTail {
    assert(this.#tail !== undefined, 'the tail of a log part is known after its frames')
    return this.#tail
  }

  async *frames(): AsyncGenerator<LogEntry, void> {
    await this.#findEnd()
    let tornEnd = 0
    while (this.#position.offset < this.#partEnd) {
      const decoded = await this.#frameAt(this.#position.offset)
      if (decoded === undefined) {
        tornEnd = await this.#endOfTorn()
        break
      }
      this.#checkFollows(decoded)
      const { frame, crc, sizeBytes } = decoded
      this.#position = { offset: this.#position.offset + sizeBytes, chain: crc, nextSeq: frame.firstSeq + frame.count }
      yield { frame, end: this.#position }
    }
    this.#tail = { end: this.#position, tornBytes: Math.max(0, tornEnd - this.#position.offset) }
  }

  async #findEnd(): Promise<void> {
    const { path } = this.#options
    const info = await this.#source.stat(path)
    if (info === undefined) throw notFound(path)
    const { offset } = this.#position
    if (info.sizeBytes < offset) throw this.#corrupt(info.sizeBytes, `it has ${info.sizeBytes} bytes of the ${offset} that were durable`)
    this.#partEnd = info.sizeBytes
  }

  /** The frame that begins at `offset` and ends with the part at the latest, if one does. */
  async #frameAt(offset: number): Promise<DecodedFrame | undefined> {
    await this.#load({ start: offset, end: Math.min(offset + frameHeaderBytes, this.#partEnd) })
    const sizeBytes = frameSizeAt(this.#chunk.bytes, offset - this.#chunk.start)
    if (sizeBytes === undefined || offset + sizeBytes > this.#partEnd) return undefined
    await this.#load({ start: offset, end: offset + sizeBytes })
    return decodeFrame(this.#chunk.bytes, offset - this.#chunk.start)
  }

  /** Makes the chunk hold a range: it is read together with what follows, up to a chunk's size. */
  async #load({ start, end }: { start: number; end: number }): Promise<void> {
    if (start >= this.#chunk.start && end <= this.#chunk.start + this.#chunk.bytes.length) return
    const range = { start, end: Math.max(end, Math.min(start + chunkBytes, this.#partEnd)) }
    const bytes = await this.#source.readRange(this.#options.path, range)
    // Its writer has ended it: as if it had been read a moment later.
    if (bytes.length < range.end - range.start) this.#partEnd = range.start + bytes.length
    this.#chunk = { start, bytes }
  }

  /** A whole frame in the wrong place is no unfinished append: a file was renamed, or a block of it misplaced. */
  #checkFollows({ frame, chain }: DecodedFrame): void {
    const { offset, chain: expectedChain, nextSeq } = this.#position
    if (frame.epoch === this.#epoch && frame.firstSeq === nextSeq && chain === expectedChain) return
    throw this.#corrupt(offset, `the frame there (epoch ${frame.epoch}, seq ${frame.firstSeq}) does not follow the one before it (epoch ${this.#epoch}, seq ${nextSeq} expected)`)
  }

  /** Where what begins at the position, and can be an append that never became durable, ends. Throws unless it can. */
  async #endOfTorn(): Promise<number> {
    const { offset } = this.#position
    if (!this.#options.isLast) throw this.#corrupt(offset, 'a frame is damaged, and the log goes on in a later file')
    const zerosFrom = await this.#zerosFrom()
    const laterOffset = await this.#findLaterAppend(zerosFrom)
    if (laterOffset !== undefined) throw this.#corrupt(offset, `a frame is damaged, and a good one follows at byte ${laterOffset}`)
    return zerosFrom
  }

  /** Behind the position: from here on there are only zeros. A follower meets them at each look. */
  async #zerosFrom(): Promise<number> {
    let end = this.#partEnd
    while (end > this.#position.offset) {
      const start = Math.max(this.#position.offset, end - chunkBytes)
      await this.#load({ start, end })
      const { bytes, start: chunkStart } = this.#chunk
      for (; end > start; end--) if ((bytes[end - 1 - chunkStart] ?? 0) !== 0) return end
    }
    return end
  }

  /**
   * The first whole frame behind the position that began an append: it was written after the bytes before it had been
   * synced. A frame that continues an append proves nothing: a crash may keep the later pages of one write and lose
   * the earlier ones. Where the bytes only look like frames to mislead, the place where searching was given up: they are refused as damage.
   */
  async #findLaterAppend(zerosFrom: number): Promise<number | undefined> {
    const { offset, nextSeq } = this.#position
    const start = offset + 1
    if (start >= zerosFrom) return undefined
    const behind = await this.#source.readRange(this.#options.path, { start, end: this.#partEnd })
    const frames = soundFrames(behind, { epoch: this.#epoch, searchedBytesMax: 4 * (framePayloadBytesMax + this.#partEnd - offset) })
    let next = frames.next()
    while (next.done !== true && (next.value.frame.firstSeq < nextSeq || next.value.continuesAppend)) next = frames.next()
    const found = next.done === true ? next.value : next.value.offset
    return found === undefined || start + found >= zerosFrom ? undefined : start + found
  }

  #corrupt(offset: number, what: string): ParqueDBError {
    const { path } = this.#options
    return new ParqueDBError('CORRUPT_FILE', `The log file ${path} is damaged at byte ${offset}: ${what}. Restore it from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset } })
  }
}
