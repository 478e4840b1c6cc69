import { compareStrings } from '../../base/bytes.ts'
import type { AppendLog } from '../append-log.ts'
import { FileLog, type AppendFile } from '../FileLog.ts'
import { validatePath, validatePrefix } from '../path-rules.ts'
import { assertCondition, notFound, pageLimit, parseCondition, validateRange, writerLocked } from '../request-rules.ts'
import { lowerBound } from '../../base/lower-bound.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend, WriterLock } from '../storage-backend.ts'

interface StoredObject {
  /** Its first `sizeBytes` are the object; a log's file has room behind them. */
  buffer: Uint8Array
  sizeBytes: number
  /** What a crash would leave. */
  syncedBytes: number
  version: number
}

/** Objects in this process's memory; gone with it. For tests, caches and short-lived data. */
export class MemoryBackend implements StorageBackend {
  readonly kind = 'memory'
  readonly #takeOver: boolean
  readonly #objects = new Map<string, StoredObject>()
  /** All paths in order; undefined after one came or went. */
  #sortedPaths: string[] | undefined
  #lastVersion = 0
  /** The newest holder of the writer role. */
  #holder: WriterLock | undefined

  /** `takeOver`: `lockWriter` succeeds though another writer holds it, as when a lost machine's writer is replaced. */
  constructor(options: { takeOver?: boolean } = {}) {
    this.#takeOver = options.takeOver ?? false
  }

  async read(path: string): Promise<Uint8Array> {
    const object = this.#find(path)
    return object.buffer.slice(0, object.sizeBytes)
  }

  async readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    validateRange(path, range)
    const object = this.#find(path)
    return object.buffer.slice(Math.min(range.start, object.sizeBytes), Math.min(range.end, object.sizeBytes))
  }

  async stat(path: string): Promise<ObjectInfo | undefined> {
    validatePath(path)
    const object = this.#objects.get(path)
    return object === undefined ? undefined : describeObject(path, object)
  }

  async list(prefix: string, options: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    validatePrefix(prefix)
    const limit = pageLimit(options.limit)
    this.#sortedPaths ??= [...this.#objects.keys()].toSorted(compareStrings)
    const paths = this.#sortedPaths
    const { cursor } = options
    const isPast = (path: string): boolean => compareStrings(path, prefix) >= 0 && (cursor === undefined || compareStrings(path, cursor) > 0)
    let index = lowerBound(paths, (path) => !isPast(path))
    const objects: ObjectInfo[] = []
    for (; paths[index]?.startsWith(prefix) === true; index++) {
      const path = paths[index] ?? ''
      const last = objects.at(-1)
      if (objects.length === limit && last !== undefined) return { objects, cursor: last.path }
      objects.push(describeObject(path, this.#find(path)))
    }
    return { objects }
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    validatePath(path)
    const parsed = parseCondition(path, condition)
    const current = this.#objects.get(path)
    assertCondition(path, parsed, current && etagOf(current))
    return { etag: etagOf(this.#store(path, bytes.slice())) }
  }

  async delete(path: string): Promise<void> {
    validatePath(path)
    if (this.#objects.delete(path)) this.#sortedPaths = undefined
  }

  async openLog(options: OpenLogOptions): Promise<AppendLog> {
    return new FileLog({ create: async (path) => this.#createFile(path), delete: (path) => this.delete(path) }, options)
  }

  async lockWriter(): Promise<WriterLock> {
    if (this.#holder !== undefined && !this.#takeOver) throw writerLocked({ root: 'This MemoryBackend' })
    const lock: WriterLock = {
      release: async () => {
        if (this.#holder === lock) this.#holder = undefined
      },
    }
    this.#holder = lock
    return lock
  }

  /** What a crash now would leave: a backend of its own with every durable byte, and no writer. */
  clone(options: { takeOver?: boolean } = { takeOver: this.#takeOver }): MemoryBackend {
    const copy = new MemoryBackend(options)
    copy.#lastVersion = this.#lastVersion
    for (const [path, { buffer, sizeBytes, syncedBytes, version }] of this.#objects) {
      const stored = copy.#store(path, buffer.slice(0, syncedBytes))
      if (syncedBytes === sizeBytes) stored.version = version
    }
    return copy
  }

  #find(path: string): StoredObject {
    validatePath(path)
    const object = this.#objects.get(path)
    if (object === undefined) throw notFound(path)
    return object
  }

  #store(path: string, buffer: Uint8Array): StoredObject {
    if (!this.#objects.has(path)) this.#sortedPaths = undefined
    const object: StoredObject = { buffer, sizeBytes: buffer.length, syncedBytes: buffer.length, version: ++this.#lastVersion }
    this.#objects.set(path, object)
    return object
  }

  #createFile(path: string): AppendFile {
    validatePath(path)
    const found = this.#objects.get(path)
    assertCondition(path, { kind: 'absent' }, found && etagOf(found))
    const object = this.#store(path, new Uint8Array(0))
    return {
      write: async (bytes) => {
        appendBytes(object, bytes)
        object.version = ++this.#lastVersion
      },
      sync: async () => {
        object.syncedBytes = object.sizeBytes
      },
    }
  }
}

function describeObject(path: string, object: StoredObject): ObjectInfo {
  return { path, sizeBytes: object.sizeBytes, etag: etagOf(object) }
}

function etagOf(object: StoredObject): string {
  return `${object.version}`
}

function appendBytes(object: StoredObject, bytes: Uint8Array): void {
  const sizeBytes = object.sizeBytes + bytes.length
  if (sizeBytes > object.buffer.length) {
    const grown = new Uint8Array(Math.max(sizeBytes, 2 * object.buffer.length))
    grown.set(object.buffer.subarray(0, object.sizeBytes))
    object.buffer = grown
  }
  object.buffer.set(bytes, object.sizeBytes)
  object.sizeBytes = sizeBytes
}
