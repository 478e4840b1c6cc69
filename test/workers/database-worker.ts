import { databaseContract } from '../../src/testing/database-contract.ts'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import type { ParqueDBEnv } from '../../src/workers/bindings.ts'
import { ParqueDBDO, type PartitionOptions } from '../../src/workers/ParqueDBDO.ts'
import { WorkerDatabase, type WorkerDatabaseOptions } from '../../src/workers/WorkerDatabase.ts'
import type { PartitionRpc } from '../../src/workers/partition-rpc.ts'
import { answerTest } from './in-workerd.ts'

/** The bucket here takes as many writes a second to a key as one likes. */
const hastyClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal) }

/** Small limits, so that each test flushes, merges and reads from files. */
export class Partition extends ParqueDBDO {
  #own: Own = {}

  /** Forgets what is in memory. */
  restart(own: Own): void {
    this.#own = own
    this.forget()
  }

  protected override options(): PartitionOptions {
    return { autoSnapshotThreshold: 3, maxCachedEntities: 2, flush: { eventsMax: 7, ageMsMax: 50 }, ...this.#own, clock: hastyClock }
  }
}

type Own = Pick<WorkerDatabaseOptions, 'limits' | 'schema'>

interface TestEnv extends ParqueDBEnv {
  readonly PARQUEDB: { getByName(name: string): PartitionRpc & { restart(own: Own): Promise<void> } }
}

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  fetch(request: Request, env: TestEnv): Promise<Response> {
    const { searchParams } = new URL(request.url)
    const folder = searchParams.get('folder') ?? ''
    // A database of its own for each test: its object and its folder in the bucket.
    const own: TestEnv = { BUCKET: env.BUCKET, PARQUEDB: { getByName: (name) => env.PARQUEDB.getByName(`${folder}/${name}`) } }
    const open = (options: WorkerDatabaseOptions): WorkerDatabase => new WorkerDatabase(own, { prefix: `parquedb/${folder}`, partitioning: 'database', ...options })
    const make = async () => {
      let db = open({})
      return {
        db,
        reopen: async (options: Pick<WorkerDatabaseOptions, 'limits' | 'schema' | 'readOnly'> = {}) => {
          const token = db.sessionToken()
          await db.close()
          db = open({ ...options, token })
          await own.PARQUEDB.getByName('database').restart({ limits: options.limits ?? {}, schema: options.schema ?? {} })
          return db
        },
        cleanup: async () => undefined,
      }
    }
    return answerTest((tools) => databaseContract(tools, 'A Worker', make), searchParams.get('test') ?? '')
  },
}
