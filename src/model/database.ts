import type {
  AggregateOptions, ArchiveOptions, CheckpointInfo, CollectionInfo, CompactOptions, CreateManyOptions, CreateManyResult, DatabaseStats, DeleteManyResult, Difference, EraseOptions, EraseReport,
  EventQueryOptions,
  FindOneAndUpdateOptions, FindOneOptions, ImportEventsResult, FindOptions, GetOptions, HistoryEntry, HistoryOptions, HistoryPoint, IdempotentOptions, NewDocument,
  QueryExplanation, ReadOptions, Replacement, ReplaceOptions, RestoreOptions, RetainOptions, RetentionReport, RevertOptions, SubscribeOptions, TransactionOptions,
  UpdateManyOptions, UpdateManyResult, UpdateOptions, VerifyOptions, VerifyReport, VersionedOptions, WriteOptions,
} from './database-options.ts'
import type {
  EdgeInput, LinkArguments, LinkManyOptions, LinkManyResult, LinkResult, Related, RelatedOptions, ShortestPathOptions, Traversed, TraverseOptions,
  TraverseStep,
} from './graph-options.ts'
import type { Entity } from './entity-document.ts'
import type { Event } from './event.ts'
import type { Filter, Projection, Update } from './filter-types.ts'
import type { ResultCursor } from './ResultCursor.ts'
import type { Document, Value } from './values.ts'

/**
 * The documents of one namespace, in whichever home the database has: a process, a Worker, or the other end of HTTP. Ids are given as 'abc' or 'posts/abc'.
 * What is returned is the caller's own copy: changing it changes nothing stored. A write resolves when it is durable, and every later read sees it.
 * Unknown options are INVALID_ARGUMENT, unknown operators INVALID_FILTER or INVALID_UPDATE; nothing is ignored.
 */
