import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import type { Horizon } from './manifest.ts'
import type { ByteArrays } from '../parquet/byte-arrays.ts'
import type { GroupFilter } from '../parquet/GroupStatistics.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { RunBatch } from '../parquet/RunBatch.ts'
import type { EventRange } from '../parquet/SegmentFileReader.ts'
import type { ScanTrace } from '../parquet/TableReader.ts'
import type { Scratch } from './Scratch.ts'

/** A point in the past. All of a commit's events are on one side of it. Both given: the earlier of the two. */
export interface AsOf {
  /** State after the events with seq <= this. */
  readonly seq?: number | undefined
  /** State after the events with ts <= this; milliseconds. */
  readonly ts?: number | undefined
}

export interface ScanOptions extends IdRange {
  readonly asOf?: AsOf | undefined
  /** States that stand over those of the view, in the order of ids; their seqs are greater. */
  readonly over?: readonly EntityState[] | undefined
  /** Passes over row groups that surely hold nothing that is wanted, where that hides no row from another one. */
  readonly prune?: GroupFilter | undefined
  readonly trace?: ScanTrace | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rows that belong together, in the order of ids: a row group of a file, or states. */
export interface RowBatch {
  readonly rowCount: number
  readonly ids: ByteArrays
  readonly seqs: Float64Array
  /** 1 for a tombstone; undefined when there is none. */
  readonly deleted: Uint8Array | undefined
  /** undefined where only the states are there. */
  readonly columns: RunBatch | undefined
  id(row: number): string
  /** Some rows, which ascend, in parts of about `rowsMin`: what is made of one part costs nothing again for another. */
  cut(rows: Int32Array, rowsMin: number): Iterable<Int32Array>
  /** The states of some rows, which ascend. */
  states(rows: Int32Array): readonly EntityState[]
}

/** Those rows of a batch that are the newest ones of their entities; they ascend. */
export interface ScanSlice {
  readonly batch: RowBatch
  readonly rows: Int32Array
}

export interface EventScanOptions extends EventRange {
  readonly ns?: string | undefined
  readonly ops?: readonly EventOp[] | undefined
  readonly actor?: string | undefined
  /** In the event's metadata, as are the next. */
  readonly correlationId?: string | undefined
  readonly causationId?: string | undefined
  /** Leaves out what is behind a horizon, where a range that reaches behind it is otherwise refused. */
  readonly onlyKept?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface EntityEventOptions extends EventRange, Pick<EventScanOptions, 'signal'> {
  /** Newest first. */
  readonly reverse?: boolean | undefined
  /** Also those of the edges that begin at the entity. */
  readonly edges?: boolean | undefined
}

/**
 * What a reader sees: one manifest and the overlay up to one seq. It never changes under the reader, however many
 * commits, flushes and compactions happen meanwhile. Files it needs are kept until `release()`; release is idempotent.
 * States and documents are shared and immutable: copy before handing them out.
 */
export interface View {
  /** The newest event that the view includes; 0 in an empty database. */
  readonly seq: number
  /** ts of that event; 0 in an empty database. */
  readonly ts: number
  /** The newest state, tombstones included; undefined when the entity never was. */
  get(key: EntityKey, asOf?: AsOf): Promise<EntityState | undefined>
  /** As `get`, for many at once, in the order of the keys: each stretch of a data file is read once. */
  getMany(keys: readonly EntityKey[], asOf?: AsOf): Promise<(EntityState | undefined)[]>
  /**
   * Newest rows of a namespace, tombstones included, in strips: each strip is a stretch of ids (by their UTF-8 bytes) that comes after the one before it;
   * inside a strip each slice is in order, and several interleave. Of bounded size.
   */
  scan(ns: string, options?: ScanOptions): AsyncIterable<readonly ScanSlice[]>
  /** The newest states, tombstones included, within several ranges of ids, which ascend and do not overlap; in order, and in batches of bounded size. */
  scanRanges(ns: string, ranges: readonly IdRange[], options?: Pick<ScanOptions, 'asOf' | 'signal'>): AsyncIterable<readonly EntityState[]> | Iterable<readonly EntityState[]>
  /** Events in seq order. */
  events(options?: EventScanOptions): AsyncIterable<StoredEvent>
  /** One entity's events in seq order (or reversed); the first one yielded within a file carries its snapshot. */
  entityEvents(key: EntityKey, options?: EntityEventOptions): AsyncIterable<StoredEvent>
  /** Namespaces that hold any state, tombstones included, ordered. */
  namespaces(): string[]
  /** Where the namespace's history begins, when retention has removed some: points before it, and events from before it on, are HISTORY_UNAVAILABLE. */
  horizon(ns: string): Horizon | undefined
  /** A place for what a query cannot hold in memory; undefined where nothing may be written. The caller disposes of it. */
  scratch(): Scratch | undefined
  release(): void
}

/** A view that also tells what it knows without waiting. */
export interface PresentView extends View {
  /** As `get`, where memory tells it; 'in files' where a data file has to be read for it. */
  inMemory(key: EntityKey, asOf?: AsOf): EntityState | undefined | 'in files'
}

export interface ViewOptions {
  readonly includeArchived?: boolean
}

interface Viewed {
  view(options?: ViewOptions): View | Promise<View>
}

/** Runs `read` over one view, which is released whatever happens. */
export async function withView<Result>(source: Viewed, read: (view: View) => Promise<Result>, options?: ViewOptions): Promise<Result> {
  const view = await source.view(options)
  try {
    return await read(view)
  } finally {
    view.release()
  }
}

/** As withView, of what is read bit by bit: the view is released when the reading ends or is left. */
export async function* overView<Item>(source: Viewed, options: ViewOptions, read: (view: View) => AsyncIterable<Item>): AsyncGenerator<Item> {
  const view = await source.view(options)
  try {
    yield* read(view)
  } finally {
    view.release()
  }
}
