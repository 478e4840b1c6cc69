import { ParqueDBDO, ParqueDBWorker, type ParqueDBEnv, type PartitionOptions, type WorkerOptions } from 'parquedb/workers'
import { page } from './page.ts'
import { schema } from './schema.ts'

interface Env extends ParqueDBEnv {
  readonly KEY_SHA256: string
  readonly PARQUEDB_SECRET?: string
}

/** The Durable Object that writes. Nobody but the Worker below can reach it. */
export class PostsWriter extends ParqueDBDO<Env> {
  protected override options(): PartitionOptions {
    return { schema }
  }
}

/** Everything else: reads from R2, and the way in. */
// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default class Posts extends ParqueDBWorker<Env> {
  protected override options(): WorkerOptions {
    const { KEY_SHA256, PARQUEDB_SECRET = 'only for development: put one of your own' } = this.env
    return {
      // Posts and authors are one partition, so that a transaction, and a relationship, may span them.
      partitioning: 'database',
      schema,
      server: { basePath: '/api', secret: PARQUEDB_SECRET, auth: { keys: [{ sha256: KEY_SHA256, subject: 'me', scopes: ['*:*'] }] } },
    }
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname !== '/') return super.fetch(request)
    return new Response(page, { headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } })
  }
}
