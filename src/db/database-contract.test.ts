import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { FsBackend } from '../storage/backends/FsBackend.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import type { DatabaseFixture } from '../testing/database/fixture.ts'
import { databaseContract } from '../testing/database-contract.ts'
import { putOnly } from '../testing/put-only.ts'
import { ParqueDB, type ParqueDBOptions } from './ParqueDB.ts'

const tools = { describe, test, expect }

/** Each opening closes the one before it, as a process that ends does. */
function fixture(open: (options: Omit<ParqueDBOptions, 'storage'>) => ParqueDB, cleanup: () => Promise<void> = async () => undefined): DatabaseFixture {
  const opened = [open({})]
  return {
    db: opened[0] as ParqueDB,
    reopen: async (options = {}) => {
      await opened.at(-1)?.close()
      opened.push(open(options))
      return opened.at(-1) as ParqueDB
    },
    cleanup: async () => {
      await opened.at(-1)?.close()
      await cleanup()
    },
  }
}

databaseContract(tools, 'ParqueDB over a plain MemoryBackend', async () => {
  const storage = new MemoryBackend()
  return fixture((options) => new ParqueDB({ storage, ...options }))
})

databaseContract(tools, 'ParqueDB over an event-sourced MemoryBackend with small limits', async () => {
  const storage = new MemoryBackend()
  return fixture(
    ({ limits = {}, schema = {}, ...options }) =>
      new ParqueDB({ storage: withEventSourcing(storage, { autoSnapshotThreshold: 3, maxCachedEntities: 2, flush: { eventsMax: 7 }, ...options }), limits, schema }),
  )
})

databaseContract(tools, 'ParqueDB over a store that only puts objects', async () => {
  const storage = putOnly(new MemoryBackend())
  return fixture((options) => new ParqueDB({ storage, ...options }))
})

databaseContract(tools, 'ParqueDB over a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'parquedb-'))
  return fixture(
    (options) => new ParqueDB({ storage: new FsBackend(root), ...options }),
    () => rm(root, { recursive: true }),
  )
})
