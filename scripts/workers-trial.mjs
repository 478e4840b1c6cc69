// workerd, killed with SIGKILL at chosen steps of commits and flushes, with a bucket that fails: see `npm run workers-trial -- --help`.
import { parseArgs } from 'node:util'
import { loadTypeScript } from './load-typescript.mjs'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '200' }, first: { type: 'string', default: '0' }, operations: { type: 'string', default: '10000' }, help: { type: 'boolean', default: false } } })
if (values.help) {
  console.log(`npm run workers-trial -- [--runs 200] [--first 0] [--operations 10000]

Each run starts a Worker with its Durable Object and R2 in workerd, on a folder, writes with six clients, and kills the process at a step: before or after the log,
the intent, a put of a file, of a manifest, of the head, the truncation of the log, a deletion. In every third run requests to the bucket fail, lose their reply or are slow.
Then it is started again: what was acknowledged is there, once, in order; everything can be flushed and verifies. Then objects that go on after they were taken over,
a bucket that was put back, and a history of --operations of eight clients whose session and strong reads must not go back in time.`)
  process.exit(0)
}

const { killEverywhere, goOnAfterTakeover, putBack } = await loadTypeScript('test/workers/trials.ts')
const { recordHistory } = await loadTypeScript('test/workers/history.ts')
const startMs = Date.now()
const killed = await killEverywhere(Number(values.runs), { first: Number(values.first), onRun: (text) => console.log(text) })
const violations = [...killed.violations]
for (const nth of [1, 2, 3]) violations.push(...(await goOnAfterTakeover(nth)))
violations.push(...(await putBack()))
const history = await recordHistory(Number(values.operations))
violations.push(...history.violations)
for (const violation of violations.slice(0, 20)) console.error(violation)
console.log(
  `workers-trial: ${killed.runs} runs killed, ${killed.acknowledged} writes acknowledged; 3 takeovers, 1 bucket put back; ${history.operations} operations of 8 clients with ${history.flushes} flushes; ` +
    `${violations.length} violations; ${Math.round((Date.now() - startMs) / 1000)} s`,
)
process.exit(violations.length === 0 ? 0 : 1)
