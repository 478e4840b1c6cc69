import { describe, expect, test } from 'vitest'
import { ParqueDB, type ParqueDBOptions } from '../db/ParqueDB.ts'
import { listen } from '../node/listen.ts'
import { createServer } from '../server/Server.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { databaseContract } from '../testing/database-contract.ts'
import { ParqueDBClient } from './ParqueDBClient.ts'

/** A server on a port of its own, and a client of it; the sockets are real. */
async function serve(options: ParqueDBOptions) {
  const db = new ParqueDB(options)
  const listener = await listen(createServer(db, { auth: 'none' }))
  const client = new ParqueDBClient({ url: listener.url })
  const close = async (): Promise<void> => {
    await client.close()
    await listener.close()
    await db.close()
  }
  return { client, close }
}

databaseContract({ describe, test, expect }, 'the client of a server in Node', async () => {
  const storage = new MemoryBackend()
  let served = await serve({ storage })
  return {
    db: served.client,
    reopen: async (options = {}) => {
      await served.close()
      served = await serve({ storage, ...options })
      return served.client
    },
    cleanup: () => served.close(),
    without: { consumers: 'the server cannot know what became of an event that it has sent' },
  }
})

test('edges come from an iterable, too, in batches with progress after each', async () => {
  const { client, close } = await serve({ storage: new MemoryBackend() })
  await client.collection('hub').create({ $id: 'h' })
  async function* edges() {
    for (let n = 0; n < 5; n++) yield { from: 'h', predicate: 'has', to: `items/${n}` }
  }
  const progress: unknown[] = []
  expect(await client.collection('hub').linkMany(edges(), { batchSize: 3, onProgress: (counts) => progress.push(counts) })).toEqual({ edgeCount: 5, changedCount: 5 })
  expect(progress).toEqual([{ edgeCount: 3, changedCount: 3 }, { edgeCount: 5, changedCount: 5 }])
  await close()
})
