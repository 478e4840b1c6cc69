import { copyEntity, entityDocument, type Entity } from '../model/entity-document.ts'
import type { EntityState } from '../model/entity.ts'
import { applyProjection, projectionFields } from '../model/projection.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import { cloneDocument, type Document } from '../model/values.ts'
import { encodeCursor } from '../query/page-cursor.ts'
import type { Query } from '../query/parse-query.ts'
import { rowMaker } from '../query/row-order.ts'
import { countRows, runQuery, statesOf } from '../query/run-query.ts'
import type { ScanSlice } from '../storage/view.ts'
import { withView, type Session } from './session.ts'

/** What page() brings when no limit is given. */
const pageLimitDefault = 100

/** The entities that a query finds. */
export function findEntities<T extends object>(session: Session, query: Query): ResultCursor<Entity<T>> {
  return new ResultCursor({ batches: () => entityBatches<T>(session, query), page: () => entityPage<T>(session, query) })
}

/** The first entity that a query finds. */
export async function findFirst<T extends object>(session: Session, query: Query): Promise<Entity<T> | undefined> {
  for await (const [entity] of entityBatches<T>(session, { ...query, limit: 1 })) return entity
  return undefined
}

/** How many entities a query finds. */
export async function countEntities(session: Session, query: Query): Promise<number> {
  return withView(session, (view) => countRows(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax }), query)
}

async function* entityBatches<T extends object>(session: Session, query: Query): AsyncGenerator<readonly Entity<T>[]> {
  const view = await session.view(query)
  try {
    yield* runQuery(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, entitiesOf<T>(query))
  } finally {
    view.release()
  }
}

async function entityPage<T extends object>(session: Session, query: Query): Promise<Page<Entity<T>>> {
  const limit = query.limit ?? pageLimitDefault
  const states: EntityState[] = []
  await withView(session, async (view) => {
    // One more than asked for tells whether there is another page.
    for await (const batch of runQuery({ ...query, limit: limit + 1 }, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, statesOf)) {
      for (const state of batch) states.push(state)
    }
  }, query)
  const items = states.slice(0, limit).map(entityMaker<T>(query))
  const last = states[limit - 1]
  if (states.length <= limit || last === undefined) return { items }
  return { items, cursor: encodeCursor(rowMaker(query.ns, query.sort)(last), query.fingerprint) }
}

/** Makes the caller's own entities of rows: straight from columns where there are some. */
function entitiesOf<T extends object>(query: Query): (slice: ScanSlice) => readonly Entity<T>[] {
  const { ns, projection } = query
  const ofState = entityMaker<T>(query)
  const fields = projectionFields(projection)
  return ({ batch, rows }) => {
    if (batch.columns === undefined) return batch.states(rows).map(ofState)
    const entities = batch.columns.entities<T>(rows, { ns, fields })
    return projection.kind === 'all' ? entities : entities.map((entity) => applyProjection(entity as unknown as Document, projection) as unknown as Entity<T>)
  }
}

/** Makes the caller's own copies of states, as the projection wants them. */
export function entityMaker<T extends object>({ ns, projection }: Pick<Query, 'ns' | 'projection'>): (state: EntityState) => Entity<T> {
  if (projection.kind === 'all') return (state) => copyEntity<T>(ns, state)
  return (state) => cloneDocument(applyProjection(entityDocument(ns, state), projection)) as unknown as Entity<T>
}
