import { ParqueDBError, retold, translated } from '../base/ParqueDBError.ts'
import { BulkWrite, type Batch, type CommitBatch } from '../model/BulkWrite.ts'
import type { CreateManyOptions, CreateManyResult } from '../model/database-options.ts'
import { decide } from '../model/decide.ts'
import { formatEntityId, isLive } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import type { Link } from '../model/links.ts'
import { checkFlag, checkFunction, checkIterable, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { DecisionContext } from '../storage/engine.ts'
import { idempotentOptionNames, type NewEntity, parseNewDocument, parseWrite } from './parse-input.ts'
import { commitWithEdges, linkBytes, takenEnds, type DecideEdges } from './replace-edges.ts'
import type { Session } from './session.ts'

/** Documents of one commit, at most: what is written at once, and in memory at once. */
const batchDocumentsMax = 1000

/**
 * Creates documents in batches: each is one commit, all of it or none, and the ones before a failure stay. The error then says which
 * document it was (`details.index`) and carries the counts. No more than four batches are held.
 */
export async function createMany(session: Session, target: { ns: string; documents: unknown }, options: CreateManyOptions | undefined): Promise<CreateManyResult> {
  const checked = checkOptions('createMany', options, [...idempotentOptionNames, 'batchSize', 'onConflict', 'onProgress', 'returnIds'])
  const source = checkIterable('createMany', target.documents, 'documents')
  const run = parseRun(session, target.ns, checked)
  const bulk = new BulkWrite<NewEntity>({ ...run.write, itemsMax: run.itemsMax }, (batch, commit) => commitBatch(run, batch, commit))
  const add = (input: unknown): Promise<void> | undefined => {
    const entity = located(() => bulk.index, () => parseNewDocument(session, target.ns, input))
    const { key, links, bytes } = entity
    return bulk.add(entity, bytes + links.length * linkBytes, links.length === 0 ? [key.id] : [key.id, ...takenEnds(links)])
  }
  try {
    if (Symbol.asyncIterator in source) for await (const document of source) await add(document)
    else {
      for (const document of source) {
        const submitted = add(document)
        if (submitted !== undefined) await submitted
      }
    }
    await bulk.end()
    return run.ids === undefined ? run.counts : { ...run.counts, ids: run.ids }
  } catch (thrown) {
    throw retold(await bulk.failure(thrown), run.counts)
  }
}

type Run = ReturnType<typeof parseRun>

function parseRun(session: Session, ns: string, options: CreateManyOptions) {
  const { onConflict = 'error', onProgress } = options
  const write = parseWrite(session, options)
  const itemsMax = checkWholeNumber(options.batchSize, { option: 'batchSize', least: 1, most: batchDocumentsMax }) ?? batchDocumentsMax
  const ids: string[] | undefined = checkFlag(options.returnIds, 'returnIds') ? [] : undefined
  checkFunction(onProgress, 'onProgress')
  if (!['error', 'skip', 'replace'].includes(onConflict)) throw new ParqueDBError('INVALID_ARGUMENT', "The option 'onConflict' must be 'error', 'skip' or 'replace'.", { details: { option: 'onConflict' } })
  return { session, ns, write, itemsMax, onConflict, onProgress, ids, counts: { createdCount: 0, replacedCount: 0, skippedCount: 0, repeatedCount: 0 } }
}

async function commitBatch(run: Run, batch: Batch<NewEntity>, { txId, onDecided }: Parameters<CommitBatch<NewEntity>>[1]): Promise<void> {
  const { counts, ids } = run
  const keys = batch.items.map(({ key }) => key)
  const met = { skippedCount: 0, replacedCount: 0 }
  const committed = await commitWithEdges(run.session, {
    keys,
    links: batch.items.flatMap(({ links }) => links),
    isNew: true,
    decide: (context, edges) => decideBatch(run, batch, { context, edges, met }),
    onDecided,
  }, { ...run.write, txId })
  const { states, repeated } = committed ?? { states: [], repeated: true }
  if (repeated) counts.repeatedCount += keys.length
  else {
    counts.createdCount += keys.length - met.replacedCount - met.skippedCount
    counts.replacedCount += met.replacedCount
    counts.skippedCount += met.skippedCount
  }
  const written = repeated && states.length === keys.length ? states : keys
  for (const { id } of ids === undefined ? [] : written) ids?.push(formatEntityId({ ns: run.ns, id }))
  run.onProgress?.({ ...counts })
}

/** Counts in `met`. */
function decideBatch({ session, ns, write, onConflict }: Run, batch: Batch<NewEntity>, by: { context: DecisionContext; edges: DecideEdges; met: { skippedCount: number; replacedCount: number } }): EventDraft[] {
  const { context, edges, met } = by
  Object.assign(met, { skippedCount: 0, replacedCount: 0 })
  const drafts: EventDraft[] = []
  const links: Link[] = []
  const of = { nowMs: context.nowMs, limits: session.limits, ...write, key: { ns, id: '' } }
  let offset = -1
  const decideNext = ({ key, document, links: ofEntity }: NewEntity): void => {
    offset += 1
    of.key = key
    const state = context.state(key)
    const isThere = isLive(state)
    if (isThere && onConflict === 'skip') {
      met.skippedCount += 1
      return
    }
    if (ofEntity.length > 0) links.push(...ofEntity)
    const replaces = isThere && onConflict === 'replace'
    if (replaces) met.replacedCount += 1
    const command = replaces ? ({ kind: 'replace', document, fields: {}, orCreate: true } as const) : ({ kind: 'create', document } as const)
    for (const draft of decide(state, command, of)) drafts.push(draft)
  }
  located(() => batch.firstIndex + offset, () => batch.items.forEach(decideNext))
  if (links.length === 0) return drafts
  // Edges may lead to any document of the batch.
  const made = new Set(batch.items.map(({ key }) => key.id))
  return [...drafts, ...edges(links, (key) => key.ns === ns && made.has(key.id))]
}

/** Says in an error which document it was. */
function located<Result>(at: () => number, work: () => Result): Result {
  return translated(work, (error) => retold(error, { index: at() }, (message) => `Document ${at()}: ${message}`))
}
