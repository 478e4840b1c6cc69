import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkFlag, checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import type { ArchiveOptions, Difference, HistoryEntry, HistoryOptions } from '../model/database-options.ts'
import { notFound } from '../model/decide.ts'
import { edgeSpace } from '../model/edge.ts'
import { copyEntity } from '../model/entity-document.ts'
import { formatEntityId, isLive, type EntityKey, type EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { encodePatchPath } from '../model/path.ts'
import { copyPatch, publicEvent } from '../model/public-event.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import { cloneDocument, cloneValue, equalValues, isObject, ownField, type Document, type Value } from '../model/values.ts'
import { parseAsOf, resolveAsOf } from '../query/as-of.ts'
import { decodeCursor, encodeCursor, fingerprintOf } from '../query/page-cursor.ts'
import { assertRangeKept, historyUnavailable } from '../storage/horizon.ts'
import { overView, withView, type AsOf, type View } from '../storage/view.ts'
import { pageOf } from './find.ts'
import { parseOps } from './read-events.ts'
import type { Session } from './session.ts'
import { writeEntity } from './write-entity.ts'
import type { ParsedWrite } from './parse-input.ts'

/** Entries are folded this many at a time: what is in memory, and what a page in reverse folds at once. */
const entriesAtOnce = 100

type HistoryQuery = ReturnType<typeof parseHistory>

export function entityHistory<T extends object>(session: Session, key: EntityKey, options: HistoryOptions | undefined): ResultCursor<HistoryEntry<T>> {
  const query = parseHistory(key, checkOptions('history', options, ['from', 'to', 'actor', 'op', 'limit', 'cursor', 'reverse', 'includeArchived', 'signal']))
  const page = (): Promise<Page<HistoryEntry<T>>> => pageOf(query.limit, (limit) => historyBatches<T>(session, { ...query, limit }), ({ seq }) => encodeCursor({ values: [], id: String(seq) }, query.fingerprint))
  return new ResultCursor({ batches: () => historyBatches<T>(session, query), page })
}

/** `afterSeq`: only entries behind this one, in the order of the query. */
function parseHistory(key: EntityKey, options: HistoryOptions) {
  const from = parseAsOf(options.from, 'from')
  const to = parseAsOf(options.to, 'to')
  const reverse = checkFlag(options.reverse, 'reverse')
  const actor = checkName(options.actor, 'actor')
  const ops = parseOps(options.op)
  const fingerprint = fingerprintOf(['history', key.ns, key.id, from, to, reverse, actor, ops])
  const afterSeq = options.cursor === undefined ? undefined : Number(decodeCursor(options.cursor, { fingerprint, keyCount: 0 }).id)
  return { key, from, to, actor, ops, limit: checkWholeNumber(options.limit, { option: 'limit', least: 1 }), afterSeq, reverse, includeArchived: checkFlag(options.includeArchived, 'includeArchived'), signal: options.signal, fingerprint }
}

function historyBatches<T extends object>(session: Session, query: HistoryQuery): AsyncGenerator<readonly HistoryEntry<T>[]> {
  const { actor, ops } = query
  // Every event is folded, whether it is wanted or not.
  const isWanted = (entry: HistoryEntry<T> | StoredEvent): boolean => (actor === undefined || entry.actor === actor) && (ops === undefined || ops.includes(entry.op))
  return overView(session, query, async function* (view) {
    let left = query.limit ?? Number.POSITIVE_INFINITY
    let events: StoredEvent[] = []
    for await (const event of wantedEvents(view, query)) {
      events.push(event)
      if (isWanted(event)) left -= 1
      if (left > 0 && events.length < entriesAtOnce) continue
      yield (await entriesOf<T>(view, query, events)).filter(isWanted)
      events = []
      if (left <= 0) return
    }
    if (events.length > 0) yield (await entriesOf<T>(view, query, events)).filter(isWanted)
  })
}

async function* wantedEvents(view: View, { key, from, to, afterSeq, reverse, signal }: HistoryQuery): AsyncGenerator<StoredEvent> {
  const horizon = view.horizon(key.ns)
  const range = { fromTs: from?.ts, toTs: to?.ts, fromSeq: from?.seq, toSeq: to?.seq }
  assertRangeKept(key.ns, horizon, range)
  // Its edges have a horizon of their own.
  const edges = edgeSpace(key.ns, 'out')
  assertRangeKept(edges, view.horizon(edges), range)
  const fromSeq = Math.max(from?.seq ?? 1, (horizon?.seq ?? 0) + 1, reverse || afterSeq === undefined ? 1 : afterSeq + 1)
  const toSeq = Math.min(to?.seq ?? view.seq, reverse && afterSeq !== undefined ? afterSeq - 1 : view.seq)
  if (fromSeq <= toSeq) yield* view.entityEvents(key, { ...range, fromSeq, toSeq, reverse, edges: true, signal })
}

/** Folds from the state before the oldest of them, which is read once. */
async function entriesOf<T extends object>(view: View, { key, reverse }: HistoryQuery, events: readonly StoredEvent[]): Promise<HistoryEntry<T>[]> {
  const ordered = reverse ? events.toReversed() : events
  const [oldest] = ordered
  if (oldest === undefined) return []
  let state = oldest.version === 1 && oldest.ns === key.ns ? undefined : await view.get(key, { seq: oldest.seq - 1 })
  const entries: HistoryEntry<T>[] = []
  for (const event of ordered) {
    const before = state
    if (event.ns === key.ns) state = stateAfter(before, event)
    entries.push(event.ns === key.ns ? entryOf<T>(event, { before, after: state }) : edgeEntry<T>(event, state))
  }
  return reverse ? entries.toReversed() : entries
}

function entryOf<T extends object>(event: StoredEvent, pictures: { before: EntityState | undefined; after: EntityState | undefined }): HistoryEntry<T> {
  const { before, after } = pictures
  return {
    seq: event.seq,
    at: new Date(event.ts),
    op: event.op,
    version: event.version,
    ...(event.actor !== undefined && { actor: event.actor }),
    ...(event.txId !== undefined && { txId: event.txId }),
    ...(event.metadata !== undefined && { metadata: cloneDocument(event.metadata) }),
    ...(event.patch !== undefined && { patch: copyPatch(event.patch) }),
    ...(isLive(before) && { before: copyEntity<T>(event.ns, before) }),
    ...(isLive(after) && { after: copyEntity<T>(event.ns, after) }),
  }
}

/** Of an edge that begins at the entity, which does not change by it. */
function edgeEntry<T extends object>(event: StoredEvent, state: EntityState | undefined): HistoryEntry<T> {
  const { predicate, to, data } = publicEvent(event)
  return { ...entryOf<T>(event, { before: undefined, after: undefined }), version: state?.version ?? 0, ...(predicate !== undefined && { predicate }), ...(to !== undefined && { to }), ...(data !== undefined && { data }) }
}

/** The state at a point, a tombstone where it was deleted; undefined before it was created. NOT_FOUND for a version that it never had. */
async function stateAtPoint(view: View, key: EntityKey, point: ParsedPoint): Promise<EntityState | undefined> {
  if (point.kind === 'asOf') return view.get(key, resolveAsOf(point.asOf, view))
  const newest = await view.get(key)
  if (newest?.version === point.version) return newest
  for await (const event of point.version > (newest?.version ?? 0) ? [] : view.entityEvents(key)) {
    if (event.version === point.version) return event.state ?? view.get(key, { seq: event.seq })
  }
  const horizon = view.horizon(key.ns)
  const base = horizon === undefined ? undefined : await view.get(key, { seq: horizon.seq })
  if (base?.version === point.version) return base
  if (horizon !== undefined && point.version < (base?.version ?? 0)) throw historyUnavailable(key.ns, horizon)
  const $id = formatEntityId(key)
  const known = newest === undefined ? 'there is no such entity' : `its newest one is ${newest.version}`
  throw new ParqueDBError('NOT_FOUND', `${$id} has no version ${point.version}: ${known}.`, { details: { $id, version: point.version } })
}

export type ParsedPoint = { readonly kind: 'version'; readonly version: number } | { readonly kind: 'asOf'; readonly asOf: AsOf | undefined }

/** undefined stands for the present. INVALID_ARGUMENT. */
export function parsePoint(point: unknown, name: string): ParsedPoint {
  if (typeof point !== 'object' || point === null || point instanceof Date) return { kind: 'asOf', asOf: parseAsOf(point, name) }
  const { version, asOf, ...unknown } = point as { version?: unknown; asOf?: unknown }
  const isOne = (version === undefined) !== (asOf === undefined) && Object.keys(unknown).length === 0
  if (!isOne) throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' must be { version } or { asOf }, one of them alone.`, { details: { option: name } })
  if (version === undefined) return { kind: 'asOf', asOf: parseAsOf(asOf, name) }
  return { kind: 'version', version: checkWholeNumber(version, { option: `${name}.version`, least: 1 }) ?? 1 }
}

/** One view for several points, so that they are of one history. */
export async function statesAtPoints(session: Session, key: EntityKey, of: { points: readonly ParsedPoint[]; options: ArchiveOptions | undefined }): Promise<(EntityState | undefined)[]> {
  const { includeArchived } = checkOptions('a point in the past', of.options, ['includeArchived', 'signal'])
  return withView(session, (view) => Promise.all(of.points.map((point) => stateAtPoint(view, key, point))), { includeArchived: checkFlag(includeArchived, 'includeArchived') })
}

/** How often another write may bring back and delete the entity again while it is being restored. */
const attemptsMax = 100

/** The state after bringing a deleted entity back as it was last; the state as it is where it lives. */
export async function restoreEntity(session: Session, { key, includeArchived }: { key: EntityKey; includeArchived: boolean }, write: ParsedWrite): Promise<EntityState | undefined> {
  const earlier = await committedState(session, key, write)
  if (earlier !== undefined) return earlier
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { tombstone, document } = await lastDocument(session, key, includeArchived)
    // What was read must still be the last of it when the command is decided.
    const condition = (state: EntityState | undefined): boolean => state?.deletedAt === undefined || state.version === tombstone?.version
    const { after, isStale } = await writeEntity(session, { key, command: { kind: 'restore', document }, condition }, write)
    if (!isStale) return after
  }
  throw new ParqueDBError('TRANSACTION_CONFLICT', `${formatEntityId(key)} was deleted again ${attemptsMax} times while it was being restored; try again.`)
}

