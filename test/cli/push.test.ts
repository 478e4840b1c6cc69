import { symlinkSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { listen, type Listener } from '../../src/node/listen.ts'
import { createServer } from '../../src/server/Server.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { MemoryBackend } from '../../src/storage/backends/MemoryBackend.ts'
import { collect } from '../../src/testing/database/observe.ts'
import { CliProcess } from './cli-process.ts'

let cli: CliProcess
let served: ParqueDB
let listener: Listener
beforeAll(async () => {
  cli = await CliProcess.make()
  served = new ParqueDB({ storage: new MemoryBackend() })
  // The hash of 'key', which may do everything.
  const keys = [{ sha256: '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683', subject: 'ada', scopes: ['*:*'] }]
  listener = await listen(createServer(served, { auth: { keys } }))
})
afterAll(async () => {
  await listener.close()
  await served.close()
  cli.cleanup()
})

const open = (name: string): ParqueDB => new ParqueDB({ storage: new FsBackend(cli.path(name)) })
const copy = async (way: 'push' | 'pull', name: string): Promise<unknown> => {
  const { code, stdout } = await cli.run([way, listener.url, '--token', 'key', '--db', name])
  return code === 0 ? JSON.parse(stdout) : code
}

test('a folder goes to a server and from there to another folder, with every event as it was, and later only what is new', async () => {
  const db = open('first')
  const users = db.collection<{ n: number }>('users')
  await users.createMany(Array.from({ length: 300 }, (_, n) => ({ $id: `u${n}`, n })), { txId: 'import' })
  await users.update('u1', { $set: { n: 7 } }, { actor: 'ada', reason: 'because' })
  await users.link('u1', 'knows', ['users/u2', 'users/u3'], { since: new Date(0) })
  await users.delete('u9')
  await users.restore('u9')
  await db.flush()
  const events = await collect(db.events())
  await db.close()
  expect(await copy('push', 'first')).toEqual({ events: 305 })
  expect(await collect(served.events())).toEqual(events)
  expect(await copy('push', 'first')).toEqual({ events: 0 })
  expect(await copy('pull', 'second')).toEqual({ events: 305 })
  await served.collection('users').update('u2', { $set: { n: 8 } })
  expect(await copy('pull', 'second')).toEqual({ events: 1 })
  const second = open('second')
  expect(await collect(second.events())).toEqual(await collect(served.events()))
  expect(await second.collection('users').countRelated('u1', 'knows')).toBe(2)
  expect((await second.verify({ deep: true })).problems).toEqual([])
  await second.close()
})

test('a database is no copy of itself', async () => {
  const db = open('itself')
  await db.collection('users').create({ $id: 'u' })
  await db.close()
  symlinkSync(cli.path('itself'), cli.path('alias'))
  for (const to of ['itself', './itself/', 'alias']) expect(await cli.run(['push', to, '--db', 'itself'])).toMatchObject({ code: 2, stderr: expect.stringContaining('no copy of itself') })
})

test('a database that went another way is left alone, and nobody copies without the right token', async () => {
  const other = open('other')
  await other.collection('users').create({ $id: 'x' })
  await other.close()
  const before = await collect(served.events())
  expect(await copy('push', 'other')).toBe(4)
  expect(await copy('pull', 'other')).toBe(4)
  expect((await cli.run(['push', listener.url, '--token', 'wrong', '--db', 'first'])).code).toBe(1)
  expect(await collect(served.events())).toEqual(before)
})
