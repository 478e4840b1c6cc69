import type { IdSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { CreateManyOptions, FindOneAndUpdateOptions } from '../model/database-options.ts'
import { parseEntityId } from '../model/entity.ts'
import type { Call } from '../model/intercepted.ts'
import { collectionOperations, type Operation } from '../model/operations.ts'
import { isPlainObject } from '../model/parse-document.ts'
import { acrossPartitions, shardOf } from '../storage/partitions.ts'

/** Who carries a call out: one shard, or where none is named a database over all of them. */
export interface Shards {
  readonly count: number
  readonly ids: IdSource
  readonly call: (call: Call, index?: number) => unknown
}

/** Documents that are given to the shards at once, where no `batchSize` is given. */
const documentsMax = 1000
/** How often another document is looked for when the first one was changed meanwhile. */
const attemptsMax = 20

/** The id of the one entity that a call is about; undefined where it is about others, or one that has no id yet. */
export function idIn({ ns, method, args: [first] }: Call): string | undefined {
  const { args }: Operation = collectionOperations[method as keyof typeof collectionOperations]
  if (args[0] === 'id' || (method === 'exists' && typeof first === 'string')) return parseEntityId(first, ns)
  return method === 'create' && isPlainObject(first) && first['$id'] !== undefined ? parseEntityId(first['$id'], ns) : undefined
}

/** A call on a collection in shards: what is about one entity goes to its shard, writes about many to each, and what reads many reads all. */
export function callShards(shards: Shards, call: Call): unknown {
  const { gives }: Operation = collectionOperations[call.method as keyof typeof collectionOperations]
  // A cursor is there at once; whatever else fails does so as a rejection.
  return gives === 'page' ? routed(shards, call) : (async () => routed(shards, call))()
}

function routed(shards: Shards, call: Call): unknown {
  const id = idIn(call)
  if (id !== undefined) return shards.call(call, shardOf(id, shards.count))
  switch (call.method) {
    case 'create':
      return createOne(shards, call)
    case 'createMany':
      return createMany(shards, call)
    case 'updateMany':
    case 'deleteMany':
      return Promise.all(Array.from({ length: shards.count }, (_, index) => shards.call(call, index))).then((results) => sumOf(results as object[]))
    case 'findOneAndUpdate':
      return findOneAndUpdate(shards, call)
    case 'linkMany':
      throw acrossPartitions('Relationships do not lead from shard to shard', 'Keep a collection that has some in one partition.')
    default:
      return shards.call(call)
  }
}

function createOne(shards: Shards, { args: [document, options], ...call }: Call): unknown {
  const { txId } = (options ?? {}) as { txId?: unknown }
  const index = shardOf(typeof txId === 'string' ? txId : shards.ids.next(), shards.count)
  return shards.call({ ...call, args: [withId(shards, document, index), options] }, index)
}

/** With an id that belongs to the shard, where it has none: done again under the same txId it comes to the same shard. */
function withId(shards: Shards, document: unknown, index: number): unknown {
  if (!isPlainObject(document)) return document
  let $id = shards.ids.next()
  while (shardOf($id, shards.count) !== index) $id = shards.ids.next()
  return { $id, ...document }
}

/** In commits of each shard's own. Documents without an id are dealt out in turn, so that a txId finds them again. */
async function createMany(shards: Shards, { ns, method, args: [documents, given] }: Call): Promise<unknown> {
  const { txId, onProgress, ...options } = (given ?? {}) as CreateManyOptions
  // The first shard says what is wrong with it.
  const isMany = typeof documents === 'object' && documents !== null && (Symbol.iterator in documents || Symbol.asyncIterator in documents)
  if (!isMany) return shards.call({ ns, method, args: [documents, given] }, 0)
  let total: Record<string, number> = { createdCount: 0, replacedCount: 0, skippedCount: 0, repeatedCount: 0 }
  const ids: string[] = []
  let first = 0
  let waiting: { document: unknown; index: number }[] = []
  const submit = async (): Promise<void> => {
    const own = txId === undefined ? {} : { txId: `${txId}~${first}` }
    const results = await Promise.all(
      Array.from({ length: shards.count }, async (_, index) => {
        const rows = [...waiting.keys()].filter((row) => waiting[row]?.index === index)
        if (rows.length === 0) return {}
        const creating = shards.call({ ns, method, args: [rows.map((row) => waiting[row]?.document), { ...options, ...own }] }, index) as Promise<{ ids?: string[] }>
        const { ids: made = [], ...counts } = await creating.catch((error: unknown) => {
          if (!isParqueDBError(error)) throw error
          const counted = Object.entries(total).map(([name, count]) => [name, count + Number(error.details[name] ?? 0)])
          throw new ParqueDBError(error.code, error.message, { details: { ...error.details, index: first + (rows[Number(error.details['index'])] ?? 0), ...Object.fromEntries(counted) }, cause: error })
        })
        for (const [at, id] of made.entries()) ids[first + (rows[at] as number)] = id
        return counts
      }),
    )
    total = sumOf([total, ...results])
    first += waiting.length
    waiting = []
    onProgress?.(total as unknown as Parameters<typeof onProgress>[0])
  }
  for await (const document of documents as AsyncIterable<unknown>) {
    const id = idIn({ ns, method: 'create', args: [document] })
    const index = id === undefined ? (first + waiting.length) % shards.count : shardOf(id, shards.count)
    waiting.push({ document: id === undefined ? withId(shards, document, index) : document, index })
    if (waiting.length >= (options.batchSize ?? documentsMax)) await submit()
  }
  // Also where there are none, for its options are to be checked.
  if (waiting.length === 0 && first === 0) await shards.call({ ns, method, args: [[], given] }, 0)
  else if (waiting.length > 0) await submit()
  return options.returnIds === true ? { ...total, ids } : total
}

async function findOneAndUpdate(shards: Shards, { ns, method, args: [filter, update, given] }: Call): Promise<unknown> {
  // The first shard says that there is none.
  if (filter === undefined) return shards.call({ ns, method, args: [filter, update, given] }, 0)
  const { sort, ...options } = (given ?? {}) as FindOneAndUpdateOptions<object>
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const found = (await shards.call({ ns, method: 'findOne', args: [filter, { ...(sort === undefined ? {} : { sort }), project: ['$id'], consistency: 'strong' }] })) as { $id: string } | undefined
    // What is wrong with the arguments is told even where nothing is found.
    const id = found === undefined ? '' : parseEntityId(found.$id, ns)
    const own = found === undefined ? filter : { $and: [filter, { $id: id }] }
    const result = await shards.call({ ns, method, args: [own, update, options] }, shardOf(id, shards.count))
    if (result !== undefined || found === undefined) return result
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `Others changed what was found ${attemptsMax} times before it could be updated. Try again.`, { details: { attempts: attemptsMax } })
}

/** Counts by name, added up. */
export function sumOf(counts: readonly object[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const each of counts) for (const [name, count] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + Number(count)
  return sum
}
