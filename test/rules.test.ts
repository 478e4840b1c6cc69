import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'parquedb-rules-'))

/** Each file breaks the rules it is listed with; the last ones break none. */
const importsThatBreak: Readonly<Record<string, { text: string; rules: readonly string[] }>> = {
  'src/base/looks-up.ts': { text: `import '../model/fold.ts'`, rules: ['base-imports-only-below'] },
  'src/storage/looks-up.ts': { text: `import '../db/ParqueDB.ts'`, rules: ['storage-imports-only-below'] },
  'src/cli/skips-the-doors.ts': { text: `import '../storage/view.ts'`, rules: ['cli-imports-only-below'] },
  'src/db/types-count-too.ts': { text: `import type { Run } from '../cli/run.ts'\nexport type Twice = [Run, Run]`, rules: ['db-imports-only-below'] },
  'src/index.ts': { text: `import './cli/run.ts'`, rules: ['main-door-imports-the-database'] },
  'src/novelty/thing.ts': { text: `import '../base/bytes.ts'`, rules: ['every-folder-is-listed'] },
  'src/query/chicken.ts': { text: `import './egg.ts'`, rules: ['no-cycles'] },
  // A cycle is reported once.
  'src/query/egg.ts': { text: `import './chicken.ts'`, rules: [] },
  'src/query/nowhere.ts': { text: `import './gone.ts'`, rules: ['resolvable'] },
  'src/storage/reads-parquet-itself.ts': { text: `import 'hyparquet'`, rules: ['parquet-owns-hyparquet'] },
  'src/storage/opens-files.ts': { text: `import 'node:fs'`, rules: ['node-builtins-at-the-edge'] },
  'src/storage/drags-in-node.ts': { text: `import './backends/FsBackend.ts'`, rules: ['fs-backend-comes-through-the-node-door', 'the-engine-knows-no-backend'] },
  'src/query/uses-a-dev-tool.ts': { text: `import 'mingo'`, rules: ['runtime-dependencies-only'] },
  'src/db/imports-a-test.ts': { text: `import './ParqueDB.test.ts'`, rules: ['code-never-imports-tests'] },
  'packages/storage/src/index.ts': { text: `import '../../../src/base/bytes.ts'`, rules: ['facade-uses-the-doors-only'] },
  'src/base/bytes.ts': { text: 'export const size = 1', rules: [] },
  'src/model/fold.ts': { text: `import '../base/bytes.ts'`, rules: [] },
  'src/parquet/decode.ts': { text: `import 'hyparquet'`, rules: [] },
  'src/storage/view.ts': { text: 'export const view = 1', rules: [] },
  'src/storage/drags-in-a-part.ts': { text: `import './backends/fs/Folders.ts'`, rules: ['fs-backend-comes-through-the-node-door', 'the-engine-knows-no-backend'] },
  'src/storage/backends/FsBackend.ts': { text: `import './fs/Folders.ts'\nimport 'node:fs'`, rules: [] },
  'src/storage/backends/fs/Folders.ts': { text: `import 'node:fs'`, rules: [] },
  'src/node/index.ts': { text: `import '../storage/backends/FsBackend.ts'\nimport 'node:net'`, rules: [] },
  'src/db/ParqueDB.ts': { text: `import '../storage/view.ts'`, rules: [] },
  'src/db/ParqueDB.test.ts': { text: `import 'node:fs'\nimport '../cli/run.ts'\nimport 'mingo'`, rules: [] },
  'src/cli/run.ts': { text: `import '../db/ParqueDB.ts'\nimport 'node:fs'\nexport type Run = 1`, rules: [] },
}

