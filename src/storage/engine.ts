import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import type { CheckpointInfo, DatabaseStats, EraseOptions, EraseReport, RetainOptions, RetentionReport, VerifyOptions, VerifyReport } from '../model/database-options.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft, StoredEvent } from '../model/event.ts'
import type { PresentView, View } from './view.ts'

/** What a decision may look at. It includes the commits that are queued before it but not yet durable. */
export interface DecisionContext {
  /** State of a key that the request listed, tombstones included; undefined when the entity never was. Asking for another key is a bug: asserted. */
  state(key: EntityKey): EntityState | undefined
  /** seq of the newest event of a namespace, 0 when it has none: tells a transaction whether what it scanned has changed. */
  namespaceSeq(ns: string): number
  /** The ts that this commit will get unless a draft brings a later one. */
  readonly nowMs: number
}

export interface CommitRequest {
  /** Entities whose states `decide` needs. */
  readonly keys: readonly EntityKey[]
  /**
   * Gives the events of the commit (none: nothing is written) or throws to refuse it; pure and synchronous. A writer calls it
   * once, in queue order; a guest again whenever what it was given had changed, and the last call counts.
   */
  readonly decide: (context: DecisionContext) => readonly EventDraft[]
  /** Idempotency: a txId that was committed before is not committed again; the first result is returned. */
  readonly txId?: string | undefined
  /** The ids of all events that `decide` will give, when the caller chose them: idempotency as with txId, event by event id. */
  readonly eventIds?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CommitResult {
  /** The commit's events in order, and the state of each one's entity after it. Empty when nothing was written. */
  readonly events: readonly StoredEvent[]
  readonly states: readonly EntityState[]
  /** Newest durable seq that includes this commit. */
  readonly seq: number
  /** True when a txId or an event id had been committed before and nothing was written now. */
  readonly repeated: boolean
}

/** The one write path and the views of one partition. `EventSourcedBackend` implements it. */
export interface Engine {
  readonly clock: Clock
  readonly ids: IdSource
  /** Resolves when the commit is durable and visible to every later view; rejects with what `decide` threw, or why it could not be made durable. */
  commit(request: CommitRequest): Promise<CommitResult>
  /** The newest durable state of everything; with the archive, its history goes back to where that begins. */
  view(options?: { includeArchived?: boolean }): Promise<View>
  /** As `view`, where it is to be had without waiting; undefined where something has to be opened or asked first. */
  viewNow(options?: { includeArchived?: boolean }): PresentView | undefined
  /** Calls back after each durable commit with its events, in seq order, each event once; returns how to stop. For a follower: as it learns of them. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): () => void
  flush(options?: { signal?: AbortSignal }): Promise<void>
  compact(options?: { signal?: AbortSignal; onProgress?: (progress: CompactProgress) => void }): Promise<void>
  /** Takes away what the retention policies no longer keep; see `RetentionPolicy`. */
  retain(options?: RetainOptions): Promise<RetentionReport>
  /** Keeps the states of now, so that queries about later moments start there. */
  checkpoint(): Promise<CheckpointInfo>
  /** As `Database.erase`. */
  erase(options: EraseOptions & { readonly keys: readonly EntityKey[] }): Promise<EraseReport>
  stats(): Promise<EngineStats>
  verify(options?: VerifyOptions): Promise<VerifyReport>
  close(): Promise<void>
}

export interface CompactProgress {
  readonly rowsDone: number
  readonly rowsTotal: number
}

export interface EngineStats extends DatabaseStats {
  /** 'guest': writes through the process that is the writer (`share`). */
  readonly role: 'writer' | 'follower' | 'guest'
  readonly epoch: number
  readonly flushedSeq: number
  readonly manifestId: number
  readonly namespaces: { readonly [ns: string]: { readonly runs: number; readonly rows: number; readonly bytes: number; readonly overlay: number } }
  /** Relationships as each end keeps them: 'posts:out' and 'users:in'. */
  readonly edges: EngineStats['namespaces']
  readonly segments: { readonly count: number; readonly events: number; readonly bytes: number }
  readonly archive: { readonly count: number; readonly events: number; readonly bytes: number }
  /** Where a namespace's history begins, where it does not begin with its first event. */
  readonly horizons: { readonly [ns: string]: { readonly seq: number; readonly ts: number } }
  readonly checkpoints: readonly { readonly seq: number; readonly ts: number }[]
  /** All files that the manifest names: states of now, history, checkpoints and bases; without garbage and the log. */
  readonly liveBytes: number
  readonly log: { readonly unflushedEvents: number; readonly unflushedBytes: number }
  readonly garbage: { readonly files: number; readonly bytes: number; readonly nextDeleteAtMs: number | undefined }
  readonly cache: { readonly entities: number; readonly hits: number; readonly misses: number }
  /** Row groups kept as columns: the memory they take, and how often one was found there. */
  readonly columns: { readonly bytes: number; readonly hits: number; readonly misses: number }
  /** What opening read: proportional to the log's unflushed tail. */
  readonly open: { readonly requests: number; readonly bytes: number; readonly replayedEvents: number; readonly tornBytes: number }
  readonly commits: { readonly count: number; readonly events: number; readonly syncs: number }
  readonly background: { readonly flushes: number; readonly compactions: number; readonly lastError: string | undefined }
}
