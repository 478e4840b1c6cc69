import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { databaseContract } from '../../src/testing/database-contract.ts'
import { apartTests } from './apart-tests.ts'
import { collectTests } from './in-workerd.ts'
import { shardTests } from './shard-tests.ts'
import { startDatabaseWorker } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL
let folders = 0

beforeAll(async () => {
  workerd = await startDatabaseWorker()
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

const names = collectTests((tools) => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  databaseContract(tools, 'A Worker', async () => ({ db, reopen: async () => db, cleanup: async () => undefined }))
  apartTests(tools, () => db)
  shardTests(tools, () => db as never)
})

test.each([...names.keys()])('%s', async (name) => {
  const response = await fetch(new URL(`?folder=t${++folders}&test=${encodeURIComponent(name)}`, origin))
  expect(await response.text()).toBe('passed')
})
