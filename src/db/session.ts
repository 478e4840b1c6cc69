import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { EntityState } from '../model/entity.ts'
import type { DocumentLimits } from '../model/parse-document.ts'
import type { Relations } from '../model/relations.ts'
import type { CommitRequest } from '../storage/engine.ts'
import type { PresentView, View, ViewOptions } from '../storage/view.ts'

/**
 * What a collection reads from and writes to: the database itself, or a transaction, which sees its own writes and
 * keeps them to itself until it ends. CLOSED once the database is closed or the transaction has ended.
 */
export interface Session {
  readonly clock: Clock
  readonly ids: IdSource
  readonly random: Random
  readonly limits: DatabaseLimits
  readonly relations: Relations
  /** Whether a commit may carry a txId of its own: in a transaction it may not. */
  readonly isTransaction: boolean
  /** The caller releases it. With the archive it sees what retention has put there; a transaction does not. */
  view(options?: ViewOptions): Promise<View>
  /** As Engine.viewNow; undefined also where an error is to be told. */
  viewNow(options?: ViewOptions): PresentView | undefined
  /** As Engine.commit; in a transaction nothing is durable yet, and the versions and times of the states are provisional. */
  commit(request: CommitRequest): Promise<Committed>
  /** Runs `work` as a transaction, or as a part of the one that this is. Under a txId that was committed before it does not run: undefined. */
  transact<Result>(work: (session: Session) => Promise<Result>, options: { txId?: string | undefined; signal?: AbortSignal | undefined }): Promise<Transacted<Result> | undefined>
}

/** What a transaction gave, and the states that it was committed with: none where it wrote nothing, or is a part of another one. */
export interface Transacted<Result> {
  readonly result: Result
  readonly states: readonly EntityState[]
}

export interface Committed {
  /** State of each event's entity after it; empty when nothing was written. */
  readonly states: readonly EntityState[]
  /** True when the txId had been committed before and `decide` was not asked. */
  readonly repeated: boolean
}

/** What the database refuses to hold in memory at once. Past one of these: LIMIT_EXCEEDED, with `details.limit` naming it. */
export interface DatabaseLimits extends DocumentLimits {
  /** Rows that a sort holds in memory, more go through temporary objects; and documents and values that one pipeline may hold. Default 250,000. */
  readonly sortDocumentsMax: number
  /** Values that `distinct` may collect. Default 100,000. */
  readonly distinctValuesMax: number
  /** Entities and edges that one transaction may change. Default 100,000. */
  readonly transactionEntitiesMax: number
  /** Entities that one delete may take with it, by relationships that cascade, and edges that it may unlink. Default 10,000. */
  readonly cascadeEntitiesMax: number
  /** Entities that a traversal may reach, and edges that it may look at on the way. Default 100,000. */
  readonly traversalEntitiesMax: number
}
