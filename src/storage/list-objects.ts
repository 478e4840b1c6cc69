import type { ObjectInfo, StorageBackend } from './storage-backend.ts'

/** Every object whose path begins so, page by page, in the order of paths. */
export async function* listObjects(backend: StorageBackend, prefix: string): AsyncGenerator<ObjectInfo> {
  let cursor: string | undefined
  do {
    const page = await backend.list(prefix, cursor === undefined ? {} : { cursor })
    yield* page.objects
    cursor = page.cursor
  } while (cursor !== undefined)
}
