import { compareBytes } from '../base/bytes.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { retried, type RetryParts } from './retry.ts'
import type { PutCondition, StorageBackend } from './storage-backend.ts'

/**
 * The same store, where a conditional put of `outcome: 'unknown'` is decided by reading back: the same bytes there are its own, else it
 * is put again. So is a refused one, which may be the second of one request. Only for puts of bytes that nobody else puts under that name.
 * Other failures stay what they are: in a folder, what is read back may not be on the disk.
 */
export function resolving(backend: StorageBackend, parts: RetryParts): StorageBackend {
  const putOnce = async (path: string, bytes: Uint8Array, condition: PutCondition): Promise<{ etag: string }> => {
    try {
      return await backend.put(path, bytes, condition)
    } catch (error) {
      if (!isParqueDBError(error, 'PRECONDITION_FAILED') && !isUnknown(error)) throw error
      const etag = await etagOfSame(backend, path, bytes).catch(() => undefined)
      if (etag === undefined) throw error
      return { etag }
    }
  }
  return {
    kind: backend.kind,
    read: (path) => backend.read(path),
    readRange: (path, range) => backend.readRange(path, range),
    stat: (path) => backend.stat(path),
    list: (prefix, options) => backend.list(prefix, options),
    put: (path, bytes, condition) => (condition === undefined ? backend.put(path, bytes) : retried(parts, () => putOnce(path, bytes, condition), isUnknown)),
    delete: (path) => backend.delete(path),
    ...(backend.openLog === undefined ? {} : { openLog: backend.openLog.bind(backend) }),
    ...(backend.lockWriter === undefined ? {} : { lockWriter: backend.lockWriter.bind(backend) }),
  }
}

function isUnknown(error: unknown): boolean {
  return isParqueDBError(error, 'STORAGE_UNAVAILABLE') && error.details['outcome'] === 'unknown'
}

/** Of the object, when it has these bytes. */
async function etagOfSame(backend: StorageBackend, path: string, bytes: Uint8Array): Promise<string | undefined> {
  const info = await backend.stat(path)
  if (info?.sizeBytes !== bytes.length) return undefined
  return compareBytes(await backend.read(path), bytes) === 0 ? info.etag : undefined
}
