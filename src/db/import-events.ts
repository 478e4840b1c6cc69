import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { ImportEventsResult } from '../model/database-options.ts'
import { edgeKey } from '../model/edge.ts'
import { parseEntityId, parseTarget, validateNamespace, type EntityKey } from '../model/entity.ts'
import type { Event, EventDraft } from '../model/event.ts'
import type { CommitRequest, Engine } from '../storage/engine.ts'

/** Of one call; each commit of them waits for the one before. */
const eventsMax = 1000

/** Appends events of another database, in commits as they were there. */
export async function importEvents(engine: Engine, events: readonly Event[]): Promise<ImportEventsResult> {
  if (!Array.isArray(events) || events.length > eventsMax) throw new ParqueDBError('INVALID_ARGUMENT', `importEvents takes up to ${eventsMax} events, as events() gives them.`, { details: { option: 'events' } })
  const result = { appendedCount: 0, repeatedCount: 0 }
  for (let start = 0; start < events.length; ) {
    const first = events[start] as Event
    const length = [...events.slice(start), undefined].findIndex((event) => event?.ts !== first.ts || event.txId !== first.txId)
    const { repeated } = await engine.commit(requestOf(events.slice(start, start + length)))
    result[repeated ? 'repeatedCount' : 'appendedCount'] += length
    start += length
  }
  return result
}

function requestOf(events: readonly Event[]): CommitRequest {
  const drafts = events.map((event): EventDraft => ({ ...keyOf(event), op: event.op, after: event.after ?? event.data, patch: event.patch, eventId: event.id, actor: event.actor, metadata: event.metadata, ts: event.ts }))
  return {
    keys: drafts,
    txId: events[0]?.txId,
    eventIds: events.map(({ id }) => id),
    decide(context) {
      const versions = new Map<string, number>()
      for (const [index, draft] of drafts.entries()) {
        // What an erasure has left has no id.
        if (draft.id === '') continue
        const [name, version] = [`${draft.ns}/${draft.id}`, events[index]?.version]
        const found = (versions.get(name) ?? context.state(draft)?.version ?? 0) + 1
        if (found !== version) throw new ParqueDBError('VERSION_CONFLICT', `The event ${draft.eventId} makes version ${version} of ${name}, and here the next one is ${found}.`, { details: { expected: version, found } })
        versions.set(name, found)
      }
      return drafts
    },
  }
}

function keyOf({ op, target, predicate, to }: Event): EntityKey {
  if (op === 'ERASE' && target.endsWith(':')) return { ns: validateNamespace(target.slice(0, -1)), id: '' }
  const from = parseTarget(target)
  if (predicate === undefined || to === undefined) return from
  const ns = validateNamespace(to.slice(0, to.indexOf('/')))
  return edgeKey({ from, predicate, to: { ns, id: parseEntityId(to, ns) } })
}
