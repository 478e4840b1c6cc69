// Builds dist/ and packages/storage/dist/ with declarations. Incremental: a second run without a change takes a second.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

compile('tsconfig.build.json')
removeOutputsWithoutSource()
for (const bin of Object.values(JSON.parse(readFileSync('package.json', 'utf8')).bin)) chmodSync(bin, 0o755)
// After the main package: it takes its types from there.
compile('packages/storage/tsconfig.json')

function compile(project) {
  try {
    execFileSync(process.execPath, ['node_modules/typescript-native/bin/tsc', '-p', project], { stdio: 'inherit' })
  } catch (error) {
    console.error(`build: tsc -p ${project} failed`)
    process.exit(error.status ?? 1)
  }
}

function removeOutputsWithoutSource() {
  for (const path of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
    const source = path.replace(/\.d\.ts$|\.js$/, '.ts')
    if (source !== path && !existsSync(`src/${source}`)) rmSync(`dist/${path}`)
  }
}
