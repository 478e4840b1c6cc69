import { writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDBClient } from '../../src/client/ParqueDBClient.ts'
import { CliProcess } from './cli-process.ts'

let cli: CliProcess
beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

/** A server process, once it says where it answers; `stop` interrupts it as Ctrl-C does. */
async function serve(words: readonly string[]): Promise<{ url: string; stderr: () => string; stop: () => Promise<number | null> }> {
  const child = cli.start(['serve', '--port', '0', ...words])
  let text = ''
  child.stderr.setEncoding('utf8')
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (part: string) => {
      text += part
      const found = /at (http:\/\/\S+?)(,|\n|")/.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
    void ended.then(() => reject(new Error(text)))
  })
  return {
    url,
    stderr: () => text,
    stop: () => {
      child.kill('SIGINT')
      return ended
    },
  }
}

test('serves a folder until it is interrupted, ends its streams, and leaves everything durable', async () => {
  const served = await serve(['--db', 'data', '--auth', 'none'])
  const client = new ParqueDBClient({ url: served.url, retries: 0 })
  const events = client.subscribe({ fromSeq: 1 })
  await client.collection('posts').create({ $id: 'a', title: 'Hello' })
  expect((await events.next()).value).toMatchObject({ target: 'posts:a' })
  const next = events.next().then(() => 'an event', (error: { code: string }) => error.code)
  expect(await served.stop()).toBe(0)
  expect(await next).toBe('STORAGE_UNAVAILABLE')
  expect(served.stderr()).toMatch(/creating a database in data\nserving data at http:\/\/127.0.0.1:\d+, to everybody on this machine\n[^]*POST \/collections\/posts\/entities 201 \d+ ms\nclosing\n/)
  const { stdout } = await cli.run(['get', 'posts', 'a', '--db', 'data'])
  expect(JSON.parse(stdout)).toMatchObject({ $id: 'posts/a', title: 'Hello' })
})

test('says that it cannot listen on a port that is none', async () => {
  expect(await cli.run(['serve', '--db', 'data', '--auth', 'none', '--port', '99999'])).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
})

test('takes who may do what from a file', async () => {
  const key = 'pk_test_0123456789'
  const sha256 = createHash('sha256').update(key).digest('hex')
  writeFileSync(cli.path('auth.json'), JSON.stringify({ keys: [{ sha256, subject: 'ada', scopes: ['read:posts', 'write:posts'] }] }))
  const served = await serve(['--db', 'guarded', '--auth', 'auth.json', '--json'])
  const ada = new ParqueDBClient({ url: served.url, token: async () => key })
  expect(await ada.collection('posts').create({ title: 'x' })).toMatchObject({ createdBy: 'ada' })
  await expect(ada.collection('drafts').count()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(new ParqueDBClient({ url: served.url }).collection('posts').count()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  expect(await served.stop()).toBe(0)
})

test.each([
  { words: ['--db', 'x'], problem: /required option '--auth/ },
  { words: ['--db', 'x', '--auth', 'none', '--host', '0.0.0.0'], problem: /for --host 127.0.0.1 alone/ },
  { words: ['--db', 'x', '--auth', 'missing.json'], problem: /missing.json cannot be read/ },
  { words: ['--db', 'x', '--auth', 'none', '--port', 'http'], problem: /whole number/ },
])('refuses $words', async ({ words, problem }) => {
  const { code, stderr } = await cli.run(['serve', ...words])
  expect([code, stderr]).toEqual([2, expect.stringMatching(problem)])
})
