import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDBClient } from '../../src/client/ParqueDBClient.ts'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { copyEvents } from '../../src/node/copy-events.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { startWorkerd } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL

beforeAll(async () => {
  workerd = await startWorkerd('app-worker.ts', {
    durableObjects: { PARQUEDB: { className: 'Partition', useSQLite: true } },
    r2Buckets: ['BUCKET'],
    serviceBindings: { APP: { name: '', entrypoint: 'App' } },
  })
  origin = await workerd.ready
})
afterAll(() => workerd.dispose())

interface Measured {
  readonly found: unknown
  readonly requests: number
  readonly bytes: number
  readonly cacheHits: number
}

const measure = async (query: string): Promise<Measured> => (await (await fetch(new URL(`/measure?${query}`, origin))).json()) as Measured

function client(token: string): ParqueDBClient {
  return new ParqueDBClient({ url: origin.href, token })
}

test('a cold point get costs at most four requests to the bucket, a warm one one, the same again none', async () => {
  const db = client('key')
  await db.collection('things').createMany(Array.from({ length: 12_000 }, (_, n) => ({ $id: String(n).padStart(6, '0'), n, text: `thing ${n} ${'x'.repeat(n % 50)}` })))
  await db.flush()
  await db.compact()
  const cold = await measure('cold&id=001234')
  expect(cold.found).toBe('things/001234')
  expect(cold.requests).toBeLessThanOrEqual(4)
  const warm = await measure('id=009876')
  expect(warm.found).toBe('things/009876')
  expect(warm.requests).toBeLessThanOrEqual(1)
  expect(warm.bytes).toBeLessThan(200_000)
  expect((await measure('id=009876')).requests).toBe(0)
  // Another isolate of the data centre finds in its cache what this one has read.
  const cached = await measure('cold&id=009876')
  expect(cached.requests).toBeLessThanOrEqual(1)
  expect(cached.cacheHits).toBeGreaterThan(0)
})

test('explain tells what was read of the bucket and of the cache', async () => {
  const response = await fetch(new URL('/collections/things/explain', origin), { method: 'POST', headers: { authorization: 'Bearer key', 'content-type': 'application/json' }, body: JSON.stringify({ filter: { n: 5 } }) })
  const explanation = (await response.json()) as { rowsReturned: number; edge: Measured }
  expect(explanation.rowsReturned).toBe(1)
  expect(explanation.edge.requests + explanation.edge.cacheHits).toBeGreaterThan(0)
})

test('over HTTP nobody gets in without a token, and a token does what it may', async () => {
  const path = new URL('/collections/posts/entities/x', origin)
  expect((await fetch(path)).status).toBe(401)
  expect((await fetch(path, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
  expect((await fetch(path, { headers: { authorization: 'Bearer reader' } })).status).toBe(404)
  expect((await fetch(path, { method: 'DELETE', headers: { authorization: 'Bearer reader' } })).status).toBe(403)
  await expect(client('reader').collection('things').get('000001')).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('a client has the database through the Worker: it reads what it wrote, in transactions, too', async () => {
  const db = client('key')
  const posts = db.collection<{ title: string; views: number }>('posts')
  const { $id } = await posts.create({ title: 'Hello', views: 0 })
  await posts.update($id, { $inc: { views: 1 } })
  await db.transaction(async (tx) => {
    const post = await tx.collection<{ views: number }>('posts').get($id)
    await tx.collection('log').create({ $id: 'seen', views: post?.views ?? 0 })
  })
  expect((await posts.get($id))?.views).toBe(1)
  expect((await db.collection('log').get('seen'))?.['views']).toBe(1)
  expect((await posts.history($id).toArray()).map(({ op, actor }) => [op, actor])).toEqual([['CREATE', 'ada'], ['UPDATE', 'ada']])
})

test('a folder goes to the Worker through its writer, and back, with every event as it was', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-push-'))
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const own = client('key')
  const there: string[] = []
  for await (const { id } of own.events()) there.push(id)
  const copying = { token: 'key', signal: new AbortController().signal, onProgress: () => undefined }
  expect(await copyEvents({ from: origin.href, to: from, ...copying })).toEqual({ events: there.length })
  const db = new ParqueDB({ storage: new FsBackend(from) })
  await db.collection('pushed').createMany(Array.from({ length: 20 }, (_, n) => ({ $id: `p${n}`, n })))
  await db.collection('pushed').update('p3', { $inc: { n: 1 } }, { actor: 'bob' })
  await db.close()
  expect(await copyEvents({ from, to: origin.href, ...copying })).toEqual({ events: 21 })
  expect((await own.collection('pushed').history('p3').toArray()).map(({ op, actor }) => [op, actor])).toEqual([['CREATE', undefined], ['UPDATE', 'bob']])
  expect(await copyEvents({ from: origin.href, to, ...copying })).toEqual({ events: there.length + 21 })
  await rm(folder, { recursive: true })
})

test('another Worker has its collections over RPC', async () => {
  expect(await (await fetch(new URL('/rpc', origin))).json()).toEqual(['over RPC', 1])
})
