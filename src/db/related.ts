import type { Related, RelatedOptions } from '../model/graph-options.ts'
import { validatePredicate } from '../model/entity-id.ts'
import type { EntityKey } from '../model/entity.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import { checkOptions } from '../model/check-options.ts'
import type { HopRow } from '../query/hop.ts'
import { encodeCursor } from '../query/page-cursor.ts'
import { parseDirection, parsePopulate, type PopulateNode } from '../query/populate.ts'
import { countRelated, parseRelated, positioned, relatedRows, type RelatedQuery } from '../query/related.ts'
import type { View } from '../storage/view.ts'
import { alongWith, relatedEntity } from './bring-along.ts'
import { pageLimitDefault } from './find.ts'
import { overView, withView, type Session } from './session.ts'

interface RelatedRead {
  readonly near: EntityKey
  readonly query: RelatedQuery
  readonly populate: readonly PopulateNode[]
}

/** The entities at the other ends of an entity's edges of one kind. */
export function relatedEntities<T extends object>(session: Session, near: EntityKey, of: { predicate: string; options: RelatedOptions<T> | undefined }): ResultCursor<Related<T>> {
  const read = parseRead(session, near, of)
  return new ResultCursor({ batches: () => relatedBatches<T>(session, read), page: () => relatedPage<T>(session, read) })
}

export async function countRelatedEntities<T extends object>(session: Session, near: EntityKey, of: { predicate: string; options: RelatedOptions<T> | undefined }): Promise<number> {
  const { query } = parseRead(session, near, of)
  return withView(session, (view) => countRelated(query, near, { view, sortDocumentsMax: session.limits.sortDocumentsMax }), query)
}

function parseRead<T extends object>(session: Session, near: EntityKey, { predicate, options }: { predicate: string; options: RelatedOptions<T> | undefined }): RelatedRead {
  const { direction, populate, ...rest } = checkOptions('related', options, ['direction', 'filter', 'sort', 'limit', 'cursor', 'populate', 'asOf', 'includeArchived', 'signal'])
  const relation = session.relations.of(near.ns, validatePredicate(predicate), parseDirection(direction))
  return { near, query: parseRelated(relation, near, rest), populate: parsePopulate(session.relations, { ns: relation.far ?? near.ns }, populate) }
}

function relatedBatches<T extends object>(session: Session, { near, query, populate }: RelatedRead): AsyncGenerator<readonly Related<T>[]> {
  return overView(session, query, async function* (view) {
    const { sortDocumentsMax } = session.limits
    for await (const rows of relatedRows(query, near, { view, sortDocumentsMax })) yield await relatedOf<T>(rows, { session, view, populate, query })
  })
}

async function relatedPage<T extends object>(session: Session, { near, query, populate }: RelatedRead): Promise<Page<Related<T>>> {
  const limit = query.limit ?? pageLimitDefault
  return withView(session, async (view) => {
    const rows = []
    // One more than asked for tells whether there is another page.
    for await (const batch of relatedRows({ ...query, limit: limit + 1 }, near, { view, sortDocumentsMax: session.limits.sortDocumentsMax })) rows.push(...batch)
    const items = await relatedOf<T>(rows.slice(0, limit), { session, view, populate, query })
    const last = rows[limit - 1]
    return rows.length <= limit || last === undefined ? { items } : { items, cursor: encodeCursor(positioned(query.sort)(last), query.fingerprint()) }
  }, query)
}

async function relatedOf<T extends object>(rows: readonly HopRow[], by: { session: Session; view: View; populate: readonly PopulateNode[]; query: RelatedQuery }): Promise<Related<T>[]> {
  const { session, view, populate, query } = by
  const along = await alongWith(rows.map(({ key }) => key), populate, { session, view, asOf: query.asOf, signal: query.signal })
  return rows.map((row) => along(row.key, relatedEntity<T>(row)))
}
