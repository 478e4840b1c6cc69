import { DurableObject } from 'cloudflare:workers'
import type { ParqueDBEnv } from '../../src/workers/bindings.ts'
import type { ReadCounts } from '../../src/workers/edge-files.ts'
import { EdgePartitions } from '../../src/workers/EdgePartition.ts'
import { ParqueDBDO } from '../../src/workers/ParqueDBDO.ts'
import { WorkerDatabase } from '../../src/workers/WorkerDatabase.ts'

export class Partition extends ParqueDBDO {}

interface Sql {
  exec(query: string, ...bindings: unknown[]): unknown
}

/** What there is to compare with: one row of SQLite for each request, and nothing else. */
export class Bare extends DurableObject {
  readonly #sql: Sql

  constructor(ctx: { storage: { sql: Sql } }, env: unknown) {
    super(ctx, env)
    this.#sql = ctx.storage.sql
    this.#sql.exec('CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID')
  }

  insert(id: string, body: string): void {
    this.#sql.exec('INSERT INTO rows (id, body) VALUES (?, ?)', id, body)
  }
}

interface BenchEnv extends ParqueDBEnv {
  readonly BARE: { getByName(name: string): { insert(id: string, body: string): Promise<void> } }
}

const isolate = { edges: new EdgePartitions(), ids: 0 }
const document = (n: number) => ({ name: `name ${n}`, n, kind: n % 100, text: 'a text of some length, as documents have', at: new Date(n * 1000) })

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  async fetch(request: Request, env: BenchEnv): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const count = Number(searchParams.get('count') ?? '1')
    const db = new WorkerDatabase(env, { partitioning: 'database', edges: isolate.edges, headTtlMs: 600_000, consistency: 'eventual' })
    const things = db.collection('things')
    const bare = env.BARE.getByName('bare')
    const one = { '/bare': async () => bare.insert(`${++isolate.ids}`, JSON.stringify(document(isolate.ids))), '/create': async () => things.create({ ...document(0), $id: `w${++isolate.ids}` }) }[pathname]
    if (one !== undefined) {
      const parallel = Number(searchParams.get('parallel') ?? '1')
      const each = Array.from({ length: parallel }, async () => {
        for (let done = 0; done < count / parallel; done++) await one()
      })
      await Promise.all(each)
      return Response.json({})
    }
    if (pathname === '/many') return Response.json(await things.createMany(Array.from({ length: count }, (_, n) => ({ ...document(n), $id: `${searchParams.get('prefix') ?? ''}${String(n).padStart(7, '0')}` }))))
    if (pathname === '/prepare') {
      await db.flush()
      await db.compact()
      return Response.json({})
    }
    if (searchParams.has('cold')) isolate.edges = new EdgePartitions()
    const reading = new WorkerDatabase(env, { partitioning: 'database', edges: isolate.edges, headTtlMs: 600_000, consistency: 'eventual' })
    const before = await counts(reading)
    const [id, kind] = [searchParams.get('id'), searchParams.get('kind')]
    const found = id === null ? (await reading.collection('things').find({ kind: Number(kind) }).toArray()).length : (await reading.collection('things').get(id)) !== undefined
    const after = await counts(reading)
    return Response.json({ found, requests: after.requests - before.requests, bytes: after.bytes - before.bytes, cacheHits: after.cacheHits - before.cacheHits })
  },
}

async function counts(db: WorkerDatabase): Promise<ReadCounts> {
  return ((await db.stats()) as unknown as { reads: ReadCounts }).reads
}
