import type { ExpectedVersion } from './decide.ts'
import type { Entity, EntityFields, OwnFields } from './entity-document.ts'
import type { Event, EventOp } from './event.ts'
import type { Direction } from './edge.ts'
import type { Filter, Links, Projection, Sort } from './filter-types.ts'
import type { Document, Value } from './values.ts'

/** What `create` takes: the document's own fields, and its id where it is not to be generated. */
export type NewDocument<T extends object = Document> = OwnFields<T> & { $id?: string; $link?: Links }

/** What `replace` takes: a new document, or an entity that was read and changed. */
export type Replacement<T extends object = Document> = OwnFields<T> & Partial<EntityFields>

/**
 * A point in the past as users give it: a Date, an ISO 8601 date ('2026-03-01', midnight UTC) or time with its zone
 * ('2026-03-01T12:00:00Z'), or a number, which is a seq: the state after the event of that position.
 */
export type AsOfInput = Date | string | number

/** A point in an entity's history: one of its versions, or a point in the past of the whole database. */
export type HistoryPoint = AsOfInput | { readonly version: number } | { readonly asOf: AsOfInput }

export interface ReadOptions {
  /** A point in the past: a Date, an ISO 8601 string, or a seq. Default: now. */
  asOf?: AsOfInput
  /** Whether to bring deleted entities, which have `deletedAt` and no fields of their own. Default false. */
  includeDeleted?: boolean
  /** Whether `asOf` may lie before the horizon, in what retention has archived. Default false: HISTORY_UNAVAILABLE. */
  includeArchived?: boolean
  signal?: AbortSignal
}

export type ArchiveOptions = Pick<ReadOptions, 'includeArchived' | 'signal'>

/** What is deleted has no place in a pipeline. */
export type AggregateOptions = Omit<ReadOptions, 'includeDeleted'>

export interface GetOptions extends ReadOptions {
  /** Relationships whose other ends are brought along, under their names; a field of such a name gives way. */
  populate?: Populate
}

/** Names of relationships, or an object of them with options. */
export type Populate = string | readonly string[] | { readonly [name: string]: true | PopulateOptions }

export interface PopulateOptions {
  /** The relationship, where it is to stand under another name than its own. */
  predicate?: string
  /** 'in': of the entities that lead here. Default: as the schema says, else 'out'. */
  direction?: Direction
  filter?: Filter
  sort?: Sort
  /** Of each entity. Default 100. */
  limit?: number
  /** What those bring along; up to five levels. */
  populate?: Populate
}

export interface FindOneOptions<T extends object = Document> extends GetOptions {
  /** Default, and where the keys leave it open: ascending by the UTF-8 bytes of the id. */
  sort?: Sort<T>
  /** Results to leave out at the start, before the first page. */
  skip?: number
  project?: Projection<T>
}

export interface FindOptions<T extends object = Document> extends FindOneOptions<T> {
  /** At least 1. Default: all; for page() 100. */
  limit?: number
  /** Of a page of the same query: goes on behind it. */
  cursor?: string
}

/** What every write may carry. */
export interface WriteOptions {
  /** Who does it: recorded in the event, and as createdBy or updatedBy. */
  actor?: string
  /** Recorded in the event, and nowhere else. */
  metadata?: Document
  /** Why: recorded in the event's metadata under this name, as are the next two. */
  reason?: string
  /** What the write is a part of, as a request or a job has it. */
  correlationId?: string
  /** What caused it, as the id of an event. */
  causationId?: string
  /** The write is cancelled as long as it has not begun to become durable: ABORTED. */
  signal?: AbortSignal
}

export interface IdempotentOptions extends WriteOptions {
  /** A name for this write: one that was committed before is not done again, and gives the first one's result. */
  txId?: string
}

export interface VersionedOptions extends IdempotentOptions {
  /** The version that the entity must have, or 'absent'; else VERSION_CONFLICT. */
  expectedVersion?: ExpectedVersion
}

export interface UpdateOptions extends VersionedOptions {
  /** Conditions on the elements that `$[name]` in a path stands for. */
  arrayFilters?: readonly object[]
}

export type UpdateManyOptions = WriteOptions & Pick<UpdateOptions, 'arrayFilters'>

