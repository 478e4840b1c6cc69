import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder: string
let worker: ChildProcess
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-example-'))
  worker = spawn(process.execPath, ['scripts/dev-worker.mjs', '--port', '0', '--data', folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  url = await new Promise((resolve, reject) => {
    worker.stdout?.on('data', (text: Buffer) => resolve(/^http\S+/m.exec(text.toString())?.[0] ?? ''))
    worker.once('exit', (code) => reject(new Error(`dev:worker ended with ${String(code)}`)))
  })
})
afterAll(async () => {
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  worker.kill('SIGTERM')
  await ended
  await rm(folder, { recursive: true, force: true })
})

test('`npm run dev:worker` serves the page, and the database below /api to who has the key', async () => {
  const page = await fetch(url)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(await page.text()).toContain('<h1>Posts</h1>')
  const path = new URL('/api/collections/posts/entities', url)
  expect((await fetch(path)).status).toBe(401)
  const headers = { authorization: 'Bearer dev-key', 'content-type': 'application/json' }
  const created = await fetch(path, { method: 'POST', headers, body: JSON.stringify({ $id: 'hello', title: 'Hello', likes: 0 }) })
  expect(created.status).toBe(201)
  const token = created.headers.get('parquedb-token') ?? ''
  const updated = await fetch(new URL('/api/collections/posts/entities/hello', url), { method: 'PATCH', headers: { ...headers, 'parquedb-token': token }, body: JSON.stringify({ $inc: { likes: 1 } }) })
  expect(((await updated.json()) as { likes: number }).likes).toBe(1)
  const history = await fetch(new URL('/api/collections/posts/entities/hello/history', url), { headers: { ...headers, 'parquedb-token': updated.headers.get('parquedb-token') ?? '' } })
  expect(((await history.json()) as { items: { op: string; actor: string }[] }).items.map(({ op, actor }) => [op, actor])).toEqual([['CREATE', 'me'], ['UPDATE', 'me']])
})
