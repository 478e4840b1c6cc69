import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BrokenLine } from '../broken-line.ts'
import { bundleFsBackend, losePowerInFolder } from './folder-power-loss.ts'

// The real FsBackend on a simulated file system, where a content is durable by a sync of the file only, and a name by a sync of its folder only.

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-power-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** As on a system whose O_DSYNC promises less. */
const elsewhere = { file: 'fs/append-file.ts', line: "const writesAreSynced = process.platform === 'linux'", instead: 'const writesAreSynced = false' }

test('whatever the power leaves after any call of FsBackend, what it promised is there, and nothing is there in part', async () => {
  for (const [name, mutation] of [['linux.mjs', undefined], ['elsewhere.mjs', elsewhere]] as const) {
    const findings = await losePowerInFolder(await bundleFsBackend(join(folder, name), mutation), { imagesMax: 64, seed: 1 })
    expect(findings.violations).toEqual([])
    expect(findings.moments).toBeGreaterThan(80)
    expect(findings.images).toBeGreaterThan(500)
  }
})

const mutants: readonly (BrokenLine & { broken: string })[] = [
  { broken: 'the content of a put is not synced', file: 'FsBackend.ts', line: 'await file.sync()', instead: '' },
  { broken: 'the name of a put is not synced', file: 'FsBackend.ts', line: "else await rename(written.temporary, target)\n    await this.#syncFolderOf(target)", instead: 'else await rename(written.temporary, target)' },
  { broken: 'the end of a name is not synced when it is deleted', file: 'FsBackend.ts', line: 'await unlinkIfThere(target)\n          await this.#syncFolderOf(target)', instead: 'await unlinkIfThere(target)' },
  { broken: 'the name of a log part is not synced', file: 'FsBackend.ts', line: 'await this.#syncFolderOf(target)\n      return appendFile(file, path)', instead: 'return appendFile(file, path)' },
  { broken: 'what is appended is not synced, where a write does it', file: 'FsBackend.ts', line: '(writesAreSynced ? constants.O_DSYNC : 0)', instead: '0' },
  { broken: 'the end of a log part that is closed is not synced', file: 'fs/append-file.ts', line: 'await file.truncate(end)\n        await file.sync()', instead: 'await file.truncate(end)' },
  { broken: 'what is ready behind the last append stays in a log part that is closed', file: 'fs/append-file.ts', line: 'if (reservedEnd > end) {', instead: 'if (reservedEnd < end) {' },
  { broken: 'the folders between the root and an object are not synced', file: 'fs/Folders.ts', line: 'await syncFolder(current, { followLink: false })', instead: '' },
  { broken: 'the root is not synced when a folder is made in it', file: 'fs/Folders.ts', line: 'await syncFolder(this.#root, { followLink: true })', instead: '' },
  { broken: 'the folder that the root is in is not synced', file: 'fs/Folders.ts', line: 'await syncFolder(current, { followLink: true })', instead: 'await Promise.resolve()' },
]

test.each(mutants)('it is noticed when $broken', async ({ broken, ...mutation }) => {
  const name = `mutant-${mutants.findIndex((mutant) => mutant.broken === broken)}.mjs`
  const findings = await losePowerInFolder(await bundleFsBackend(join(folder, name), mutation), { imagesMax: 64, seed: 1 })
  expect(findings.violations.length).toBeGreaterThan(0)
})
