import { checkAborted } from '../base/abort.ts'
import { ParqueDBError, retold, translated } from '../base/ParqueDBError.ts'
import type { CreateManyCounts, CreateManyOptions, CreateManyResult } from '../model/database-options.ts'
import { decide } from '../model/decide.ts'
import { formatEntityId } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import { decideLinks, keysOfLinks, type Link } from '../model/links.ts'
import { checkFlag, checkFunction, checkIterable, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { DecisionContext } from '../storage/engine.ts'
import { idempotentOptionNames, type NewEntity, type ParsedWrite, parseNewDocument, parseWrite } from './parse-input.ts'
import { givesWay, replacingEdges, takenEnds } from './replace-edges.ts'
import type { Session } from './session.ts'

/** Documents of one commit, at most: what is written at once, and in memory at once. */
const batchDocumentsMax = 1000
/** Estimated bytes at which a batch is full; one larger document is a batch of its own. */
const batchBytesMax = 1024 * 1024
/** Batches that are decided and not yet durable. */
const committingMax = 4
/** An edge's event in the log, about. */
const linkBytes = 200

/**
 * Creates documents in batches: each is one commit, all of it or none, and the ones before a failure stay. The error then says which
 * document it was (`details.index`) and carries the counts. The next batches are read and decided while the last ones become durable; no more than four are held.
 * With a `txId`, batch n is committed as `txId#n`: the same input under the same txId goes on where it was interrupted.
 */
export async function createMany(session: Session, target: { ns: string; documents: unknown }, options: CreateManyOptions | undefined): Promise<CreateManyResult> {
  const checked = checkOptions('createMany', options, [...idempotentOptionNames, 'batchSize', 'onConflict', 'onProgress', 'returnIds'])
  const source = checkIterable('createMany', target.documents, 'documents')
  const run = new BulkCreate(session, target.ns, checked)
  try {
    if (Symbol.asyncIterator in source) for await (const document of source) await run.add(document)
    else {
      for (const document of source) {
        const submitted = run.add(document)
        if (submitted !== undefined) await submitted
      }
    }
    return await run.end()
  } catch (thrown) {
    const error = (await run.earlierFailure()) ?? thrown
    throw retold(error, { ...run.counts })
  }
}


interface Batch {
  readonly firstIndex: number
  readonly entities: NewEntity[]
  /** Of its documents; and names of ends that their edges take, each for one. */
  readonly ids: Set<string>
  readonly ends: Set<string>
  bytes: number
}

/** One call of createMany: the batch that fills and the one that is being committed. */
class BulkCreate {
  readonly #session: Session
  readonly #ns: string
  readonly #write: ParsedWrite
  readonly #options: CreateManyOptions
  readonly #batchSize: number
  readonly #ids: string[] | undefined
  #batch: Batch = newBatch(0)
  #batchIndex = 0
  /** In order. Each settles without ever rejecting, so that a failure waits until it is asked for. */
  #committing: Promise<{ error: unknown } | undefined>[] = []
  counts: CreateManyCounts = { createdCount: 0, replacedCount: 0, skippedCount: 0, repeatedCount: 0 }

  constructor(session: Session, ns: string, options: CreateManyOptions) {
    this.#session = session
    this.#ns = ns
    this.#options = options
    this.#write = parseWrite(session, options)
    this.#batchSize = checkWholeNumber(options.batchSize, { option: 'batchSize', least: 1, most: batchDocumentsMax }) ?? batchDocumentsMax
    this.#ids = checkFlag(options.returnIds, 'returnIds') ? [] : undefined
    checkFunction(options.onProgress, 'onProgress')
    if (![undefined, 'error', 'skip', 'replace'].includes(options.onConflict)) throw new ParqueDBError('INVALID_ARGUMENT', "The option 'onConflict' must be 'error', 'skip' or 'replace'.", { details: { option: 'onConflict' } })
  }

  /** undefined when the next document can come at once. */
  add(input: unknown): Promise<void> | undefined {
    checkAborted(this.#write.signal)
    const index = this.#batch.firstIndex + this.#batch.entities.length
    const entity = located(() => index, () => parseNewDocument(this.#session, this.#ns, input))
    const ends = entity.links.length === 0 ? [] : takenEnds(entity.links)
    // Within a commit every document sees the state before it, so a second one of the same id, or that links the same end, has to wait for the next.
    const waits = this.#batch.ids.has(entity.key.id) || ends.some((end) => this.#batch.ends.has(end))
    return waits ? this.#submit().then(() => this.#put(entity, ends)) : this.#put(entity, ends)
  }

  #put(entity: NewEntity, ends: readonly string[]): Promise<void> | undefined {
    const batch = this.#batch
    for (const end of ends) batch.ends.add(end)
    batch.entities.push(entity)
    batch.ids.add(entity.key.id)
    batch.bytes += entity.bytes + entity.links.length * linkBytes
    return batch.entities.length >= this.#batchSize || batch.bytes >= batchBytesMax ? this.#submit() : undefined
  }

  async end(): Promise<CreateManyResult> {
    if (this.#batch.entities.length > 0) await this.#submit()
    await this.#settle(0)
    return this.#ids === undefined ? this.counts : { ...this.counts, ids: this.#ids }
  }

  /** What went wrong with a batch that is still being committed, if anything: it comes before whatever stopped the reading. */
  async earlierFailure(): Promise<unknown> {
    return (await Promise.all(this.#committing)).find((failure) => failure !== undefined)?.error
  }

  /** Goes on once the batch is decided: one that is refused comes before any after it. What is decided fails only with all that is decided behind it. */
  async #submit(): Promise<void> {
    const batch = this.#batch
    this.#batch = newBatch(batch.firstIndex + batch.entities.length)
    // A larger batch may be past a commit's limit, which is seen after it was decided.
    await this.#settle(batch.bytes > 2 * batchBytesMax ? 0 : committingMax - 1)
    await new Promise<void>((decided) => {
      const committing = this.#commit(batch, decided).then(() => undefined, (error: unknown) => ({ error }))
      void committing.then(() => decided())
      this.#committing.push(committing)
    })
    if (batch.bytes > 2 * batchBytesMax) await this.#settle(0)
  }

  /** Waits until no more than `most` batches are being committed; throws what went wrong with one. */
  async #settle(most: number): Promise<void> {
    while (this.#committing.length > most) {
      const failure = await this.#committing[0]
      if (failure !== undefined) throw failure.error
      this.#committing = this.#committing.slice(1)
    }
  }

  async #commit(batch: Batch, decided: () => void): Promise<void> {
    const { txId, signal } = this.#write
    const batchIndex = this.#batchIndex++
    let skipped: ReadonlySet<string> = new Set()
    let replacedCount = 0
    const write = { ...this.#write, txId: txId === undefined ? undefined : `${txId}#${batchIndex}` }
    const links = batch.entities.flatMap((entity) => entity.links)
    const committed = await replacingEdges(this.#session, { links, isNew: true, write }, (session, all, options) =>
      session.commit({
        keys: [...batch.entities.map(({ key }) => key), ...keysOfLinks(all)],
        decide: (context) => {
          const decision = this.#decide(batch, all.slice(0, all.length - links.length), context)
          skipped = decision.skipped
          replacedCount = decision.replacedCount
          // In a transaction it is decided once more.
          if (!session.isTransaction) decided()
          return decision.drafts
        },
        txId: options.txId,
        signal,
      }),
    )
    const { states, repeated } = committed ?? { states: [], repeated: true }
    const total = batch.entities.length
    const { createdCount, repeatedCount, skippedCount } = this.counts
    const counted = { createdCount: createdCount + total - replacedCount - skipped.size, replacedCount: this.counts.replacedCount + replacedCount, skippedCount: skippedCount + skipped.size }
    this.counts = { ...this.counts, ...(repeated ? { repeatedCount: repeatedCount + total } : counted) }
    const ids = repeated && states.length === total ? states.map(({ id }) => id) : batch.entities.map(({ key }) => key.id)
    for (const id of this.#ids === undefined ? [] : ids) this.#ids?.push(formatEntityId({ ns: this.#ns, id }))
    this.#options.onProgress?.(this.counts)
  }

  /** `replaced`: edges that give way to others. */
  #decide(batch: Batch, replaced: readonly Link[], context: DecisionContext): { drafts: readonly EventDraft[]; skipped: ReadonlySet<string>; replacedCount: number } {
    const onConflict = this.#options.onConflict ?? 'error'
    const drafts: EventDraft[] = []
    const links: Link[] = []
    const skipped = new Set<string>()
    let replacedCount = 0
    const of = { nowMs: context.nowMs, limits: this.#session.limits, ...this.#write, key: { ns: this.#ns, id: '' } }
    let offset = -1
    const decideNext = ({ key, document, links: ofEntity }: NewEntity): void => {
      offset += 1
      of.key = key
      const state = context.state(key)
      const isThere = state !== undefined && state.deletedAt === undefined
      if (isThere && onConflict === 'skip') {
        skipped.add(key.id)
        return
      }
      if (ofEntity.length > 0) links.push(...ofEntity)
      const replaces = isThere && onConflict === 'replace'
      if (replaces) replacedCount += 1
      const command = replaces ? ({ kind: 'replace', document, fields: {}, orCreate: true } as const) : ({ kind: 'create', document } as const)
      for (const draft of decide(state, command, of)) drafts.push(draft)
    }
    located(() => batch.firstIndex + offset, () => batch.entities.forEach(decideNext))
    // Edges may lead to any document of the batch.
    const gone = replaced.filter((other) => links.some((link) => givesWay(other, link)))
    if (links.length > 0) drafts.push(...decideLinks([...gone, ...links], { state: (key) => context.state(key), isMade: (key) => key.ns === this.#ns && batch.ids.has(key.id), ...this.#write }))
    return { drafts, skipped, replacedCount }
  }
}

function newBatch(firstIndex: number): Batch {
  return { firstIndex, entities: [], ids: new Set(), ends: new Set(), bytes: 0 }
}

/** Says in an error which document it was. */
function located<Result>(at: () => number, work: () => Result): Result {
  return translated(work, (error) => retold(error, { index: at() }, (message) => `Document ${at()}: ${message}`))
}
