import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test('a process that is killed 20 times while it writes loses nothing that it acknowledged', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-crash-test-'))
  try {
    const library = join(folder, 'library.mjs')
    const contents = "export { ParqueDB } from './src/index.ts'; export { FsBackend } from './src/node/index.ts'"
    await build({ stdin: { contents, resolveDir: resolve('.'), loader: 'ts' }, bundle: true, platform: 'node', format: 'esm', outfile: library, logLevel: 'silent' })
    const { stdout } = await run(process.execPath, ['scripts/crash.mjs', '--rounds', '20', '--library', library])
    expect(stdout).toMatch(/20 rounds .* 20 processes killed/)
    expect(stdout).toContain('0 lost, 0 doubled, 0 half there, 0 folders that did not open, 0 that did not verify')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
