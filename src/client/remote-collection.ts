import { isParqueDBError, retold, translated } from '../base/ParqueDBError.ts'
import { BulkWrite } from '../model/BulkWrite.ts'
import { checkFunction, checkIterable } from '../model/check-options.ts'
import type { DatabaseCollection } from '../model/database.ts'
import type { IdempotentOptions } from '../model/database-options.ts'
import { collectionOperations, type Operation } from '../model/operations.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import type { Document } from '../model/values.ts'
import { encodeArguments, encodeValue, type Arguments } from './encode-arguments.ts'

/** Who carries out the calls of a collection: the server one by one, or a transaction. */
export interface Remote {
  /** What the method gives, undefined where that is nothing. */
  call(name: string, args: Arguments): Promise<unknown>
  /** All that a cursor gives. */
  batches(name: string, args: Arguments): AsyncIterable<readonly unknown[]>
}

/** Documents of one request, as in a process. */
const batchDocumentsMax = 1000

/** A collection whose methods are those of the table, each carried out by `remote`. */
export function remoteCollection<T extends object = Document>(remote: Remote, ns: string): DatabaseCollection<T> {
  const methods = Object.entries<Operation>(collectionOperations).map(([name, operation]) => {
    const encode = (given: readonly unknown[]): Arguments => encodeArguments({ name, operation, ns }, given)
    const cursor = (...given: unknown[]): unknown => {
      const args = encode(given)
      return new ResultCursor({ batches: () => remote.batches(name, args), page: async () => (await remote.call(name, args)) as Page<unknown> })
    }
    const value = async (...given: unknown[]): Promise<unknown> => remote.call(name, encode(given))
    return [name, operation.gives === 'page' ? cursor : value]
  })
  const inBatches = (name: keyof typeof bulk) => async (items: unknown, options?: BulkOptions) => sendInBatches(remote, { name, ns, items }, options)
  return { name: ns, ...Object.fromEntries(methods), createMany: inBatches('createMany'), linkMany: inBatches('linkMany') } as unknown as DatabaseCollection<T>
}

/** What a batch of each bulk method carries, and what its answers count. */
const bulk = {
  createMany: { argument: 'documents', item: 'document', counts: ['createdCount', 'replacedCount', 'skippedCount', 'repeatedCount'] },
  linkMany: { argument: 'edges', item: 'edges', counts: ['edgeCount', 'changedCount'] },
} as const

type BulkOptions = IdempotentOptions & { batchSize?: number; onProgress?: (counts: object) => void }

/** One request for each batch, the next one filled when the last one is durable. With a `txId`, batch n is committed under `txId#n`. */
async function sendInBatches(remote: Remote, { name, ns, items }: { name: keyof typeof bulk; ns: string; items: unknown }, options: BulkOptions = {}): Promise<object> {
  const { argument, item, counts: countNames } = bulk[name]
  const source = checkIterable(name, items, argument)
  const { onProgress, ...others } = options
  checkFunction(onProgress, 'onProgress')
  const { texts, signal } = encodeArguments({ name, operation: collectionOperations[name], ns }, [undefined, typeof options === 'object' ? others : options])
  const itemsMax = typeof options.batchSize === 'number' ? options.batchSize : batchDocumentsMax
  const counts: Record<string, number> = Object.fromEntries(countNames.map((count) => [count, 0]))
  let ids: string[] | undefined
  const located = (error: unknown, index: number): unknown => {
    if (!isParqueDBError(error)) return error
    const totals = countNames.map((count) => [count, (counts[count] ?? 0) + Number(error.details[count] ?? 0)])
    return retold(error, { index: index + Number(error.details.index ?? 0), ...Object.fromEntries(totals) })
  }
  const send = async (batch: readonly string[], txId: string | undefined, firstIndex: number): Promise<void> => {
    const own = new Map([...texts, [argument, `[${batch.join(',')}]`]])
    if (txId !== undefined) own.set('txId', encodeValue('txId', txId))
    const result = (await remote.call(name, { texts: own, signal }).catch((error: unknown) => {
      throw located(error, firstIndex)
    })) as { readonly ids?: string[]; readonly [count: string]: unknown }
    for (const count of countNames) counts[count] = (counts[count] ?? 0) + Number(result[count])
    if (result.ids !== undefined) ids = [...(ids ?? []), ...result.ids]
    onProgress?.({ ...counts })
  }
  const { txId } = options
  const batches = new BulkWrite<string>({ itemsMax, txId, signal }, (batch, commit) => send(batch.items, commit.txId, batch.firstIndex))
  for await (const each of source) {
    const text = translated(() => encodeValue(item, each), (error) => located(error, batches.index))
    await batches.add(text, text.length)
  }
  // An empty one, too, as its options want to be checked.
  if (batches.index === 0) await send([], txId === undefined ? undefined : `${txId}#0`, 0)
  await batches.end()
  return ids === undefined ? counts : { ...counts, ids }
}
