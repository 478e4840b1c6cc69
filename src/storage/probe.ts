import { compareBytes, toHex, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import type { StorageBackend } from './storage-backend.ts'

/**
 * Tries whether a store does what the commit protocol rests on, with an object of its own below `probe/`: some ten requests, so it is
 * done once, before a database is created. STORAGE_UNAVAILABLE names in `details.failed` what the store does not do.
 */
export async function probeStore(backend: StorageBackend, random: Random): Promise<void> {
  const path = `probe/${toHex(random.bytes(8))}`
  const [first, second] = [utf8Encode('first bytes'), utf8Encode('other')]
  try {
    const created = await backend.put(path, first, { ifAbsent: true })
    await assertConditions(backend, { path, bytes: first })
    expectTrue(backend, 'read after write', compareBytes(await backend.read(path), first) === 0)
    expectTrue(backend, 'ranges', compareBytes(await backend.readRange(path, { start: 6, end: 64 }), first.subarray(6)) === 0)
    const replaced = await backend.put(path, second, { ifMatch: created.etag })
    await refuses(backend, 'compare-and-swap', backend.put(path, first, { ifMatch: created.etag }))
    const { objects } = await backend.list(path)
    expectTrue(backend, 'list after write', objects.length === 1 && objects[0]?.etag === replaced.etag && objects[0].sizeBytes === second.length)
    expectTrue(backend, 'read after replace', compareBytes(await backend.read(path), second) === 0)
  } finally {
    await backend.delete(path)
  }
  expectTrue(backend, 'delete', (await backend.stat(path)) === undefined)
}

/** Whether the store heeds conditions, tried on an object that is there and has these bytes: two requests. STORAGE_UNAVAILABLE as above. */
export async function assertConditions(backend: StorageBackend, { path, bytes }: { path: string; bytes: Uint8Array }): Promise<void> {
  await refuses(backend, 'create-if-absent', backend.put(path, bytes, { ifAbsent: true }))
  await refuses(backend, 'compare-and-swap', backend.put(path, bytes, { ifMatch: '00000000000000000000000000000000' }))
}

async function refuses(backend: StorageBackend, what: string, put: Promise<unknown>): Promise<void> {
  const refused = await put.then(() => false, (error: unknown) => {
    if (isParqueDBError(error, 'PRECONDITION_FAILED')) return true
    throw error
  })
  expectTrue(backend, what, refused)
}

function expectTrue(backend: StorageBackend, failed: string, holds: boolean): void {
  if (holds) return
  throw new ParqueDBError('STORAGE_UNAVAILABLE', `This ${backend.kind} store cannot hold a database: it fails at ${failed}. Use one that heeds If-None-Match and If-Match on puts and shows at once what was written, such as R2, S3 or MinIO.`, { details: { failed, store: backend.kind, permanent: true } })
}
