import { systemClock, type Clock } from '../../src/base/clock.ts'
import { ParqueDBError } from '../../src/base/ParqueDBError.ts'
import type { DurableObjectSql } from '../../src/storage/backends/DOSqliteBackend.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import type { ParqueDBEnv } from '../../src/workers/bindings.ts'
import { EdgePartitions } from '../../src/workers/EdgePartition.ts'
import { ParqueDBDO, type PartitionOptions } from '../../src/workers/ParqueDBDO.ts'
import { WorkerDatabase, type Consistency } from '../../src/workers/WorkerDatabase.ts'
import { trapped, type Hook } from './trapped.ts'

/** What a trial does to the object, as JSON in the binding TRIAL. */
export interface Trial {
  /** Where the object stops and tells: 'files put:epoch/ before', and the how-manieth time it comes there. Node kills it then, or lets it go on. */
  readonly trap?: { readonly store: 'files' | 'log'; readonly point: string; readonly when: 'before' | 'after'; readonly nth: number }
  /** Of requests to the bucket that fail, lose their reply, or are slow: out of a hundred each. */
  readonly faultPercent?: number
  /** How long dropped files stay for readers; 0 by default, so that deletions are met. */
  readonly graceMs?: number
}

interface TrialEnv extends ParqueDBEnv {
  readonly TRIAL: string
  /** Answers when the object may go on, if ever. */
  readonly TRAP: { fetch(url: string): Promise<Response> }
}

const hastyClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) }

export class Partition extends ParqueDBDO<TrialEnv> {
  #met = 0

  protected override options(): PartitionOptions {
    const { graceMs = 0 } = JSON.parse(this.env.TRIAL) as Trial
    return { flush: { eventsMax: 20, ageMsMax: 30 }, compaction: { fanIn: 3, sliceRowsMax: 15 }, graceMs, clock: hastyClock }
  }

  protected override files(folder: string): StorageBackend {
    return trapped(super.files(folder), async (point, when) => {
      await this.#trap('files')(point, when)
      await this.#fault(when)
    })
  }

  protected override log(storage: DurableObjectSql): StorageBackend {
    return trapped(super.log(storage), (point, when) => this.#trap('log')(point, when))
  }

  #trap(store: 'files' | 'log'): Hook {
    return async (point, when) => {
      const { trap } = JSON.parse(this.env.TRIAL) as Trial
      if (trap?.store !== store || trap.when !== when || !point.startsWith(trap.point) || ++this.#met !== trap.nth) return
      await this.env.TRAP.fetch('http://trap/')
    }
  }

  async #fault(when: 'before' | 'after'): Promise<void> {
    const { faultPercent = 0 } = JSON.parse(this.env.TRIAL) as Trial
    const [dice = 0, slow = 0] = crypto.getRandomValues(new Uint8Array(2))
    if (slow < faultPercent * 2.56) await systemClock.sleep(20)
    if (dice < faultPercent * 2.56) throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The bucket fails.', { details: { outcome: when === 'before' ? 'none' : 'unknown' } })
  }
}

const edges = new EdgePartitions()

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  async fetch(request: Request, env: TrialEnv): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const consistency = (searchParams.get('consistency') ?? 'session') as Consistency
    const db = new WorkerDatabase(env, { partitioning: 'database', edges, headTtlMs: 50, consistency, token: searchParams.get('token') ?? '' })
    const id = searchParams.get('id') ?? ''
    try {
      return Response.json({ value: await answer(db, pathname, id), token: db.sessionToken() })
    } catch (error) {
      if (!(error instanceof ParqueDBError)) throw error
      return Response.json(error.toJSON(), { status: 400 })
    }
  },
}

async function answer(db: WorkerDatabase, pathname: string, id: string): Promise<unknown> {
  const items = db.collection<{ n: number }>('items')
  switch (pathname) {
    case '/create':
      return (await items.create({ $id: id, n: 0 }, { txId: id })).version
    case '/increment':
      return (await items.upsert(id, { $inc: { n: 1 } })).n
    case '/get':
      return (await items.get(id))?.n ?? 0
    case '/events': {
      const targets: string[] = []
      for await (const { seq, target } of db.events()) targets.push(`${seq} ${target}`)
      return targets
    }
    case '/ids':
      return (await items.find({}, { project: ['$id'] }).toArray()).map((item) => item.$id)
    case '/flush':
      return db.flush()
    case '/verify':
      return db.verify({ deep: true })
    case '/stats':
      return db.stats()
  }
  return undefined
}
