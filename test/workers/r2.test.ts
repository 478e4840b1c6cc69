import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Miniflare } from 'miniflare'
import { ParqueDB, type ParqueDBOptions } from 'parquedb'
import { databaseContract, logContract, storageContract, type StorageFixture } from 'parquedb/testing'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { callingBackend } from './backend-calls.ts'
import { startWorkerd } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL
let stores = 0

beforeAll(async () => {
  workerd = await startWorkerd('r2-worker.ts', { r2Buckets: ['BUCKET'] })
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

/** An R2Backend in workerd; all are in one bucket, each below a prefix of its own. */
function r2(prefix: string): StorageBackend {
  return callingBackend('r2', (init) => fetch(new URL(prefix, origin), init as RequestInit))
}

const make = async (): Promise<StorageFixture> => {
  const prefix = `store-${++stores}`
  return { backend: r2(prefix), reopen: async () => r2(prefix), manyObjects: 2000, cleanup: async () => undefined }
}
storageContract({ describe, test, expect }, 'R2Backend in workerd', make)
logContract({ describe, test, expect }, 'R2Backend in workerd', make)

databaseContract({ describe, test, expect }, 'ParqueDB in Node over R2Backend in workerd', async () => {
  const storage = r2(`store-${++stores}`)
  const open = (options: Omit<ParqueDBOptions, 'storage'> = {}): ParqueDB => new ParqueDB({ storage, ...options })
  let db = open()
  return {
    db,
    reopen: async (options) => {
      await db.close()
      db = open(options)
      return db
    },
    cleanup: () => db.close(),
  }
})
