import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { createServer, type Server } from './Server.ts'

let db: ParqueDB
let server: Server

beforeEach(() => {
  db = new ParqueDB({ storage: new MemoryBackend() })
  server = createServer(db, { auth: 'none', heartbeatMs: 20, limits: { pageItemsMax: 3 } })
})
afterEach(async () => {
  server.close()
  await db.close()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

async function send(request: string, options: { body?: unknown; headers?: Record<string, string> } = {}): Promise<Answer> {
  const [method = '', path = ''] = request.split(' ')
  const body = options.body === undefined ? undefined : JSON.stringify(options.body)
  const response = await server.fetch(new Request(`http://server${path}`, { method, headers: { 'content-type': 'application/json', ...options.headers }, ...(body !== undefined && { body }) }))
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : text.startsWith('{') && !text.includes('\n') ? JSON.parse(text) : text }
}

const post = 'PATCH /collections/posts/entities/a%2Fb'

describe('entities', () => {
  test('are created with a location, read with their version as the ETag, and every kind of value comes back', async () => {
    const value = { n: { $numberLong: '5' }, at: { $date: '2026-01-01T00:00:00.000Z' }, bytes: { $binary: { base64: 'AP8=', subType: '00' } } }
    const made = await send('POST /collections/posts/entities', { body: { $id: 'a/b', ...value } })
    expect([made.status, made.headers.get('location'), made.headers.get('etag')]).toEqual([201, '/collections/posts/entities/a%2Fb', '"1"'])
    const read = await send('GET /collections/posts/entities/a%2Fb')
    expect([read.status, read.headers.get('etag'), read.headers.get('content-type')]).toEqual([200, '"1"', 'application/json'])
    expect(read.body).toMatchObject({ $id: 'posts/a/b', version: 1, ...value })
    expect(await db.collection('posts').get('a/b')).toMatchObject({ n: 5n, at: new Date('2026-01-01'), bytes: Uint8Array.of(0, 255) })
    expect((await send('GET /collections/posts/entities/a%2Fb', { headers: { 'if-none-match': '"1"' } })).status).toBe(304)
    expect(await send('GET /collections/posts/entities/none')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', title: 'NOT_FOUND', status: 404 } })
  })

  test('change only at the version of If-Match, and are created only where there is none with If-None-Match', async () => {
    await db.collection('posts').create({ $id: 'a/b', n: 1 })
    expect(await send(post, { body: { $inc: { n: 1 } }, headers: { 'if-match': '"1"' } })).toMatchObject({ status: 200, body: { n: 2, version: 2 } })
    expect(await send(post, { body: { $inc: { n: 1 } }, headers: { 'if-match': '"1"' } })).toMatchObject({ status: 412, body: { code: 'VERSION_CONFLICT', details: { expected: 1, found: 2 } } })
    expect(await send(post, { body: { $inc: { n: 1 } }, headers: { 'if-match': 'W/"1"' } })).toMatchObject({ status: 400, body: { code: 'INVALID_ARGUMENT' } })
    const put = 'PUT /collections/posts/entities/a%2Fb?upsert=true'
    expect((await send(put, { body: { n: 9 }, headers: { 'if-none-match': '*' } })).status).toBe(412)
    expect((await send(put.replace('a%2Fb', 'c'), { body: { n: 9 }, headers: { 'if-none-match': '*' } })).status).toBe(200)
    expect(await db.collection('posts').count({ n: 9 })).toBe(1)
    const plain = 'PUT /collections/posts/entities/d'
    const status = async (line: string, headers: Record<string, string>): Promise<number> => (await send(line, { body: { n: 10 }, headers })).status
    expect(await status(plain, {})).toBe(404)
    expect(await status(`${plain}?upsert=false`, { 'if-none-match': '*' })).toBe(404)
    expect(await status(plain, { 'if-none-match': '*' })).toBe(200)
    expect(await status(plain, { 'if-none-match': '*' })).toBe(412)
  })

  test('are written once under one Idempotency-Key', async () => {
    const create = { body: { n: 1 }, headers: { 'idempotency-key': 'order-17' } }
    const first = await send('POST /collections/posts/entities', create)
    expect((await send('POST /collections/posts/entities', create)).body).toEqual(first.body)
    expect(await db.collection('posts').count()).toBe(1)
  })

  test('are upserted, deleted, restored, reverted, and tell their history and differences', async () => {
    const at = '/collections/posts/entities/x'
    expect((await send(`POST ${at}/upsert`, { body: { $set: { n: 1 } } })).body).toMatchObject({ n: 1, version: 1 })
    await send(`PATCH ${at}`, { body: { $set: { n: 2 } } })
    expect((await send(`DELETE ${at}`)).body).toEqual({ deleted: true })
    expect((await send(`DELETE ${at}`)).body).toEqual({ deleted: false })
    expect((await send(`POST ${at}/restore`)).body).toMatchObject({ n: 2, version: 4 })
    expect((await send(`POST ${at}/revert`, { body: { version: 1 } })).body).toMatchObject({ n: 1, version: 5 })
    const history = await send(`GET ${at}/history?limit=2&reverse=true`)
    expect(history.body).toMatchObject({ items: [{ version: 5, op: 'UPDATE' }, { version: 4 }], cursor: expect.any(String) })
    expect((await send(`GET ${at}/diff?from={"version":1}&to=2`)).body).toEqual({ differences: [{ path: 'n', before: 1, after: 2 }] })
  })
})

describe('collections', () => {
  beforeEach(async () => {
    await db.collection('posts').createMany([1, 2, 3, 4, 5].map((n) => ({ $id: `p${n}`, n, even: n % 2 === 0 })))
  })

  test('are asked by GET with the arguments in the query, and by POST with them in the body', async () => {
    for (const [question, answer] of [
      ['count', { count: 2 }],
      ['distinct?path=n', { values: [2, 4] }],
      ['exists?idOrFilter=p1', { exists: true }],
      ['get-many?ids=["p2","none"]', { items: [{ $id: 'posts/p2' }, null] }],
      ['find-one?sort={"n":-1}', { n: 4 }],
      ['explain', { rowsMatched: 2 }],
    ] as const) {
      const [name, query = ''] = question.split('?')
      const args = Object.fromEntries(new URLSearchParams(query))
      const filter = ['exists', 'get-many'].includes(name ?? '') ? {} : { filter: { even: true } }
      const inQuery = new URLSearchParams({ ...args, ...('filter' in filter && { filter: JSON.stringify(filter.filter) }) })
      expect((await send(`GET /collections/posts/${name}?${inQuery}`)).body, question).toMatchObject(answer)
      const inBody = Object.fromEntries(Object.entries(args).map(([key, text]) => [key, /^[[{]/.test(text) ? JSON.parse(text) : text]))
      expect((await send(`POST /collections/posts/${name}`, { body: { ...inBody, ...filter } })).body, question).toMatchObject(answer)
    }
  })

  test('are read page by page with a signed cursor, and as lines that end with a mark', async () => {
    const first = await send('POST /collections/posts/query', { body: { filter: { n: { $gt: 1 } }, limit: 2 } })
    const { items, cursor } = first.body as { items: { n: number }[]; cursor: string }
    expect(items.map(({ n }) => n)).toEqual([2, 3])
    expect((await send('POST /collections/posts/query', { body: { filter: { n: { $gt: 1 } }, limit: 2, cursor } })).body).toMatchObject({ items: [{ n: 4 }, { n: 5 }] })
    expect((await send('GET /collections/posts/entities?limit=4')).body).toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit: 'pageItemsMax', most: 3 } })
    const lines = await send('GET /collections/posts/entities', { headers: { accept: 'application/x-ndjson' } })
    expect(lines.headers.get('content-type')).toBe('application/x-ndjson')
    expect(String(lines.body).split('\n').map((line) => (line === '' ? undefined : (JSON.parse(line).n ?? line)))).toEqual([1, 2, 3, 4, 5, '{"$end":true}', undefined])
    expect((await send('GET /collections/posts/entities?asOf=99', { headers: { accept: 'application/x-ndjson' } })).body).toMatchObject({ code: 'INVALID_ARGUMENT', details: { newestSeq: 5 } })
  })

  test('are changed many at a time', async () => {
    expect((await send('POST /collections/posts/create-many', { body: { documents: [{ $id: 'p1' }, { $id: 'p6', n: 6 }], onConflict: 'skip' } })).body).toMatchObject({ createdCount: 1, skippedCount: 1 })
    expect((await send('POST /collections/posts/update-many', { body: { filter: { even: true }, update: { $inc: { n: 10 } } } })).body).toEqual({ matchedCount: 2, modifiedCount: 2 })
    expect((await send('POST /collections/posts/find-one-and-update', { body: { filter: { n: 12 }, update: { $set: { n: 0 } }, returnDocument: 'after' } })).body).toMatchObject({ n: 0 })
    expect((await send('POST /collections/posts/find-one-and-update', { body: { filter: { n: 99 }, update: { $set: { n: 0 } } } })).status).toBe(404)
    expect((await send('POST /collections/posts/delete-many', { body: { filter: { n: { $lt: 5 } } } })).body).toEqual({ deletedCount: 3 })
    expect((await send('GET /collections')).body).toEqual({ items: [{ name: 'posts', count: 3, deletedCount: 3 }] })
  })
})

describe('the database', () => {
  test('tells its events and its state, flushes, compacts and verifies', async () => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    await db.collection('b').create({ $id: 'y' })
    const events = await send('GET /events?ns=a')
    expect(String(events.body).split('\n').map((line) => line.slice(0, 9))).toEqual(['{"seq":1,', '{"$end":t', ''])
    for (const path of ['/flush', '/compact']) expect((await send(`POST ${path}`)).status).toBe(204)
    expect((await send('POST /verify', { body: { deep: true } })).body).toMatchObject({ ok: true, problems: [] })
    expect((await send('GET /stats')).body).toMatchObject({ kind: 'memory', lastSeq: 2, flushedSeq: 2 })
  })

  test('sends what happens to who subscribes: from a seq, from behind the last one seen, or from now', async () => {
    const a = db.collection<{ n: number }>('a')
    await a.createMany([{ n: 1 }, { n: 2 }])
    const subscribe = async (query: string, headers: Record<string, string> = {}): Promise<ReadableStreamDefaultReader<string>> => {
      const { body } = await server.fetch(new Request(`http://server/subscribe${query}`, { headers }))
      if (body === null) throw new Error('no body')
      return body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
    }
    const seqs = async (reader: ReadableStreamDefaultReader<string>, last: number): Promise<string[]> => {
      let text = ''
      while (!text.includes(`id: ${last}\ndata`)) text += (await reader.read()).value ?? ''
      await reader.cancel()
      return [...text.matchAll(/^event: open\nid: \d+|^id: \d+/gm)].map(([match]) => match.replace('\n', ' '))
    }
    const all = await subscribe('?fromSeq=1')
    const resumed = await subscribe('', { 'last-event-id': '1' })
    const live = await subscribe('?ns=a')
    await a.create({ n: 3 })
    expect(await seqs(all, 3)).toEqual(['event: open id: 0', 'id: 1', 'id: 2', 'id: 3'])
    expect(await seqs(resumed, 3)).toEqual(['event: open id: 1', 'id: 2', 'id: 3'])
    expect(await seqs(live, 3)).toEqual(['event: open id: 2', 'id: 3'])
    const silent = await subscribe('')
    expect((await silent.read()).value).toContain('event: open')
    expect((await silent.read()).value).toBe(': still here\n\n')
    server.close()
    expect((await silent.read()).done).toBe(true)
  })
})

