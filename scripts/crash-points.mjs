// Crashes, failures and power cuts at every operation on the disk: see `npm run crash-points -- --help`.
import { parseArgs } from 'node:util'
import { loadTypeScript } from './load-typescript.mjs'

const { values } = parseArgs({
  options: { operations: { type: 'string', default: '200' }, images: { type: 'string', default: '6' }, seed: { type: 'string', default: '1' }, every: { type: 'string', default: '1' }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(`npm run crash-points -- [--operations 200] [--images 6] [--seed 1] [--every 1]

A fixed script of commits, flushes, merges, reopenings and deaths runs on a simulated disk. Then
  - the process dies before, after and in the middle of every operation on that disk;
  - every operation fails, before and after it is done, in a process that lives on, and in one that dies of it, and the script goes on;
  - the power goes at each of those moments: --images times any part of what was not synced is gone, in sectors of 512 bytes.
Each time the database is opened again: what was acknowledged is there, once; the rest is there once and whole, or not at all; everything
verifies and goes on. --every n tries every nth failing operation only.`)
  process.exit(0)
}

const { crashEverywhere, failEverywhere, losePowerEverywhere, record } = await loadTypeScript('test/faults/crash-points.ts')
const operations = Number(values.operations)
const startMs = Date.now()
const recording = await record(operations)
const crashes = await crashEverywhere(recording)
console.log(`${recording.operationCount} operations on the disk, ${recording.momentCount} moments, ${crashes.checked} different states: a process died in each`)
const power = await losePowerEverywhere(recording, { each: Number(values.images), seed: Number(values.seed) })
console.log(`${power.checked} states after a power cut`)
const failures = []
for (const outcome of ['fails', 'dies']) {
  for (const when of ['before', 'after']) failures.push(await failEverywhere(operations, { outcome, when, every: Number(values.every) }))
}
const violations = [crashes, power, ...failures].flatMap((findings) => findings.violations)
for (const violation of violations.slice(0, 20)) console.error(violation)
const failed = failures.reduce((sum, { checked }) => sum + checked, 0)
console.log(
  `crash-points: ${operations} operations of a script, ${recording.operationCount} on the disk; ${recording.momentCount} moments of death, ${power.checked} images of power loss (${power.refused} refused as damaged), ` +
    `${failed} failing operations; ${violations.length} violations; ${Math.round((Date.now() - startMs) / 1000)} s`,
)
process.exit(violations.length === 0 ? 0 : 1)
