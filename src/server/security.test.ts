import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex, utf8Encode } from '../base/bytes.ts'
import { sha256 } from '../base/sha256.ts'
import { systemClock } from '../base/clock.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { createServer, type Server } from './Server.ts'

const issuer = 'https://issuer.example'
const audience = 'parquedb'
const staticKey = 'pk_0123456789abcdef0123456789abcdef'
let db: ParqueDB
let server: Server
let jwk: JWK
let sign: (claims: Record<string, unknown>, options?: { audience?: string; issuer?: string; exp?: number; key?: CryptoKey; header?: Record<string, unknown> }) => Promise<string>
let strangersKey: CryptoKey

const nowSeconds = (): number => Math.floor(systemClock.nowMs() / 1000)

beforeAll(async () => {
  db = new ParqueDB({ storage: new MemoryBackend() })
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  strangersKey = (await generateKeyPair('RS256')).privateKey
  jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }
  sign = (claims, options = {}) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'k1', ...options.header })
      .setSubject('ada')
      .setIssuer(options.issuer ?? issuer)
      .setAudience(options.audience ?? audience)
      .setExpirationTime(options.exp ?? nowSeconds() + 600)
      .sign(options.key ?? privateKey)
  server = createServer(db, {
    auth: {
      jwt: { jwks: { keys: [jwk] }, issuer, audience, tenantClaim: 'tenant' },
      keys: [{ sha256: toHex(sha256(utf8Encode(staticKey))), subject: 'cron', scopes: ['read:posts', 'write:log-*'] }],
    },
    corsOrigins: ['https://app.example'],
    limits: { bodyBytesMax: 10_000, headCharactersMax: 6000, pageItemsMax: 10, timeMsMax: 500 },
  })
  await db.collection('posts').create({ $id: 'p', secret: 's' })
  await db.tenant('acme').collection('posts').createMany([{ $id: 'p', of: 'acme' }, { $id: 'q', of: 'acme' }])
  await db.tenant('rival').collection('posts').create({ $id: 'r', of: 'rival' })
})
afterAll(async () => {
  server.close()
  await db.close()
})

interface Sent {
  token?: string | undefined
  body?: string
  headers?: Record<string, string>
}

async function send(request: string, { token, body, headers }: Sent = {}): Promise<{ status: number; code: string | undefined; text: string; headers: Headers }> {
  const at = request.indexOf(' ')
  const response = await server.fetch(
    new Request(`http://server${request.slice(at + 1)}`, {
      method: request.slice(0, at),
      headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { body }),
    }),
  )
  const text = response.headers.get('content-type') === 'text/event-stream' ? '' : await response.text()
  return { status: response.status, code: text.startsWith('{') ? (JSON.parse(text.split('\n')[0] ?? '') as { code?: string }).code : undefined, text, headers: response.headers }
}

/** Every way in, with arguments filled in; made from the router, so that a new one is tried as soon as it is there. */
const probe = createServer(new ParqueDB({ storage: new MemoryBackend() }), { auth: 'none' })
const routes = [...probe.routes.map(({ method, path, name }) => ({ name, request: `${method} ${path.replace(':ns', 'posts').replace(':id', 'p')}` })), { name: 'openapi', request: 'GET /openapi.json' }]
const isRead = (request: string): boolean => request.startsWith('GET')

test('a named consumer is refused over HTTP, and nothing is written for it', async () => {
  const before = (await db.stats()).lastSeq
  expect(await send('GET /subscribe?consumer=mail', { token: await sign({ scope: '*:*', tenant: 'acme' }) })).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' })
  expect((await db.stats()).lastSeq).toBe(before)
})

