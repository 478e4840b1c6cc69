import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mayImport } from '../.dependency-cruiser.mjs'

const lineLimit = 400
/** Files over the limit, at today's length. An entry may shrink or go, never grow. */
const lineLimitToday: Readonly<Record<string, number>> = {}
/**
 * Lines of code, neither blank nor comment: a contract is to be written down, not saved on. All of src without its tests, and apart from it the
 * contracts and the simulator, which are tests that happen to be published. The source is to come back to 25,000: it may shrink, not grow.
 */
const totalLinesMax = { source: 26_228, testing: 5200 }

const vagueNames = /^(utils?|helpers?|types|constants|common|misc|shared)$/
const vagueFolders = /\/(common|core|lib|utils?|helpers?)\//

interface SourceFile {
  readonly path: string
  readonly text: string
}

const code = list('src', '.ts').filter(({ path }) => !isTest(path))
const scripts = list('scripts', '.mjs')
const tests = [...list('src', '.test.ts'), ...list('test', '.test.ts')]
const pages = [...list('docs', '.md'), ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map(file)]
const rootPackage = JSON.parse(read('package.json'))
const doors: string[] = Object.values<string | { default: string }>(rootPackage.exports)
  .map((door) => (typeof door === 'string' ? door : door.default))
  .filter((path) => path.startsWith('./dist/'))
  .map((path) => path.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))

describe.each([...code, ...scripts])('$path', ({ path, text }) => {
  test('is within its line budget', () => {
    expect(lineCount(text)).toBeLessThanOrEqual(lineLimitToday[path] ?? lineLimit)
  })
  test('is kebab-case, or named after the class it exports', () => {
    const name = basename(path).replace(/(\.d)?\.m?ts$|\.mjs$/, '')
    expect(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || new RegExp(`^export (abstract )?class ${name}[ <]`, 'm').test(text)).toBe(true)
  })
  test('has a name that says what is in it', () => {
    expect(basename(path, '.ts')).not.toMatch(vagueNames)
    expect(path).not.toMatch(vagueFolders)
  })
  test('swallows no error and leaves no marker behind', () => {
    expect(text).not.toMatch(/FIXME|XXX|HACK/)
    expect(text).not.toMatch(/catch( \(\w+\))? \{\s*(\/\/[^\n]*\s*)*\}/)
  })
})

test.each([
  { rule: 'reads the ambient clock', broken: /\bnew Date\(\)/ },
  { rule: 'keeps changing state in a module', broken: /^(export )?(let|var) /m },
  { rule: 'hides behind a name that says nothing', broken: /\b(class|interface|function|const|type) \w*(Manager|Helper|Util|Service|Impl)\b/ },
])('no code $rule', ({ broken }) => {
  expect(code.filter(({ text }) => broken.test(text)).map(({ path }) => path)).toEqual([])
})

test.each(['source', 'testing'] as const)('the %s as a whole is within its line budget', (part) => {
  const files = code.filter(({ path }) => path.startsWith('src/testing/') === (part === 'testing'))
  const total = files.reduce((sum, { text }) => sum + codeLineCount(text), 0)
  expect(total).toBeGreaterThan(0)
  expect(total).toBeLessThan(totalLinesMax[part])
})

test('index.ts stands exactly where package.json exports it', () => {
  const indexes = code.map(({ path }) => path).filter((path) => basename(path) === 'index.ts')
  expect(indexes.toSorted()).toEqual(doors.toSorted())
})

