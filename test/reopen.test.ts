import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB } from '../src/db/ParqueDB.ts'
import { FsBackend } from '../src/storage/backends/FsBackend.ts'

const documentCount = 300_000
const tailCount = 100
let folder: string

function* documents(): Generator<{ $id: string; name: string; n: number; kind: string }> {
  for (let n = 0; n < documentCount; n++) yield { $id: String(n).padStart(8, '0'), name: `document number ${n}`, n, kind: `kind ${n % 11}` }
}

async function folderBytes(): Promise<number> {
  let bytes = 0
  for (const name of await readdir(folder, { recursive: true })) {
    const info = await stat(join(folder, name))
    if (info.isFile()) bytes += info.size
  }
  return bytes
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-reopen-'))
  const db = new ParqueDB({ storage: new FsBackend(folder) })
  await db.collection('docs').createMany(documents())
  await db.flush()
  for (let n = 0; n < tailCount; n++) await db.collection('docs').update(String(n * 1000).padStart(8, '0'), { $set: { seen: true } })
  await db.close()
}, 240_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

describe(`a folder with ${documentCount} documents`, () => {
  test('is opened by reading the head, the manifest and the unflushed tail of the log, and nothing of the data', async () => {
    const db = new ParqueDB({ storage: new FsBackend(folder) })
    const { open, namespaces } = await db.stats()
    expect(namespaces['docs']?.rows).toBeGreaterThanOrEqual(documentCount)
    expect(open.replayedEvents).toBe(tailCount)
    expect(open.requests).toBeLessThanOrEqual(10)
    expect(open.bytes).toBeLessThan(100_000)
    await db.close()
    expect(await folderBytes()).toBeGreaterThan(10 * open.bytes)
  })

  test('gives the right answers at once, from few bytes', async () => {
    const db = new ParqueDB({ storage: new FsBackend(folder) })
    expect(await db.collection('docs').get('00123456')).toMatchObject({ n: 123456, version: 1 })
    expect(await db.collection('docs').get('00123000')).toMatchObject({ n: 123000 })
    expect(await db.collection('docs').get('00099000')).toMatchObject({ n: 99000, seen: true, version: 2 })
    expect(await db.collection('docs').get('nobody')).toBeUndefined()
    await db.close()
  })

  test('is read along by a follower that takes as little', async () => {
    const db = new ParqueDB({ storage: new FsBackend(folder), readOnly: true })
    expect(await db.collection('docs').get('00099000')).toMatchObject({ seen: true })
    const { open, readOnly } = await db.stats()
    expect(readOnly).toBe(true)
    expect(open.bytes).toBeLessThan(100_000)
    await db.close()
  })

  test('stays small in memory after opening', async () => {
    const db = new ParqueDB({ storage: new FsBackend(folder) })
    const before = process.memoryUsage()
    await db.stats()
    await db.collection('docs').get('00123456')
    const after = process.memoryUsage()
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(32 * 1024 * 1024)
    await db.close()
  })
})
