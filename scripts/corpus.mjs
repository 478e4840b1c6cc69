// Puts a corpus of hostile input to every door, in a process with 1 GiB of heap: `npm run corpus`. The cases are in test/corpus.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

// Inside node_modules, so that what the bundle leaves external is found.
const folder = join('node_modules/.cache', `corpus-${process.pid}`)
const program = join(folder, 'main.mjs')
mkdirSync(folder, { recursive: true })
try {
  const alias = { parquedb: './src/index.ts', 'parquedb/storage': './src/storage/index.ts', 'parquedb/node': './src/node/index.ts' }
  await build({ entryPoints: ['test/corpus/main.ts'], outfile: program, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', alias, logLevel: 'error' })
  const { status } = spawnSync(process.execPath, ['--max-old-space-size=1024', program], { stdio: 'inherit' })
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
