import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { databaseContract } from '../../src/testing/database-contract.ts'
import { collectTests } from './in-workerd.ts'
import { startDatabaseWorker } from './start-workerd.ts'

/*
 * The whole contract where each collection is a partition of its own, and where each has three shards. Every case passes, or is refused as CROSS_PARTITION, because it is
 * about what one log alone has; the few that are otherwise, or depend on which shards random ids lead to, are named here, with the reason.
 */

const suite = 'A Worker keeps the database contract > '
const otherwise: { readonly [layout: string]: { readonly [name: string]: string } } = {
  namespace: {
    'transactions > a txId that was committed before is not run again': 'the work is begun to learn which partition it is about',
  },
  shards: {
    'writing many > a large input is committed in batches, with progress after each': 'a batch is a commit in each shard',
    'writing many > a failing document takes its batch with it, and those before stay': 'a batch is a commit in each shard',
    'writing many > an update that fails for one entity changes none of its commit': 'a batch is a commit in each shard',
    'queries > sort, skip and limit choose a window': 'what createMany makes in several shards is of several moments',
    'history > history tells every change with its actor, its patch and the entity before and after': 'a seq counts in its shard',
    'history > diff lists where two points of an entity differ': 'a seq counts in its shard',
    'the past, and what is no longer kept of it > retention that is to drop keeps every answer from its horizon on, and names the horizon before it': 'a seq counts in its shard',
    'the past, and what is no longer kept of it > retention that is to archive keeps every answer from its horizon on, and names the horizon before it': 'a seq counts in its shard',
    'the past, and what is no longer kept of it > a checkpoint is a point in the past that is answered as every other': 'a seq counts in its shard',
    'transactions > a txId that was committed before is not run again': 'the work is begun to learn which partition it is about',
  },
}
/** How many cases pass whole, so that none is refused by accident. */
const passing: { readonly [layout: string]: number } = { namespace: 73, shards: 53 }

let workerd: Miniflare
let origin: URL
let folders = 0

beforeAll(async () => {
  workerd = await startDatabaseWorker()
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

const names = [
  ...collectTests((tools) => {
    const db = new ParqueDB({ storage: new MemoryBackend() })
    databaseContract(tools, 'A Worker', async () => ({ db, reopen: async () => db, cleanup: async () => undefined }))
  }).keys(),
]

describe.each(['namespace', 'shards'])('%s', (layout) => {
  const passed: string[] = []

  test.each(names)('%s', async (name) => {
    const response = await fetch(new URL(`?folder=${layout}${++folders}&layout=${layout}&test=${encodeURIComponent(name)}`, origin))
    const outcome = await response.text()
    const isKnown = otherwise[layout]?.[name.replace(suite, '')] !== undefined
    if (outcome === 'passed' && !isKnown) passed.push(name)
    expect(isKnown ? 'passed' : outcome).toMatch(/^passed$|CROSS_PARTITION|a log and an order of its own/)
  })

  test('as many pass whole as there are known to', () => {
    expect(passed.length).toBe(passing[layout])
    expect(Object.keys(otherwise[layout] ?? {}).filter((name) => !names.includes(suite + name))).toEqual([])
  })
})
