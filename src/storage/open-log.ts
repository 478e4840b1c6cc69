import type { AppendLog } from './append-log.ts'
import { FileLog, type AppendFiles } from './FileLog.ts'
import type { OpenLogOptions, StorageBackend } from './storage-backend.ts'

/** The store's own log; where it cannot append, a log whose parts are objects: each append creates one. See docs/adr/0008-a-log-of-objects.md. */
export async function openLog(backend: StorageBackend, options: OpenLogOptions): Promise<AppendLog> {
  return backend.openLog === undefined ? new FileLog(objectFiles(backend), options) : backend.openLog(options)
}

function objectFiles(backend: StorageBackend): AppendFiles {
  return {
    appendsOnce: true,
    create: async (path) => {
      let content: Uint8Array = new Uint8Array(0)
      return {
        write: async (bytes) => {
          content = bytes
        },
        sync: async () => {
          await backend.put(path, content, { ifAbsent: true })
        },
        close: async () => undefined,
      }
    },
    delete: (path) => backend.delete(path),
  }
}
