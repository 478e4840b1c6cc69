import type { EdgeFields, Related } from '../model/graph-options.ts'
import { edgeData, predicateOf } from '../model/edge.ts'
import { copyEntity } from '../model/entity-document.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import { cloneDocument } from '../model/values.ts'
import { resolveAsOf } from '../query/as-of.ts'
import type { HopRow } from '../query/hop.ts'
import { populated, type Populated, type PopulateNode } from '../query/populate.ts'
import type { AsOf, View } from '../storage/view.ts'
import type { Session } from './session.ts'

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
