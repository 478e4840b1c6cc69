import { createHash } from 'node:crypto'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import { validateNamespace } from '../model/entity.ts'
import type { EventSourcedBackend } from '../storage/EventSourcedBackend.ts'
import { HistoryRebuilder } from '../storage/HistoryRebuilder.ts'
import { partitionsOf, shardOf, shardsMax } from '../storage/partitions.ts'
import { ShardedEngine } from '../storage/ShardedEngine.ts'
import type { RecoverInput } from '../storage/recover.ts'
import { statesInOrder } from '../storage/strips.ts'
import { withView, type View } from '../storage/view.ts'
import { isDatabase, locationBelow, openEngine } from './open-database.ts'

export interface ReshardInput extends Pick<RecoverInput, 'signal' | 'onProgress'> {
  /** The folder, or s3:// URL, that has the partitions: what the Worker has as `prefix`. */
  readonly location: string
  readonly ns: string
  /** How many shards the collection has, and is to have; 1 is without. */
  readonly from: number
  readonly to: number
}

export interface ReshardReport {
  readonly events: number
  readonly entities: number
  /** Entities whose history begins behind retention's horizon, with the state that they had there. */
  readonly bridges: number
  /** The new partitions. */
  readonly partitions: readonly string[]
}

/**
 * Writes a collection's partitions anew as other ones, beside those that there are: every event with its id, time, actor and version, in the order of time; then all entities are compared. Nobody
 * may write meanwhile, and all of it has to be flushed. NOT_FOUND without a partition; ALREADY_EXISTS for a new one that is there; CORRUPT_FILE where the two differ.
 */
export async function reshard({ location, ns, from, to, signal, onProgress }: ReshardInput): Promise<ReshardReport> {
  validateNamespace(ns)
  const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= shardsMax
  if (!isCount(from) || !isCount(to) || from === to) throw new ParqueDBError('INVALID_ARGUMENT', `A collection has 1 to ${shardsMax} shards, and another number of them afterwards; this would be from ${from} to ${to}.`, { details: { option: 'to' } })
  const [olds, news] = [partitionsOf(ns, from), partitionsOf(ns, to)]
  const at = (partition: string): string => locationBelow(location, partition)
  for (const partition of olds) {
    if (!(await isDatabase(at(partition)))) throw new ParqueDBError('NOT_FOUND', `There is no partition ${partition} in ${location}. Flush every shard first: one that was never written has none, and takes one write to have it.`, { details: { partition } })
  }
  for (const partition of news) {
    if (await isDatabase(at(partition))) throw new ParqueDBError('ALREADY_EXISTS', `There is a partition ${partition} in ${location} already. Delete what is below it, if it is of an attempt that was broken off.`, { details: { partition } })
  }
  const sources = olds.map((partition) => openEngine(at(partition), { readOnly: true }))
  const targets = news.map((partition) => openEngine(at(partition)))
  const source = new ShardedEngine(sources)
  const target = new ShardedEngine(targets)
  try {
    const counts = await rewrite({ ns, source, sources, targets, signal, onProgress })
    await target.flush()
    const contents = (of: ShardedEngine): ReturnType<typeof contentsOf> => withView(of, (view) => contentsOf(view, ns))
    const [was, is] = [await contents(source), await contents(target)]
    if (was.digest === is.digest) return { ...counts, entities: is.entities, partitions: news }
    throw new ParqueDBError('CORRUPT_FILE', `The new partitions have ${is.entities} entities of '${ns}', which are not the ${was.entities} that there were. They are not to be used; the old ones are as they were.`, { details: { partitions: news } })
  } finally {
    await Promise.all([source.close(), target.close()])
  }
}

/** `source`: all of `sources` as one. */
async function rewrite({ ns, source, sources, targets, signal, onProgress }: Pick<ReshardInput, 'ns' | 'signal' | 'onProgress'> & { source: ShardedEngine; sources: readonly EventSourcedBackend[]; targets: readonly EventSourcedBackend[] }): Promise<{ events: number; bridges: number }> {
  const rebuilders = targets.map((target) => new HistoryRebuilder(target))
  /** Which source each txId of a target came from, and the last commit: under the same name another one would be taken for a repetition. */
  const owners = targets.map(() => new Map<string, number>())
  const last: { ts: number; txId: string | undefined }[] = []
  for (const shard of sources) await withView(shard, (view) => addBases(view, ns, rebuilders), { includeArchived: true })
  let events = 0
  await withView(source, async (view) => {
    for await (const event of view.events({ onlyKept: true, signal })) {
      const [owner, to] = [shardOf(event.id, sources.length), shardOf(event.id, targets.length)]
      const isNew = event.txId === undefined || (owners[to]?.get(event.txId) ?? owner) === owner || (last[to]?.txId === event.txId && last[to]?.ts === event.ts)
      if (event.txId !== undefined && owners[to]?.has(event.txId) === false) owners[to]?.set(event.txId, owner)
      last[to] = isNew ? event : { ts: event.ts, txId: undefined }
      await rebuilders[to]?.addEvent(isNew ? event : { ...event, txId: undefined })
      if (++events % 1000 === 0) onProgress?.({ events })
    }
  }, { includeArchived: true })
  for (const rebuilder of rebuilders) await rebuilder.finish()
  return { events, bridges: rebuilders.reduce((sum, { counts }) => sum + counts.bridges, 0) }
}

/** The states at the horizon, where retention has removed what was before it. */
async function addBases(view: View, ns: string, rebuilders: readonly HistoryRebuilder[]): Promise<void> {
  const horizon = view.horizon(ns)
  if (horizon === undefined) return
  for await (const states of statesInOrder(view.scan(ns, { asOf: { seq: horizon.seq } }))) {
    for (const [index, rebuilder] of rebuilders.entries()) await rebuilder.addStates(ns, states.filter(({ id }) => shardOf(id, rebuilders.length) === index))
  }
}

/** How many entities there are, and a digest of them all, in the order of their ids. */
async function contentsOf(view: View, ns: string): Promise<{ entities: number; digest: string }> {
  const hash = createHash('sha256')
  let entities = 0
  for await (const batch of statesInOrder(view.scan(ns))) {
    for (const { id, document } of batch.filter(({ deletedAt }) => deletedAt === undefined)) {
      hash.update(`${JSON.stringify(id)}${stringifyExtendedJson(document)}\n`)
      entities++
    }
  }
  return { entities, digest: hash.digest('hex') }
}