describe.each(routes)('$request', ({ name, request }) => {
  test.each<{ caller: string; token: () => Promise<string | undefined> | string | undefined; status: number }>([
    { caller: 'nobody', token: () => undefined, status: 401 },
    { caller: 'a malformed token', token: () => 'a.b.c', status: 401 },
    { caller: 'an expired token', token: () => sign({ scope: '*:*', tenant: 'acme' }, { exp: nowSeconds() - 60 }), status: 401 },
    { caller: 'a token without a signature', token: () => new UnsecuredJWT({ scope: '*:*', tenant: 'acme' }).setIssuer(issuer).setAudience(audience).setExpirationTime('1h').encode(), status: 401 },
    { caller: 'a token signed with the public key as a secret', token: async () => new SignJWT({ scope: '*:*', tenant: 'acme' }).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).setIssuer(issuer).setAudience(audience).setExpirationTime('1h').sign(utf8Encode(JSON.stringify(jwk))), status: 401 },
    { caller: 'a token of another signer', token: () => sign({ scope: '*:*', tenant: 'acme' }, { key: strangersKey }), status: 401 },
    { caller: 'a token for somebody else', token: () => sign({ scope: '*:*', tenant: 'acme' }, { audience: 'other' }), status: 401 },
    { caller: 'a token of another issuer', token: () => sign({ scope: '*:*', tenant: 'acme' }, { issuer: 'https://evil.example' }), status: 401 },
    { caller: 'a token without a tenant', token: () => sign({ scope: '*:*' }), status: 401 },
    { caller: 'a token whose tenant is a path', token: () => sign({ scope: '*:*', tenant: '../rival' }), status: 401 },
    { caller: 'a token without scopes', token: () => sign({ scope: '', tenant: 'acme' }), status: 403 },
    { caller: 'a token for another collection', token: () => sign({ scope: 'read:drafts write:drafts', tenant: 'acme' }), status: 403 },
    { caller: 'a token for the other verb', token: () => sign({ scope: isRead(request) ? 'write:*' : 'admin:other', tenant: 'acme' }), status: 403 },
  ])('refuses $caller', async ({ token, status }) => {
    // Whoever is known may read what the routes are; a list of collections is empty to who may read none; a transaction is judged by its operations.
    const isForAll = status === 403 && ['openapi', 'collections'].includes(name)
    const body = name === 'transaction' ? '{"operations":[{"operation":"get","ns":"posts","id":"p"}]}' : undefined
    const answer = await send(request, { token: await token(), ...(body !== undefined && { body }) })
    if (isForAll && answer.status === 200) expect(answer.text).not.toContain('posts"')
    else expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    if (status === 401) expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })
})

describe('a tenant', () => {
  const acme = (scope = '*:*'): Promise<string> => sign({ scope, tenant: 'acme' })

  test.each([
    ['GET /collections/posts/entities/r', 404],
    ['GET /collections/rival~posts/entities/r', 404],
    ['GET /collections/posts/entities/rival~posts%2Fr', 404],
    ['GET /collections/posts/entities/..%2F..%2Frival~posts%2Fr', 404],
    ['GET /collections/posts/entities/%252e%252e%252frival~posts%252fr', 404],
    ['GET /collections/%2e%2e/rival~posts/entities/r', 404],
    ['GET /collections/..%2frival~posts/entities/r', 400],
    ['GET /stats', 403],
    ['POST /verify', 403],
    ['POST /flush', 403],
    ['POST /compact', 403],
    ['POST /retain', 403],
  ])('is shown nothing of another by %s', async (request, status) => {
    const answer = await send(request, { token: await acme() })
    expect([answer.status, answer.text.includes('"of":"rival"'), answer.text.includes('acme~')]).toEqual([status, false, false])
  })

  test('reads, hears and lists its own under its own names, without the prefix', async () => {
    const token = await acme()
    expect((await send('GET /collections/posts/entities', { token })).text).toMatch(/"posts\/p".*"posts\/q"/)
    expect((await send('GET /collections', { token })).text).toBe('{"items":[{"name":"posts","count":2,"deletedCount":0}]}')
    expect((await send('GET /events', { token })).text).not.toMatch(/rival|acme~/)
    expect((await send('POST /transactions', { token, body: '{"operations":[{"operation":"find","ns":"posts"},{"operation":"get","ns":"posts","id":"r"}]}' })).text).not.toMatch(/rival|acme~/)
  })

  test('cannot use a cursor of another, of another query, or one that was changed', async () => {
    const page = await send('GET /collections/posts/entities?limit=1', { token: await acme() })
    const { cursor } = JSON.parse(page.text) as { cursor: string }
    const use = (token: string, given: string, query = 'limit=1'): Promise<{ status: number; code: string | undefined }> => send(`GET /collections/posts/entities?${query}&cursor=${given}`, { token })
    expect((await use(await acme(), cursor)).status).toBe(200)
    const rival = await sign({ scope: '*:*', tenant: 'rival' })
    const [text = '', mac = ''] = cursor.split('.')
    for (const [token, given, query] of [[rival, cursor, 'limit=1'], [await acme(), text, 'limit=1'], [await acme(), `${text}A.${mac}`, 'limit=1'], [await acme(), `${text}.${mac.slice(1)}A`, 'limit=1'], [await acme(), `.${mac}`, 'limit=1'], [await acme(), cursor, 'limit=1&sort={"of":1}']] as const) {
      expect(await use(token, given, query)).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' })
    }
    expect((await use(await acme(), cursor, 'limit=1&parquedb-token=x')).status).toBe(400)
  })
})

