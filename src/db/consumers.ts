import { Collection } from './Collection.ts'
import type { Session } from './session.ts'
import type { SubscriptionUse } from './Subscription.ts'

/** Where the positions of named consumers are kept: no collection of a user's begins with '$'. */
const space = '$consumers'

/** How far each named consumer has come, and how many events the log is ahead of it: the database's own records, and those that it does not want, counted in. */
export type ConsumerLags = { readonly [name: string]: { readonly seq: number; readonly lag: number } }

export function consumerPosition(session: Session, name: string): NonNullable<SubscriptionUse['position']> {
  const records = new Collection<{ seq: number }>(session, space)
  return {
    load: async () => (await records.get(name))?.seq,
    save: async (seq) => void (await records.upsert(name, { $set: { seq } })),
  }
}

export async function consumerLags(session: Session, stats: { lastSeq: number; namespaces: object }): Promise<ConsumerLags> {
  const lags: { [name: string]: { seq: number; lag: number } } = {}
  if (!Object.hasOwn(stats.namespaces, space)) return lags
  for await (const { $id, seq } of new Collection<{ seq: number }>(session, space).find()) lags[$id.slice(space.length + 1)] = { seq, lag: stats.lastSeq - seq }
  return lags
}
