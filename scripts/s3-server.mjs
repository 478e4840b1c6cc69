// Tries an S3 server of others, s3rver from npm, which is installed for it into a temporary folder: `npm run s3-server`. It reads, lists and deletes as S3 does, looks at no
// signature, and ignores the conditions of puts: so it can hold objects, and a database there has to be refused when it is attached. Without network it says so and ends with 1.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadTypeScript } from './load-typescript.mjs'

const version = '3.7.1'
const folder = mkdtempSync(join(tmpdir(), 'parquedb-s3-'))
let failed = false
const tell = (what, isRight, found) => {
  failed ||= !isRight
  console.log(`${isRight ? 'ok    ' : 'WRONG '} ${what}: ${found}`)
}

execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel', 'error', `s3rver@${version}`], { stdio: 'inherit' })
const S3rver = createRequire(join(folder, 'package.json'))('s3rver')
const server = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory: join(folder, 'data'), configureBuckets: [{ name: 'test', configs: [] }] })
const { port } = await server.run()
const { S3Backend, withEventSourcing } = await loadTypeScript('src/storage/index.ts')
const open = (prefix) => new S3Backend({ endpoint: `http://127.0.0.1:${port}`, bucket: 'test', region: 'us-east-1', credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }, prefix })
const failureOf = (work) => work.then(() => undefined, (error) => error)

const store = open('objects')
const names = Array.from({ length: 50 }, (_, n) => `folder/${String(n).padStart(4, '0')}`)
for (const name of names) await store.put(name, new TextEncoder().encode(name))
// It does not encode names in listings, and of one that takes several pages it makes a 500.
const listed = (await store.list('folder/')).objects.map(({ path }) => path)
tell('a listing', JSON.stringify(listed) === JSON.stringify(names), `${listed.length} of ${names.length} names`)
tell('a range', new TextDecoder().decode(await store.readRange(names[7], { start: 7, end: 11 })) === '0007', 'four bytes')
await store.delete(names[7])
tell('a deletion', (await store.stat(names[7])) === undefined, 'gone')
await store.put('once', Uint8Array.of(1))
tell('If-None-Match', (await failureOf(store.put('once', Uint8Array.of(2), { ifAbsent: true }))) === undefined, 'ignored, so that what was there is overwritten')
const refusal = await failureOf(withEventSourcing(open('database')).appendEvent({ op: 'CREATE', target: 'n:a', after: {} }))
tell('a database there', refusal?.code === 'STORAGE_UNAVAILABLE' && refusal.details.failed === 'create-if-absent', refusal?.message)
await server.close()
rmSync(folder, { recursive: true })
process.exit(failed ? 1 : 0)
