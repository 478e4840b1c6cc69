import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { utf8Encode } from '../../src/base/bytes.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { breakLine, type BrokenLine } from '../broken-line.ts'
import { SimulatedFileSystem } from './SimulatedFileSystem.ts'

/** Where the bundled FsBackend finds the file system that it is to use instead of Node's. */
const placeOfCalls = Symbol.for('parquedb.test.file-system')
const root = '/data/db'

/** The real FsBackend, on a simulated file system. */
export type MakeBackend = (files: SimulatedFileSystem) => StorageBackend

export async function bundleFsBackend(outfile: string, mutation?: BrokenLine): Promise<MakeBackend> {
  await build({
    entryPoints: ['src/storage/backends/FsBackend.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    plugins: [
      {
        name: 'simulated files',
        setup(build) {
          build.onResolve({ filter: /^node:fs(\/promises)?$/ }, ({ path, namespace }) => (namespace === 'simulated' ? { path, external: true } : { path, namespace: 'simulated' }))
          const names = ['open', 'link', 'rename', 'unlink', 'mkdir', 'lstat', 'realpath', 'readdir']
          const callOf = (name: string): string => `export const ${name} = (...given) => globalThis[Symbol.for('parquedb.test.file-system')].${name}(...given)`
          const calls = names.map(callOf)
          // As of node:fs, a promise of it gives an object.
          const readCall = `import { promisify } from 'node:util'\nexport const read = Object.assign((...given) => globalThis[Symbol.for('parquedb.test.file-system')].read(...given), { [promisify.custom]: (...given) => new Promise((resolve) => read(...given, (_, bytesRead, buffer) => resolve({ bytesRead, buffer }))) })`
          const unused = ['readFile', 'rm', 'writeFile'].map((name) => `export const ${name} = undefined`)
          build.onLoad({ filter: /promises$/, namespace: 'simulated' }, () => ({ contents: [...calls, ...unused].join('\n'), loader: 'js' }))
          build.onLoad({ filter: /fs$/, namespace: 'simulated' }, () => ({ contents: ['export * from \'node:fs\'', ...['openSync', 'closeSync', 'fstatSync', 'writeSync'].map(callOf), readCall].join('\n'), loader: 'js' }))
          if (mutation !== undefined) breakLine(build, resolve('src/storage/backends', mutation.file), mutation)
        },
      },
    ],
  })
  const bundle = (await import(pathToFileURL(outfile).href)) as { FsBackend: typeof FsBackend }
  return (files) => {
    const backend = new bundle.FsBackend(root)
    const calls = files.calls
    return new Proxy(backend, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...given: unknown[]) => {
          Object.assign(globalThis, { [placeOfCalls]: calls })
          return member.apply(target, given) as unknown
        }
      },
    })
  }
}

export interface PowerLossFindings {
  moments: number
  images: number
  readonly violations: string[]
}

/** What may be read of an object: one of these whole texts, or a text that begins with this, and when it is closed ends with it; undefined: absent. */
type Allowed = readonly (string | undefined)[] | { readonly beginsWith: string | undefined; readonly isClosed?: true }

/**
 * Puts, replaces, deletes and appends, and after every single call that FsBackend makes: whatever the power leaves, each object is as it was last
 * promised, or as the operation under way will leave it, and an append that was acknowledged is there.
 */
export async function losePowerInFolder(makeBackend: MakeBackend, { imagesMax, seed }: { imagesMax: number; seed: number }): Promise<PowerLossFindings> {
  const findings: PowerLossFindings = { moments: 0, images: 0, violations: [] }
  const random = seededRandom(seed)
  const pick = (below: number): number => new DataView(random.bytes(4).buffer).getUint32(0) % below
  const files = new SimulatedFileSystem(['/data'])
  const allowed = new Map<string, Allowed>()
  const looks: { what: string; images: SimulatedFileSystem[]; allowed: ReadonlyMap<string, Allowed> }[] = []
  files.onChange = (what) => void looks.push({ what, images: [...files.afterPowerLoss({ most: imagesMax, pick })], allowed: new Map(allowed) })
  const during = async (path: string, from: Allowed, to: Allowed, work: () => Promise<unknown>): Promise<void> => {
    const either: Allowed = Array.isArray(from) && Array.isArray(to) ? [...from, ...to] : from
    allowed.set(path, either)
    await work()
    allowed.set(path, to)
    files.onChange?.(`after ${path}`)
  }
  await workIn(makeBackend(files), during)
  for (const look of looks) {
    findings.moments++
    for (const image of look.images) {
      findings.images++
      for (const problem of await problemsOf(makeBackend(image), look.allowed)) if (findings.violations.length < 20) findings.violations.push(`${look.what}: ${problem}`)
    }
  }
  return findings
}

type During = (path: string, from: Allowed, to: Allowed, work: () => Promise<unknown>) => Promise<void>

async function workIn(backend: StorageBackend, during: During): Promise<void> {
  const put = (path: string, from: string | undefined, to: string, condition?: { ifAbsent: true }): Promise<void> => during(path, [from], [to], () => backend.put(path, utf8Encode(to), condition))
  await put('deep/er/a', undefined, 'first of a')
  await put('deep/er/a', 'first of a', 'second of a, which is longer')
  await put('b', undefined, 'b is created once', { ifAbsent: true })
  await put('deep/c', undefined, 'c is created once', { ifAbsent: true })
  await during('b', ['b is created once'], [undefined], () => backend.delete('b'))
  await put('b', undefined, 'b again')
  const log = await backend.openLog?.({ prefix: 'log', epoch: 1 })
  if (log === undefined) throw new Error('FsBackend has a log')
  const part = 'log/00000000000000000001-00000000000000000001.log'
  let written = ''
  for (const [seq, text] of ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].entries()) {
    const next = `${written}…${text}`
    await during(part, { beginsWith: written === '' ? undefined : written }, { beginsWith: next }, () => log.append([{ epoch: 1, firstSeq: seq + 1, count: 1, payload: utf8Encode(text) }]))
    written = next
  }
  await during(part, { beginsWith: written }, { beginsWith: written, isClosed: true }, () => log.rotate(8))
  await during(part, { beginsWith: undefined }, [undefined], () => log.truncate(8))
  await log.close()
}

async function problemsOf(backend: StorageBackend, allowed: ReadonlyMap<string, Allowed>): Promise<string[]> {
  const problems: string[] = []
  for (const [path, expected] of allowed) {
    const found = await backend.read(path).then(
      (bytes) => Buffer.from(bytes).toString('latin1'),
      (error: { code: string }) => (error.code === 'NOT_FOUND' ? undefined : Promise.reject(error)),
    )
    const isRight = 'beginsWith' in expected ? holds(found, expected) : expected.some((text) => (text === undefined ? undefined : Buffer.from(text).toString('latin1')) === found)
    if (!isRight) problems.push(`${path} holds ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`)
  }
  const strays = (await backend.list('')).objects.filter(({ path }) => !allowed.has(path))
  return [...problems, ...strays.map(({ path }) => `${path} is listed, which nobody put`)]
}

/** Every frame's payload of an acknowledged append is there, in order; behind those of a closed part is nothing. */
function holds(found: string | undefined, { beginsWith: payloads, isClosed = false }: { readonly beginsWith: string | undefined; readonly isClosed?: boolean }): boolean {
  if (payloads === undefined) return true
  let at = 0
  for (const payload of payloads.split('…').slice(1)) {
    at = (found ?? '').indexOf(payload, at)
    if (at < 0) return false
    at += payload.length
  }
  return !isClosed || at === found?.length
}