export interface DatabaseCollection<T extends object = Document> {
  readonly name: string
  /** A new entity, with a generated ULID unless the document brings its `$id`. ALREADY_EXISTS; the id of a deleted entity may be used again. */
  create(document: NewDocument<T>, options?: IdempotentOptions): Promise<Entity<T>>
  /** Many new entities, in commits of up to 1,000, from an array, an iterable or an async iterable, in bounded memory. See CreateManyOptions. */
  createMany(documents: Iterable<NewDocument<T>> | AsyncIterable<NewDocument<T>>, options?: CreateManyOptions): Promise<CreateManyResult>
  /** The entity, or undefined where it is absent or deleted. */
  get(id: string, options?: GetOptions): Promise<Entity<T> | undefined>
  /** The entities of these ids, in their order, undefined where one is absent; all from one state of the database. */
  getMany(ids: readonly string[], options?: GetOptions): Promise<(Entity<T> | undefined)[]>
  /** What the filter finds; nothing is read before it is asked for. In a process both arguments are checked at once; over HTTP when it is first read. */
  find(filter: Filter<T> | undefined, options: FindOptions<T> & { project: Projection<T> }): ResultCursor<Partial<Entity<T>>>
  find(filter?: Filter<T>, options?: FindOptions<T>): ResultCursor<Entity<T>>
  /** The first entity that the filter finds, or undefined. */
  findOne(filter: Filter<T> | undefined, options: FindOneOptions<T> & { project: Projection<T> }): Promise<Partial<Entity<T>> | undefined>
  findOne(filter?: Filter<T>, options?: FindOneOptions<T>): Promise<Entity<T> | undefined>
  /** How many entities the filter finds. */
  count(filter?: Filter<T>, options?: ReadOptions): Promise<number>
  /** Whether an entity of this id, or any that the filter finds, is there. */
  exists(idOrFilter: string | Filter<T>, options?: ReadOptions): Promise<boolean>
  /** The different values at a path, in BSON's order; of an array its elements. */
  distinct(path: (keyof T & string) | (string & {}), filter?: Filter<T>, options?: ReadOptions): Promise<Value[]>
  /** How a query is answered: it is run, and its results are dropped. */
  explain(filter?: Filter<T>, options?: Omit<FindOptions<T>, 'populate'>): Promise<QueryExplanation>
  /**
   * What a pipeline of stages makes of the entities, read when it is asked for: $match $project $addFields $group $sort $skip $limit $unwind $lookup $facet $bucket $sample $count
   * $sortByCount. INVALID_ARGUMENT names the stage that is wrong. There are no cursors: page() gives all results, LIMIT_EXCEEDED past 1,000. See docs/guides/queries.md.
   */
  aggregate<Result extends object = Document>(pipeline: readonly object[], options?: AggregateOptions): ResultCursor<Result>
  /** Applies update operators and gives the entity after it. NOT_FOUND. An update that changes nothing writes nothing. */
  update(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>>
  /** Applies update operators to every entity that the filter finds, in commits of up to 1,000; in a transaction as one. */
  updateMany(filter: Filter<T>, update: Update<T>, options?: UpdateManyOptions): Promise<UpdateManyResult>
  /** Puts another document in the entity's place. An entity that was read may be given back as it is: its `version` is then the expected one. NOT_FOUND, unless `upsert`. */
  replace(id: string, document: Replacement<T>, options?: ReplaceOptions): Promise<Entity<T>>
  /** Applies update operators, and creates the entity with them (and $setOnInsert) where it is absent. */
  upsert(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>>
  /** Updates the first entity that the filter finds, and gives it as it was before, or after it with `returnDocument: 'after'`; undefined when nothing is found. */
  findOneAndUpdate(filter: Filter<T>, update: Update<T>, options?: FindOneAndUpdateOptions<T>): Promise<Entity<T> | undefined>
  /** Deletes the entity: it is gone from reads, its history stays, and restore() brings it back. False when there was none. */
  delete(id: string, options?: VersionedOptions): Promise<boolean>
  /** Deletes every entity that the filter finds, in commits of up to 1,000; `{}` for all of them. */
  deleteMany(filter: Filter<T>, options?: WriteOptions): Promise<DeleteManyResult>
  /** Brings a deleted entity back as it was last, as its next version; gives one that lives as it is. NOT_FOUND; HISTORY_UNAVAILABLE where what it was last is behind the horizon: `includeArchived` finds it in the archive. */
  restore(id: string, options?: RestoreOptions): Promise<Entity<T>>
  /**
   * Edges from the entity to others, of any collection: made, or given other data, as one commit. Linking again makes no second edge; without data an edge keeps what it has. The
   * entity's version does not change; `expectedVersion` is about the entity. NOT_FOUND where it is absent; what it leads to may be absent, unless the schema refuses that.
   */
  link(id: string, relationship: string, ...target: LinkArguments): Promise<LinkResult>
  /** Removes edges; one that is not there changes nothing. */
  unlink(id: string, relationship: string, ...target: [to: string | readonly string[], options?: VersionedOptions]): Promise<LinkResult>
  /** Edges in bulk, from an array, an iterable or an async iterable, in commits of up to 1,000. */
  linkMany(edges: Iterable<EdgeInput> | AsyncIterable<EdgeInput>, options?: LinkManyOptions): Promise<LinkManyResult>
  /** The entities at the other ends of the entity's edges, each with its edge in `$edge`. Edges to and from deleted or absent entities are not seen. */
  related<R extends object = Document>(id: string, relationship: string, options?: RelatedOptions<R>): ResultCursor<Related<R>>
  /** How many `related` would bring; none of them is held. */
  countRelated<R extends object = Document>(id: string, relationship: string, options?: RelatedOptions<R>): Promise<number>
  /** The entity as it was at one of its versions, or at a time; undefined where it was absent then. */
  at(id: string, point: HistoryPoint, options?: ArchiveOptions): Promise<Entity<T> | undefined>
  /** Every change of the entity, oldest first, with the entity before and after it, and every link and unlink of an edge that begins there. Empty where it never was. */
  history(id: string, options?: HistoryOptions): ResultCursor<HistoryEntry<T>>
  /** Where the entity's own fields differ between two points of its history; `to` is now when it is left out. Where it was absent it had no fields. NOT_FOUND where it was at neither. */
  diff(id: string, from: HistoryPoint, to?: HistoryPoint, options?: ArchiveOptions): Promise<Difference[]>
  /** Makes the entity's own fields what they were at a version or at a time, as its next version. NOT_FOUND where it was absent then. */
  revert(id: string, options: RevertOptions): Promise<Entity<T>>
}

/** What a transaction's callback works with: collections that see its writes, and that end with it. */
export interface DatabaseTransaction {
  collection<T extends object = Document>(name: string): DatabaseCollection<T>
}

/** What every write carries: who, why, and of what it is a part. */
export type Acting = Pick<WriteOptions, 'actor' | 'reason' | 'correlationId' | 'causationId'>

/** A database whose writes carry an actor of their own accord; what a call says itself goes before. */
export interface ActingDatabase extends DatabaseTransaction {
  transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions): Promise<Result | undefined>
}

/** Events as they come. Leaving a loop over it ends it, as return() does; calls of next() may overlap. */
export interface EventStream extends AsyncIterableIterator<Event> {
  next(): Promise<IteratorResult<Event>>
  return(): Promise<IteratorResult<Event>>
}

/** What names a tenant: without the '~' that ends it. */
export const tenantPattern = /^[A-Za-z0-9_-]{1,32}$/

/** A database in whichever home it has. After close() everything is CLOSED. */
export interface Database {
  /** The documents of one namespace; nothing is read or made by asking for it. INVALID_ARGUMENT for a name that cannot be one. */
  collection<T extends object = Document>(name: string): DatabaseCollection<T>
  /**
   * Runs `work` so that all it writes through `tx` is committed at once, or not at all, and as if nobody else had been there (serializable). It
   * may run several times: when what it read has changed by then, it is run again, `retries` times at most (TRANSACTION_CONFLICT). What it throws rolls back and is
   * thrown on. Versions and times of what it gets from its own writes are provisional. With a `txId` that was committed before it does not run, and undefined is given.
   */
  transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options: TransactionOptions & { txId: string }): Promise<Result | undefined>
  transaction<Result>(work: (tx: DatabaseTransaction) => Promise<Result> | Result, options?: TransactionOptions & { txId?: never }): Promise<Result>
  /**
   * The entities that the steps lead to from `start`, one `$id` or several, nearest first; edges may form cycles. Each level is read in one go. LIMIT_EXCEEDED past `traversalEntitiesMax`
   * entities reached (100,000).
   */
  traverse<T extends object = Document>(start: string | readonly string[], steps: TraverseStep | readonly TraverseStep[], options?: TraverseOptions<T>): ResultCursor<Traversed<T>>
  /** The entities of a path with the fewest edges from one entity to another, both included; undefined where there is none within `depth`. */
  shortestPath<T extends object = Document>(from: string, to: string, options?: ShortestPathOptions): Promise<Traversed<T>[] | undefined>
  /** The database, whose writes carry this actor, and a reason and ids, of their own accord. */
  as(who: string | Acting): ActingDatabase
  /** The events in seq order, as they are when reading begins. */
  events(options?: EventQueryOptions): AsyncIterableIterator<Event>
  /** Events from `fromSeq` on, first those that are there, then each as it becomes durable; without a gap or a repetition. */
  subscribe(options?: SubscribeOptions): EventStream
  /**
   * Appends up to 1,000 events of another database as events() gives them: with their ids, times, versions, actors and txIds, in commits as they were. Those that are there already are passed over;
   * VERSION_CONFLICT, with nothing of its commit or behind it written, for one that is not the next of its entity. For copies: `parquedb push`.
   */
  importEvents(events: readonly Event[]): Promise<ImportEventsResult>
  /** The collections that hold or held anything, in order, with exact counts: it reads them. */
  collections(options?: { signal?: AbortSignal }): Promise<CollectionInfo[]>
  /** Turns the log's events into Parquet files now. Nothing depends on it: it happens by itself. */
  flush(): Promise<void>
  /** Merges data files until reads are as fast as they can be. Nothing depends on it: it happens by itself. */
  compact(options?: CompactOptions): Promise<void>
  /** Takes away what the retention policies no longer keep, or those given here; it also happens by itself. The newest state of everything stays. */
  retain(options?: RetainOptions): Promise<RetentionReport>
  /**
   * Takes entities, given as 'ns/id', out of the database for good: states, events, archive, checkpoints. An ERASE event stays, which has no id but the SHA-256 of it. When it
   * resolves, no file has anything of them, but for what `pendingFiles` says; a crash in between is finished when the database is opened. The ids may be used again. NOT_FOUND for one that never was.
   */
  erase(target: string | readonly string[], options?: EraseOptions): Promise<EraseReport>
  /** Keeps the states of now whole: `find` with an `asOf` at or after it starts from them. The newest ones stay, as many as `checkpoints.keep` says. */
  checkpoint(): Promise<CheckpointInfo>
  stats(): Promise<DatabaseStats>
  /** Reads every file and checks it against its checksums, and against what the manifest says. Damage is reported, not thrown. */
  verify(options?: VerifyOptions): Promise<VerifyReport>
  /** Finishes what was begun and gives back what is held. Closing again does nothing. */
  close(): Promise<void>
  /** The collections whose names begin with the tenant's and '~', as if they were a database of their own, without that beginning. INVALID_ARGUMENT for a name that is none. */
  tenant?(name: string): Database
  [Symbol.asyncDispose](): Promise<void>
}
