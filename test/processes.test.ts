import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const run = promisify(execFile)

test.skipIf(process.platform === 'win32')('four processes that race for a folder for 3 rounds, and others that share it, stopped and killed, lose and double nothing (no SIGSTOP on Windows)', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-processes-test-'))
  try {
    const library = join(folder, 'library.mjs')
    const contents = "export { ParqueDB } from './src/index.ts'; export { FsBackend } from './src/node/index.ts'"
    await build({ stdin: { contents, resolveDir: resolve('.'), loader: 'ts' }, bundle: true, platform: 'node', format: 'esm', outfile: library, logLevel: 'silent' })
    const { stdout } = await run(process.execPath, ['scripts/processes.mjs', '--rounds', '3', '--library', library])
    expect(stdout).toMatch(/3 rounds .* [1-9]\d* writers fenced; [1-9]\d* writes acknowledged, .* [1-9]\d* by processes that write through another/)
    expect(stdout).toContain('0 lost, 0 doubled, 0 half there')
    expect(stdout).toContain('0 went backwards or astray; 0 failures')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
