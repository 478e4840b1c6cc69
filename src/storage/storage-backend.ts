import type { AppendLog } from './append-log.ts'

/** Facts of one stored object. `etag` changes whenever the bytes do. */
export interface ObjectInfo {
  readonly path: string
  readonly sizeBytes: number
  readonly etag: string
}

/** A half-open range of bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** `ifAbsent`: only create. `ifMatch`: only replace the object that has this etag. Neither: put whatever is there. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifMatch: string } | Record<never, never>

/**
 * Objects on some store: whole and, by convention, immutable. Paths are relative and '/'-separated, checked by
 * `validatePath` (INVALID_ARGUMENT). Every implementation runs `storageContract` in its real runtime.
 * A failure of the store itself is STORAGE_UNAVAILABLE with the cause.
 */
export interface StorageBackend {
  /** 'memory', 'fs', 'r2', … for messages and stats. */
  readonly kind: string
  /** The whole object; NOT_FOUND. The caller owns the bytes. */
  read(path: string): Promise<Uint8Array>
  /** Bytes of a range; short (down to empty) where the object ends before the range does; NOT_FOUND. The caller owns the bytes. */
  readRange(path: string, range: ByteRange): Promise<Uint8Array>
  /** undefined when there is no such object. */
  stat(path: string): Promise<ObjectInfo | undefined>
  /** Objects whose path starts with `prefix` ('' for all), ordered by the UTF-8 bytes of the path; `cursor` goes on after a former page; at most `limit` (1,000). */
  list(prefix: string, options?: { cursor?: string; limit?: number }): Promise<{ objects: ObjectInfo[]; cursor?: string }>
  /**
   * Durable and whole when it resolves; readers see the old bytes or the new, never a part. PRECONDITION_FAILED when the condition does not
   * hold. A STORAGE_UNAVAILABLE whose details say `outcome: 'unknown'` may have been done, or be done later: reading back tells, durably.
   */
  put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }>
  /** Durable when it resolves. Deleting what is absent is fine. */
  delete(path: string): Promise<void>
  /** A native append log for one writer's epoch, where the store can append. */
  openLog?(options: OpenLogOptions): Promise<AppendLog>
  /** Takes the store's one writer role for this process; WRITER_LOCKED with the holder in `details` when another lives. Absent: the store cannot tell. */
  lockWriter?(options?: { share: boolean }): Promise<WriterLock>
  /** A line to the holder of the role, which took it with `share` (WRITER_LOCKED otherwise); undefined when nobody holds it. A backend with it sets `sharing.open`. */
  callWriter?(): Promise<WriterLine | undefined>
}

export interface OpenLogOptions {
  /** Folder of the log's parts, e.g. 'log'. */
  readonly prefix: string
  /** The writer's epoch; parts are named by it, so two writers never share a part. */
  readonly epoch: number
}

/** The writer role, until released or the process ends. */
export interface WriterLock {
  /** Answers from now on what comes over the lines of `callWriter`, what has come already included; an answer that fails breaks the line. Where the role was taken with `share`. */
  serve?(answer: (request: Uint8Array) => Promise<Uint8Array>): void
  /** Breaks the lines, too. */
  release(): Promise<void>
}

/** From a process to the one that holds the writer role. */
export interface WriterLine {
  /** STORAGE_UNAVAILABLE when the line breaks first: whether the request was met is unknown then. LIMIT_EXCEEDED past 64 MiB. Requests may overlap; more than 64 wait here. */
  ask(request: Uint8Array): Promise<Uint8Array>
  close(): void
}

/** Every object whose path begins so, page by page, in the order of paths. */
export async function* listObjects(backend: StorageBackend, prefix: string): AsyncGenerator<ObjectInfo> {
  let cursor: string | undefined
  do {
    const page = await backend.list(prefix, cursor === undefined ? {} : { cursor })
    yield* page.objects
    cursor = page.cursor
  } while (cursor !== undefined)
}
