import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { checkAborted } from '../base/abort.ts'
import { checkFunction } from '../model/check-options.ts'
import type { DatabaseCollection } from '../model/database.ts'
import type { CreateManyOptions, CreateManyResult } from '../model/database-options.ts'
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

/** Documents of one request, and estimated characters at which it is full, as in a process. */
const batchDocumentsMax = 1000
const batchCharactersMax = 1024 * 1024

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
  const createMany = async (documents: unknown, options?: CreateManyOptions): Promise<CreateManyResult> => createInBatches(remote, { ns, documents }, options)
  return { name: ns, ...Object.fromEntries(methods), createMany } as DatabaseCollection<T>
}

/** One request for each batch, the next one filled when the last one is durable. With a `txId`, batch n is committed under `txId#n`. */
async function createInBatches(remote: Remote, { ns, documents }: { ns: string; documents: unknown }, options: CreateManyOptions = {}): Promise<CreateManyResult> {
  const source = documents as AsyncIterable<unknown>
  if (typeof source !== 'object' || source === null || !(Symbol.iterator in source || Symbol.asyncIterator in source)) {
    throw new ParqueDBError('INVALID_ARGUMENT', 'createMany takes an array, an iterable or an async iterable of documents.')
  }
  const { onProgress, ...others } = options
  checkFunction(onProgress, 'onProgress')
  const { texts, signal } = encodeArguments({ name: 'createMany', operation: collectionOperations.createMany, ns }, [undefined, typeof options === 'object' ? others : options])
  const size = typeof options.batchSize === 'number' ? options.batchSize : batchDocumentsMax
  const counts = { createdCount: 0, replacedCount: 0, skippedCount: 0, repeatedCount: 0 }
  const countNames = Object.keys(counts) as (keyof typeof counts)[]
  let ids: string[] | undefined
  let batch: string[] = []
  let characters = 0
  let doneCount = 0
  let batchIndex = 0
  const located = (error: unknown, index: number): unknown => {
    if (!isParqueDBError(error)) return error
    const totals = countNames.map((name) => [name, counts[name] + Number(error.details[name] ?? 0)])
    return new ParqueDBError(error.code, error.message, { details: { ...error.details, index, ...Object.fromEntries(totals) }, cause: error })
  }
  const submit = async (): Promise<void> => {
    const own = new Map([...texts, ['documents', `[${batch.join(',')}]`]])
    if (options.txId !== undefined) own.set('txId', encodeValue('txId', `${options.txId}#${batchIndex}`))
    const result = (await remote.call('createMany', { texts: own, signal }).catch((error: unknown) => {
      throw located(error, doneCount + Number(isParqueDBError(error) ? (error.details.index ?? 0) : 0))
    })) as CreateManyResult
    for (const name of countNames) counts[name] += result[name]
    if (result.ids !== undefined) ids = [...(ids ?? []), ...result.ids]
    doneCount += batch.length
    batchIndex += 1
    batch = []
    characters = 0
    onProgress?.({ ...counts })
  }
  for await (const document of source) {
    checkAborted(signal)
    try {
      batch.push(encodeValue('document', document))
    } catch (error) {
      throw located(error, doneCount + batch.length)
    }
    characters += batch.at(-1)?.length ?? 0
    if (batch.length >= size || characters >= batchCharactersMax) await submit()
  }
  // An empty one, too, as its options want to be checked.
  if (batch.length > 0 || batchIndex === 0) await submit()
  return ids === undefined ? counts : { ...counts, ids }
}
