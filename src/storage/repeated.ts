import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { CommitRequest, CommitResult } from './engine.ts'
import type { Partition } from './Partition.ts'
import { withView } from './view.ts'

/** What an earlier commit with this txId, or with these event ids, gave; undefined when there was none. */
export async function findRepeated(partition: Partition, { txId, eventIds = [] }: Pick<CommitRequest, 'txId' | 'eventIds'>): Promise<CommitResult | undefined> {
  const events = txId === undefined ? await eventsByIds(partition, eventIds) : await eventsById(partition, txId)
  if (events.length === 0) return undefined
  return withView(partition, async (view) => {
    const states: EntityState[] = []
    for (const event of events) {
      const state = event.state ?? (await view.get(event, { seq: event.seq }))
      if (state !== undefined) states.push(state)
    }
    return { events, states, seq: view.seq, repeated: true }
  })
}

/** What became of a commit, where the log tells it; `sent` are the event ids of proposals of it. */
export async function outcomeOf(partition: Partition, request: CommitRequest, sent: readonly string[][]): Promise<CommitResult | undefined> {
  for (const eventIds of sent) {
    const found = await findRepeated(partition, { eventIds })
    if (found !== undefined) return { ...found, repeated: false }
  }
  return findRepeated(partition, request)
}

async function eventsByIds(partition: Partition, eventIds: readonly string[]): Promise<readonly StoredEvent[]> {
  const found: StoredEvent[] = []
  for (const eventId of eventIds) found.push(...(await eventsById(partition, eventId)))
  if (found.length > 0 && found.length < eventIds.length) {
    throw new ParqueDBError('INVALID_ARGUMENT', `Of ${eventIds.length} events that were to be committed together, ${found.length} were committed before, under the same ids (${found[0]?.eventId} is one). Commit the new ones by themselves.`, { details: { committed: found.map((event) => event.eventId) } })
  }
  return found
}

/** Events whose txId or event id is `id`, in seq order. */
async function eventsById(partition: Partition, id: string): Promise<readonly StoredEvent[]> {
  const { overlay } = partition
  const ofTx = overlay.eventsOfTx(id)
  if (ofTx.length > 0) return ofTx
  const event = overlay.eventById(id)
  if (event !== undefined) return [event]
  // Its files stay while they are looked at.
  return withView(partition, async () => {
    for (const file of partition.manifest.segments.toReversed()) {
      const found = await (await partition.files.segment(file)).findById(id)
      if (found.length > 0) return found.toSorted((left, right) => left.seq - right.seq)
    }
    return []
  })
}
