import { ParqueDBError } from '../base/ParqueDBError.ts'
import { ParqueDBClient } from '../client/ParqueDBClient.ts'
import type { Database } from '../model/database.ts'
import type { Event } from '../model/event.ts'
import { isDatabase, openToRead, openToWrite, type CopyPlaces } from './open-database.ts'

/** Events of one request; how far back the newest one of somebody's own is looked for. */
const requestEventsMax = 500
const newestWithin = 1000

/** Whether a place is a server of a database. */
export function isServer(place: string): boolean {
  return /^https?:\/\//.test(place)
}

/**
 * Brings a database up to another one of which it is an earlier state, or empty, through the one's view and the other's writer: every event with its id, time, actor, version and txId. Servers are named by
 * their URLs. ALREADY_EXISTS where the target has what the source has not; HISTORY_UNAVAILABLE where retention has removed what would have to be copied.
 */
export async function copyEvents({ from, to, token, signal, onProgress }: CopyPlaces & { token?: string | undefined; signal: AbortSignal; onProgress: (events: number) => void }): Promise<{ events: number }> {
  const remote = (url: string): Database => new ParqueDBClient({ url, ...(token !== undefined && { token }) })
  const source = isServer(from) ? remote(from) : await openToRead(from)
  const target = isServer(to) ? remote(to) : openToWrite(to)
  let events = 0
  try {
    const hasSome = isServer(to) || (await isDatabase(to))
    const newest = hasSome ? await newestEvent(target) : undefined
    let batch: Event[] = []
    const send = async (): Promise<void> => {
      onProgress((events += (await target.importEvents(batch)).appendedCount))
      batch = []
    }
    let isBehind = newest === undefined
    for await (const commit of commitsOf(source.events({ signal, ...(newest !== undefined && { from: new Date(newest.ts) }) }))) {
      if (batch.length + commit.length > requestEventsMax) await send()
      if (isBehind) batch.push(...commit)
      isBehind ||= commit.some(({ id }) => id === newest?.id)
    }
    if (!isBehind) throw new ParqueDBError('ALREADY_EXISTS', 'The newest event of the target is not one of the source. Nothing was copied: copy to an empty place, or the other way if the target is the newer one.', { details: { eventId: newest?.id } })
    if (batch.length > 0) await send()
    return { events }
  } finally {
    await Promise.all([source.close(), target.close()])
  }
}

/** Events by their commits. Of one that is larger than a request the rest has no txId: under it, it would be taken for a repetition. */
async function* commitsOf(events: AsyncIterable<Event>): AsyncGenerator<readonly Event[]> {
  let [commit, last, isRest]: [Event[], Event | undefined, boolean] = [[], undefined, false]
  for await (const event of events) {
    const isSame = last?.ts === event.ts && last.txId === event.txId
    if (!isSame || commit.length === requestEventsMax) {
      if (commit.length > 0) yield commit
      commit = []
      isRest = isSame
    }
    last = event
    const { txId, ...rest } = event
    commit.push(isRest || txId === undefined ? rest : event)
  }
  if (commit.length > 0) yield commit
}

/** The database's own records are nobody's events, so the newest one may stand somewhat before the end. */
async function newestEvent(db: Database): Promise<Event | undefined> {
  const { lastSeq } = await db.stats()
  let newest: Event | undefined
  for (const fromSeq of [Math.max(1, lastSeq - newestWithin), 1]) {
    if (newest === undefined && lastSeq > 0) for await (const event of db.events({ fromSeq })) newest = event
  }
  return newest
}
