import { isEdgeSpace, parseEdgeKey } from './edge.ts'
import { formatEntityId, formatTarget } from './entity.ts'
import type { Event, StoredEvent } from './event.ts'
import type { Patch } from './patch.ts'
import { cloneDocument } from './values.ts'

/** The event as users see it, sharing nothing with the stored one; its snapshot is the engine's own. */
export function publicEvent(event: StoredEvent): Event {
  return {
    seq: event.seq,
    id: event.eventId,
    ts: event.ts,
    op: event.op,
    ...subjectOf(event),
    version: event.version,
    ...(event.patch !== undefined && { patch: copyPatch(event.patch) }),
    ...(event.actor !== undefined && { actor: event.actor }),
    ...(event.txId !== undefined && { txId: event.txId }),
    ...(event.metadata !== undefined && { metadata: cloneDocument(event.metadata) }),
  }
}

function subjectOf(event: StoredEvent): Pick<Event, 'target' | 'predicate' | 'to' | 'data' | 'after'> {
  const after = event.after === undefined ? undefined : cloneDocument(event.after)
  if (!isEdgeSpace(event.ns)) return { target: formatTarget(event), ...(after !== undefined && { after }) }
  const { from, predicate, to } = parseEdgeKey(event)
  return { target: formatTarget(from), predicate, to: formatEntityId(to), ...(after !== undefined && { data: after }) }
}

export function copyPatch(patch: Patch): Patch {
  return { ...(patch.set !== undefined && { set: cloneDocument(patch.set) }), ...(patch.unset !== undefined && { unset: [...patch.unset] }) }
}
