import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startWorkerd } from './workers/start-workerd.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'parquedb-pack-'))
const project = join(folder, 'project')

interface Packed {
  readonly name: string
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}
let packed: readonly Packed[] = []

beforeAll(async () => {
  // npm would build too (prepare), once for each package; this builds once.
  await run('npm', ['run', '-s', 'build'], { cwd: root })
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, '--workspace', 'packages/storage', '--include-workspace-root'], { cwd: root })
  packed = JSON.parse(stdout)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }))
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packed.map(({ filename }) => join(folder, filename))], { cwd: project })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each(['parquedb', '@parquedb/storage'])('%s', (name) => {
  test('packs what is built and what people read, and nothing else', () => {
    const paths = packed.find((entry) => entry.name === name)?.files.map(({ path }) => path) ?? []
    expect(paths.filter((path) => !path.startsWith('dist/')).toSorted()).toEqual(
      name === 'parquedb' ? ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'] : ['LICENSE', 'README.md', 'package.json'],
    )
    expect(paths.filter((path) => path.startsWith('dist/') && !/^dist\/[\w/-]+(\.d\.ts|\.js)$/.test(path))).toEqual([])
    expect(paths.filter((path) => path.includes('.test.'))).toEqual([])
    expect(paths).toContain('dist/index.js')
  })

  test('is well-formed for publint', async () => {
    const { messages, pkg } = await publint({ pack: { tarball: Uint8Array.from(readFileSync(tarballOf(name))).buffer }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  test('has types that resolve from every ESM consumer', async () => {
    const attw = join(root, 'node_modules/.bin/attw')
    const { stdout } = await run(attw, [tarballOf(name), '--profile', 'esm-only', '--format', 'json', '--no-definitely-typed', '--exclude-entrypoints', './package.json']).catch(
      (failure: { stdout: string }) => failure,
    )
    const { analysis } = JSON.parse(stdout)
    expect(analysis.types?.kind).toBe('included')
    expect(ofEsm(analysis.problems)).toEqual([])
  })
})

describe('an empty project that installed both', () => {
  test('runs a program on memory and on a folder', async () => {
    writeFileSync(join(project, 'program.js'), program)
    const { stdout } = await run(process.execPath, ['program.js'], { cwd: project })
    expect(JSON.parse(stdout)).toEqual({ memory: ['Hello', 1], folder: ['Hello', 1], wrapped: ['Hello', 1], sameClass: true, served: [{ _id: 'Hello', views: 1 }] })
  })

  test('runs a program in workerd', async () => {
    writeFileSync(join(project, 'worker.js'), worker)
    const workerd = await startWorkerd(join(project, 'worker.js'), { durableObjects: { PARQUEDB: { className: 'Partition', useSQLite: true } }, r2Buckets: ['BUCKET'] })
    try {
      expect(await (await fetch(await workerd.ready)).text()).toBe('[{"posts":1}]')
    } finally {
      await workerd.dispose()
    }
  })

  test('type checks a program, and the declarations with it', async () => {
    writeFileSync(join(project, 'program.ts'), typedProgram)
    // In the place of Cloudflare's own, which who writes Workers has.
    copyFileSync(join(root, 'src/workers/cloudflare-workers.d.ts'), join(project, 'cloudflare-workers.d.ts'))
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'ES2022',
          lib: ['ES2023', 'DOM', 'DOM.AsyncIterable', 'ESNext.Disposable'],
          module: 'NodeNext',
          types: [],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          noEmit: true,
        },
        files: ['program.ts', 'cloudflare-workers.d.ts'],
      }),
    )
    const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], { cwd: project }).catch(
      (failure: { stdout: string }) => failure,
    )
    expect(stdout).toBe('')
  })

  test('runs npx parquedb', async () => {
    const { stdout: version } = await run('npx', ['parquedb', '--version'], { cwd: project })
    expect(version.trim()).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
    await run('npx', ['parquedb', 'put', 'posts', '{"$id":"posts/a","title":"Hello"}', '--db', 'cli-data'], { cwd: project })
    const { stdout: post } = await run('npx', ['parquedb', 'get', 'posts', 'a', '--json', '--db', 'cli-data'], { cwd: project })
    expect(JSON.parse(post).title).toBe('Hello')
  })
})

