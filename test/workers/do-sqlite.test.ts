import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { logContract } from '../../src/testing/log-contract.ts'
import { storageContract } from '../../src/testing/storage-contract.ts'
import { collectTests } from './in-workerd.ts'
import { startWorkerd } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL

beforeAll(async () => {
  workerd = await startWorkerd('do-sqlite-worker.ts', { durableObjects: { STORE: { className: 'Store', useSQLite: true } } })
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

// The names alone are taken here; what they stand for runs in workerd.
const names = collectTests((tools) => {
  const make = async () => ({ backend: new MemoryBackend(), reopen: async () => new MemoryBackend(), cleanup: async () => undefined })
  storageContract(tools, 'DOSqliteBackend in workerd', make)
  logContract(tools, 'DOSqliteBackend in workerd', make)
})

test.each([...names.keys()])('%s', async (name) => {
  const response = await fetch(new URL(`?test=${encodeURIComponent(name)}`, origin))
  expect(await response.text()).toBe('passed')
})
