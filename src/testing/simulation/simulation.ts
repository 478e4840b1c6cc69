import { isParqueDBError } from '../../base/ParqueDBError.ts'
import { Gone, type Cluster } from './Cluster.ts'
import type { Dice } from './Dice.ts'
import type { Oracle, Write } from './Oracle.ts'
import type { SimulatedWorld } from './SimulatedWorld.ts'

/** Everything that a step of the simulation works with. */
export interface Simulation {
  readonly world: SimulatedWorld
  readonly oracle: Oracle
  readonly cluster: Cluster
  readonly dice: Dice
  /** Somebody who wants each event once, and goes on where it stopped, now at this process, now at that. */
  readonly consumer: { seq: number; isListening: boolean }
  /** How many of each are under way: what retention removes it forgets, its txId, too, so that neither begins beside the other. */
  readonly underWay: { retentions: number; retries: number }
  /** Of what was erased last: when that was done with, as far as anybody was told, and the write that did not end well. */
  readonly erasure: { doneAtMs: number | undefined; interrupted: Write | undefined }
  readonly checkpointSeqs: number[]
  /** Horizons of collections and edge spaces that have an archive. */
  readonly archivedTo: Map<string, number>
  /** What went wrong in work that nobody awaits. */
  failure: unknown
}

/** Whether a failure is the world's, and so no violation: the process died, or the store failed, or another writer took over. */
export function isWorldly(error: unknown): boolean {
  return error instanceof Gone || (isParqueDBError(error) && ['STORAGE_UNAVAILABLE', 'WRITER_FENCED', 'CLOSED', 'ABORTED'].includes(error.code))
}

/** Whether a file that was to be read is gone: only the newest writer's files are sure to stay while it reads them. */
export function isFileGone(error: unknown): boolean {
  // A guest is told by the writer, without the cause.
  if (isParqueDBError(error, 'CORRUPT_FILE')) return isFileGone(error.cause) || error.message.includes('is missing, though the manifest names it')
  return isParqueDBError(error, 'NOT_FOUND') && error.details.path !== undefined
}
