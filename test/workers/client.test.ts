import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDBError, type ErrorCode } from '../../src/base/ParqueDBError.ts'
import { ParqueDBClient } from '../../src/client/ParqueDBClient.ts'
import { databaseContract } from '../../src/testing/database-contract.ts'
import { startDatabaseWorker } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL
let folders = 0

beforeAll(async () => {
  workerd = await startDatabaseWorker()
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

async function open(folder: string, options: object): Promise<ParqueDBClient> {
  const response = await fetch(new URL(`/open?folder=${folder}&options=${encodeURIComponent(JSON.stringify(options))}`, origin))
  if (response.status === 400) throw ParqueDBError.fromJSON((await response.json()) as { code: ErrorCode; message: string })
  return new ParqueDBClient({ url: new URL(`/db/${folder}`, origin).href })
}

databaseContract({ describe, test, expect }, 'the client of a Worker', async () => {
  const folder = `c${++folders}`
  let client = await open(folder, {})
  return {
    db: client,
    reopen: async (options = {}) => {
      await client.close()
      client = await open(folder, options)
      return client
    },
    cleanup: () => client.close(),
    without: { consumers: 'the server cannot know what became of an event that it has sent' },
  }
})
