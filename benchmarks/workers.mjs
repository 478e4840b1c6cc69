// What one Durable Object writes and what reads cost, in workerd on this machine: `npm run bench:workers`. Times are of a noisy machine; ratios and counts hold.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadTypeScript } from '../scripts/load-typescript.mjs'

const { startWorkerd } = await loadTypeScript('test/workers/start-workerd.ts')
const folder = await mkdtemp(join(tmpdir(), 'parquedb-bench-'))
const workerd = await startWorkerd(pathToFileURL('test/workers/bench-worker.ts').href, {
  durableObjects: { PARQUEDB: { className: 'Partition', useSQLite: true }, BARE: { className: 'Bare', useSQLite: true } },
  r2Buckets: ['BUCKET'],
  durableObjectsPersist: join(folder, 'do'),
  r2Persist: join(folder, 'r2'),
})
const origin = await workerd.ready
const call = async (path) => {
  const response = await fetch(new URL(path, origin))
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  return response.json()
}

/** Seconds that a call took. */
async function timed(path) {
  const start = performance.now()
  await call(path)
  return (performance.now() - start) / 1000
}

const median = (values) => values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]

console.log('one object, in workerd; each number the median of five rounds that alternate')
const rounds = { bare: [], bareMany: [], sequential: [], parallel: [], batch: [] }
await call('/create?count=50')
await call('/bare?count=50')
for (let round = 0; round < 5; round++) {
  rounds.bare.push(300 / (await timed('/bare?count=300')))
  rounds.sequential.push(300 / (await timed('/create?count=300')))
  rounds.bareMany.push(2000 / (await timed('/bare?count=2000&parallel=100')))
  rounds.parallel.push(2000 / (await timed('/create?count=2000&parallel=100')))
  rounds.batch.push(5000 / (await timed(`/many?count=5000&prefix=b${round}-`)))
}
const [bare, bareMany, sequential, parallel, batch] = ['bare', 'bareMany', 'sequential', 'parallel', 'batch'].map((name) => median(rounds[name]))
const row = (name, perSecond, against) => console.log(`  ${name.padEnd(44)} ${Math.round(perSecond).toLocaleString('en').padStart(8)}/s${against === undefined ? '' : `   ${(perSecond / against).toFixed(2)} x`}`)
row('a bare row for each request, one after another', bare)
row('create, one after another', sequential, bare)
row('a bare row for each request, 100 at once', bareMany)
row('create, 100 at once', parallel, bareMany)
row('createMany, batches of 1,000', batch, bareMany)

for (let n = 0; n < 10; n++) await call(`/many?count=10000&prefix=${n}`)
await call('/prepare')
const measured = async (name, query) => {
  const start = performance.now()
  const { found, requests, bytes, cacheHits } = await call(`/read?${query}`)
  console.log(`  ${name.padEnd(44)} ${String(found).padStart(8)}   ${requests} requests, ${Math.round(bytes / 1024)} KiB, ${cacheHits} from the cache, ${Math.round(performance.now() - start)} ms`)
}
console.log('reads over 100,000 documents and what was written above, all in files')
await measured('a point get, cold', 'cold&id=30001234')
await measured('a point get, warm', 'id=70004321')
await measured('the same again', 'id=70004321')
await measured('a point get, in another isolate', 'cold&id=70004321')
await measured('a filter that 1% pass, cold', 'cold&kind=42')
await measured('the same again', 'kind=42')
await workerd.dispose()
await rm(folder, { recursive: true })
process.exit(0)
