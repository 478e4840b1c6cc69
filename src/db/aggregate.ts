import { ParqueDBError } from '../base/ParqueDBError.ts'
import { ResultCursor } from '../model/ResultCursor.ts'
import { runPipeline, type Pipeline } from '../query/pipeline/run-pipeline.ts'
import type { Session } from './session.ts'

/** What a pipeline makes: to be iterated, or taken whole. Every use is a run of its own. */
export type PipelineResults<Result> = Omit<ResultCursor<Result>, 'page'>

export function aggregateEntities<Result extends object>(session: Session, pipeline: Pipeline): PipelineResults<Result> {
  return new ResultCursor<Result>({
    batches: () => pipelineBatches<Result>(session, pipeline),
    page: () => Promise.reject(new ParqueDBError('INVALID_ARGUMENT', 'A pipeline has no pages; give it $skip and $limit.')),
  })
}

async function* pipelineBatches<Result extends object>(session: Session, pipeline: Pipeline): AsyncGenerator<readonly Result[]> {
  const view = await session.view(pipeline.query)
  const random = (): number => session.random.bytes(4).reduce((sum, byte) => sum / 256 + byte / 256, 0)
  try {
    for await (const documents of runPipeline(pipeline, { view, sortDocumentsMax: session.limits.sortDocumentsMax }, random)) yield documents as unknown as readonly Result[]
  } finally {
    view.release()
  }
}
