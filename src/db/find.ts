import { checkAborted } from '../base/abort.ts'
import { limitExceeded } from '../base/ParqueDBError.ts'
import type { CollectionInfo } from '../model/database-options.ts'
import { edgeData, predicateOf } from '../model/edge.ts'
import { copyEntity, entityDocument, type Entity } from '../model/entity-document.ts'
import { formatEntityId, isReserved, parseReference, type EntityKey, type EntityState } from '../model/entity.ts'
import type { EdgeFields, Related } from '../model/graph-options.ts'
import { applyProjection, projectionFields } from '../model/projection.ts'
import { gathered, ResultCursor, type Batches, type Page } from '../model/ResultCursor.ts'
import { cloneDocument, type Document } from '../model/values.ts'
import { resolveAsOf } from '../query/as-of.ts'
import { encodeCursor } from '../query/page-cursor.ts'
import type { Query } from '../query/parse-query.ts'
import { runPipeline, type Pipeline } from '../query/pipeline/run-pipeline.ts'
import type { EdgeLookup } from '../query/pipeline/stages.ts'
import type { HopRow } from '../query/hop.ts'
import { parsePopulate, populated, type Populated, type PopulateNode } from '../query/populate.ts'
import { rowMaker } from '../query/row-order.ts'
import { countRows, runQuery, statesOf } from '../query/run-query.ts'
import { overView, withView, type AsOf, type ScanSlice, type View } from '../storage/view.ts'
import type { Session } from './session.ts'

/** What page() brings when no limit is given. */
const pageLimitDefault = 100

/** A page of rows: one more than is asked for tells whether there is another page, which goes on behind the last of this one. */
export async function pageOf<Row>(limit = pageLimitDefault, read: (limit: number) => Batches<Row> | Promise<Batches<Row>>, cursorOf: (last: Row) => string): Promise<Page<Row>> {
  const rows = await gathered(await read(limit + 1))
  const last = rows[limit - 1]
  return rows.length <= limit || last === undefined ? { items: rows } : { items: rows.slice(0, limit), cursor: cursorOf(last) }
}

/** The entities that a query finds. */
export function findEntities<T extends object>(session: Session, query: Query, populate: readonly PopulateNode[]): ResultCursor<Entity<T>> {
  return new ResultCursor({ batches: () => entityBatches<T>(session, query, populate), page: () => entityPage<T>(session, query, populate) })
}

/** The first entity that a query finds. */
export async function findFirst<T extends object>(session: Session, query: Query, populate: readonly PopulateNode[] = []): Promise<Entity<T> | undefined> {
  for await (const [entity] of entityBatches<T>(session, { ...query, limit: 1 }, populate)) return entity
  return undefined
}

/** How many entities a query finds. */
export async function countEntities(session: Session, query: Query): Promise<number> {
  return withView(session, (view) => countRows(query, { view, sortDocumentsMax: session.limits.sortDocumentsMax }), query)
}

function entityBatches<T extends object>(session: Session, query: Query, populate: readonly PopulateNode[]): AsyncGenerator<readonly Entity<T>[]> {
  return overView(session, query, async function* (view) {
    const run = { view, sortDocumentsMax: session.limits.sortDocumentsMax }
    if (populate.length === 0) yield* runQuery(query, run, entitiesOf<T>(query))
    else for await (const states of runQuery(query, run, statesOf)) yield await populatedOf<T>(states, query, { session, view, populate })
  })
}

