import { compareStrings } from '../../src/base/bytes.ts'
import { ParqueDBError } from '../../src/base/ParqueDBError.ts'
import type { AppendLog } from '../../src/storage/append-log.ts'
import { FileLog } from '../../src/storage/FileLog.ts'
import type { AppendFile } from '../../src/storage/FileLog.ts'
import { validatePath, validatePrefix } from '../../src/storage/path-rules.ts'
import { notFound, pageLimit, parseCondition, preconditionFailed, validateRange } from '../../src/storage/request-rules.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend } from '../../src/storage/storage-backend.ts'

/** A file as the page cache has it, and what of it a power cut must leave. Its bytes are never changed, only replaced. */
export interface DiskFile {
  readonly bytes: Uint8Array
  readonly syncedBytes: number
  readonly version: number
}

export type DiskFiles = ReadonlyMap<string, DiskFile>

/** A moment at which a process or the power may go: the files as they are before or after an operation, or in the middle of a write. */
export interface Moment {
  readonly nth: number
  readonly when: 'before' | 'middle' | 'after'
  readonly operation: string
  /** Equal for moments between which nothing changed. */
  readonly generation: number
  readonly files: DiskFiles
}

/** What becomes of an operation: it fails, the process dies in it (every later operation fails too, until `revive`), or nothing of the kind. */
export type Failure = (at: { nth: number; when: 'before' | 'after'; operation: string }) => 'fails' | 'dies' | undefined

/**
 * A folder on a simulated disk: puts and deletes are durable and whole when they resolve, as StorageBackend says; what is appended
 * is in the page cache until it is synced. Every operation is a moment that `onMoment` is told of, and may fail.
 */
export class SimulatedDisk implements StorageBackend {
  readonly kind = 'simulated'
  readonly #files: Map<string, DiskFile>
  onMoment: ((moment: Moment) => void) | undefined
  failure: Failure | undefined
  /** Operations so far. */
  count = 0
  #isDead = false
  #version = 0
  #generation = 0

  constructor(files: DiskFiles = new Map()) {
    this.#files = new Map(files)
    for (const { version } of files.values()) this.#version = Math.max(this.#version, version)
  }

  get files(): DiskFiles {
    return this.#files
  }

  /** What surely survives a power cut now. */
  afterPowerLoss(): DiskFiles {
    return new Map([...this.#files].map(([path, file]) => [path, { ...file, bytes: file.bytes.slice(0, file.syncedBytes) }]))
  }

  /** A new process begins; the page cache is as the dead one left it. */
  revive(): void {
    this.#isDead = false
  }

  read(path: string): Promise<Uint8Array> {
    return this.#run(`read ${path}`, () => this.#find(path).bytes.slice())
  }

  readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    return this.#run(`readRange ${path}`, () => {
      validateRange(path, range)
      return this.#find(path).bytes.slice(range.start, range.end)
    })
  }

  stat(path: string): Promise<ObjectInfo | undefined> {
    return this.#run(`stat ${path}`, () => {
      validatePath(path)
      const file = this.#files.get(path)
      return file === undefined ? undefined : infoOf(path, file)
    })
  }

  list(prefix: string, options: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    return this.#run(`list ${prefix}`, () => {
      validatePrefix(prefix)
      const after = (path: string): boolean => options.cursor === undefined || compareStrings(path, options.cursor) > 0
      const paths = [...this.#files.keys()].filter((path) => path.startsWith(prefix) && after(path)).toSorted(compareStrings)
      const limit = pageLimit(options.limit)
      const objects = paths.slice(0, limit).map((path) => infoOf(path, this.#find(path)))
      const last = objects.at(-1)
      return paths.length > limit && last !== undefined ? { objects, cursor: last.path } : { objects }
    })
  }

  put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    return this.#run(`put ${path}`, () => {
      validatePath(path)
      const parsed = parseCondition(path, condition)
      const present = this.#files.get(path)
      const found = present === undefined ? undefined : infoOf(path, present).etag
      if (parsed.kind === 'absent' && found !== undefined) throw preconditionFailed(path, parsed, found)
      if (parsed.kind === 'match' && found !== parsed.etag) throw preconditionFailed(path, parsed, found)
      return { etag: infoOf(path, this.#store(path, bytes.slice(), bytes.length)).etag }
    })
  }

  delete(path: string): Promise<void> {
    return this.#run(`delete ${path}`, () => {
      validatePath(path)
      if (this.#files.delete(path)) this.#generation++
    })
  }

  async openLog(options: OpenLogOptions): Promise<AppendLog> {
    return new FileLog({ create: (path) => this.#createFile(path), delete: (path) => this.delete(path) }, options)
  }

  #createFile(path: string): Promise<AppendFile> {
    return this.#run(`create ${path}`, () => {
      validatePath(path)
      const found = this.#files.get(path)
      if (found !== undefined) throw preconditionFailed(path, { kind: 'absent' }, infoOf(path, found).etag)
      this.#store(path, new Uint8Array(0), 0)
      return {
        write: (bytes) => this.#write(path, bytes),
        sync: () => this.#run(`sync ${path}`, () => void this.#store(path, this.#find(path).bytes, this.#find(path).bytes.length)),
        close: async () => undefined,
      }
    })
  }

  #write(path: string, bytes: Uint8Array): Promise<void> {
    return this.#run(`write ${path}`, () => {
      const { bytes: before, syncedBytes } = this.#find(path)
      for (const part of [1, bytes.length >>> 1, bytes.length - 1]) {
        if (part <= 0) continue
        this.#store(path, joined(before, bytes.subarray(0, part)), syncedBytes)
        this.#tell('middle', `write ${part} of ${bytes.length} bytes to ${path}`)
      }
      this.#store(path, joined(before, bytes), syncedBytes)
    })
  }

  async #run<T>(operation: string, work: () => T): Promise<T> {
    // As a real one does, it takes its time, so that others get in between.
    await Promise.resolve()
    const nth = ++this.count
    if (this.#isDead) throw refusal(operation)
    this.#tell('before', operation)
    this.#fail('before', { nth, operation })
    const result = work()
    this.#tell('after', operation)
    this.#fail('after', { nth, operation })
    return result
  }

  #fail(when: 'before' | 'after', at: { nth: number; operation: string }): void {
    const outcome = this.failure?.({ ...at, when })
    if (outcome === undefined) return
    this.#isDead = outcome === 'dies'
    throw refusal(at.operation)
  }

  #tell(when: Moment['when'], operation: string): void {
    this.onMoment?.({ nth: this.count, when, operation, generation: this.#generation, files: new Map(this.#files) })
  }

  #find(path: string): DiskFile {
    validatePath(path)
    const file = this.#files.get(path)
    if (file === undefined) throw notFound(path)
    return file
  }

  #store(path: string, bytes: Uint8Array, syncedBytes: number): DiskFile {
    const file = { bytes, syncedBytes, version: ++this.#version }
    this.#files.set(path, file)
    this.#generation++
    return file
  }
}

function infoOf(path: string, file: DiskFile): ObjectInfo {
  return { path, sizeBytes: file.bytes.length, etag: `${file.version}` }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length)
  bytes.set(left)
  bytes.set(right, left.length)
  return bytes
}

function refusal(operation: string): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', `The disk refuses, as planned: ${operation}.`, { details: { operation } })
}
