import { waitUntil } from 'cloudflare:workers'
import { R2Backend, type R2BucketBinding } from '../storage/backends/R2Backend.ts'
import { scratchPrefix } from '../storage/Scratch.ts'
import type { ByteRange, ObjectInfo, StorageBackend } from '../storage/storage-backend.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'

/** A year, and never asked about again: a name never stands for other bytes. */
const cacheControl = 'public, max-age=31536000, immutable'

/** What was read, in requests to the bucket and to the data centre's cache. */
export interface ReadCounts {
  readonly requests: number
  readonly bytes: number
  readonly cacheHits: number
}

/**
 * A partition's files as a Worker reads them: ranges of immutable objects through the Cache API of the data centre, the head from the bucket. It lives as long as the
 * isolate, and several requests may wait for one reading: so each reading is carried to its end, though the request that began it may be gone.
 */
export class EdgeFiles implements StorageBackend {
  readonly kind = 'r2'
  readonly #bucket: R2Backend
  readonly #cacheUrl: string
  readonly #counts = { requests: 0, bytes: 0, cacheHits: 0 }

  constructor(bucket: R2BucketBinding, folder: string) {
    this.#bucket = new R2Backend(bucket, { prefix: folder })
    this.#cacheUrl = `https://parquedb.invalid/${encodeURIComponent(folder)}/`
  }

  get counts(): ReadCounts {
    return { ...this.#counts }
  }

  read(path: string): Promise<Uint8Array> {
    return this.#run(() => this.#counted(this.#bucket.read(path)))
  }

  /** Through the cache: for objects that never change. */
  readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    return this.#run(async () => {
      const { cache, key } = { cache: await caches.open('parquedb'), key: `${this.#cacheUrl}${encodeURIComponent(path)}?${range.start}-${range.end}` }
      const cached = await cache.match(key)
      if (cached !== undefined) {
        this.#counts.cacheHits++
        return new Uint8Array(await cached.arrayBuffer())
      }
      const bytes = await this.#counted(this.#bucket.readRange(path, range))
      waitUntil(cache.put(key, new Response(bytes.slice(), { headers: { 'cache-control': cacheControl } })))
      return bytes
    })
  }

  stat(path: string): Promise<ObjectInfo | undefined> {
    this.#counts.requests++
    return this.#run(() => this.#bucket.stat(path))
  }

  list(prefix: string, options?: { cursor?: string; limit?: number }): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    this.#counts.requests++
    return this.#run(() => this.#bucket.list(prefix, options))
  }

  /** What a large sort puts aside is all that a Worker writes. */
  async put(path: string, bytes: Uint8Array): Promise<{ etag: string }> {
    if (!path.startsWith(scratchPrefix)) throw readOnly()
    return this.#run(() => this.#bucket.put(path, bytes))
  }

  async delete(path: string): Promise<void> {
    if (!path.startsWith(scratchPrefix)) throw readOnly()
    await this.#run(() => this.#bucket.delete(path))
  }

  /** The platform lets a request wait for six answers at a time, and queues the others. */
  #run<T>(work: () => Promise<T>): Promise<T> {
    const running = work()
    waitUntil(running.catch(() => undefined))
    return running
  }

  async #counted(reading: Promise<Uint8Array>): Promise<Uint8Array> {
    this.#counts.requests++
    const bytes = await reading
    this.#counts.bytes += bytes.length
    return bytes
  }
}

function readOnly(): ParqueDBError {
  return new ParqueDBError('READ_ONLY', 'A Worker reads files; the Durable Object writes them.')
}