test('in the clone, both names lead to the clone', async () => {
  const script = `
    import * as facade from '@parquedb/storage'
    import { ParqueDB } from 'parquedb'
    import * as storage from 'parquedb/storage'
    console.log(typeof ParqueDB, facade.withEventSourcing === storage.withEventSourcing, import.meta.resolve('parquedb'))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: root })
  expect(stdout.trim()).toBe(`function true ${pathToFileURL(join(root, 'dist/index.js')).href}`)
})

function tarballOf(name: string): string {
  const entry = packed.find((each) => each.name === name)
  if (entry === undefined) throw new Error(`npm packed no ${name}`)
  return join(folder, entry.filename)
}

/** CommonJS and the old `moduleResolution` are not supported, and say so by not resolving. */
function ofEsm(problems: readonly { resolutionKind?: string }[]): unknown[] {
  return problems.filter(({ resolutionKind }) => resolutionKind !== 'node10' && resolutionKind !== 'node16-cjs')
}

const program = `
import { MemoryBackend, ParqueDB } from 'parquedb'
import { FsBackend } from 'parquedb/node'
import { listen } from 'parquedb/node'
import { ParqueDBClient } from 'parquedb/client'
import { createServer } from 'parquedb/server'
import * as facade from '@parquedb/storage'
import * as storage from 'parquedb/storage'

const options = { autoSnapshotThreshold: 100, maxCachedEntities: 1000 }
const found = {
  memory: await tryIt(new MemoryBackend()),
  folder: await tryIt(new FsBackend('./plain')),
  wrapped: await tryIt(facade.withEventSourcing(new facade.FsBackend('./wrapped'), options)),
  sameClass: facade.EventSourcedBackend === storage.EventSourcedBackend && facade.FsBackend === FsBackend,
  served: await tryServed(),
}
console.log(JSON.stringify(found))

async function tryIt(backend) {
  const db = new ParqueDB({ storage: backend })
  const posts = db.collection('posts')
  const post = await posts.create({ title: 'Hello', views: 0 })
  await posts.update(post.$id, { $inc: { views: 1 } })
  const after = await posts.get(post.$id)
  await db.close()
  return [after.title, after.views]
}

async function tryServed() {
  const home = new ParqueDB({ storage: new MemoryBackend() })
  const listener = await listen(createServer(home, { auth: 'none' }))
  const db = new ParqueDBClient({ url: listener.url })
  await db.collection('posts').create({ title: 'Hello', views: 1 })
  const counted = await db.collection('posts').aggregate([{ $group: { _id: '$title', views: { $sum: '$views' } } }]).toArray()
  await db.close()
  await listener.close()
  await home.close()
  return counted
}
`

/** What only workerd can run: bundled for it, as its users do, and run there. */
const worker = `
import { EdgePartitions, ParqueDBDO, ParqueDBWorker, WorkerDatabase } from 'parquedb/workers'

export class Partition extends ParqueDBDO {}
export { ParqueDBWorker }
const edges = new EdgePartitions()
export default {
  async fetch(_, env) {
    const db = new WorkerDatabase(env, { partitioning: 'database', edges })
    await db.collection('posts').create({ title: 'Hello', views: 1 })
    return Response.json(await db.collection('posts').aggregate([{ $count: 'posts' }]).toArray())
  },
}
`

const typedProgram = `
import { MemoryBackend, ParqueDB, type Database } from 'parquedb'
import { FsBackend } from 'parquedb/node'
import { ParqueDBClient } from 'parquedb/client'
import { createServer, type Server } from 'parquedb/server'
import { WorkerDatabase, type ParqueDBEnv } from 'parquedb/workers'
import { withEventSourcing } from '@parquedb/storage'
import type { StorageBackend } from 'parquedb/storage'
import * as testing from 'parquedb/testing'

interface Post { title: string; views: number }
export const backends: StorageBackend[] = [new MemoryBackend(), new FsBackend('./data')]
export const db = new ParqueDB({ storage: withEventSourcing(new MemoryBackend(), { autoSnapshotThreshold: 100 }) })
const post = await db.collection<Post>('posts').create({ title: 'Hello', views: 0 })
export const title: string = post.title
export const views: number = post.views
export const contracts: unknown = testing
export const server: Server = createServer(db, { auth: 'none' })
export const homes = (env: ParqueDBEnv): Database[] => [db, new ParqueDBClient({ url: 'http://server' }), new WorkerDatabase(env)]
// @ts-expect-error a document has the fields of its type
export const missing: unknown = post.absent
`