describe('a scope', () => {
  test.each([
    ['read:posts', 'GET /collections/posts/entities/p', 200],
    ['read:posts', 'PATCH /collections/posts/entities/p', 403],
    ['write:posts', 'PATCH /collections/posts/entities/p', 403],
    ['write:posts', 'DELETE /collections/posts/entities/none', 200],
    ['read:pos*', 'GET /collections/posts/count', 200],
    ['read:pos', 'GET /collections/posts/count', 403],
    ['read:*', 'GET /events', 200],
    ['read:posts', 'GET /events', 403],
    ['read:posts', 'GET /events?ns=posts', 200],
    ['read:posts', 'GET /events?ns=drafts', 403],
    ['read:posts', 'GET /subscribe', 403],
    ['openid read posts:read READ:posts read:', 'GET /collections/posts/count', 403],
  ])('%s: %s is %i', async (scope, request, status) => {
    expect((await send(request, { token: await sign({ scope, tenant: 'acme' }), ...(request.startsWith('PATCH') && { body: '{"$set":{"x":1}}' }) })).status).toBe(status)
  })

  test('is checked for each operation of a transaction, and for the actor', async () => {
    const token = await sign({ scope: ['read:posts', 'write:posts'], tenant: 'acme' })
    const batch = (operation: object): Promise<{ status: number }> => send('POST /transactions', { token, body: JSON.stringify({ operations: [{ operation: 'count', ns: 'posts' }, operation] }) })
    expect((await batch({ operation: 'count', ns: 'drafts' })).status).toBe(403)
    expect((await batch({ operation: 'create', ns: ['posts'], document: {} })).status).toBe(403)
    expect((await batch({ operation: 'create', document: {} })).status).toBe(403)
    expect((await batch({ operation: 'create', ns: 'posts', document: { $id: 'z' }, actor: 'eve' })).status).toBe(403)
    expect((await batch({ operation: 'constructor', ns: 'posts' })).status).toBe(400)
    expect((await send('POST /collections/posts/entities?actor=eve', { token, body: '{"n":1}' })).status).toBe(403)
    const made = await send('POST /collections/posts/entities', { token, body: '{"$id":"by-ada"}' })
    expect(JSON.parse(made.text)).toMatchObject({ createdBy: 'ada' })
    const free = await sign({ scope: 'write:posts actor:*', tenant: 'acme' })
    expect(JSON.parse((await send('POST /collections/posts/entities?actor=eve', { token: free, body: '{"$id":"by-eve"}' })).text)).toMatchObject({ createdBy: 'eve' })
  })

  test('of a static key holds for that key alone', async () => {
    expect((await send('GET /collections/posts/entities/p', { token: staticKey })).status).toBe(200)
    expect((await send('GET /collections/drafts/entities/p', { token: staticKey })).status).toBe(403)
    expect((await send('POST /collections/log-1/entities', { token: staticKey, body: '{"n":1}' })).status).toBe(201)
    for (const wrong of [staticKey.slice(1), `${staticKey}x`, toHex(sha256(utf8Encode(staticKey)))]) expect((await send('GET /collections/posts/entities/p', { token: wrong })).status).toBe(401)
  })
})

