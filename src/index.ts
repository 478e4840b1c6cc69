export { isParqueDBError, ParqueDBError } from './base/ParqueDBError.ts'
export type { ErrorCode, ErrorDetails } from './base/ParqueDBError.ts'
export { systemClock } from './base/clock.ts'
export type { Clock } from './base/clock.ts'
export { seededRandom, systemRandom } from './base/random.ts'
export type { Random } from './base/random.ts'
export type {
  Collection,
  FindOneOptions,
  FindOptions,
  NewDocument,
  ReadOptions,
  Replacement,
  ReplaceOptions,
  RevertOptions,
  UpdateManyOptions,
  UpdateOptions,
} from './db/Collection.ts'
export type { CollectionInfo } from './db/collection-counts.ts'
export type { CreateManyCounts, CreateManyOptions, CreateManyResult } from './db/create-many.ts'
export type { Difference } from './db/document-differences.ts'
export type { FindOneAndUpdateOptions } from './db/find-one-and-update.ts'
export type { HistoryEntry, HistoryOptions, HistoryPoint } from './db/history.ts'
export { ParqueDB } from './db/ParqueDB.ts'
export type { CompactOptions, ParqueDBOptions, Transaction, VerifyOptions } from './db/ParqueDB.ts'
export type { EventQueryOptions } from './db/read-events.ts'
export type { Page, ResultCursor } from './db/ResultCursor.ts'
export type { TransactionOptions } from './db/run-transaction.ts'
export type { DatabaseLimits } from './db/session.ts'
export type { SubscribeOptions, Subscription } from './db/Subscription.ts'
export type { DeleteManyResult, UpdateManyResult } from './db/update-many.ts'
export type { IdempotentOptions, VersionedOptions, WriteOptions } from './db/write-options.ts'
export type { ExpectedVersion } from './model/decide.ts'
export { parseExtendedJson, stringifyExtendedJson } from './model/ejson.ts'
export type { Entity, EntityFields } from './model/entity-document.ts'
export type { Event, EventOp } from './model/event.ts'
export type { Filter, Projection, Sort, Update } from './model/filter-types.ts'
export type { DocumentLimits } from './model/parse-document.ts'
export type { Patch } from './model/patch.ts'
export type { Document, Value } from './model/values.ts'
export type { AsOfInput } from './query/as-of.ts'
export type { Explanation } from './query/explain.ts'
export type { CompactProgress, EngineStats, VerifyReport } from './storage/engine.ts'
export type { EngineOptions } from './storage/engine-options.ts'
export { MemoryBackend } from './storage/MemoryBackend.ts'
export type { StorageBackend } from './storage/storage-backend.ts'
