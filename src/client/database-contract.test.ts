import { describe, expect, test } from 'vitest'
import { CheckedServer } from '../../test/http-answers.ts'
import { ParqueDB, type ParqueDBOptions } from '../db/ParqueDB.ts'
import { listen } from '../node/listen.ts'
import { createServer } from '../server/Server.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { databaseContract } from '../testing/database-contract.ts'
import { collectionOperations, databaseOperations } from '../model/operations.ts'
import { ParqueDBClient } from './ParqueDBClient.ts'

const problems: string[] = []
const checked = new Set<string>()

/** A server on a port of its own, and a client of it; the sockets are real, and each answer is held to the document that the server serves. */
async function serve(options: ParqueDBOptions) {
  const db = new ParqueDB(options)
  const server = new CheckedServer(createServer(db, { auth: 'none' }))
  const listener = await listen(server)
  const client = new ParqueDBClient({ url: listener.url })
  const close = async (): Promise<void> => {
    await client.close()
    await listener.close()
    await db.close()
    problems.push(...server.problems)
    for (const route of server.checked.keys()) checked.add(route)
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

test('every answer that the contract got was as the OpenAPI document says, of every operation', () => {
  expect(problems).toEqual([])
  // The client takes one way into each.
  expect(checked.size).toBe(Object.keys({ ...collectionOperations, ...databaseOperations }).length)
})
