import { ParqueDBError, retold } from '../base/ParqueDBError.ts'
import type { VersionedOptions } from '../model/database-options.ts'
import type { EdgeInput, LinkManyOptions, LinkManyResult, LinkResult } from '../model/graph-options.ts'
import { parseEntityId, type EntityKey } from '../model/entity.ts'
import { decideLinks, keysOfLinks, parseLinks, type Link } from '../model/links.ts'
import { isPlainObject } from '../model/parse-document.ts'
import { checkFunction, checkIterable, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { replacingEdges, takenEnds } from './replace-edges.ts'
import type { Session } from './session.ts'
import { writeEntity } from './write-entity.ts'
import { idempotentOptionNames, parseWrite, versionedOptionNames } from './parse-input.ts'

/** Edges of one commit, at most. */
const batchEdgesMax = 1000

/** Edges of one entity and one kind, as one commit. */
export async function writeEdges(session: Session, of: { near: EntityKey; kind: Link['kind']; name: string; targets: unknown; data?: unknown }, options: VersionedOptions | undefined): Promise<LinkResult> {
  const write = parseWrite(session, checkOptions(of.kind, options, versionedOptionNames))
  return { changedCount: (await writeEntity(session, { key: of.near, links: parseLinks(session.relations, { ...of, limits: session.limits }) }, write)).edgeCount }
}

/**
 * Edges in bulk, in commits of up to 1,000: those before a failure stay, and the error tells which edge it was (`details.index` of its batch's first) and how many came before. The
 * next batch is read while the last one becomes durable. With a `txId`, batch n is committed as `txId#n`, so that the same input goes on where it was interrupted.
 */
export async function linkMany(session: Session, target: { ns: string; edges: unknown }, options: LinkManyOptions | undefined): Promise<LinkManyResult> {
  const { batchSize, onProgress, ...rest } = checkOptions('linkMany', options, [...idempotentOptionNames, 'batchSize', 'onProgress'])
  checkFunction(onProgress, 'onProgress')
  const size = checkWholeNumber(batchSize, { option: 'batchSize', least: 1, most: batchEdgesMax }) ?? batchEdgesMax
  const write = parseWrite(session, rest)
  const counts = { edgeCount: 0, changedCount: 0 }
  let batchIndex = 0
  let committing: Promise<{ error?: unknown }> = Promise.resolve({})
  const settle = async (): Promise<void> => {
    const { error } = await committing
    if (error !== undefined) throw error
  }
  const submit = async (links: readonly Link[]): Promise<void> => {
    await settle()
    const txId = write.txId === undefined ? undefined : `${write.txId}#${batchIndex++}`
    committing = commitLinks(session, links, { ...write, txId }).then(
      (changedCount) => {
        counts.edgeCount += links.length
        counts.changedCount += changedCount
        onProgress?.({ ...counts })
        return {}
      },
      (error: unknown) => ({ error: located(error, counts) }),
    )
  }
  let batch: Link[] = []
  let names = new Set<string>()
  try {
    for await (const edge of checkIterable('linkMany', target.edges, 'edges')) {
      for (const link of parseEdge(session, target.ns, edge)) {
        const own = [link.key.ns + link.key.id, ...takenEnds([link])]
        // Within a commit every edge sees the state before it, so one that is named again, or replaces another, waits for the next.
        if (batch.length >= size || own.some((name) => names.has(name))) {
          await submit(batch)
          batch = []
          names = new Set()
        }
        batch.push(link)
        for (const name of own) names.add(name)
      }
    }
    if (batch.length > 0) await submit(batch)
  } catch (error) {
    // What is under way counts, and goes first where it has failed.
    await settle()
    throw located(error, counts)
  }
  await settle()
  return counts
}

async function commitLinks(session: Session, links: readonly Link[], write: ReturnType<typeof parseWrite>): Promise<number> {
  const committed = await replacingEdges(session, { links, isNew: false, write }, (inner, all, options) =>
    inner.commit({ keys: keysOfLinks(all), decide: (context) => decideLinks(all, { state: (key) => context.state(key), ...options }), txId: options.txId, signal: write.signal }),
  )
  return committed === undefined || committed.repeated ? 0 : committed.states.length
}

function located(error: unknown, counts: LinkManyResult): unknown {
  return retold(error, { index: counts.edgeCount, ...counts }, (message) => `Edges from ${counts.edgeCount} on: ${message}`)
}

function parseEdge(session: Session, ns: string, edge: unknown): Link[] {
  const { from, predicate, to, data, ...unknown }: { readonly [Field in keyof EdgeInput]?: unknown } = isPlainObject(edge) ? edge : {}
  if (typeof predicate !== 'string' || Object.keys(unknown).length > 0) throw new ParqueDBError('INVALID_ARGUMENT', 'linkMany takes edges as { from, predicate, to, data? }.')
  return parseLinks(session.relations, { near: { ns, id: parseEntityId(from, ns) }, kind: 'link', name: predicate, targets: to, data, limits: session.limits })
}
