// Bundles each entry that must run in browsers and Workers. A stray `node:` import fails; the sizes are printed.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** Doors that are for Node.js alone, or are no code. */
const notForBrowsers = ['./node', './package.json']
/** What a Worker refuses: code made from strings (a method may be called eval), and WebAssembly compiled from bytes. */
const refusedInWorkers = /\bnew Function\b|(?<![.\w$])eval\([^)]*\)(?!\s*\{)|\bnew WebAssembly\.Module\b|\bWebAssembly\.(compile|instantiate)\b/

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
let failed = false
for (const door of Object.keys(exports).filter((name) => !notForBrowsers.includes(name))) {
  failed = !(await bundle(door)) || failed
}
if (failed) process.exit(1)

async function bundle(door) {
  const source = exports[door].default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
  const { errors, outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    external: ['cloudflare:*'],
    write: false,
  }).catch((failure) => failure)
  const code = outputFiles?.[0]?.contents
  if (code === undefined || errors.length > 0) return false
  const refused = refusedInWorkers.exec(new TextDecoder().decode(code))
  if (refused !== null) {
    console.error(`bundle: ${source} contains ${refused[0]}, which Workers refuse`)
    return false
  }
  console.log(`${door.padEnd(12)} ${kilobytes(code)} minified, ${kilobytes(gzipSync(code))} gzipped`)
  return true
}

function kilobytes(bytes) {
  return `${(bytes.length / 1000).toFixed(1).padStart(7)} kB`
}