function entityPage<T extends object>(session: Session, query: Query, populate: readonly PopulateNode[]): Promise<Page<Entity<T>>> {
  const run = { sortDocumentsMax: session.limits.sortDocumentsMax }
  return withView(session, async (view) => {
    const page = await pageOf(query.limit, (limit) => runQuery({ ...query, limit }, { ...run, view }, statesOf), (last) => encodeCursor(rowMaker(query.ns, query.sort)(last), query.fingerprint))
    return { ...page, items: await populatedOf<T>(page.items, query, { session, view, populate }) }
  }, query)
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

/** Copies of states with what they bring along. */
async function populatedOf<T extends object>(states: readonly EntityState[], query: Query, by: { session: Session; view: View; populate: readonly PopulateNode[] }): Promise<Entity<T>[]> {
  const toEntity = entityMaker<T>(query)
  if (by.populate.length === 0) return states.map(toEntity)
  const keys = states.map(({ id }) => ({ ns: query.ns, id }))
  const along = await alongWith(keys, by.populate, { ...by, asOf: query.asOf, signal: query.signal })
  return states.map((state, index) => along(keys[index] as EntityKey, toEntity(state)))
}

/** Makes the caller's own copies of states, as the projection wants them. */
export function entityMaker<T extends object>({ ns, projection }: Pick<Query, 'ns' | 'projection'>): (state: EntityState) => Entity<T> {
  if (projection.kind === 'all') return (state) => copyEntity<T>(ns, state)
  return (state) => cloneDocument(applyProjection(entityDocument(ns, state), projection)) as unknown as Entity<T>
}

/** All collections of one state of the database, ordered by name. */
export async function countCollections(session: Session, signal: AbortSignal | undefined): Promise<CollectionInfo[]> {
  return withView(session, async (view) => {
    const infos: CollectionInfo[] = []
    for (const name of view.namespaces().filter((each) => !isReserved(each))) {
      let count = 0
      let deletedCount = 0
      for await (const slices of view.scan(name, { signal })) {
        checkAborted(signal)
        for (const { batch, rows } of slices) {
          const { deleted } = batch
          for (const row of rows) deletedCount += deleted?.[row] ?? 0
          count += rows.length
        }
      }
      infos.push({ name, count: count - deletedCount, deletedCount })
    }
    return infos
  })
}

/** Results that a page may have, as there is no cursor for those behind them. */
const pageItemsMax = 1000

/** What a pipeline makes. Every use is a run of its own. */
export function aggregateEntities<Result extends object>(session: Session, pipeline: Pipeline): ResultCursor<Result> {
  const random = (): number => session.random.bytes(4).reduce((sum, byte) => sum / 256 + byte / 256, 0)
  const batches = (): AsyncGenerator<readonly Result[]> => overView(session, pipeline.query, (view) =>
    runPipeline(pipeline, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, { random, related: relatedTo(session, pipeline, view) }) as AsyncIterable<unknown> as AsyncIterable<readonly Result[]>,
  )
  return new ResultCursor<Result>({
    batches,
    page: async () => {
      const items: Result[] = []
      for await (const batch of batches()) {
        if (items.length + batch.length > pageItemsMax) throw limitExceeded({ pageItemsMax }, `A pipeline has no cursor, and gives more than the ${pageItemsMax} results of a page; iterate over them, or give it $skip and $limit.`)
        items.push(...batch)
      }
      return { items }
    },
  })
}

function relatedTo({ relations }: Session, { query: { ns, asOf, signal } }: Pipeline, view: View): (ids: readonly string[], lookup: EdgeLookup) => Promise<ReadonlyMap<string, readonly Document[]>> {
  return async (ids, { relationship, direction, filter, sort, limit = Number.MAX_SAFE_INTEGER }) => {
    const nodes = parsePopulate(relations, { ns }, { [relationship]: { direction, filter, sort, limit } })
    const found = await populated(ids.map((id) => parseReference(id, ns)), nodes, { view, relations, asOf: resolveAsOf(asOf, view), signal })
    return new Map([...found].map(([id, along]) => [id, (along.get(relationship)?.rows ?? []).map(({ row }) => relatedEntity(row) as unknown as Document)]))
  }
}

/** Reads what entities bring along; the result puts it into the copy of one of them. */
export async function alongWith(keys: readonly EntityKey[], nodes: readonly PopulateNode[], by: { session: Session; view: View; asOf: AsOf | undefined; signal: AbortSignal | undefined }): Promise<<E extends object>(key: EntityKey, entity: E) => E> {
  if (nodes.length === 0 || keys.length === 0) return (_key, entity) => entity
  const { session, view, signal } = by
  const found = await populated(keys, nodes, { view, relations: session.relations, asOf: resolveAsOf(by.asOf, view), signal })
  return (key, entity) => withRelated(entity, found.get(formatEntityId(key)))
}

/** A field of the same name gives way, as the caller asked for the relationship. */
function withRelated<E extends object>(entity: E, along: ReadonlyMap<string, Populated> | undefined): E {
  for (const [name, { rows, isMany }] of along ?? []) {
    const entities = rows.map(({ row, related }) => withRelated(relatedEntity(row), related))
    const [first] = entities
    if (isMany || first !== undefined) Object.assign(entity, { [name]: isMany ? entities : first })
  }
  return entity
}

export function relatedEntity<T extends object>({ key, state, edge }: Pick<HopRow, 'key' | 'state' | 'edge'>): Related<T> {
  return Object.assign(copyEntity<T>(key.ns, state), { $edge: edgeFields(edge) })
}

function edgeFields(edge: EntityState): EdgeFields {
  const fields = { predicate: predicateOf(edge), data: cloneDocument(edgeData(edge)), linkedAt: new Date(edge.updatedAt) }
  return edge.updatedBy === undefined ? fields : { ...fields, linkedBy: edge.updatedBy }
}