/** The state after making the entity's document what it was at a point. */
export async function revertEntity(session: Session, { key, point, includeArchived }: { key: EntityKey; point: ParsedPoint; includeArchived: boolean | undefined }, write: ParsedWrite): Promise<EntityState | undefined> {
  const earlier = await committedState(session, key, write)
  if (earlier !== undefined) return earlier
  const [state] = await statesAtPoints(session, key, { points: [point], options: includeArchived === undefined ? {} : { includeArchived } })
  if (state === undefined || state.deletedAt !== undefined) {
    const $id = formatEntityId(key)
    throw new ParqueDBError('NOT_FOUND', `${$id} was ${state === undefined ? 'not there' : 'deleted'} at that point, so it cannot be made what it was then.`, { details: { $id } })
  }
  return (await writeEntity(session, { key, command: { kind: 'revert', document: state.document } }, write)).after
}

/** What a write under this txId gave before: the past that it then read may be gone by now. */
async function committedState(session: Session, key: EntityKey, { txId, signal }: ParsedWrite): Promise<EntityState | undefined> {
  return txId === undefined ? undefined : (await session.commit({ keys: [key], decide: () => [], txId, signal })).states[0]
}

async function lastDocument(session: Session, key: EntityKey, includeArchived: boolean) {
  return withView(session, async (view) => {
    const newest = await view.get(key)
    if (newest === undefined) throw notFound(newest, key)
    if (newest.deletedAt === undefined) return { tombstone: undefined, document: newest.document }
    const last = await view.get(key, { seq: newest.seq - 1 })
    if (last === undefined) throw notFound(newest, key)
    return { tombstone: newest, document: last.document }
  }, { includeArchived })
}

/** Where `after` differs from `before`, in the order of fields, as deep as both sides have the same shape. Arrays of one length are compared by element. */
export function documentDifferences(before: Document, after: Document): Difference[] {
  const differences: Difference[] = []
  compareSides({ before, after }, [], differences)
  return differences
}

function compareSides({ before, after }: { before: Value | undefined; after: Value | undefined }, path: readonly string[], differences: Difference[]): void {
  if (equalValues(before, after)) return
  const count = differences.length
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    for (const name of names) compareSides({ before: ownField(before, name), after: ownField(after, name) }, [...path, name], differences)
  } else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [index, element] of after.entries()) compareSides({ before: before[index], after: element }, [...path, String(index)], differences)
  }
  // Also where only the order of fields differs, which no field shows; that of the document's own is no difference.
  if (differences.length > count || path.length === 0) return
  differences.push({ path: encodePatchPath(path), ...(before !== undefined && { before: cloneValue(before) }), ...(after !== undefined && { after: cloneValue(after) }) })
}