describe('a transaction', () => {
  const transact = (operations: object[], more: object = {}): Promise<Answer> => send('POST /transactions', { body: { operations, ...more } })

  test('does all of its operations or none, and says which one failed', async () => {
    const created = { operation: 'create', ns: 'a', document: { $id: 'x', n: 1 } }
    expect(await transact([created, { operation: 'update', ns: 'b', id: 'none', update: { $set: { n: 1 } } }])).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', details: { operation: 1 } } })
    expect(await db.collection('a').count()).toBe(0)
    const done = await transact([created, { operation: 'count', ns: 'a' }, { operation: 'update', ns: 'a', id: 'x', update: { $inc: { n: 1 } }, expectedVersion: 1 }])
    expect(done.body).toMatchObject({ repeated: false, results: [{ value: { n: 1 } }, { value: 1 }, { value: { n: 2, version: 2 } }] })
  })

  test('is done once under its txId, and not at all as a dry run', async () => {
    const operations = [{ operation: 'create', ns: 'a', document: { n: 1 } }]
    expect((await transact(operations, { dryRun: true })).body).toMatchObject({ results: [{ value: { n: 1 } }] })
    expect(await db.collection('a').count()).toBe(0)
    await transact(operations, { txId: 't' })
    expect((await transact(operations, { txId: 't' })).body).toMatchObject({ repeated: true, results: [] })
    expect(await db.collection('a').count()).toBe(1)
  })

  test('is refused when an answer that it was based on is another one now', async () => {
    await db.collection('a').create({ $id: 'x', n: 1 })
    const read = { operation: 'get', ns: 'a', id: 'x' }
    const { body } = await transact([read], { dryRun: true })
    const { check } = (body as { results: { check: string }[] }).results[0] ?? {}
    const write = { operation: 'update', ns: 'a', id: 'x', update: { $inc: { n: 1 } } }
    expect((await transact([{ ...read, check }, write])).status).toBe(200)
    expect(await transact([{ ...read, check }, write])).toMatchObject({ status: 409, body: { code: 'TRANSACTION_CONFLICT', details: { operation: 0 } } })
    expect((await db.collection('a').get('x'))?.n).toBe(2)
  })
})

