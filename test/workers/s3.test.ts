import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Miniflare } from 'miniflare'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { logContract } from '../../src/testing/log-contract.ts'
import { storageContract, type StorageFixture } from '../../src/testing/storage-contract.ts'
import { S3Server } from '../s3/s3-server.ts'
import { callingBackend } from './backend-calls.ts'
import { startWorkerd } from './start-workerd.ts'

const server = new S3Server()
let workerd: Miniflare
let origin: URL
let stores = 0

beforeAll(async () => {
  workerd = await startWorkerd('s3-worker.ts', { bindings: { ENDPOINT: await server.start() } })
  origin = await workerd.ready
})
afterAll(async () => {
  await workerd.dispose()
  await server.stop()
})

/** An S3Backend in workerd: it signs there, with its fetch and its crypto. */
function s3(prefix: string): StorageBackend {
  return callingBackend('s3', (init) => fetch(new URL(prefix, origin), init as RequestInit))
}

const make = async (): Promise<StorageFixture> => {
  const prefix = `store-${++stores}`
  return { backend: s3(prefix), reopen: async () => s3(prefix), manyObjects: 2000, cleanup: async () => undefined }
}
storageContract({ describe, test, expect }, 'S3Backend in workerd', make)
logContract({ describe, test, expect }, 'S3Backend in workerd', make)

test('a database in a bucket that workerd reads and writes is there again when it is opened', async () => {
  const storage = s3(`store-${++stores}`)
  const db = new ParqueDB({ storage })
  await db.collection('posts').create({ $id: 'p', title: 'Hello' })
  await db.close()
  const again = new ParqueDB({ storage })
  expect((await again.collection('posts').get('p'))?.title).toBe('Hello')
  await again.close()
})