const seventyOneLines = Array.from({ length: 71 }, (_, line) => `  seen += ${line}`).join('\n')
const codeThatBreaks: Readonly<Record<string, { text: string; rules: readonly string[] }>> = {
  'any.ts': { text: 'export const load = (x: any): unknown => x', rules: ['typescript(no-explicit-any)'] },
  'bang.ts': { text: `export const first = (x: string[]): string => x[0]!`, rules: ['typescript(no-non-null-assertion)'] },
  'floating.ts': { text: 'export function go(work: () => Promise<void>): void {\n  work()\n}', rules: ['typescript(no-floating-promises)'] },
  'missing-case.ts': {
    text: `export function f(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      return\n  }\n}`,
    rules: ['typescript(switch-exhaustiveness-check)'],
  },
  'default-case.ts': {
    text: `export function f(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1\n    case 'b':\n      return 2\n    default:\n      return 3\n  }\n}`,
    rules: ['typescript(switch-exhaustiveness-check)'],
  },
  'default-export.ts': { text: 'export default 1', rules: ['import(no-default-export)'] },
  'clock.ts': { text: 'export const now = (): number => Date.now()', rules: ['eslint(no-restricted-properties)'] },
  'random.ts': { text: 'export const roll = (): number => Math.random()', rules: ['eslint(no-restricted-properties)'] },
  'uuid.ts': { text: 'export const id = (): string => crypto.randomUUID()', rules: ['eslint(no-restricted-properties)'] },
  'timer.ts': { text: 'export const later = (f: () => void): unknown => setTimeout(f, 1)', rules: ['eslint(no-restricted-globals)'] },
  'buffer.ts': { text: `export const bytes = Buffer.from('x')`, rules: ['eslint(no-restricted-globals)'] },
  'process.ts': { text: 'export const pid = process.pid', rules: ['eslint(no-restricted-globals)'] },
  'from-text.ts': { text: `export const make = (text: string): unknown => new Function(text)`, rules: ['eslint(no-new-func)', 'typescript(no-implied-eval)'] },
  'console.ts': { text: `console.log('x')`, rules: ['eslint(no-console)'] },
  'empty-catch.ts': { text: 'export function f(g: () => void): void {\n  try {\n    g()\n  } catch {}\n}', rules: ['eslint(no-empty)'] },
  'thrown-text.ts': { text: `export function f(): never {\n  throw 'x'\n}`, rules: ['typescript(only-throw-error)'] },
  'four.ts': {
    text: 'export function f(a: number, b: number, c: number, d: number): number {\n  return a + b + c + d\n}',
    rules: ['eslint(max-params)'],
  },
  'long.ts': { text: `export function f(): number {\n  let seen = 0\n${seventyOneLines}\n  return seen\n}`, rules: ['eslint(max-lines-per-function)'] },
  'barrel.ts': { text: `export { a } from '../storage/index.ts'`, rules: ['eslint(no-restricted-imports)'] },
}
const codeThatMay: Readonly<Record<string, string>> = {
  'src/base/clock.ts': 'export const now = (): number => Date.now()\nexport const later = (f: () => void): unknown => setTimeout(f, 1)',
  'src/base/random.ts': 'export const bytes = (): Uint8Array => crypto.getRandomValues(new Uint8Array(1))',
  'src/cli/main.ts': 'console.log(process.pid)',
  'src/storage/index.ts': 'export const a = 1',
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('each planted import that the table forbids is reported, by its rule, and no other', async () => {
  const tree = join(folder, 'imports')
  plant(tree, Object.entries(importsThatBreak).map(([path, { text }]) => [path, text]))
  const report = await output('depcruise', ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'src', 'packages'], tree)
  const violations: { from: string; rule: { name: string } }[] = JSON.parse(report).summary.violations
  expect(byFile(violations.map(({ from, rule }) => [from, rule.name]))).toEqual(expected(importsThatBreak, ''))
})

test('each planted line that the lint forbids is reported, by its rule, and no other', async () => {
  const tree = join(folder, 'lint')
  plant(tree, [...Object.entries(codeThatBreaks).map(([name, { text }]): [string, string] => [`src/query/${name}`, text]), ...Object.entries(codeThatMay)])
  const report = await output('oxlint', ['--type-aware', '--format', 'json', 'src'], tree)
  const diagnostics: { filename: string; code: string }[] = JSON.parse(report).diagnostics
  expect(byFile(diagnostics.map(({ filename, code }) => [filename, code]))).toEqual(expected(codeThatBreaks, 'src/query/'))
})

function plant(tree: string, files: readonly (readonly [string, string])[]): void {
  mkdirSync(tree)
  for (const name of ['tsconfig.json', '.dependency-cruiser.mjs', '.oxlintrc.json', 'package.json']) cpSync(join(root, name), join(tree, name))
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  for (const [path, text] of files) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), `${text}\n`)
  }
}

/** The tools exit with 1 when they find something; their report is what counts. */
async function output(tool: string, args: string[], cwd: string): Promise<string> {
  const failure = await run(join(root, 'node_modules/.bin', tool), args, { cwd, maxBuffer: 1e8 }).catch((error: { stdout: string }) => error)
  return failure.stdout
}

function byFile(found: readonly (readonly [string, string])[]): Record<string, string[]> {
  const files: Record<string, string[]> = {}
  for (const [path, rule] of found) files[path] = [...new Set([...(files[path] ?? []), rule])]
  return files
}

function expected(planted: Readonly<Record<string, { rules: readonly string[] }>>, prefix: string): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(planted).flatMap(([path, { rules }]) => (rules.length > 0 ? [[prefix + path, rules]] : [])))
}
