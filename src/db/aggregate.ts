import { ParqueDBError } from '../base/ParqueDBError.ts'
import { parseReference } from '../model/entity-id.ts'
import { ResultCursor } from '../model/ResultCursor.ts'
import type { Document } from '../model/values.ts'
import { resolveAsOf } from '../query/as-of.ts'
import { runPipeline, type Pipeline } from '../query/pipeline/run-pipeline.ts'
import type { EdgeLookup } from '../query/pipeline/stages.ts'
import { parsePopulate, populated } from '../query/populate.ts'
import type { View } from '../storage/view.ts'
import { relatedEntity } from './bring-along.ts'
import type { Session } from './session.ts'

/** Results that a page may have, as there is no cursor for those behind them. */
const pageItemsMax = 1000

/** What a pipeline makes. Every use is a run of its own. */
export function aggregateEntities<Result extends object>(session: Session, pipeline: Pipeline): ResultCursor<Result> {
  const batches = (): AsyncGenerator<readonly Result[]> => pipelineBatches<Result>(session, pipeline)
  return new ResultCursor<Result>({
    batches,
    page: async () => {
      const items: Result[] = []
      for await (const batch of batches()) {
        if (items.length + batch.length > pageItemsMax) {
          throw new ParqueDBError('LIMIT_EXCEEDED', `A pipeline has no cursor, and gives more than the ${pageItemsMax} results of a page; iterate over them, or give it $skip and $limit.`, { details: { limit: 'pageItemsMax', most: pageItemsMax } })
        }
        items.push(...batch)
      }
      return { items }
    },
  })
}

async function* pipelineBatches<Result extends object>(session: Session, pipeline: Pipeline): AsyncGenerator<readonly Result[]> {
  const view = await session.view(pipeline.query)
  const random = (): number => session.random.bytes(4).reduce((sum, byte) => sum / 256 + byte / 256, 0)
  const related = relatedTo(session, pipeline, view)
  try {
    for await (const documents of runPipeline(pipeline, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, { random, related })) yield documents as unknown as readonly Result[]
  } finally {
    view.release()
  }
}

function relatedTo({ relations }: Session, { query: { ns, asOf, signal } }: Pipeline, view: View): (ids: readonly string[], lookup: EdgeLookup) => Promise<ReadonlyMap<string, readonly Document[]>> {
  return async (ids, { relationship, direction, filter, sort, limit = Number.MAX_SAFE_INTEGER }) => {
    const nodes = parsePopulate(relations, { ns }, { [relationship]: { direction, filter, sort, limit } })
    const found = await populated(ids.map((id) => parseReference(id, ns)), nodes, { view, relations, asOf: resolveAsOf(asOf, view), signal })
    return new Map([...found].map(([id, along]) => [id, (along.get(relationship)?.rows ?? []).map(({ row }) => relatedEntity(row) as unknown as Document)]))
  }
}
