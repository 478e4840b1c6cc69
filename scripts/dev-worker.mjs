// The example Worker in workerd on this machine: `npm run dev:worker -- --port 8787`. What it stores stays in examples/worker/.data.
import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { loadTypeScript } from './load-typescript.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const { values } = parseArgs({ options: { port: { type: 'string', default: '8787' }, data: { type: 'string', default: 'examples/worker/.data' } } })
const { startWorkerd } = await loadTypeScript('test/workers/start-workerd.ts')
// What wrangler would read: comments on lines of their own are all that the file has beside JSON.
const { vars } = JSON.parse(readFileSync('examples/worker/wrangler.jsonc', 'utf8').replace(/^\s*\/\/.*$/gm, ''))
const workerd = await startWorkerd(pathToFileURL('examples/worker/src/index.ts').href, {
  port: Number(values.port),
  bindings: vars,
  durableObjects: { PARQUEDB: { className: 'PostsWriter', useSQLite: true } },
  r2Buckets: ['BUCKET'],
  durableObjectsPersist: `${values.data}/do`,
  r2Persist: `${values.data}/r2`,
})
console.log(`${(await workerd.ready).href}  (Ctrl-C ends it)`)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => workerd.dispose().finally(() => process.exit(0)))
}
