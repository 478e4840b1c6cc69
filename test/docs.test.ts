import { execFile } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const cache = join(root, 'node_modules/.cache')
mkdirSync(cache, { recursive: true })
/** Inside node_modules, so that what the bundles leave external is found. */
const folder = mkdtempSync(join(cache, 'docs-'))

interface Block {
  readonly language: string
  readonly text: string
}

const documents = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
const pages = ['README.md', 'packages/storage/README.md', ...documents.map((name) => `docs/${name}`)].map((path) => ({
  path,
  blocks: blocksOf(readFileSync(join(root, path), 'utf8')),
}))
const programs = pages.filter(({ blocks }) => blocks.some(isProgram))
const sessions = pages.filter(({ blocks }) => blocks.some(isSession))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The `ts` blocks of a page are one program; each `text` block after one of them is a part of what it prints. */
describe('the programs', () => {
  beforeAll(() => {
    for (const { path, blocks } of programs) writeFileSync(sourceOf(path), blocks.filter(isProgram).map(({ text }) => text).join('\n'))
  })

  test('type check', { timeout: 240_000 }, async () => {
    const project = join(folder, 'tsconfig.json')
    const compilerOptions = { rootDir: root, noUnusedLocals: false, typeRoots: [join(root, 'node_modules/@types')] }
    writeFileSync(project, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files: programs.map(({ path }) => sourceOf(path)) }))
    const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript-native/bin/tsc'), '-p', project]).catch((error: { stdout: string }) => error)
    expect(stdout).toBe('')
  })

  test.each(programs)('of $path runs, and prints what the page says', async ({ path, blocks }) => {
    const script = join(folder, `${slug(path)}.mjs`)
    await bundle(sourceOf(path), script)
    const { stdout } = await run(process.execPath, [script], { cwd: emptyFolder(`${slug(path)}-program`) })
    expectInOrder(stdout, expectedAfter(blocks, isProgram))
  })
})

/** Every `sql` block is a question to DuckDB about the folder that the getting-started guide's program has made. */
test.each(pages.flatMap(({ path, blocks }) => blocks.filter(({ language }) => language === 'sql').map(({ text }) => ({ path, text }))))(
  'DuckDB answers the query of $path',
  async ({ text }) => {
    const script = join(folder, 'query.mjs')
    writeFileSync(script, queryScript)
    const { stdout } = await run(process.execPath, [script, text], { cwd: emptyFolder(`${slug('docs/guides/getting-started.md')}-program`) })
    expect(JSON.parse(stdout).length).toBeGreaterThan(0)
  },
)

/** The `sh` blocks of a page are one session in an empty folder. */
describe.each(sessions)('the commands of $path', ({ path, blocks }) => {
  let commands = ''
  beforeAll(async () => {
    commands = await installCommands()
  })

  test('run, and print what the page says', { timeout: 300_000 }, async () => {
    const script = blocks.filter(isSession).map(({ text }) => text).join('\n')
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: emptyFolder(`${slug(path)}-session`),
      env: { ...process.env, PATH: `${commands}:${process.env.PATH}`, NO_COLOR: '1' },
    })
    expectInOrder(stdout, expectedAfter(blocks, isSession))
  })
})

test('the getting-started guide has a program or a session', () => {
  expect([...programs, ...sessions].map(({ path }) => path)).toContain('docs/guides/getting-started.md')
})

const queryScript = `
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create()).connect()
const reader = await connection.runAndReadAll(process.argv[2])
console.log(JSON.stringify(reader.getRowsJson()))
`

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w+)[^\n]*\n([^]*?)^```$/gm)].map((match) => ({ language: match[1] ?? '', text: match[2] ?? '' }))
}

function isProgram({ language }: Block): boolean {
  return language === 'ts' || language === 'js'
}

function isSession({ language, text }: Block): boolean {
  return language === 'sh' && /\bparquedb /.test(text)
}

/** The `text` blocks that follow a block of this sort. */
function expectedAfter(blocks: readonly Block[], sort: (block: Block) => boolean): string[] {
  return blocks.flatMap((block, index) => {
    const before = blocks[index - 1]
    return block.language === 'text' && before !== undefined && sort(before) ? [block.text.trimEnd()] : []
  })
}

function expectInOrder(output: string, parts: readonly string[]): void {
  let rest = output
  for (const part of parts) {
    expect(rest).toContain(part)
    rest = rest.slice(rest.indexOf(part) + part.length)
  }
}

/** Shims for `parquedb` and `npx parquedb` that run the sources of the command line; gives the folder for PATH. */
async function installCommands(): Promise<string> {
  const bin = join(folder, 'bin')
  const main = join(folder, 'dist/cli/main.js')
  await bundle(join(root, 'src/cli/main.ts'), main)
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'parquedb'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\nshift\nexec '${join(bin, 'parquedb')}' "$@"\n`)
  for (const name of ['parquedb', 'npx']) chmodSync(join(bin, name), 0o755)
  return bin
}

async function bundle(entry: string, outfile: string): Promise<void> {
  const source = join(root, 'src')
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    alias: {
      parquedb: join(source, 'index.ts'),
      ...Object.fromEntries(['client', 'node', 'server', 'storage', 'testing'].map((door) => [`parquedb/${door}`, join(source, `${door}/index.ts`)])),
      '@parquedb/storage': join(root, 'packages/storage/src/index.ts'),
    },
    logLevel: 'silent',
  })
}

function emptyFolder(name: string): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

function sourceOf(path: string): string {
  return join(folder, `${slug(path)}.ts`)
}

function slug(path: string): string {
  return path.replace(/\W+/g, '-')
}
