import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reshard } from '../../src/node/reshard.ts'
import { startDatabaseWorker } from './start-workerd.ts'

let workerd: Miniflare
let origin: URL
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-reshard-'))
  workerd = await startDatabaseWorker()
  origin = await workerd.ready
})
afterAll(async () => {
  await workerd.dispose()
  await rm(folder, { recursive: true })
})

const prefix = 'parquedb/hot/'
const ask = async (path: string): Promise<string> => {
  const response = await fetch(new URL(path, origin))
  return response.ok ? response.text() : Promise.reject(new Error(await response.text()))
}

interface Bucket {
  list(options: { prefix: string }): Promise<{ objects: readonly { key: string }[] }>
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>
  put(key: string, bytes: ArrayBuffer): Promise<unknown>
}
const openBucket = async (): Promise<Bucket> => (await workerd.getR2Bucket('BUCKET')) as unknown as Bucket

/** The bucket of the Worker as a folder, and back: what rclone, or an S3 endpoint, does for a real one. */
async function download(): Promise<void> {
  const bucket = await openBucket()
  for (const { key } of (await bucket.list({ prefix })).objects) {
    const path = join(folder, key.slice(prefix.length))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, new Uint8Array((await (await bucket.get(key))?.arrayBuffer()) ?? new ArrayBuffer(0)))
  }
}
async function upload(): Promise<void> {
  const bucket = await openBucket()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !entry.name.startsWith('.')) await bucket.put(prefix + path.slice(folder.length + 1), new Uint8Array(await readFile(path)).buffer)
  }
}

test('a collection of one object is given three, which go on from what it had, and then two', async () => {
  const ids = Array.from({ length: 30 }, (_, n) => `c${n}`)
  await ask(`/clicks?folder=hot&count=1&add=${[...ids, ...ids.slice(0, 5)].join(',')}`)
  const expected = JSON.parse(await ask('/clicks?folder=hot&count=1')) as { found: [string, number, number][] }
  expect(expected.found.length).toBe(30)
  expect(expected.found[0]).toEqual(['clicks/c0', 2, 2])
  for (const [from, to] of [[1, 3], [3, 2]] as const) {
    await ask(`/flush?folder=hot&count=${from}`)
    await download()
    await reshard({ location: folder, ns: 'clicks', from, to })
    await upload()
    expect(JSON.parse(await ask(`/clicks?folder=hot&count=${to}`))).toEqual(expected)
    await ask(`/clicks?folder=hot&count=${to}&add=c0`)
    const [, n, version] = expected.found[0] as [string, number, number]
    expected.found[0] = ['clicks/c0', n + 1, version + 1]
    Object.assign(expected, { ops: ['CREATE', ...Array.from({ length: version }, () => 'UPDATE')] })
    expect(JSON.parse(await ask(`/clicks?folder=hot&count=${to}`))).toEqual(expected)
  }
})