describe('input', () => {
  let token = ''
  beforeAll(async () => {
    token = await sign({ scope: '*:*', tenant: 'acme' })
  })

  test.each<[string, string, Sent, number, string]>([
    ['an unknown operator', 'GET /collections/posts/entities?filter={"$where":"sleep(1e9)"}', {}, 400, 'INVALID_FILTER'],
    ['an operator in an id', 'GET /collections/posts/exists?idOrFilter={"$gt":""}', {}, 400, 'INVALID_FILTER'],
    ['an operator for an id', 'POST /collections/posts/get-many', { body: '{"ids":[{"$ne":null}]}' }, 400, 'INVALID_ARGUMENT'],
    ['a text for a filter', 'GET /collections/posts/entities?filter=p', {}, 400, 'INVALID_FILTER'],
    ['broken JSON in the query', 'GET /collections/posts/entities?filter={"a":', {}, 400, 'INVALID_ARGUMENT'],
    ['an operator in a document', 'POST /collections/posts/entities', { body: '{"a":{"$gt":1}}' }, 422, 'VALIDATION_FAILED'],
    ['a __proto__ in a document', 'POST /collections/posts/entities', { body: '{"__proto__":{"admin":true}}' }, 422, 'VALIDATION_FAILED'],
    ['a constructor in a document', 'POST /collections/posts/entities', { body: '{"a":{"constructor":{"prototype":1}}}' }, 422, 'VALIDATION_FAILED'],
    ['a __proto__ in a filter', 'GET /collections/posts/entities?filter={"__proto__":1}', {}, 400, 'INVALID_FILTER'],
    ['a __proto__ among arguments', 'POST /collections/posts/query', { body: '{"__proto__":{"filter":{}}}' }, 400, 'INVALID_ARGUMENT'],
    ['a __proto__ in the query', 'GET /collections/posts/entities?__proto__=1', {}, 400, 'INVALID_ARGUMENT'],
    ['a path into the prototype', 'PATCH /collections/posts/entities/p', { body: '{"$set":{"__proto__.polluted":1}}' }, 400, 'INVALID_UPDATE'],
    ['a system field', 'PATCH /collections/posts/entities/p', { body: '{"$set":{"version":99}}' }, 400, 'INVALID_UPDATE'],
    ['an update without operators', 'PATCH /collections/posts/entities/p', { body: '{"of":"me"}' }, 400, 'INVALID_UPDATE'],
    ['a regular expression that is none', 'POST /collections/posts/query', { body: '{"filter":{"of":{"$regularExpression":{"pattern":"(","options":""}}}}' }, 400, 'INVALID_FILTER'],
    ['an unknown option', 'GET /collections/posts/entities?limt=1', {}, 400, 'INVALID_ARGUMENT'],
    ['an argument that is given twice', 'GET /collections/posts/entities?limit=1&limit=2', {}, 400, 'INVALID_ARGUMENT'],
    ['another namespace in the body', 'POST /collections/posts/query', { body: '{"ns":"drafts"}' }, 400, 'INVALID_ARGUMENT'],
    ['another id in the query', 'PATCH /collections/posts/entities/p?id=q', { body: '{"$set":{"x":1}}' }, 400, 'INVALID_ARGUMENT'],
    ['a signal', 'POST /collections/posts/query', { body: '{"signal":{"aborted":true}}' }, 200, ''],
    ['a namespace with a slash', 'GET /collections/a%2Fb/count', {}, 400, 'INVALID_ARGUMENT'],
    ['a namespace with a colon', 'GET /collections/a%3Ab/count', {}, 400, 'INVALID_ARGUMENT'],
    ['a namespace with NUL', 'GET /collections/a%00b/count', {}, 400, 'INVALID_ARGUMENT'],
    ['a namespace with a line end', 'GET /collections/a%0D%0Ab/count', {}, 400, 'INVALID_ARGUMENT'],
    ['a namespace with $', 'GET /collections/%24system/count', {}, 400, 'INVALID_ARGUMENT'],
    ['a path that is not UTF-8', 'GET /collections/posts/entities/%ff', {}, 400, 'INVALID_ARGUMENT'],
    ['a path that is not percent-encoded', 'GET /collections/posts/entities/%zz', {}, 400, 'INVALID_ARGUMENT'],
    ['an id that is too long', `GET /collections/posts/entities/${'x'.repeat(2000)}`, {}, 400, 'INVALID_ARGUMENT'],
    ['a body that is too long', 'POST /collections/posts/entities', { body: `{"a":"${'x'.repeat(10_000)}"}` }, 413, 'LIMIT_EXCEEDED'],
    ['a length that lies', 'POST /collections/posts/entities', { body: '{}', headers: { 'content-length': '99999999' } }, 413, 'LIMIT_EXCEEDED'],
    ['headers that are too long', 'GET /collections/posts/count', { headers: { 'x-long': 'x'.repeat(7000) } }, 413, 'LIMIT_EXCEEDED'],
    ['an address that is too long', `GET /collections/posts/count?filter=${'x'.repeat(7000)}`, {}, 413, 'LIMIT_EXCEEDED'],
    ['a page that is too long', 'GET /collections/posts/entities?limit=11', {}, 413, 'LIMIT_EXCEEDED'],
    ['a page within a transaction that is too long', 'POST /transactions', { body: '{"operations":[{"operation":"find","ns":"posts","limit":11}]}' }, 413, 'LIMIT_EXCEEDED'],
    ['a transaction that is too long', 'POST /transactions', { body: JSON.stringify({ operations: Array.from({ length: 1001 }, () => ({})) }) }, 413, 'LIMIT_EXCEEDED'],
    ['JSON nested to the stack', 'POST /collections/posts/entities', { body: `{"a":${'['.repeat(4900)}${']'.repeat(4900)}}` }, 413, 'LIMIT_EXCEEDED'],
    ['a filter nested to the stack', 'POST /collections/posts/query', { body: `{"filter":${'{"$not":'.repeat(1000)}1${'}'.repeat(1000)}}` }, 413, 'LIMIT_EXCEEDED'],
    ['a form for JSON', 'POST /collections/posts/entities', { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 400, 'INVALID_ARGUMENT'],
    ['JSON as plain text, which pages may send anywhere', 'POST /collections/posts/entities', { body: '{"a":1}', headers: { 'content-type': 'text/plain' } }, 400, 'INVALID_ARGUMENT'],
    ['JSON in another encoding', 'POST /collections/posts/entities', { body: '{"a":1}', headers: { 'content-type': 'application/json; charset=utf-16' } }, 400, 'INVALID_ARGUMENT'],
    ['no JSON', 'POST /collections/posts/entities', { body: '{a:1}' }, 400, 'INVALID_ARGUMENT'],
    ['a list for arguments', 'POST /collections/posts/query', { body: '[1]' }, 400, 'INVALID_ARGUMENT'],
    ['a If-Match that is no version', 'PATCH /collections/posts/entities/p', { body: '{"$set":{"x":1}}', headers: { 'if-match': '*' } }, 400, 'INVALID_ARGUMENT'],
    ['a session token that is not ours', 'GET /collections/posts/count', { headers: { 'parquedb-token': 'seq:5.AAAA' } }, 400, 'INVALID_ARGUMENT'],
    ['an integer that would be rounded', 'POST /collections/posts/entities', { body: '{"a":12345678901234567890}' }, 400, 'INVALID_ARGUMENT'],
    ['a number that would be Infinity', 'POST /collections/posts/entities', { body: '{"a":[1e400]}' }, 400, 'INVALID_ARGUMENT'],
    ['a field that is there twice', 'POST /collections/posts/entities', { body: '{"a":1,"a":2}' }, 400, 'INVALID_ARGUMENT'],
    ['a number in the query that would be rounded', 'GET /collections/posts/entities?filter={"a":12345678901234567890}', {}, 400, 'INVALID_ARGUMENT'],
    ['a number that is too great', 'POST /collections/posts/entities', { body: '{"n":{"$numberLong":"99999999999999999999"}}' }, 422, 'VALIDATION_FAILED'],
    ['a method that is none of the route’s', 'TRACE-IT /collections/posts/count', {}, 405, 'INVALID_ARGUMENT'],
  ])('%s is refused and harms nothing', async (_, request, sent, status, code) => {
    const answer = await send(request, { token, ...sent })
    expect([answer.status, answer.code ?? '']).toEqual([status, code])
    expect('polluted' in {} || 'admin' in {}).toBe(false)
  })

  test('a regular expression that would hang others answers at once', async () => {
    const answer = await send('POST /collections/posts/count', { token, body: JSON.stringify({ filter: { of: { $regex: '^(a+)+$' } } }) })
    expect([answer.status, answer.text]).toEqual([200, '{"count":0}'])
  })

  test('a body that does not come is given up', async () => {
    const body = new ReadableStream<Uint8Array>({ start: (stream) => stream.enqueue(utf8Encode('{"a":')) })
    const request = new Request('http://server/collections/posts/entities', { method: 'POST', body, headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` }, duplex: 'half' } as RequestInit)
    expect(await (await server.fetch(request)).json()).toMatchObject({ status: 504, code: 'ABORTED', details: { limit: 'timeMsMax' } })
  })

  test('what a caller sends never becomes a header', async () => {
    const answer = await send('POST /collections/posts/entities', { token, body: JSON.stringify({ $id: 'x\r\nset-cookie: a=b' }) })
    expect([answer.status, answer.headers.get('location'), answer.headers.get('set-cookie')]).toEqual([201, '/collections/posts/entities/x%0D%0Aset-cookie%3A%20a%3Db', null])
  })

  test('a token cannot make the server fetch its keys, nor bring its own', async () => {
    const before = globalThis.fetch
    const fetched: string[] = []
    globalThis.fetch = (async (input: string) => {
      fetched.push(input)
      throw new Error('fetched')
    }) as typeof fetch
    try {
      const own = await generateKeyPair('RS256', { extractable: true })
      for (const header of [{ jku: 'http://169.254.169.254/keys' }, { x5u: 'http://localhost/keys' }, { jwk: await exportJWK(own.publicKey) }, { kid: '../../etc/passwd' }]) {
        const forged = await sign({ scope: '*:*', tenant: 'acme' }, { key: own.privateKey, header })
        expect((await send('GET /collections/posts/count', { token: forged })).status).toBe(401)
      }
    } finally {
      globalThis.fetch = before
    }
    expect(fetched).toEqual([])
  })
})

describe('other origins', () => {
  test.each([
    ['https://app.example', 'https://app.example'],
    ['https://app.example.evil.com', null],
    ['https://evil.com', null],
    ['http://app.example', null],
    ['null', null],
  ])('%s is allowed: %s', async (origin, allowed) => {
    const preflight = await send('OPTIONS /collections/posts/entities', { headers: { origin, 'access-control-request-method': 'POST' } })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, allowed])
    const answer = await send('GET /collections/posts/count', { headers: { origin } })
    expect([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('access-control-allow-credentials')]).toEqual([401, allowed, null])
  })

  test('are told what they may send and see', async () => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization,if-match' }
    const preflight = (await send('OPTIONS /collections/posts/entities/p', { headers })).headers
    const names = ['allow-methods', 'allow-headers', 'max-age', 'expose-headers'].map((name) => preflight.get(`access-control-${name}`))
    expect(names).toEqual(['GET, HEAD, POST, PUT, PATCH, DELETE', 'authorization,if-match', '600', 'ETag, Location, Parquedb-Token, Retry-After'])
    expect(preflight.get('vary')).toBe('Origin, Access-Control-Request-Headers')
  })

  test('are none when none is configured', async () => {
    const answer = await probe.fetch(new Request('http://server/collections/posts/count', { headers: { origin: 'https://app.example' } }))
    expect(answer.headers.get('access-control-allow-origin')).toBe(null)
  })
})

test.each([
  ['no auth', {}],
  ['an auth of nothing', { auth: {} }],
  ['a JWT without an audience', { auth: { jwt: { jwks: { keys: [] }, issuer } } }],
  ['a key in clear text', { auth: { keys: [{ sha256: staticKey, subject: 'x', scopes: [] }] } }],
  ['a scope that is none', { auth: { keys: [{ sha256: '0'.repeat(64), subject: 'x', scopes: ['everything'] }] } }],
  ['a tenant that can be none', { auth: { keys: [{ sha256: '0'.repeat(64), subject: 'x', scopes: [], tenant: 'a~b' }] } }],
  ['a short secret', { auth: 'none', secret: 'short' }],
])('there is no server with %s', (_, options) => {
  expect(() => createServer(db, options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
