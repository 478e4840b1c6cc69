import { RpcTarget, WorkerEntrypoint } from 'cloudflare:workers'
import type { DatabaseCollection } from '../model/database.ts'
import { collectionOperations } from '../model/operations.ts'
import { ResultCursor } from '../model/ResultCursor.ts'
import { createServer, type Server, type ServerOptions } from '../server/Server.ts'
import type { ParqueDBEnv } from './bindings.ts'
import { EdgePartitions } from './EdgePartition.ts'
import { WorkerDatabase, type WorkerDatabaseOptions } from './WorkerDatabase.ts'

export interface WorkerOptions extends Omit<WorkerDatabaseOptions, 'edges' | 'token'> {
  /** What HTTP takes: without it, `fetch` answers 404 to everything. `auth` says who may do what; give a `secret`, the same in every isolate. */
  readonly server?: ServerOptions
}

/** A collection as another Worker has it over RPC: its methods, of which those that give a cursor give a page. */
export type RemoteCollection = {
  [Method in Exclude<keyof DatabaseCollection, 'name'>]: (...args: Parameters<DatabaseCollection[Method]>) => Promise<unknown>
}

/**
 * The database as a Worker: over HTTP by `fetch`, over RPC by `collection(name)` for Workers that have it as a service binding. Extend it and give `options()`. The
 * Durable Objects that write are reached through it alone.
 */
export class ParqueDBWorker<Env extends ParqueDBEnv = ParqueDBEnv> extends WorkerEntrypoint<Env> {
  /** What an isolate keeps between requests. */
  static readonly #isolate: { readonly edges: EdgePartitions; server: Server | undefined } = { edges: new EdgePartitions(), server: undefined }

  protected options(): WorkerOptions {
    return {}
  }

  async fetch(request: Request): Promise<Response> {
    const { server: options } = this.options()
    if (options === undefined) return new Response('There is nothing here.', { status: 404 })
    const isolate = ParqueDBWorker.#isolate
    // Into the Worker's log, where nothing else is asked for.
    isolate.server ??= createServer((token) => this.database(token), { onError: reportError, ...options })
    return isolate.server.fetch(request)
  }

  /** The methods of a collection for a Worker that calls this one. */
  collection(name: string): RemoteCollection {
    return new CollectionTarget(this.database().collection(name)) as unknown as RemoteCollection
  }

  /** The database for this request; `token` is what its session has seen before. */
  protected database(token?: string): WorkerDatabase {
    return new WorkerDatabase(this.env, { ...this.options(), token, edges: ParqueDBWorker.#isolate.edges })
  }
}

class CollectionTarget extends RpcTarget {
  readonly #collection: DatabaseCollection

  constructor(collection: DatabaseCollection) {
    super()
    this.#collection = collection
  }

  static {
    for (const method of Object.keys(collectionOperations) as (keyof typeof collectionOperations)[]) {
      Object.defineProperty(this.prototype, method, {
        async value(this: CollectionTarget, ...args: unknown[]) {
          const result: unknown = await (this.#collection[method] as (...given: unknown[]) => unknown)(...args)
          return result instanceof ResultCursor ? result.page() : result
        },
      })
    }
  }
}