test('a body that JSON.parse would change is refused by name, and large doubles are what they were', async () => {
  const request = (body: string): Request => new Request('http://server/collections/posts/entities', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const refused = await server.fetch(request('{"a":12345678901234567890}'))
  expect(await refused.json()).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT', details: { option: 'body' }, detail: 'The request cannot be read: in \'body\' the integer 12345678901234567890 does not fit in 64 bits; write it as a string.' })
  expect(await db.collection('posts').count()).toBe(0)
  const numbers = [1e20, 2 ** 60, 1.2345678901234567e19, 0.1]
  expect((await server.fetch(request(JSON.stringify({ $id: 'a', numbers })))).status).toBe(201)
  expect(await db.collection('posts').get('a')).toMatchObject({ numbers })
})

describe('an address', () => {
  test.each([
    ['DELETE /collections/posts/count', 'GET, POST'],
    ['POST /collections/posts/entities/a', 'GET, PATCH, PUT, DELETE'],
    ['OPTIONS /stats', 'GET'],
    ['HEAD /flush', 'POST'],
    ['POST /openapi.json', 'GET'],
  ])('says which methods it takes: %s', async (request, allow) => {
    const answer = await send(request)
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow])
    if (!request.startsWith('HEAD')) expect(answer.body).toMatchObject({ code: 'INVALID_ARGUMENT', status: 405, details: { allow } })
  })

  test.each(['GET /', 'GET /collections/posts', 'GET /collections//count', 'GET /api/stats', 'GET /statsx', 'GET /collections/a/b/count'])('that is none is not found: %s', async (request) => {
    expect(await send(request)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  })

  test('begins with the base path, letter for letter, and may end in a slash', async () => {
    const { fetch } = createServer(db, { auth: 'none', basePath: '/v1.0/(db)' })
    const statusOf = async (path: string): Promise<number> => (await fetch(new Request(`http://server${path}`))).status
    expect(await Promise.all(['/v1.0/(db)/stats', '/v1.0/(db)/stats/', '/v1x0/(db)/stats', '/v1.0/db/stats', '/stats'].map(statusOf))).toEqual([200, 200, 404, 404, 404])
  })

  test('tells onError of a stream that fails after it has begun, as of any other failure that is not the caller\'s', async () => {
    await db.collection('posts').create({ $id: 'a' })
    const told: unknown[] = []
    const bug = new TypeError('a bug')
    const failing = new Proxy(db, {
      get: (target, name) => {
        if (name === 'subscribe') return () => ({ next: () => Promise.reject(bug), return: async () => ({ done: true }) })
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const { fetch } = createServer(failing, { auth: 'none', onError: (error) => told.push(error) })
    const text = await (await fetch(new Request('http://server/subscribe'))).text()
    expect(text).toContain('event: open')
    expect(text).toContain('event: error\ndata: {"type":"about:blank","title":"INTERNAL"')
    expect(told).toEqual([bug])
  })

  test('answers HEAD as GET, without the body, and ends what would stream', async () => {
    await db.collection('posts').create({ $id: 'a' })
    const answer = await send('HEAD /collections/posts/entities/a')
    expect([answer.status, answer.headers.get('etag'), answer.headers.get('content-type'), answer.body]).toEqual([200, '"1"', 'application/json', undefined])
    expect((await send('HEAD /subscribe')).body).toBe(undefined)
  })
})
