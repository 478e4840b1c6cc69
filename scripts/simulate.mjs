// Runs the engine in simulated worlds, one per seed: see `npm run simulate -- --help`.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    steps: { type: 'string', default: '120' },
    home: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(`npm run simulate -- [--seeds 100] [--from 1] [--steps 120] [--home folder|bucket] | --seed n

Each seed is a world of its own: a folder whose unsynced bytes and names a power cut takes, syncs that fail, a disk that fills,
lost answers; or, for even seeds, a bucket whose requests are lost, done late or twice, or refused for now; processes that die at any moment or stop and come back, clocks that disagree. The real engine works in it, and
what it says is compared with a map. A seed always gives the same run; --seed n runs one and prints its trace where it fails.
A situation that the simulation is there to meet and that too few seeds met is a failure, too.`)
  process.exit(0)
}

/** Seeds for each time that a coverage point has to be met: ten times in a thousand. */
const seedsPerHit = 100

const folder = await mkdtemp(join(tmpdir(), 'parquedb-simulate-'))
const library = join(folder, 'library.mjs')
await build({ entryPoints: [fileURLToPath(new URL('../src/testing/simulate.ts', import.meta.url))], bundle: true, platform: 'node', format: 'esm', outfile: library, logLevel: 'silent' })
const { simulate, coveragePoints } = await import(pathToFileURL(library).href)
await rm(folder, { recursive: true, force: true })

const first = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
const steps = Number(values.steps)
const turn = () => setImmediate()
const startMs = performance.now()
const hits = new Map(coveragePoints.map((point) => [point, 0]))
const totals = { events: 0, writes: 0, simulatedMs: 0, violations: 0 }
for (let seed = first; seed < first + count; seed++) {
  const report = await simulate({ seed, steps, turn, ...(values.home === undefined ? {} : { home: values.home }) })
  for (const [point, times] of Object.entries(report.coverage)) hits.set(point, (hits.get(point) ?? 0) + times)
  totals.events += report.events
  totals.writes += report.writes
  totals.simulatedMs += report.simulatedMs
  if (report.violation === undefined) continue
  totals.violations++
  console.error(`seed ${seed}: ${report.violation.message}`)
  if (values.seed === undefined) console.error(`  replay: npm run simulate -- --seed ${seed}${steps === 120 ? '' : ` --steps ${steps}`}`)
  else console.error(report.violation.trace.join('\n'))
}
for (const [point, times] of hits) console.log(`${String(times).padStart(8)}  ${point}`)
const needed = Math.floor(count / seedsPerHit)
const missed = coveragePoints.filter((point) => (hits.get(point) ?? 0) < needed)
for (const point of missed) console.error(`met less than ${needed} times: ${point}`)
const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
console.log(
  `simulate: ${count} seeds from ${first} in ${seconds} s, ${totals.writes} writes, ${totals.events} events, ${Math.round(totals.simulatedMs / 3_600_000)} simulated hours; ` +
    `${coveragePoints.length - missed.length} of ${coveragePoints.length} coverage points met; ${totals.violations} violations`,
)
process.exit(totals.violations === 0 && missed.length === 0 ? 0 : 1)
