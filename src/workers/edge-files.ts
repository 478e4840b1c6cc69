import { waitUntil } from 'cloudflare:workers'
import { R2Backend, type R2BucketBinding } from '../storage/backends/R2Backend.ts'
import { metered, type Meter } from '../storage/metered.ts'
import { scratchPrefix } from '../storage/Scratch.ts'
import type { ByteRange, StorageBackend } from '../storage/storage-backend.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'

/** A year, and never asked about again: a name never stands for other bytes. */
const cacheControl = 'public, max-age=31536000, immutable'

/** What was read, in requests to the bucket and to the data centre's cache. */
export interface ReadCounts extends Readonly<Meter> {
  readonly cacheHits: number
}

export type EdgeFiles = ReturnType<typeof edgeFiles>

/**
 * A partition's files as a Worker reads them: ranges of immutable objects through the Cache API of the data centre, the head from the bucket. It lives as long as the
 * isolate, and several requests may wait for one reading: so each reading is carried to its end, though the request that began it may be gone.
 */
export function edgeFiles(bucket: R2BucketBinding, folder: string) {
  const { backend: store, meter } = metered(new R2Backend(bucket, { prefix: folder }))
  const cacheUrl = `https://parquedb.invalid/${encodeURIComponent(folder)}/`
  let cacheHits = 0
  /** The platform lets a request wait for six answers at a time, and queues the others. */
  const run = <T>(work: () => Promise<T>): Promise<T> => {
    const running = work()
    waitUntil(running.catch(() => undefined))
    return running
  }
  /** Through the cache: for objects that never change. */
  const cachedRange = async (path: string, range: ByteRange): Promise<Uint8Array> => {
    const { cache, key } = { cache: await caches.open('parquedb'), key: `${cacheUrl}${encodeURIComponent(path)}?${range.start}-${range.end}` }
    const cached = await cache.match(key)
    if (cached !== undefined) {
      cacheHits++
      return new Uint8Array(await cached.arrayBuffer())
    }
    const bytes = await store.readRange(path, range)
    waitUntil(cache.put(key, new Response(bytes.slice(), { headers: { 'cache-control': cacheControl } })))
    return bytes
  }
  return {
    kind: 'r2',
    counts: (): ReadCounts => ({ ...meter, cacheHits }),
    read: (path) => run(() => store.read(path)),
    readRange: (path, range) => run(() => cachedRange(path, range)),
    stat: (path) => run(() => store.stat(path)),
    list: (prefix, options) => run(() => store.list(prefix, options)),
    /** What a large sort puts aside is all that a Worker writes. */
    async put(path, bytes) {
      if (!path.startsWith(scratchPrefix)) throw readOnly()
      return run(() => store.put(path, bytes))
    },
    async delete(path) {
      if (!path.startsWith(scratchPrefix)) throw readOnly()
      await run(() => store.delete(path))
    },
  } satisfies StorageBackend & { counts(): ReadCounts }
}

function readOnly(): ParqueDBError {
  return new ParqueDBError('READ_ONLY', 'A Worker reads files; the Durable Object writes them.')
}
