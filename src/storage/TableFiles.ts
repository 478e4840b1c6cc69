import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { ByteSource } from '../parquet/byte-source.ts'
import { GroupCache } from '../parquet/GroupCache.ts'
import { RunFileReader } from '../parquet/RunFileReader.ts'
import { SegmentFileReader } from '../parquet/SegmentFileReader.ts'
import type { FileEntry } from './manifest.ts'
import type { StorageBackend } from './storage-backend.ts'

/** Filters are read when they turn out to be useful, so each file counts as if its own were there: 12 bits a key, and four bytes an event id. */
const filterBytesPerRow = 6

type Reader = RunFileReader | SegmentFileReader

/** Opens data files and keeps their sparse indexes, least recently used out first. Two that ask at once share one opening. */
export class TableFiles {
  readonly #backend: StorageBackend
  readonly #indexBytesMax: number
  /** Row groups that were read for a query or a point read, as columns. */
  readonly groups: GroupCache
  readonly #open = new Map<string, { reader: Promise<Reader>; opened?: Reader; bytes: number }>()
  #bytes = 0

  /** `indexBytesMax`: sparse indexes and filters kept in memory, in bytes as they are in the files. An index is some 0.1% of its file. */
  constructor(backend: StorageBackend, options: { maxCachedColumnBytes: number; indexBytesMax?: number }) {
    this.#backend = backend
    this.#indexBytesMax = options.indexBytesMax ?? 64 * 1024 * 1024
    this.groups = new GroupCache(options.maxCachedColumnBytes)
  }

  run(file: FileEntry): Promise<RunFileReader> {
    return this.#reader(file, () => RunFileReader.open(this.source(file), file, this.groups))
  }

  /** As `run`, where it is open already. */
  runNow(file: FileEntry): RunFileReader | undefined {
    return this.#open.get(file.path)?.opened as RunFileReader | undefined
  }

  segment(file: FileEntry): Promise<SegmentFileReader> {
    return this.#reader(file, () => SegmentFileReader.open(this.source(file), file, this.groups))
  }

  /** A file's bytes, where a short read and a missing file are damage: a manifest says that it is there, and how long. */
  source(file: { path: string; sizeBytes: number }): ByteSource {
    const backend = this.#backend
    return {
      path: file.path,
      sizeBytes: file.sizeBytes,
      async readRange(range) {
        const bytes = await backend.readRange(file.path, range).catch((error: unknown) => {
          if (!isParqueDBError(error, 'NOT_FOUND')) throw error
          const message = `${file.path} is missing, though the manifest names it. If this is a read-only view that was in use for longer than the writer's graceMs, read again; else restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`
          throw new ParqueDBError('CORRUPT_FILE', message, { details: { path: file.path, offset: 0 }, cause: error })
        })
        if (bytes.length !== range.end - range.start) {
          throw new ParqueDBError('CORRUPT_FILE', `${file.path} ends at byte ${range.start + bytes.length}; the manifest says that it has ${file.sizeBytes} bytes. Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path: file.path, offset: range.start + bytes.length } })
        }
        return bytes
      },
    }
  }

  /** Lets go of a file that is about to be deleted. */
  forget(path: string): void {
    const entry = this.#open.get(path)
    if (entry === undefined) return
    this.#open.delete(path)
    this.#bytes -= entry.bytes
  }

  #reader<R extends Reader>(file: FileEntry, open: () => Promise<R>): Promise<R> {
    const present = this.#open.get(file.path)
    if (present !== undefined) {
      this.#open.delete(file.path)
      this.#open.set(file.path, present)
      // A path holds one kind of file for ever, so the reader kept under it is of the kind that is asked for.
      return present.reader as Promise<R>
    }
    const bytes = file.index.end - file.index.start + file.rows * filterBytesPerRow
    const reader = open()
    const entry: { reader: Promise<Reader>; opened?: Reader; bytes: number } = { reader, bytes }
    this.#open.set(file.path, entry)
    this.#bytes += bytes
    // A failed opening is not remembered: the next reader tries again. Who asked sees the failure itself.
    reader.then((opened) => (entry.opened = opened), () => this.forget(file.path))
    for (const path of this.#open.keys()) {
      if (this.#bytes <= this.#indexBytesMax || path === file.path) break
      this.forget(path)
    }
    return reader
  }
}
