import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkOptions } from './check-options.ts'
import type { Acting, ActingDatabase, Database, DatabaseCollection, DatabaseTransaction } from './database.ts'
import type { TransactionOptions } from './database-options.ts'
import { intercepted } from './intercepted.ts'
import { collectionOperations, type Operation } from './operations.ts'
import { isPlainObject } from './parse-document.ts'
import type { Document } from './values.ts'

/** `db.as('ada')` in every home: the options of each write are filled in before the call goes on. */
export function actingAs(db: Pick<Database, 'collection' | 'transaction'>, who: string | Acting): ActingDatabase {
  if (typeof who !== 'string' && !isPlainObject(who)) throw new ParqueDBError('INVALID_ARGUMENT', 'as takes the name of an actor, or { actor, reason, correlationId, causationId }.')
  const by = checkOptions<Acting>('as', typeof who === 'string' ? { actor: who } : who, ['actor', 'reason', 'correlationId', 'causationId'])
  const within = (tx: DatabaseTransaction): DatabaseTransaction => ({ collection: (name) => acting(tx.collection(name), by) })
  return { ...within(db), transaction: (work, options = {}) => db.transaction((tx) => work(within(tx)), options as TransactionOptions & { txId: string }) }
}

function acting<T extends object = Document>(collection: DatabaseCollection<T>, by: Acting): DatabaseCollection<T> {
  return intercepted(collection, ({ method, args }, carryOut) => {
    const operation: Operation | undefined = (collectionOperations as Readonly<Record<string, Operation>>)[method]
    const at = operation?.args.length ?? 0
    const carries = operation?.options?.split(' ').includes('actor') === true
    const own = [...args]
    if (carries && (own[at] === undefined || isPlainObject(own[at]))) own[at] = { ...by, ...own[at] }
    return carryOut(own)
  })
}
