import { ParqueDBError, retold } from '../base/ParqueDBError.ts'
import { BulkWrite } from '../model/BulkWrite.ts'
import type { VersionedOptions } from '../model/database-options.ts'
import type { EdgeInput, LinkManyOptions, LinkManyResult, LinkResult } from '../model/graph-options.ts'
import { parseEntityId, type EntityKey } from '../model/entity.ts'
import { parseLinks, type Link } from '../model/links.ts'
import { isPlainObject } from '../model/parse-document.ts'
import { checkFunction, checkIterable, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { commitWithEdges, linkBytes, takenEnds } from './replace-edges.ts'
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
 * Edges in bulk, in commits of up to 1,000: those before a failure stay, and the error tells which edge it was (`details.index` of its batch's first) and how many came before.
 */
export async function linkMany(session: Session, target: { ns: string; edges: unknown }, options: LinkManyOptions | undefined): Promise<LinkManyResult> {
  const { batchSize, onProgress, ...rest } = checkOptions('linkMany', options, [...idempotentOptionNames, 'batchSize', 'onProgress'])
  checkFunction(onProgress, 'onProgress')
  const itemsMax = checkWholeNumber(batchSize, { option: 'batchSize', least: 1, most: batchEdgesMax }) ?? batchEdgesMax
  const counts = { edgeCount: 0, changedCount: 0 }
  const write = parseWrite(session, rest)
  const bulk = new BulkWrite<Link>({ ...write, itemsMax }, async ({ items: links }, { txId, onDecided }) => {
    const committed = await commitWithEdges(session, { keys: [], links, decide: (_, edges) => edges(links), onDecided }, { ...write, txId })
    counts.edgeCount += links.length
    counts.changedCount += committed === undefined || committed.repeated ? 0 : committed.states.length
    onProgress?.({ ...counts })
  })
  try {
    for await (const edge of checkIterable('linkMany', target.edges, 'edges')) {
      for (const link of parseEdge(session, target.ns, edge)) await bulk.add(link, linkBytes, [link.key.ns + link.key.id, ...takenEnds([link])])
    }
    await bulk.end()
    return counts
  } catch (thrown) {
    const error = await bulk.failure(thrown)
    throw retold(error, { index: counts.edgeCount, ...counts }, (message) => `Edges from ${counts.edgeCount} on: ${message}`)
  }
}

function parseEdge(session: Session, ns: string, edge: unknown): Link[] {
  const { from, predicate, to, data, ...unknown }: { readonly [Field in keyof EdgeInput]?: unknown } = isPlainObject(edge) ? edge : {}
  if (typeof predicate !== 'string' || Object.keys(unknown).length > 0) throw new ParqueDBError('INVALID_ARGUMENT', 'linkMany takes edges as { from, predicate, to, data? }.')
  return parseLinks(session.relations, { near: { ns, id: parseEntityId(from, ns) }, kind: 'link', name: predicate, targets: to, data, limits: session.limits })
}
