import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'esbuild'
import { MemoryBackend, ParqueDB } from 'parquedb'
import { listen } from 'parquedb/node'
import { createServer } from 'parquedb/server'
import { chromium } from 'playwright-core'
import { expect, test } from 'vitest'

const executablePath = '/usr/bin/chromium'
const hasBrowser = existsSync(executablePath)
const needs = hasBrowser ? '' : ` (left out: there is no ${executablePath}; 'apt-get install chromium' brings it)`

const root = resolve(import.meta.dirname, '../..')

/** What the page runs: it writes, reads, subscribes, and shows what it got. */
const program = `
  import { ParqueDBClient } from 'parquedb/client'
  const db = new ParqueDBClient({ url: new URLSearchParams(location.search).get('api') })
  const posts = db.collection('posts')
  const changes = db.subscribe({ ns: 'posts' })
  await posts.create({ $id: 'a', title: 'Hello', n: 5n, at: new Date(0), bytes: Uint8Array.of(1, 2) })
  await posts.update('a', { $inc: { n: 1 } })
  const [found] = await posts.find({ title: /^He/ }).toArray()
  const ops = [(await changes.next()).value.op, (await changes.next()).value.op]
  const moved = await db.transaction(async (tx) => (await tx.collection('posts').update('a', { $set: { moved: true } })).moved)
  const failed = await posts.create({ $id: 'a' }).catch((error) => error.code)
  await changes.return()
  document.title = JSON.stringify([found.title, String(found.n), found.at.getTime(), [...found.bytes], ops, moved, failed])`

test.skipIf(!hasBrowser)(`the client creates, finds, subscribes and transacts in a browser, from its own origin and from an allowed one${needs}`, async () => {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: root, loader: 'js' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    alias: { 'parquedb/client': resolve(root, 'src/client/index.ts') },
  })
  const script = outputFiles[0]?.text ?? ''
  const page = (path: string): Response | undefined => {
    if (path === '/page') return new Response('<!doctype html><script type="module" src="/page.js"></script>', { headers: { 'content-type': 'text/html' } })
    return path === '/page.js' ? new Response(script, { headers: { 'content-type': 'text/javascript' } }) : undefined
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    for (const isSameOrigin of [true, false]) {
      const db = new ParqueDB({ storage: new MemoryBackend() })
      const other = await listen({ fetch: async (request) => page(new URL(request.url).pathname) ?? new Response(null, { status: 404 }), close: () => undefined })
      const server = createServer(db, { auth: 'none', corsOrigins: [other.url] })
      const own = await listen({ fetch: async (request) => page(new URL(request.url).pathname) ?? server.fetch(request), close: () => server.close() })
      const tab = await browser.newPage()
      const problems: string[] = []
      tab.on('pageerror', (error) => problems.push(String(error)))
      await tab.goto(`${isSameOrigin ? own.url : other.url}/page?api=${own.url}`)
      await tab.waitForFunction('document.title.startsWith("[")', undefined, { timeout: 20_000 }).catch((error: unknown) => problems.push(String(error)))
      expect([await tab.title(), problems]).toEqual(['["Hello","6",0,[1,2],["CREATE","UPDATE"],true,"ALREADY_EXISTS"]', []])
      expect(await db.collection('posts').get('a')).toMatchObject({ n: 6n, moved: true })
      await tab.close()
      await Promise.all([own.close(), other.close()])
      await db.close()
    }
  } finally {
    await browser.close()
  }
})