export interface ReplaceOptions extends VersionedOptions {
  /** Whether to create the entity where it is absent. Default false: NOT_FOUND. */
  upsert?: boolean
}

export interface FindOneAndUpdateOptions<T extends object> extends UpdateManyOptions {
  /** Which entity is the first. Default: ascending by id. */
  sort?: Sort<T>
  project?: Projection<T>
  /** Default 'before', as in MongoDB. */
  returnDocument?: 'before' | 'after'
}

export type RestoreOptions = VersionedOptions & { includeArchived?: boolean }

export type RevertOptions = VersionedOptions & ArchiveOptions & ({ asOf: AsOfInput; version?: never } | { version: number; asOf?: never })

export interface CreateManyOptions extends IdempotentOptions {
  /** Documents of one commit: 1 to 1,000, the default. A batch also ends at about 1 MiB. */
  batchSize?: number
  /** What to do with a document whose id is there already. 'error' (ALREADY_EXISTS) is the default. */
  onConflict?: 'error' | 'skip' | 'replace'
  /** Called after each batch. */
  onProgress?: (progress: CreateManyCounts) => void
  /** Whether to collect the ids, in the order of the documents. They are not kept otherwise. */
  returnIds?: boolean
}

/** Documents that are done with, by what became of them. */
export interface CreateManyCounts {
  readonly createdCount: number
  readonly replacedCount: number
  readonly skippedCount: number
  /** Documents of batches that had been committed before under the same txId. */
  readonly repeatedCount: number
}

export interface CreateManyResult extends CreateManyCounts {
  /** `$id` of each document, when `returnIds` asked for them. */
  readonly ids?: string[]
}

export interface UpdateManyResult {
  /** Entities that the filter accepted when their turn came. */
  readonly matchedCount: number
  /** Of those, the ones that the update changed. */
  readonly modifiedCount: number
}

export interface DeleteManyResult {
  readonly deletedCount: number
}

/** With `includeArchived` what retention has archived, too; by default it begins at the horizon. */
export interface HistoryOptions extends ArchiveOptions {
  /** Only changes by this actor. */
  actor?: string
  /** Only changes of these kinds. */
  op?: EventOp | readonly EventOp[]
  /** The first event, as a seq or a time; inclusive. */
  from?: AsOfInput
  /** The last event, as a seq or a time; inclusive. */
  to?: AsOfInput
  limit?: number
  /** Of a page of the same history. */
  cursor?: string
  /** Newest first. Default: oldest first. */
  reverse?: boolean
}

/** One change of an entity, or of an edge that begins there, and the entity before and after it. Its `version` is the entity's after it; an edge does not change that. */
export interface HistoryEntry<T extends object = Document> extends Omit<Event, 'id' | 'ts' | 'target' | 'after'> {
  /** When it happened. */
  readonly at: Date
  /** Absent where there was no entity, or a deleted one. */
  readonly before?: Entity<T>
  /** Absent after a DELETE. */
  readonly after?: Entity<T>
}

/** One place where two documents differ. */
export interface Difference {
  /** Names and indexes joined by '.'; a '.' or '\' inside a name is escaped by '\'. */
  readonly path: string
  /** Absent where the field was not there. */
  readonly before?: Value
  /** Absent where the field is not there any more. */
  readonly after?: Value
}

/** How a query was answered; each home adds what else it knows. */
export interface QueryExplanation {
  readonly plan: string
  /** Entities looked at, deleted ones included. */
  readonly rowsScanned: number
  /** Entities that the filter accepted. */
  readonly rowsMatched: number
  readonly rowsReturned: number
}

/** With `includeArchived` what retention has archived, too; by default they begin at the horizon. */
export interface EventQueryOptions extends ArchiveOptions {
  /** Only events of this collection. */
  ns?: string
  /** Inclusive. */
  fromSeq?: number
  /** Inclusive. */
  toSeq?: number
  /** Events at or after this time. */
  from?: Date | string
  /** Events at or before this time. */
  to?: Date | string
  op?: EventOp | readonly EventOp[]
  actor?: string
  /** Only events whose write said so. */
  correlationId?: string
  causationId?: string
}

