import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { byKeyAndSeq } from './flush.ts'
import type { FileEntry, RunEntry } from './manifest.ts'
import { advanceAll, type Source } from './merge.ts'
import type { TableFiles } from './TableFiles.ts'

/** All rows of a run, in id order. */
export async function* scanRun(run: RunEntry, tables: TableFiles, options: { signal?: AbortSignal | undefined }): AsyncGenerator<readonly EntityState[]> {
  for (const file of run.files) yield* (await tables.run(file)).scan(options)
}

/** Events of several segments in the order of one: by namespace, id and seq. */
export async function* mergeEvents(segments: readonly FileEntry[], tables: TableFiles, options: { ns?: string; signal?: AbortSignal | undefined }): AsyncGenerator<StoredEvent> {
  let sources: Source<StoredEvent>[] = []
  for (const file of segments) {
    const reader = await tables.segment(file)
    sources.push({ iterator: reader.scan(options)[Symbol.asyncIterator](), batch: [], at: 0 })
  }
  const all = sources
  try {
    sources = await advanceAll(sources)
    while (sources.length > 0) {
      const least = sources.reduce((best, source) => (byKeyAndSeq(headOf(source), headOf(best)) < 0 ? source : best))
      yield headOf(least)
      least.at++
      if (least.at >= least.batch.length) sources = await advanceAll(sources)
    }
  } finally {
    for (const { iterator } of all) await iterator.return?.()
  }
}

function headOf(source: Source<StoredEvent>): StoredEvent {
  return source.batch[source.at] as StoredEvent
}
