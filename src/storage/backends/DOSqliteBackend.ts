import { concatBytes, toHex } from '../../base/bytes.ts'
import { messageOf, ParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { systemRandom } from '../../base/random.ts'
import type { AppendLog } from '../append-log.ts'
import { FileLog, type AppendFile } from '../FileLog.ts'
import { validatePath, validatePrefix } from '../path-rules.ts'
import { assertCondition, notFound, pageLimit, parseCondition, validateRange } from '../request-rules.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend } from '../storage-backend.ts'

/** What is used of a Durable Object's storage; `ctx.storage` of a class with SQLite is one. */
export interface DurableObjectSql {
  readonly sql: { exec(query: string, ...bindings: (string | number | Uint8Array)[]): { toArray(): Record<string, unknown>[] } }
  transactionSync<T>(work: () => T): T
  /** Resolves when everything written so far is on the disks. */
  sync(): Promise<void>
}

/** A row of SQLite in a Durable Object holds 2 MB, its key included. */
const rowBytesMax = 1_900_000
/** Past the end of any object: the number that SQLite compares is a double. */
const endless = Number.MAX_SAFE_INTEGER

/** One row per chunk, and no index beside the key: an append is one row written, which is what is paid for. */
const createTable = `CREATE TABLE IF NOT EXISTS parquedb_chunks (path TEXT NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL, version TEXT,
  PRIMARY KEY (path, start)) WITHOUT ROWID`
const selectInfo = 'SELECT path, MAX(start + length(bytes)) AS size, MAX(version) AS version FROM parquedb_chunks'
const selectRange = `SELECT start, bytes FROM parquedb_chunks WHERE path = ?1 AND start <= ?3
  AND start >= (SELECT MAX(start) FROM parquedb_chunks WHERE path = ?1 AND start <= ?2) ORDER BY start`
const insertChunk = 'INSERT INTO parquedb_chunks (path, start, bytes, version) VALUES (?, ?, ?, ?)'

/**
 * Objects and a log in the SQLite of a Durable Object: an object is the rows of its path in the order of `start`, and so is a part of the log, which
 * grows by one row per append. What SQLite does is done at once; a write resolves when it is on the disks, and while it waits other requests go on,
 * so that their commits share the next one.
 */
export class DOSqliteBackend implements StorageBackend {
  readonly kind = 'do-sqlite'
  readonly #storage: DurableObjectSql

  constructor(storage: DurableObjectSql) {
    this.#storage = storage
    this.#rows(createTable)
  }

  async read(path: string): Promise<Uint8Array> {
    return this.readRange(path, { start: 0, end: endless })
  }

  async readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    validatePath(path)
    validateRange(path, range)
    const rows = this.#rows(selectRange, path, range.start, range.end)
    const first = rows[0]
    if (first === undefined) throw notFound(path)
    const offset = Number(first['start'])
    const bytes = concatBytes(rows.map((row) => new Uint8Array(row['bytes'] as ArrayBuffer)))
    return bytes.slice(Math.min(range.start - offset, bytes.length), Math.min(range.end - offset, bytes.length))
  }

  async stat(path: string): Promise<ObjectInfo | undefined> {
    validatePath(path)
    return this.#stat(path)
  }

  async list(prefix: string, options: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    validatePrefix(prefix)
    const limit = pageLimit(options.limit)
    const { cursor = '' } = options
    // SQLite compares text by its UTF-8 bytes, which is the order that is wanted.
    const rows = this.#rows(`${selectInfo} WHERE path >= ? AND path > ? GROUP BY path ORDER BY path LIMIT ?`, prefix, cursor, limit + 1)
    const objects = rows.map(infoOf).filter(({ path }) => path.startsWith(prefix))
    const last = objects[limit - 1]
    return objects.length > limit && last !== undefined ? { objects: objects.slice(0, limit), cursor: last.path } : { objects }
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    validatePath(path)
    const parsed = parseCondition(path, condition)
    const version = toHex(systemRandom.bytes(8))
    this.#storage.transactionSync(() => {
      const found = this.#stat(path)?.etag
      assertCondition(path, parsed, found)
      if (found !== undefined) this.#rows('DELETE FROM parquedb_chunks WHERE path = ?', path)
      this.#insert(path, { bytes, at: 0, version })
    })
    await this.#sync(path)
    return { etag: etagOf(version, bytes.length) }
  }

  async delete(path: string): Promise<void> {
    validatePath(path)
    this.#rows('DELETE FROM parquedb_chunks WHERE path = ?', path)
    await this.#sync(path)
  }

  async openLog(options: OpenLogOptions): Promise<AppendLog> {
    return new FileLog({ create: async (path) => this.#createFile(path), delete: (path) => this.delete(path) }, options)
  }

  /** Its rows appear with the first write, which nobody else can have made: the key is unique. */
  #createFile(path: string): AppendFile {
    validatePath(path)
    assertCondition(path, { kind: 'absent' }, this.#stat(path)?.etag)
    const version = toHex(systemRandom.bytes(8))
    let size = 0
    return {
      write: async (bytes) => {
        this.#storage.transactionSync(() => this.#insert(path, { bytes, at: size, version }))
        size += bytes.length
      },
      sync: () => this.#sync(path),
    }
  }

  #insert(path: string, { bytes, at, version }: { bytes: Uint8Array; at: number; version: string }): void {
    for (let start = 0; start === 0 || start < bytes.length; start += rowBytesMax) this.#rows(insertChunk, path, at + start, bytes.slice(start, start + rowBytesMax), version)
  }

  #stat(path: string): ObjectInfo | undefined {
    return this.#rows(`${selectInfo} WHERE path = ? GROUP BY path`, path).map(infoOf)[0]
  }

  #rows(query: string, ...bindings: (string | number | Uint8Array)[]): Record<string, unknown>[] {
    return translated(() => this.#storage.sql.exec(query, ...bindings).toArray(), failed)
  }

  async #sync(path: string): Promise<void> {
    await this.#storage.sync().catch((cause: unknown) => Promise.reject(failed(cause, path)))
  }
}

function infoOf(row: Record<string, unknown>): ObjectInfo {
  const sizeBytes = Number(row['size'])
  return { path: String(row['path']), sizeBytes, etag: etagOf(String(row['version']), sizeBytes) }
}

/** An append changes the size, a put the version. */
function etagOf(version: string, sizeBytes: number): string {
  return `${version}-${sizeBytes.toString(36)}`
}

function failed(cause: unknown, path?: string): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', `SQLite in the Durable Object failed: ${messageOf(cause)}. Try again; its limits are 10 GB an object and 2 MB a row.`, { details: path === undefined ? {} : { path }, cause })
}
