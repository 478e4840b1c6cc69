// Branch coverage of the code that the data's safety rests on, by the tests that are about it: `npm run coverage`. Ends in one line with its figures.
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { protocolFiles, protocolTrials, quickTests, slowerTests } from './protocol-files.mjs'

const folder = await mkdtemp(join(tmpdir(), 'parquedb-coverage-'))
const options = ['--coverage.enabled', '--coverage.reportOnFailure', '--coverage.provider=v8', '--coverage.reporter=json', `--coverage.reportsDirectory=${folder}`, ...protocolFiles.map((path) => `--coverage.include=${path}`)]
const { status, stdout } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', '--testTimeout=600000', ...options, ...quickTests, ...slowerTests, ...protocolTrials], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 2 ** 30, env: { ...process.env, SIMULATE_IN_PLACE: '1' } })
if (status !== 0) console.log(stdout)
const coverage = JSON.parse(await readFile(join(folder, 'coverage-final.json'), 'utf8'))
await rm(folder, { recursive: true })

const totals = { branches: 0, branchesMet: 0, statements: 0, statementsMet: 0 }
for (const [path, { b, branchMap, s }] of Object.entries(coverage).toSorted(([left], [right]) => (left < right ? -1 : 1))) {
  const arms = Object.entries(b).flatMap(([id, counts]) => counts.map((count, index) => ({ count, line: branchMap[id].locations[index]?.start.line ?? branchMap[id].loc.start.line })))
  const statements = Object.values(s)
  const missed = [...new Set(arms.filter(({ count }) => !(count > 0)).map(({ line }) => line))].toSorted((left, right) => left - right)
  totals.branches += arms.length
  totals.branchesMet += arms.filter(({ count }) => count > 0).length
  totals.statements += statements.length
  totals.statementsMet += statements.filter((count) => count > 0).length
  const share = arms.length === 0 ? 100 : (100 * arms.filter(({ count }) => count > 0).length) / arms.length
  console.log(`${share.toFixed(1).padStart(6)} %  ${path.slice(path.indexOf('src/'))}${missed.length === 0 ? '' : `  not met: ${missed.join(' ')}`}`)
}
const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`
console.log(
  `coverage: ${Object.keys(coverage).length} files, ${totals.branchesMet} of ${totals.branches} branches (${percent(totals.branchesMet, totals.branches)}), ` +
    `${totals.statementsMet} of ${totals.statements} statements (${percent(totals.statementsMet, totals.statements)}); tests ${status === 0 ? 'passed' : 'FAILED'}`,
)
process.exit(status ?? 1)
