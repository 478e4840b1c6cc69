import { expect, test } from 'vitest'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { ParqueDB } from './ParqueDB.ts'

async function take(count: number, events: AsyncIterable<{ seq: number }>): Promise<number[]> {
  const seqs: number[] = []
  for await (const { seq } of events) if (seqs.push(seq) >= count) break
  return seqs
}

test('what retention takes of the positions of consumers is no history that a subscription misses, and nobody sees it', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const acme = db.tenant('acme')
  for (const [own, name] of [[db, 'orders'], [acme, 'bills']] as const) {
    await own.collection(name).createMany(Array.from({ length: 6 }, (_, n) => ({ n })))
    for (let run = 0; run < 3; run++) expect(await take(2, own.subscribe({ consumer: 'mail', fromSeq: 1, ns: name }))).toHaveLength(2)
  }
  const keep = { mode: 'keep' } as const
  const report = await db.retain({ policy: { mode: 'drop', maxEvents: 1, namespaces: { orders: keep, 'acme~bills': keep } } })
  expect(report.namespaces).toEqual({})
  expect(report.events).toBeGreaterThan(4)
  const stats = await db.stats()
  expect([stats.horizons, Object.keys(stats.namespaces), Object.keys((await acme.stats()).namespaces)]).toEqual([{}, ['acme~bills', 'orders'], ['bills']])
  for (const own of [db, acme]) {
    const all: number[] = []
    for await (const { seq } of own.events()) all.push(seq)
    expect(all).toHaveLength(own === db ? 12 : 6)
    expect(await take(all.length, own.subscribe({ fromSeq: 1 }))).toEqual(all)
    // Where it had come to is known all the same.
    expect(await take(1, own.subscribe({ consumer: 'mail' }))).toEqual([all[3]])
  }
  expect((await db.collections()).map(({ name }) => name)).toEqual(['acme~bills', 'orders'])
  expect(() => db.collection('acme~$consumers')).toThrow("must not start with '$'")
  expect((await db.verify({ deep: true })).problems).toEqual([])
  await db.close()
})

test('the history of an entity from before the horizon of its edges is refused, as its events are', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const posts = db.collection('posts')
  await db.collection('users').create({ $id: 'a' })
  await posts.create({ $id: '1' })
  for (const predicate of ['author', 'editor']) await posts.link('1', predicate, 'users/a')
  await posts.unlink('1', 'editor', 'users/a')
  await posts.link('1', 'reader', 'users/a')
  await db.retain({ policy: { mode: 'keep', namespaces: { posts: { mode: 'drop', maxEvents: 2 } } } })
  const seqsFrom = async (from?: number): Promise<unknown> => posts.history('1', from === undefined ? {} : { from }).toArray().then((entries) => entries.map(({ seq }) => seq), (error: { code: string }) => error.code)
  const eventsFrom = async (fromSeq: number): Promise<unknown> => take(9, db.events({ ns: 'posts', fromSeq })).catch((error: { code: string }) => error.code)
  expect([await seqsFrom(2), await seqsFrom(4), await eventsFrom(4)]).toEqual(['HISTORY_UNAVAILABLE', 'HISTORY_UNAVAILABLE', 'HISTORY_UNAVAILABLE'])
  expect([await seqsFrom(5), await eventsFrom(5)]).toEqual([[5, 6], [5, 6]])
  // Without a start it begins at what is kept.
  expect(await seqsFrom()).toEqual([2, 5, 6])
  await db.close()
})
