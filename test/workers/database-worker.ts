import { databaseContract } from '../../src/testing/database-contract.ts'
import type { TestTools } from '../../src/testing/test-tools.ts'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { ParqueDBError } from '../../src/base/ParqueDBError.ts'
import { createServer, type Server } from '../../src/server/Server.ts'
import { EdgePartitions } from '../../src/workers/EdgePartition.ts'
import type { ParqueDBEnv } from '../../src/workers/bindings.ts'
import { ParqueDBDO, type PartitionOptions } from '../../src/workers/ParqueDBDO.ts'
import { WorkerDatabase, type WorkerDatabaseOptions } from '../../src/workers/WorkerDatabase.ts'
import type { PartitionRpc } from '../../src/workers/partition-rpc.ts'
import { apartTests } from './apart-tests.ts'
import { answerTest } from './in-workerd.ts'
import { shardTests } from './shard-tests.ts'

/** The bucket here takes as many writes a second to a key as one likes. */
const hastyClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal) }

/** Small limits, so that each test flushes, merges in slices and reads from files. */
export class Partition extends ParqueDBDO {
  #own: Own = {}

  /** Forgets what is in memory. */
  restart(own: Own): void {
    this.#own = own
    this.forget()
  }

  protected override options(): PartitionOptions {
    return { autoSnapshotThreshold: 3, maxCachedEntities: 2, flush: { eventsMax: 7, ageMsMax: 50 }, compaction: { sliceRowsMax: 10 }, ...this.#own, clock: hastyClock }
  }
}

type Own = Pick<WorkerDatabaseOptions, 'limits' | 'schema'>

interface TestEnv extends ParqueDBEnv {
  readonly PARQUEDB: { getByName(name: string): PartitionRpc & { restart(own: Own): Promise<void> } }
}

/** The databases over HTTP, by their folders, as they were opened last. */
const servers = new Map<string, Server>()

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  async fetch(request: Request, env: TestEnv): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const [, , inPath = ''] = pathname.split('/')
    const folder = searchParams.get('folder') ?? inPath
    // A database of its own for each test: its object and its folder in the bucket.
    const own: TestEnv = { BUCKET: env.BUCKET, PARQUEDB: { getByName: (name) => env.PARQUEDB.getByName(`${folder}/${name}`) } }
    // A head that is asked for again by time alone would hide that a call of the handle's own has made it old.
    const open = (options: WorkerDatabaseOptions): WorkerDatabase => new WorkerDatabase(own, { prefix: `parquedb/${folder}`, partitioning: 'database', headTtlMs: 600_000, ...options })
    if (pathname === '/open') return openServer(folder, { own, open, options: JSON.parse(searchParams.get('options') ?? '{}') as Own })
    if (pathname.startsWith('/db/')) return servers.get(folder)?.fetch(request) ?? new Response('It is not open.', { status: 500 })
    if (pathname === '/clicks') {
      // As it is after a change of the option 'shards': nothing is in memory.
      const clicks = open({ partitioning: 'namespace', shards: { clicks: Number(searchParams.get('count')) }, consistency: 'strong' }).collection<{ n: number }>('clicks')
      for (const id of (searchParams.get('add') ?? '').split(',').filter((each) => each !== '')) await clicks.upsert(id, { $inc: { n: 1 } })
      const found = await clicks.find({}, { sort: { n: -1, $id: 1 } }).toArray()
      return Response.json({ found: found.map(({ $id, n, version }) => [$id, n, version]), ops: (await clicks.history('c0').toArray()).map(({ op }) => op) })
    }
    if (pathname === '/flush') {
      const db = open({ partitioning: 'namespace', shards: { clicks: Number(searchParams.get('count')) } })
      await db.collection('clicks').count({}, { consistency: 'strong' } as object)
      await db.flush()
      return new Response('done')
    }
    const layout = searchParams.get('layout') ?? 'database'
    const make = layout === 'database' ? whole : () => apart(own, { ...layouts[layout], prefix: `parquedb/${folder}` })
    async function whole() {
      let db = open({})
      return {
        db,
        reopen: async (options: Own & Pick<WorkerDatabaseOptions, 'readOnly'> = {}) => {
          const token = db.sessionToken()
          await db.close()
          db = open({ ...options, token })
          await own.PARQUEDB.getByName('database').restart({ limits: options.limits ?? {}, schema: options.schema ?? {} })
          return db
        },
        cleanup: async () => undefined,
      }
    }
    const suite = (tools: TestTools): void => {
      databaseContract(tools, 'A Worker', make)
      apartTests(tools, (schema = {}) => open({ partitioning: 'namespace', schema }))
      shardTests(tools, () => open({ partitioning: 'namespace', shards: { clicks: 3 } }))
    }
    return answerTest(suite, searchParams.get('test') ?? '')
  },
}

/** Each collection in an object of its own, or, whatever its name, in three. */
const layouts: { readonly [layout: string]: WorkerDatabaseOptions } = { namespace: { partitioning: 'namespace', headTtlMs: 600_000 }, shards: { partitioning: 'namespace', headTtlMs: 600_000, shards: new Proxy({}, { get: () => 3 }) } }

async function apart(env: TestEnv, layout: WorkerDatabaseOptions) {
  let options: Own = {}
  /** What each object was opened with. */
  const opened = new Map<string, Own>()
  const getByName = (name: string) => {
    const object = env.PARQUEDB.getByName(name)
    const called = (method: keyof PartitionRpc) => async (...args: unknown[]) => {
      if (opened.get(name) !== options) await object.restart(options)
      opened.set(name, options)
      return (object[method] as (...given: unknown[]) => Promise<never>)(...args)
    }
    return { write: called('write'), propose: called('propose'), tail: called('tail'), ask: called('ask') }
  }
  const open = (more: WorkerDatabaseOptions): WorkerDatabase => new WorkerDatabase({ BUCKET: env.BUCKET, PARQUEDB: { getByName } }, { ...layout, ...more })
  let db = open({})
  return {
    db,
    reopen: async ({ readOnly = false, ...own }: Own & Pick<WorkerDatabaseOptions, 'readOnly'> = {}) => {
      const token = db.sessionToken()
      await db.close()
      options = { limits: own.limits ?? {}, schema: own.schema ?? {} }
      db = open({ ...options, readOnly, token })
      return db
    },
    cleanup: async () => undefined,
  }
}

/** Serves a database below /db/<folder>; who comes without a token sees everything all the same. */
async function openServer(folder: string, { own, open, options }: { own: TestEnv; open: (options: WorkerDatabaseOptions) => WorkerDatabase; options: Own }): Promise<Response> {
  try {
    const edges = new EdgePartitions()
    await open(options).close()
    servers.set(folder, createServer((token) => open({ ...options, edges, token, consistency: 'strong' }), { auth: 'none', basePath: `/db/${folder}` }))
    await own.PARQUEDB.getByName('database').restart({ limits: options.limits ?? {}, schema: options.schema ?? {} })
    return Response.json({})
  } catch (error) {
    if (!(error instanceof ParqueDBError)) throw error
    return Response.json(error.toJSON(), { status: 400 })
  }
}