test('relative imports carry the .ts extension', () => {
  const wrong = [...code, ...tests].flatMap(({ path, text }) =>
    [...text.matchAll(/^(?:import|export)\b[^'\n]*from '(\.{1,2}\/[^']*)'/gm)]
      .map((match) => match[1] ?? '')
      .filter((target) => !/\.(ts|mjs|json)$/.test(target))
      .map((target) => `${path}: ${target}`),
  )
  expect(wrong).toEqual([])
})

test('tests mock nothing of ours, focus on nothing and skip nothing without a condition', () => {
  const forbidden = /\bvi\.(mock|spyOn)\(|\b(test|it|describe)\.(only|skip|todo)\(/
  expect(tests.filter(({ path, text }) => path !== 'test/tidy.test.ts' && forbidden.test(text)).map(({ path }) => path)).toEqual([])
})

describe('the architecture page', () => {
  const page = read('docs/architecture.md')

  test('shows the import table that the machine holds', () => {
    const rows = [...page.matchAll(/^\| `src\/(\w+)` \|[^|]*\| ([^|]*) \|$/gm)].map((match) => [
      match[1],
      (match[2] ?? '').split(' ').filter((word) => word !== 'nothing' && word !== '`node:`'),
    ])
    expect(Object.fromEntries(rows)).toEqual(mayImport)
  })

  test('lists every folder of src', () => {
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(folders.map(({ name }) => name).filter((name) => !(name in mayImport))).toEqual([])
  })
})

test.each(pages)('$path names only paths that exist', ({ path, text }) => {
  const named = text.replaceAll(/https?:[^\s)]+/g, '').match(/\b(src|scripts|test|docs|packages)\/[\w./-]*\w/g) ?? []
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => join(dirname(path), match[1] ?? ''))
  expect([...named, ...links].filter((target) => !existsSync(target))).toEqual([])
})

test.each([
  { contract: 'storageContract', implements: /^export class \w+Backend (extends \w+ )?implements StorageBackend\b/m },
  { contract: 'logContract', implements: /^ {2}(async )?openLog\(/m },
])('every backend runs $contract, where it has what that is about', ({ contract, implements: mark }) => {
  const backends = code.filter(({ path, text }) => /^src\/storage\/backends\/\w+Backend\.ts$/.test(path) && mark.test(text)).map(({ path }) => basename(path, '.ts'))
  expect(backends).not.toEqual([])
  const proofs = tests.filter(({ text }) => text.includes(`${contract}(`))
  expect(backends.filter((name) => !proofs.some(({ text }) => text.includes(name)))).toEqual([])
})

test('every invariant of the page is kept somewhere in the code, and every asserted one is on the page', () => {
  const listed = [...read('docs/invariants.md').matchAll(/^\| ([A-Z]\d+) \|/gm)].map((match) => match[1] ?? '')
  expect(listed).not.toEqual([])
  expect(listed).toEqual([...new Set(listed)])
  expect(listed.filter((id) => !code.some(({ text }) => new RegExp(`\\b${id}: `).test(text)))).toEqual([])
  const asserted = code.flatMap(({ text }) => [...text.matchAll(/['"`]([A-Z]\d+): /g)].map((match) => match[1] ?? ''))
  expect(asserted.filter((id) => !listed.includes(id))).toEqual([])
})

test('every error code is documented, and every documented one exists', () => {
  const union = /export type ErrorCode =([^]*?)\n\n/.exec(read('src/base/ParqueDBError.ts'))?.[1] ?? ''
  const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1] ?? '')
  const documented = [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)$/gm)].map((match) => match[1] ?? '')
  expect(codes).not.toEqual([])
  expect(documented.toSorted()).toEqual(codes.toSorted())
})

test('decision records are numbered without gaps and say what was rejected', () => {
  const records = readdirSync('docs/adr').toSorted()
  expect(records.map((name) => Number(name.slice(0, 4)))).toEqual(records.map((_, index) => index + 1))
  expect(records.filter((name) => !/^## Context$[^]*^## Decision$[^]*^## Rejected$/m.test(read(`docs/adr/${name}`)))).toEqual([])
})

test('the two packages and the change log are of one version', () => {
  const facade = JSON.parse(read('packages/storage/package.json'))
  expect(facade.version).toBe(rootPackage.version)
  expect(facade.dependencies).toEqual({ parquedb: rootPackage.version })
  expect(read('CHANGELOG.md')).toContain(`## ${rootPackage.version}`)
})

test('the lockfile has every optional package, or npm ci fails where one is missing', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  const missing = Object.entries<{ optionalDependencies?: object }>(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages)),
  )
  expect(missing).toEqual([])
})

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function file(path: string): SourceFile {
  return { path, text: read(path) }
}

function list(folder: string, end: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(end))
    .map((path) => file(`${folder}/${path}`))
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

function lineCount(text: string): number {
  return text.split('\n').length - 1
}

function codeLineCount(text: string): number {
  return text.split('\n').filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length
}
