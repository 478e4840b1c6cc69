import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock as realClock, type Clock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { createServer, type Server } from '../server/Server.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { ParqueDBClient } from './ParqueDBClient.ts'
import type { ParqueDBClientOptions } from './Transport.ts'

let db: ParqueDB
let server: Server
let sleeps: number[]
let seed = 0
/** Sleeps at once, and never times out by itself. */
const clock: Clock = {
  nowMs: () => 1_700_000_000_000,
  sleep: async (ms) => void sleeps.push(ms),
  after: () => () => undefined,
}

beforeEach(() => {
  sleeps = []
  db = new ParqueDB({ storage: new MemoryBackend() })
  server = createServer(db, { auth: 'none' })
})
afterEach(async () => {
  server.close()
  await db.close()
})

type Fault = (request: Request) => Promise<Response> | Response | undefined

/** A client whose nth request meets the nth fault, and the server when there is none. */
function clientWith(faults: readonly Fault[], options: Partial<ParqueDBClientOptions> = {}): ParqueDBClient {
  let count = 0
  const fetch = (async (input: string, init: RequestInit) => {
    const request = new Request(input, init)
    const fault = faults[count++]
    return (await fault?.(request)) ?? server.fetch(request)
  }) as typeof globalThis.fetch
  return new ParqueDBClient({ url: 'http://server', fetch, clock, random: seededRandom(seed++), ...options })
}

const unreachable: Fault = () => Promise.reject(new TypeError('fetch failed'))
/** The server does it, and its answer is lost. */
const lostReply: Fault = async (request) => {
  await server.fetch(request)
  throw new TypeError('socket hang up')
}
const busy: Fault = () => new Response('{"title":"WRITER_LOCKED","status":503,"code":"WRITER_LOCKED","detail":"x","details":{}}', { status: 503, headers: { 'content-type': 'application/problem+json', 'retry-after': '7' } })
const badGateway: Fault = () => new Response('<html>', { status: 502 })

test('a write whose answer was lost is sent again and done once', async () => {
  const posts = clientWith([lostReply, lostReply]).collection<{ n: number }>('posts')
  const created = await posts.create({ n: 1 })
  expect(created.version).toBe(1)
  expect(await db.collection('posts').count()).toBe(1)
  const again = clientWith([lostReply]).collection<{ n: number }>('posts')
  expect((await again.update(created.$id, { $inc: { n: 1 } })).n).toBe(2)
  expect(await clientWith([lostReply]).collection('posts').delete(created.$id)).toBe(true)
})

test('a commit whose answer was lost is done once', async () => {
  // A dry run for each of two calls, then the commit.
  const client = clientWith([() => undefined, () => undefined, lostReply])
  await client.transaction(async (tx) => {
    await tx.collection('a').create({ n: 1 })
    await tx.collection('a').create({ n: 2 })
  })
  expect(await db.collection('a').count()).toBe(2)
  expect((await db.stats()).lastSeq).toBe(2)
})

test('what cannot be answered now is tried again, later each time and when the server says', async () => {
  const client = clientWith([unreachable, badGateway, busy])
  expect(await client.collection('posts').count()).toBe(0)
  expect(sleeps.length).toBe(3)
  expect(sleeps[0]).toBeLessThanOrEqual(100)
  expect(sleeps[1]).toBeLessThanOrEqual(200)
  expect(sleeps[2]).toBe(7000)
})

test('retries end, and an error that will not pass has none', async () => {
  await expect(clientWith([unreachable, unreachable, unreachable], { retries: 2 }).collection('a').count()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
  expect(sleeps.length).toBe(2)
  await expect(clientWith([]).collection('a').update('x', { $set: { n: 1 } })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(sleeps.length).toBe(2)
})

test('what has no txId is sent once', async () => {
  await db.collection('a').create({ n: 1 })
  const update = clientWith([lostReply]).collection('a').updateMany({}, { $inc: { n: 1 } })
  await expect(update).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
  expect(await db.collection('a').count({ n: 2 })).toBe(1)
})

test('an answer that breaks off is an error, never a shorter answer', async () => {
  await db.collection('a').createMany(Array.from({ length: 5 }, (_, n) => ({ n })))
  const cut: Fault = async (request) => {
    const text = await (await server.fetch(request)).text()
    return new Response(text.slice(0, text.indexOf('\n', 200) + 1))
  }
  const seen: unknown[] = []
  const reading = (async () => {
    for await (const item of clientWith([cut]).collection('a').find()) seen.push(item)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  expect(seen.length > 0 && seen.length < 5).toBe(true)
})

test('a subscription that is cut off goes on behind the last event that was given', async () => {
  const a = db.collection<{ n: number }>('a')
  await a.createMany([{ n: 1 }, { n: 2 }, { n: 3 }])
  const cutAfterTwo: Fault = async (request) => {
    const reader = (await server.fetch(request)).body?.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
    let text = ''
    while (!text.includes('id: 3\n')) text += (await reader?.read())?.value ?? ''
    await reader?.cancel()
    return new Response(text.slice(0, text.indexOf('id: 3\n')))
  }
  const seqs: number[] = []
  for await (const { seq } of clientWith([cutAfterTwo, unreachable]).subscribe({ fromSeq: 1 })) {
    seqs.push(seq)
    if (seq === 3) break
  }
  expect(seqs).toEqual([1, 2, 3])
})

test('a subscription whose server begins and fails each time is not asked for ever, and one that lived for a while begins to count anew', async () => {
  const answer = (text: string): Fault => () => new Response(text, { headers: { 'content-type': 'text/event-stream' } })
  const open = 'event: open\nid: 0\ndata: {}\n\n'
  const failing = answer(`${open}event: error\ndata: {"title":"INTERNAL","status":500,"detail":"The server failed; its log says why."}\n\n`)
  await expect(clientWith(Array.from({ length: 9 }, () => failing), { retries: 3 }).subscribe().next()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: 'The server failed; its log says why.' })
  expect(sleeps).toHaveLength(3)
  const alive = answer(`${open}: still here\n\n`)
  const subscription = clientWith([failing, failing, alive, failing, failing], { retries: 3 }).subscribe()
  const next = subscription.next()
  await db.collection('a').create({ n: 1 })
  while (sleeps.length < 8) await realClock.sleep(1)
  await db.collection('a').create({ n: 2 })
  expect((await next).value?.op).toBe('CREATE')
  await subscription.return()
})

test('a silent server is left after timeoutMs, and a signal ends a call', async () => {
  const never: Fault = (request) => new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(new Error('aborted'))))
  const impatient = clientWith([never], { retries: 0, clock: { ...clock, after: (_, task) => (queueMicrotask(task), () => undefined) } })
  await expect(impatient.collection('a').count()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: 'The server sent nothing for 30000 ms.' })
  const controller = new AbortController()
  const counting = clientWith([never]).collection('a').count({}, { signal: controller.signal })
  controller.abort()
  await expect(counting).rejects.toMatchObject({ code: 'ABORTED' })
})

test.each([{}, { url: 'ftp://x' }, { url: 'http://x/?a=1' }, { url: 'http://x', retries: -1 }, { url: 'http://x', timeoutMs: 0 }, { url: 'http://x', tokn: 'a' }])('a client of %o is refused', (options) => {
  expect(() => new ParqueDBClient(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

test.each(['.', '..'])("what no address can hold is refused before it is sent: a collection '%s'", async (name) => {
  const never: Fault = () => Promise.reject(new Error('sent'))
  await expect(clientWith([never], { retries: 0 }).collection(name).count()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { option: 'ns' } })
})
