import { checkAborted } from '../base/abort.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { ArchiveOptions, HistoryEntry, HistoryOptions } from '../model/database-options.ts'
import { copyEntity, type Entity } from '../model/entity-document.ts'
import { formatEntityId } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventOp, StoredEvent } from '../model/event.ts'
import { stateAfter } from '../model/fold.ts'
import { ResultCursor, type Page } from '../model/ResultCursor.ts'
import { cloneDocument } from '../model/values.ts'
import { parseAsOf, resolveAsOf } from '../query/as-of.ts'
import { checkFlag, checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { decodeCursor, encodeCursor, fingerprintOf } from '../query/page-cursor.ts'
import { historyUnavailable } from '../storage/horizon.ts'
import type { AsOf, View } from '../storage/view.ts'
import { copyPatch } from '../model/public-event.ts'
import { parseOps } from './read-events.ts'
import { withView, type Session } from './session.ts'
import { nameLengthMax } from './write-options.ts'

/** Entries are folded this many at a time: what is in memory, and what a page in reverse folds at once. */
const entriesAtOnce = 100
const pageLimitDefault = 100
const historyOptionNames = ['from', 'to', 'actor', 'op', 'limit', 'cursor', 'reverse', 'includeArchived', 'signal'] as const

interface HistoryQuery {
  readonly key: EntityKey
  readonly from: AsOf | undefined
  readonly to: AsOf | undefined
  readonly actor: string | undefined
  readonly ops: readonly EventOp[] | undefined
  readonly limit: number | undefined
  /** Only entries behind this one, in the order of the query. */
  readonly afterSeq: number | undefined
  readonly reverse: boolean
  readonly includeArchived: boolean
  readonly signal: AbortSignal | undefined
  readonly fingerprint: number
}

export function entityHistory<T extends object>(session: Session, key: EntityKey, options: HistoryOptions | undefined): ResultCursor<HistoryEntry<T>> {
  const query = parseHistory(key, checkOptions('history', options, historyOptionNames))
  return new ResultCursor({ batches: () => historyBatches<T>(session, query), page: () => historyPage<T>(session, query) })
}

function parseHistory(key: EntityKey, options: HistoryOptions): HistoryQuery {
  const from = parseAsOf(options.from, 'from')
  const to = parseAsOf(options.to, 'to')
  const reverse = checkFlag(options.reverse, 'reverse')
  const actor = checkName(options.actor, { option: 'actor', charactersMax: nameLengthMax })
  const ops = parseOps(options.op)
  const fingerprint = fingerprintOf(['history', key.ns, key.id, from, to, reverse, actor, ops])
  const afterSeq = options.cursor === undefined ? undefined : Number(decodeCursor(options.cursor, { fingerprint, keyCount: 0 }).id)
  return { key, from, to, actor, ops, limit: checkWholeNumber(options.limit, { option: 'limit', least: 1 }), afterSeq, reverse, includeArchived: checkFlag(options.includeArchived, 'includeArchived'), signal: options.signal, fingerprint }
}

async function historyPage<T extends object>(session: Session, query: HistoryQuery): Promise<Page<HistoryEntry<T>>> {
  const limit = query.limit ?? pageLimitDefault
  const items: HistoryEntry<T>[] = []
  for await (const batch of historyBatches<T>(session, { ...query, limit: limit + 1 })) items.push(...batch)
  const last = items[limit - 1]
  if (items.length <= limit || last === undefined) return { items }
  return { items: items.slice(0, limit), cursor: encodeCursor({ values: [], id: String(last.seq) }, query.fingerprint) }
}

async function* historyBatches<T extends object>(session: Session, query: HistoryQuery): AsyncGenerator<readonly HistoryEntry<T>[]> {
  const view = await session.view(query)
  try {
    const { actor, ops } = query
    let left = query.limit ?? Number.POSITIVE_INFINITY
    let events: StoredEvent[] = []
    // Every event is folded, whether it is wanted or not.
    const isWanted = (entry: HistoryEntry<T> | StoredEvent): boolean => (actor === undefined || entry.actor === actor) && (ops === undefined || ops.includes(entry.op))
    for await (const event of wantedEvents(view, query)) {
      events.push(event)
      if (isWanted(event)) left -= 1
      if (left > 0 && events.length < entriesAtOnce) continue
      yield (await entriesOf<T>(view, query, events)).filter(isWanted)
      events = []
      if (left <= 0) return
    }
    if (events.length > 0) yield (await entriesOf<T>(view, query, events)).filter(isWanted)
  } finally {
    view.release()
  }
}

async function* wantedEvents(view: View, { key, from, to, afterSeq, reverse, signal }: HistoryQuery): AsyncGenerator<StoredEvent> {
  const horizon = view.horizon(key.ns)
  for (const point of [from, to]) if (horizon !== undefined && point !== undefined && ((point.seq ?? horizon.seq + 1) <= horizon.seq || (point.ts ?? horizon.ts + 1) <= horizon.ts)) throw historyUnavailable(key.ns, horizon)
  const least = Math.max(from?.seq ?? 1, reverse || afterSeq === undefined ? 1 : afterSeq + 1)
  const most = Math.min(to?.seq ?? view.seq, reverse && afterSeq !== undefined ? afterSeq - 1 : view.seq)
  if (least > most) return
  for await (const event of view.entityEvents(key, { fromSeq: least, toSeq: most, reverse, signal })) {
    checkAborted(signal)
    // Times never decrease along seq, so the first one outside of the wanted ones ends or has not begun them.
    if (from?.ts !== undefined && event.ts < from.ts) {
      if (reverse) return
      continue
    }
    if (to?.ts !== undefined && event.ts > to.ts) {
      if (!reverse) return
      continue
    }
    yield event
  }
}

/** Folds from the state before the oldest of them, which is read once. */
async function entriesOf<T extends object>(view: View, { key, reverse }: HistoryQuery, events: readonly StoredEvent[]): Promise<HistoryEntry<T>[]> {
  const ordered = reverse ? events.toReversed() : events
  const [oldest] = ordered
  if (oldest === undefined) return []
  let state = oldest.version === 1 ? undefined : await view.get(key, { seq: oldest.seq - 1 })
  const entries: HistoryEntry<T>[] = []
  for (const event of ordered) {
    const before = state
    state = stateAfter(before, event)
    entries.push(entryOf<T>(event, { before, after: state }))
  }
  return reverse ? entries.toReversed() : entries
}

function entryOf<T extends object>(event: StoredEvent, pictures: { before: EntityState | undefined; after: EntityState }): HistoryEntry<T> {
  const before = picture<T>(event.ns, pictures.before)
  const after = picture<T>(event.ns, pictures.after)
  return {
    seq: event.seq,
    at: new Date(event.ts),
    op: event.op,
    version: event.version,
    ...(event.actor !== undefined && { actor: event.actor }),
    ...(event.txId !== undefined && { txId: event.txId }),
    ...(event.metadata !== undefined && { metadata: cloneDocument(event.metadata) }),
    ...(event.patch !== undefined && { patch: copyPatch(event.patch) }),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  }
}

function picture<T extends object>(ns: string, state: EntityState | undefined): Entity<T> | undefined {
  return state === undefined || state.deletedAt !== undefined ? undefined : copyEntity<T>(ns, state)
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
  if (!isOne) {
    throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' must be { version } or { asOf }, one of them alone.`, { details: { option: name } })
  }
  if (version === undefined) return { kind: 'asOf', asOf: parseAsOf(asOf, name) }
  const parsed = checkWholeNumber(version, { option: `${name}.version`, least: 1 })
  return { kind: 'version', version: parsed ?? 1 }
}

/** The last document that a deleted entity had. */
export async function lastLiveState(view: View, key: EntityKey, tombstone: EntityState): Promise<EntityState | undefined> {
  return view.get(key, { seq: tombstone.seq - 1 })
}

/** One view for several points, so that they are of one history. */
export async function statesAtPoints(session: Session, key: EntityKey, of: { points: readonly ParsedPoint[]; options: ArchiveOptions | undefined }): Promise<(EntityState | undefined)[]> {
  const { includeArchived } = checkOptions('a point in the past', of.options, ['includeArchived', 'signal'])
  return withView(session, (view) => Promise.all(of.points.map((point) => stateAtPoint(view, key, point))), { includeArchived: checkFlag(includeArchived, 'includeArchived') })
}
