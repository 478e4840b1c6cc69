import type { DurableObjectSql } from '../storage/backends/DOSqliteBackend.ts'
import type { R2BucketBinding } from '../storage/backends/R2Backend.ts'
import type { PartitionRpc } from './partition-rpc.ts'

/** What a Worker with ParqueDB is bound to: the bucket of the files, and the objects that write. */
export interface ParqueDBEnv {
  readonly BUCKET: R2BucketBinding
  readonly PARQUEDB: { getByName(name: string): PartitionRpc }
}

/** What is used of a Durable Object's context. */
export interface DurableObjectContext {
  readonly id: { readonly name?: string }
  readonly storage: DurableObjectSql & { setAlarm(atMs: number): Promise<void> }
}
