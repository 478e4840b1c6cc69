import { expect, test } from 'vitest'
import { toHex, utf8Encode } from '../base/bytes.ts'
import { sha256 } from '../base/sha256.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { createServer } from './Server.ts'

function key(token: string, scopes: readonly string[]) {
  return { sha256: toHex(sha256(utf8Encode(token))), subject: token, scopes }
}

test('entities of other collections come along only for who may read the whole database', async () => {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  await db.collection('users').create({ $id: 'ada', name: 'Ada' })
  await db.collection('posts').create({ $id: 'p1' })
  const server = createServer(db, { auth: { keys: [key('narrow', ['read:posts', 'write:posts']), key('wide', ['read:*'])] } })
  const send = async (token: string, request: string, body?: object): Promise<[number, unknown]> => {
    const [method = '', path = ''] = request.split(' ')
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await server.fetch(new Request(`http://server/collections/posts/${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }))
    return [response.status, await response.json()]
  }
  expect(await send('narrow', 'POST entities/p1/link', { relationship: 'author', targets: 'users/ada', data: { since: { $date: '2026-01-01T00:00:00.000Z' } } })).toEqual([200, { changedCount: 1 }])
  const questions = ['GET entities/p1/related/author', 'GET entities/p1/count-related/author', 'GET entities/p1?populate=author', 'GET entities?populate=author', 'GET get-many?ids=["p1"]&populate=author']
  for (const question of questions) {
    expect((await send('narrow', question))[0]).toBe(403)
    expect((await send('wide', question))[0]).toBe(200)
  }
  const looking = (lookup: object): object => ({ pipeline: [{ $facet: { a: [{ $lookup: { ...lookup, as: 'x' } }] } }] })
  for (const [lookup, scope] of [[{ relationship: 'author' }, 'read:*'], [{ from: 'users', localField: '$id', foreignField: '$id' }, 'read:users']] as const) {
    expect(await send('narrow', 'POST aggregate', looking(lookup))).toMatchObject([403, { code: 'FORBIDDEN', details: { scope } }])
    expect((await send('wide', 'POST aggregate', looking(lookup)))[0]).toBe(200)
  }
  const own = { from: 'posts', localField: '$id', foreignField: '$id' }
  expect(await send('narrow', 'POST aggregate', { pipeline: [{ $lookup: { ...own, as: 'x' } }, { $project: { x: '$x.$id' } }] })).toEqual([200, { items: [{ $id: 'posts/p1', x: ['posts/p1'] }] }])
  expect((await send('narrow', 'POST aggregate', { pipeline: [{ $lookup: { ...own, from: 'posts:out', as: 'x' } }] }))[0]).toBe(403)
  expect((await send('wide', 'POST aggregate', { pipeline: [{ $lookup: { ...own, from: 'posts:out', as: 'x' } }] }))[0]).toBe(400)
  const [, page] = await send('wide', 'GET entities/p1/related/author?filter={"name":"Ada"}')
  expect(page).toMatchObject({ items: [{ $id: 'users/ada', $edge: { predicate: 'author', linkedBy: 'narrow', data: { since: { $date: '2026-01-01T00:00:00.000Z' } } } }] })
  expect(await send('wide', 'GET entities/p1/count-related/author')).toEqual([200, { count: 1 }])
  expect(await send('narrow', 'GET entities?populate=author')).toMatchObject([403, { code: 'FORBIDDEN', details: { scope: 'read:*' } }])
  server.close()
  await db.close()
})
