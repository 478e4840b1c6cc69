import { ParqueDBError } from '../base/ParqueDBError.ts'
import { assert } from '../base/assert.ts'
import type { AppendLog, LogFrame } from './append-log.ts'
import { encodeFrames } from './frame.ts'
import { firstChain, logPartPath } from './log-part.ts'
import type { OpenLogOptions, StorageBackend } from './storage-backend.ts'

/** One open file, to whose end is written. */
export interface AppendFile {
  /** Adds all of the bytes at the end; not durable before `sync`. */
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  /** Absent where there is nothing to close. */
  close?(): Promise<void>
}

/** What a store must be able to do to hold a FileLog. */
export interface AppendFiles {
  /** A file takes one append and no more, so that each append makes a part of its own. */
  readonly appendsOnce?: true
  /** A new empty file, whose name is durable when it resolves; PRECONDITION_FAILED when it exists. */
  create(path: string): Promise<AppendFile>
  delete(path: string): Promise<void>
}

interface ClosedPart {
  readonly path: string
  /** seq after its last event. */
  readonly endSeq: number
}

/** Parts that are deleted at once. */
const deletesAtOnce = 16

/** The log as files that are appended to. A part is created by the first append in it; an append is one write and one sync. */
export class FileLog implements AppendLog {
  readonly #files: AppendFiles
  readonly #options: OpenLogOptions
  #closedParts: ClosedPart[] = []
  /** Parts that took their one append since the last rotation. */
  #fullParts: ClosedPart[] = []
  #part: { readonly path: string; readonly file: AppendFile; chain: number } | undefined
  #nextSeq: number | undefined
  #appending: Promise<void> | undefined
  /** Why the log takes no more appends. */
  #refusal: ParqueDBError | undefined

  constructor(files: AppendFiles, options: OpenLogOptions) {
    this.#files = files
    this.#options = options
  }

  async append(frames: readonly LogFrame[]): Promise<void> {
    assert(this.#appending === undefined, 'appends to a log do not overlap')
    this.#refuseWhenUnusable()
    const [first] = frames
    if (first === undefined) return
    this.#checkDense(frames)
    this.#appending = this.#write(frames, first).finally(() => (this.#appending = undefined))
    await this.#appending
  }

  async rotate(nextSeq: number): Promise<void> {
    assert(this.#appending === undefined, 'a log does not rotate during an append')
    this.#refuseWhenUnusable()
    assert(this.#nextSeq === undefined || this.#nextSeq === nextSeq, 'F4: seq is dense across the parts of a log')
    this.#nextSeq = nextSeq
    this.#closedParts.push(...this.#fullParts)
    this.#fullParts = []
    const part = this.#part
    if (part === undefined) return
    this.#part = undefined
    this.#closedParts.push({ path: part.path, endSeq: nextSeq })
    await part.file.close?.()
  }

  async truncate(beforeSeq: number): Promise<void> {
    this.#refuseWhenUnusable()
    for (;;) {
      const parts = this.#closedParts.slice(0, deletesAtOnce).filter(({ endSeq }) => endSeq <= beforeSeq)
      if (parts.length === 0) return
      await Promise.all(parts.map(({ path }) => this.#files.delete(path)))
      this.#closedParts = this.#closedParts.filter((part) => !parts.includes(part))
    }
  }

  async close(): Promise<void> {
    this.#refusal ??= new ParqueDBError('CLOSED', `The log of epoch ${this.#options.epoch} is closed.`, { details: { ...this.#options } })
    // An append in flight owns the file until it settles; its caller learns how it ended.
    await this.#appending?.catch(() => undefined)
    const part = this.#part
    this.#part = undefined
    await part?.file.close?.()
  }

  async #write(frames: readonly LogFrame[], first: LogFrame): Promise<void> {
    const path = this.#part?.path ?? logPartPath(this.#options.prefix, first)
    const { bytes, chain } = encodeFrames(frames, this.#part?.chain ?? firstChain(path))
    try {
      this.#part ??= { path, file: await this.#files.create(path), chain }
      await this.#part.file.write(bytes)
      await this.#part.file.sync()
      this.#part.chain = chain
    } catch (error) {
      this.#poison(error)
      throw error
    }
    const endSeq = frames.reduce((_, { firstSeq, count }) => firstSeq + count, first.firstSeq)
    this.#nextSeq = endSeq
    if (this.#files.appendsOnce === undefined) return
    this.#part = undefined
    this.#fullParts.push({ path, endSeq })
  }

  /** After a failed write or sync nobody knows what is on the disk, so nothing may be added behind it. */
  #poison(cause: unknown): void {
    this.#refusal ??= new ParqueDBError('STORAGE_UNAVAILABLE', `The log of epoch ${this.#options.epoch} takes no more writes, because an earlier one failed. Close the database and open it again: what is durable is read back then.`, { details: { ...this.#options }, cause })
  }

  #refuseWhenUnusable(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  #checkDense(frames: readonly LogFrame[]): void {
    let nextSeq = this.#nextSeq
    for (const { epoch, firstSeq, count } of frames) {
      assert(epoch === this.#options.epoch, 'a log holds the frames of one epoch')
      assert(nextSeq === undefined || firstSeq === nextSeq, 'F4: seq is dense')
      nextSeq = firstSeq + count
    }
  }
}

/** The store's own log; where it cannot append, a log whose parts are objects: each append creates one. See docs/adr/0008-a-log-of-objects.md. */
export async function openLog(backend: StorageBackend, options: OpenLogOptions): Promise<AppendLog> {
  return backend.openLog === undefined ? new FileLog(objectFiles(backend), options) : backend.openLog(options)
}

function objectFiles(backend: StorageBackend): AppendFiles {
  return {
    appendsOnce: true,
    create: async (path) => {
      let content: Uint8Array = new Uint8Array(0)
      return {
        write: async (bytes) => {
          content = bytes
        },
        sync: async () => {
          await backend.put(path, content, { ifAbsent: true })
        },
      }
    },
    delete: (path) => backend.delete(path),
  }
}
