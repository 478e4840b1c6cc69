// Damages every byte of a small database: see `npm run bit-rot -- --help`.
import { parseArgs } from 'node:util'
import { loadTypeScript } from './load-typescript.mjs'

const { values } = parseArgs({ options: { every: { type: 'string', default: '1' }, help: { type: 'boolean', default: false } } })
if (values.help) {
  console.log(`npm run bit-rot -- [--every 1]

In a small database with every kind of file (FORMAT, heads, manifests, log, segments, runs) each byte is flipped in one bit, each file is
cut to each length, swapped with each other one of its kind, zeroed, and doubled. Each time everything is read, by a reader and, where
it goes on from that file, by a writer: every answer must be the right one, or CORRUPT_FILE (for FORMAT also UNSUPPORTED_FORMAT) with file and
offset, within 2 s. What no read meets must be found by verify --deep, or lie in a file that is not used any more. --every n tries every nth.`)
  process.exit(0)
}

const { damages, emptyTally, readAll, smallDatabase, tryDamage } = await loadTypeScript('test/faults/bit-rot.ts')
const startMs = Date.now()
const files = await smallDatabase()
const expected = await readAll(files, { readOnly: true })
const tally = emptyTally()
const baseBytes = process.memoryUsage().arrayBuffers
let peakBytes = 0
for (const damage of damages(files, Number(values.every))) {
  await tryDamage(files, damage, { expected, tally, nowMs: () => Date.now() })
  peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - baseBytes)
}
for (const violation of tally.violations.slice(0, 20)) console.error(violation)
for (const [path, count] of tally.unnoticed) console.log(`not noticed, and without effect: ${count} in ${path}`)
const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes.length, 0)
console.log(
  `bit-rot: ${tally.trials} damages to ${files.size} files of ${bytes} bytes; ${tally.reads} reads, ${tally.right} right, ${tally.refused} refused with file and offset, ${tally.violations.length} wrong; ` +
    `${tally.onlyVerified} damages met by no read and found by verify; slowest ${tally.slowestMs} ms; buffers up to ${(peakBytes / 1e6).toFixed(1)} MB, process ${(process.resourceUsage().maxRSS / 1e3).toFixed(0)} MB; ${Math.round((Date.now() - startMs) / 1000)} s`,
)
process.exit(tally.violations.length === 0 && tally.refused > 0 ? 0 : 1)
