import { limitExceeded, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Database } from '../model/database.ts'
import { namespacesLookedUp } from '../model/looked-up.ts'
import { collectionOperations, type Operation } from '../model/operations.ts'
import type { Page, ResultCursor } from '../model/ResultCursor.ts'
import { checkScopes, type Principal } from './scopes.ts'
import type { Signer } from './Signer.ts'

/** What every part of a request's work has to know. */
export interface Caller {
  readonly principal: Principal
  readonly signer: Signer
  readonly signal: AbortSignal
  readonly pageItemsMax: number
}

/** One call of a method, its arguments by name. */
export interface Invocation {
  readonly name: string
  readonly operation: Operation
  readonly args: ReadonlyMap<string, unknown>
}

/** Calls the method that an operation stands for: its parameters by name, and all other arguments together as its options. */
export async function invoke(db: Pick<Database, 'collection'>, { name, operation, args }: Invocation, caller: Caller): Promise<unknown> {
  const rest = new Map([...args].filter(([, value]) => value !== undefined))
  const take = (parameter: string): unknown => {
    const value = rest.get(parameter)
    rest.delete(parameter)
    return value
  }
  // What is brought along may be of any namespace.
  if (rest.has('populate')) checkScopes(caller.principal, { verbs: operation.verbs, gives: 'page' }, undefined)
  for (const ns of namespacesLookedUp(rest.get('pipeline'))) checkScopes(caller.principal, { verbs: operation.verbs, gives: 'page' }, ns)
  const cursor = rest.get('cursor')
  if (typeof cursor === 'string') rest.set('cursor', await caller.signer.verify(cursor, { purpose: 'cursor', tenant: caller.principal.tenant }))
  const target: object = name in collectionOperations ? db.collection(take('ns') as string) : db
  const given = operation.args.map(take)
  if (operation.options !== undefined) given.push({ ...Object.fromEntries(rest), signal: caller.signal })
  else if (rest.size > 0) {
    const option = [...rest.keys()].join(', ')
    throw new ParqueDBError('INVALID_ARGUMENT', `${name} has no argument '${option}'.`, { details: { option } })
  }
  return (target as Record<string, (...given: unknown[]) => unknown>)[name]?.(...given)
}

/** What a cursor gives at once. LIMIT_EXCEEDED where more was asked for. */
export async function pageOf(results: unknown, limit: unknown, { pageItemsMax, principal, signer }: Caller): Promise<Page<unknown>> {
  const tooLong = (): ParqueDBError => limitExceeded({ pageItemsMax }, `A page has at most ${pageItemsMax} items; ask for the next ones with its cursor, or for all of them as application/x-ndjson.`)
  if (typeof limit === 'number' && limit > pageItemsMax) throw tooLong()
  const { items, cursor } = await (results as ResultCursor<unknown>).page()
  if (items.length > pageItemsMax) throw tooLong()
  return { items, ...(cursor !== undefined && { cursor: await signer.sign(cursor, { purpose: 'cursor', tenant: principal.tenant }) }) }
}
