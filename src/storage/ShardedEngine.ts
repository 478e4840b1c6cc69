import { compareStrings } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { IdSource } from '../base/ids.ts'
import { isEdgeSpace } from '../model/edge.ts'
import type { EntityKey } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { CommitRequest, CommitResult, Engine } from './engine.ts'
import { acrossPartitions, shardOf } from './partitions.ts'
import { lowerBound } from '../base/lower-bound.ts'
import { advanceAll, sourceOf } from './strips.ts'
import type { EventScanOptions, ScanSlice, View } from './view.ts'

/**
 * Engines that hold a namespace together, each the entities that `shardOf` gives it. Reads fan out and are merged; a commit is within one of them. A seq, and what
 * rests on one, is of one shard: CROSS_PARTITION here.
 */
export class ShardedEngine implements Engine {
  readonly clock: Clock
  readonly ids: IdSource
  readonly compact = refused('compact')
  readonly retain = refused('retain')
  readonly erase = refused('erase')
  readonly checkpoint = refused('checkpoint')
  readonly stats = refused('stats')
  readonly verify = refused('verify')
  readonly #shards: readonly Engine[]

  /** At least one. */
  constructor(shards: readonly Engine[]) {
    this.#shards = shards
    const [{ clock, ids }] = shards as [Engine]
    this.clock = clock
    this.ids = ids
  }

  async commit(request: CommitRequest): Promise<CommitResult> {
    const [index = 0, another] = new Set(request.keys.map(({ id }) => shardOf(id, this.#shards.length)))
    if (another !== undefined || request.keys.some(({ ns }) => isEdgeSpace(ns))) throw acrossPartitions('This write is of several shards', 'Write to one shard at a time.')
    return (this.#shards[index] as Engine).commit(request)
  }

  /** Of one moment in each shard, not of one moment in all. */
  async view(options?: { includeArchived?: boolean }): Promise<View> {
    const opening = await Promise.allSettled(this.#shards.map((shard) => shard.view(options)))
    const failed = opening.find((result) => result.status === 'rejected')
    const views = opening.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    if (failed === undefined) return viewOver(views)
    for (const view of views) view.release()
    throw failed.reason
  }

  readonly viewNow = (): undefined => undefined

  onCommit(): never {
    throw ofOneShard('a subscription')
  }

  async flush(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.flush()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.close()))
  }
}

function viewOver(views: readonly View[]): View {
  const of = ({ id }: EntityKey): View => views[shardOf(id, views.length)] as View
  return {
    ts: Math.max(...views.map(({ ts }) => ts)),
    get seq(): never {
      throw ofOneShard('a seq')
    },
    get: (key, asOf) => of(key).get(key, asOf),
    async getMany(keys, asOf) {
      const states = await Promise.all(views.map((view) => view.getMany(keys.filter((key) => of(key) === view), asOf)))
      return keys.map(({ id }) => states[shardOf(id, states.length)]?.shift())
    },
    scan: (ns, options) => mergedStrips(views.map((view) => view.scan(ns, options))),
    scanRanges(): never {
      throw ofOneShard('a relationship')
    },
    events: (options = {}) => mergedEvents(views, options),
    entityEvents: (key, options) => of(key).entityEvents(key, options),
    namespaces: () => [...new Set(views.flatMap((view) => view.namespaces()))].toSorted(compareStrings),
    horizon: (ns) => views.map((view) => view.horizon(ns)).reduce((latest, horizon) => ((horizon?.ts ?? 0) > (latest?.ts ?? 0) ? horizon : latest)),
    scratch: () => views[0]?.scratch(),
    release() {
      for (const view of views) view.release()
    },
  }
}

/** In the order of time; in each shard's own order where that is the same. */
async function* mergedEvents(views: readonly View[], options: EventScanOptions): AsyncGenerator<StoredEvent> {
  if (options.fromSeq !== undefined || options.toSeq !== undefined) throw ofOneShard('a seq')
  const sources = views.map((view) => view.events(options)[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(sources.map((source) => source.next()))
    for (;;) {
      const least = heads.reduce((best, head, index) => (head.done !== true && head.value.ts < (heads[best]?.value?.ts ?? Number.POSITIVE_INFINITY) ? index : best), 0)
      const [head, source] = [heads[least], sources[least]]
      if (head === undefined || head.done === true || source === undefined) return
      yield head.value
      heads[least] = await source.next()
    }
  } finally {
    for (const source of sources) await source.return?.()
  }
}

function refused(method: string): () => Promise<never> {
  return () => Promise.reject(ofOneShard(method))
}

function ofOneShard(what: string): Error {
  return acrossPartitions(`Over shards there is no such thing as ${what}`, 'Ask one shard for it.')
}

/** Scans that have no id in common, as one: each strip goes as far as all of them have come. Memory: a strip of each. */
async function* mergedStrips(scans: readonly AsyncIterable<readonly ScanSlice[]>[]): AsyncGenerator<readonly ScanSlice[]> {
  const sources = scans.map(sourceOf)
  try {
    for (let live = await advanceAll(sources); live.length > 0; live = await advanceAll(live)) {
      const ends = live.map(({ batch: slices }) => slices.map(({ batch, rows }) => batch.id(rows.at(-1) as number)).reduce((most, id) => (compareStrings(id, most) > 0 ? id : most)))
      const end = ends.reduce((least, id) => (compareStrings(id, least) < 0 ? id : least))
      yield live.flatMap(({ batch: slices }) => slices.map((slice) => upTo(slice, end))).filter(({ rows }) => rows.length > 0)
      for (const source of live) source.batch = source.batch.map((slice) => ({ ...slice, rows: slice.rows.subarray(upTo(slice, end).rows.length) })).filter(({ rows }) => rows.length > 0)
    }
  } finally {
    for (const { iterator } of sources) await iterator.return?.()
  }
}

/** Its rows up to an id, that one included. */
function upTo({ batch, rows }: ScanSlice, end: string): ScanSlice {
  return { batch, rows: rows.subarray(0, lowerBound(rows, (row) => compareStrings(batch.id(row), end) <= 0)) }
}
