import type { ParqueDBEnv } from '../../src/workers/bindings.ts'
import type { ReadCounts } from '../../src/workers/edge-files.ts'
import { EdgePartitions } from '../../src/workers/EdgePartition.ts'
import { ParqueDBDO, type PartitionOptions } from '../../src/workers/ParqueDBDO.ts'
import { ParqueDBWorker, type WorkerOptions } from '../../src/workers/ParqueDBWorker.ts'
import { WorkerDatabase } from '../../src/workers/WorkerDatabase.ts'

export class Partition extends ParqueDBDO {
  protected override options(): PartitionOptions {
    return { flush: { eventsMax: 5000, ageMsMax: 600_000 } }
  }
}

/** The hashes of 'key', which may do everything, and of 'reader', which may read posts. */
const keys = [
  { sha256: '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683', subject: 'ada', scopes: ['*:*'] },
  { sha256: '3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30', subject: 'bob', scopes: ['read:posts'] },
]

export class App extends ParqueDBWorker {
  protected override options(): WorkerOptions {
    return { partitioning: 'database', server: { auth: { keys }, secret: 'a secret of thirty-two characters' } }
  }
}

interface Posts {
  create(document: object): Promise<unknown>
  get(id: string): Promise<{ title: string } | undefined>
  find(filter: object): Promise<{ items: readonly { title: string }[] }>
}

interface CallerEnv extends ParqueDBEnv {
  readonly APP: { fetch(request: Request): Promise<Response>; collection(name: string): Posts }
}

const isolates = { edges: new EdgePartitions() }

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  async fetch(request: Request, env: CallerEnv): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/rpc') {
      const posts = env.APP.collection('posts')
      await posts.create({ $id: 'rpc', title: 'over RPC' })
      return Response.json([(await posts.get('rpc'))?.title, (await posts.find({ title: 'over RPC' })).items.length])
    }
    if (pathname !== '/measure') return env.APP.fetch(request)
    // As an isolate that has just begun, in a data centre that may have cached something.
    if (searchParams.has('cold')) isolates.edges = new EdgePartitions()
    const db = new WorkerDatabase(env, { partitioning: 'database', edges: isolates.edges, consistency: 'eventual', headTtlMs: 60_000 })
    const before = await counts(db)
    const things = db.collection('things')
    const [id, filter] = [searchParams.get('id'), searchParams.get('filter')]
    const startMs = Date.now()
    const found = id === null ? await things.count(JSON.parse(filter ?? '{}') as object) : (await things.get(id))?.$id
    const after = await counts(db)
    return Response.json({ found, requests: after.requests - before.requests, bytes: after.bytes - before.bytes, cacheHits: after.cacheHits - before.cacheHits, ms: Date.now() - startMs })
  },
}

/** Asked of the object, not of the bucket. */
async function counts(db: WorkerDatabase): Promise<ReadCounts> {
  return ((await db.stats()) as unknown as { reads: ReadCounts }).reads
}
