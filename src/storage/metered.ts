import type { StorageBackend } from './storage-backend.ts'

export interface Meter {
  requests: number
  bytes: number
}

/** The same backend, counting what is read through it. */
export function metered(backend: StorageBackend): { backend: StorageBackend; meter: Meter } {
  const meter: Meter = { requests: 0, bytes: 0 }
  const counted = async (reading: Promise<Uint8Array>): Promise<Uint8Array> => {
    meter.requests++
    const bytes = await reading
    meter.bytes += bytes.length
    return bytes
  }
  return {
    meter,
    backend: {
      kind: backend.kind,
      read: (path) => counted(backend.read(path)),
      readRange: (path, range) => counted(backend.readRange(path, range)),
      stat(path) {
        meter.requests++
        return backend.stat(path)
      },
      list(prefix, options) {
        meter.requests++
        return backend.list(prefix, options)
      },
      put: (path, bytes, condition) => backend.put(path, bytes, condition),
      delete: (path) => backend.delete(path),
      ...(backend.openLog && { openLog: backend.openLog.bind(backend) }),
    },
  }
}
