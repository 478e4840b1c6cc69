import { formatTarget } from './entity-id.ts'
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
    target: formatTarget(event),
    version: event.version,
    ...(event.after !== undefined && { after: cloneDocument(event.after) }),
    ...(event.patch !== undefined && { patch: copyPatch(event.patch) }),
    ...(event.actor !== undefined && { actor: event.actor }),
    ...(event.txId !== undefined && { txId: event.txId }),
    ...(event.metadata !== undefined && { metadata: cloneDocument(event.metadata) }),
  }
}

export function copyPatch(patch: Patch): Patch {
  return { ...(patch.set !== undefined && { set: cloneDocument(patch.set) }), ...(patch.unset !== undefined && { unset: [...patch.unset] }) }
}
