import type { StorageBackend } from '../storage/storage-backend.ts'

/** The same store as one that only puts whole objects, as a bucket does: it cannot append, and does not know who writes. */
export function putOnly(backend: StorageBackend): StorageBackend {
  return {
    kind: `put-only ${backend.kind}`,
    read: (path) => backend.read(path),
    readRange: (path, range) => backend.readRange(path, range),
    stat: (path) => backend.stat(path),
    list: (prefix, options) => backend.list(prefix, options),
    put: (path, bytes, condition) => backend.put(path, bytes, condition),
    delete: (path) => backend.delete(path),
  }
}
