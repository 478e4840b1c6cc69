// Compares ParqueDB with its peers: see `npm run bench -- --help`, and docs/benchmarks.md.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`npm run bench -- [--quick] [--json] [--table] [--only write|point|query|file|graph,…] [--rounds n] [--folder path]

Each row alternates ParqueDB and its peers in one process, on the same documents, with the same durability, and checks that the answers are equal.
Printed are medians and their ratio, and whether the target is met. --quick takes minutes: 20,000 documents are written and 100,000 read, not 100,000 and
1,000,000. --json prints one line of JSON a row; --table ends with the table for docs/benchmarks.md. --folder: the disk that is measured.`)
  process.exit(0)
}

const here = fileURLToPath(new URL('.', import.meta.url))
// Peers are installed here and nowhere else; one of them compiles for a minute.
if (!existsSync(join(here, 'node_modules/.package-lock.json'))) execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: ['ignore', 2, 2] })
if (globalThis.gc === undefined) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', '--max-old-space-size=8192', fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exit(status ?? 1)
}

const { measure } = await import('./measure.mjs')
const folder = mkdtempSync(join(options.folder, 'parquedb-bench-'))
try {
  const report = await measure({
    folder,
    json: options.json,
    parts: options.only?.split(',') ?? ['write', 'point', 'query', 'file', 'graph'],
    rounds: Number(options.rounds ?? (options.quick ? 3 : 5)),
    sizes: options.quick
      ? { written: 20_000, read: 100_000, flights: 20_000, singles: 300, concurrent: 10_000, tail: 20_000, edges: 20_000, versions: 10_000 }
      : { written: 100_000, read: 1_000_000, flights: 200_000, singles: 2_000, concurrent: 50_000, tail: 20_000, edges: 100_000, versions: 100_000 },
  })
  if (options.table) console.log(report.table)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
