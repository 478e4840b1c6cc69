import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Database } from '../model/database.ts'
import type { CollectionInfo } from '../model/database-options.ts'
import { invoke, type Caller } from './invoke.ts'
import type { Route } from './read-arguments.ts'
import { runBatch } from './run-batch.ts'
import { actorOf, allows } from './scopes.ts'

/** A request that may be answered. */
export interface Call extends Caller {
  readonly route: Route
  readonly request: Request
  readonly args: Map<string, unknown>
  readonly database: Database
}

/** Does what was asked, and gives what the database's method gave. */
export async function perform(call: Call): Promise<unknown> {
  const { route: { name, operation }, request, principal, args, database } = call
  const db = principal.tenant === undefined ? database : tenantOf(database, principal.tenant)
  if (operation.verbs.some((verb) => verb === 'write') || name === 'transaction') args.set('actor', actorOf(principal, args.get('actor')))
  if (name === 'transaction') return runBatch(db, Object.fromEntries(args), call)
  if (name === 'subscribe') {
    if (args.has('consumer')) throw new ParqueDBError('INVALID_ARGUMENT', "A named consumer is of the process that has the database: the server cannot know what became of an event that it has sent. Keep the 'seq' of the last one, and give it as 'fromSeq'.", { details: { option: 'consumer' } })
    const last = /^\d{1,15}$/.exec(request.headers.get('last-event-id') ?? '')?.[0]
    const fromSeq = last === undefined ? (args.get('fromSeq') ?? (await db.stats()).lastSeq + 1) : Number(last) + 1
    args.set('fromSeq', fromSeq)
    return { events: await invoke(db, { name, operation, args }, call), seq: Number(fromSeq) - 1 }
  }
  const result = await invoke(db, { name, operation, args }, call)
  return name === 'collections' ? (result as CollectionInfo[]).filter((info) => allows(principal.scopes, 'read', info.name)) : result
}

function tenantOf(database: Database, tenant: string): Database {
  if (database.tenant !== undefined) return database.tenant(tenant)
  throw new ParqueDBError('FORBIDDEN', 'The token is one of a tenant, and this database keeps none.', { details: { tenant } })
}