export interface SubscribeOptions {
  /** The first event that is wanted. Default: the next one to come. At most one past the newest: INVALID_ARGUMENT. */
  fromSeq?: number
  /** Only events of this collection. */
  ns?: string
  /** Only events of these kinds. */
  ops?: EventOp | readonly EventOp[]
  /**
   * A name under which the database keeps how far the subscription has come: the next one of that name goes on there, and `fromSeq` is only where the first one begins. An event counts as
   * dealt with when the next one is asked for; after a crash the last ones, 100 at most, may come again.
   */
  consumer?: string
  /** Ends the subscription: ABORTED. */
  signal?: AbortSignal
}

export interface TransactionOptions {
  /** How often the callback is run again after a conflict. Default 10. */
  retries?: number
  /** A name for the transaction: one that was committed before is not run again. */
  txId?: string
  /** The actor of every write that names none. */
  actor?: string
  signal?: AbortSignal
}

export interface CollectionInfo {
  readonly name: string
  /** Entities that are there. */
  readonly count: number
  /** Deleted ones, whose history is kept. */
  readonly deletedCount: number
}

/** What every home tells about itself; each adds what else it knows. */
export interface DatabaseStats {
  readonly kind: string
  readonly readOnly: boolean
  readonly lastSeq: number
}

export interface CompactOptions {
  signal?: AbortSignal
  onProgress?: (progress: { readonly rowsDone: number; readonly rowsTotal: number }) => void
}

export interface VerifyOptions {
  /** Whether to read and decode every row, too. Default: checksums and structure. */
  deep?: boolean
  signal?: AbortSignal
  onProgress?: (progress: { checkedFiles: number; totalFiles: number }) => void
}

export interface VerifyReport {
  readonly ok: boolean
  readonly checkedFiles: number
  readonly checkedBytes: number
  readonly checkedEvents: number
  readonly problems: readonly { readonly path: string; readonly code: string; readonly message: string }[]
}

/** What becomes of a namespace's old events: those older than `maxAge`, and those beyond the newest `maxEvents`. The newest state of everything is kept whatever it says. */
export interface RetentionPolicy {
  /** Milliseconds. */
  readonly maxAge?: number
  /** Of each namespace by itself. */
  readonly maxEvents?: number
  /** 'keep': nothing is done. 'archive': they go to archive/, where `includeArchived` finds them. 'drop': they are deleted. */
  readonly mode: 'keep' | 'archive' | 'drop'
}

export interface RetentionOptions extends Partial<RetentionPolicy> {
  /** Instead of the policy beside it. */
  readonly namespaces?: { readonly [ns: string]: RetentionPolicy }
  /** How often the background looks, after flushes. Default: a hundredth of the least maxAge, an hour at least. Milliseconds. */
  readonly everyMs?: number
}

export interface RetainOptions {
  /** Instead of the policies that the database was opened with. */
  policy?: RetentionOptions
  /** Only says what would go. */
  dryRun?: boolean
  signal?: AbortSignal
}

/** What retention took away, or would; bytes of the files they were in, in proportion. */
export interface RetentionReport {
  readonly events: number
  readonly bytes: number
  readonly namespaces: { readonly [ns: string]: { readonly mode: 'archive' | 'drop'; readonly horizonSeq: number; readonly horizonTs: number; readonly events: number; readonly bytes: number } }
}

/** A moment whose states are kept whole. */
export interface CheckpointInfo {
  readonly seq: number
  readonly at: Date
}

/** `reason` stays in the events, so it must not say what was erased. */
export type EraseOptions = Pick<WriteOptions, 'reason' | 'actor' | 'signal'>

/** Events that were appended, and those that were there already. */
export interface ImportEventsResult {
  readonly appendedCount: number
  readonly repeatedCount: number
}

export interface EraseReport {
  /** The newest event; the one that says that something was erased is at or before it. */
  readonly seq: number
  /** Data files that held something of the entities and were written anew. */
  readonly rewrittenFiles: number
  /** Former files that a read in this process still needs; they are deleted when it has ended. Normally 0. */
  readonly pendingFiles: number
  /** Copies that the database knows of (`parquedb push`) and that are from before the erasure: push to them again, or erase there. */
  readonly copies: readonly { readonly place: string; readonly lastSeq: number; readonly at: Date }[]
}
