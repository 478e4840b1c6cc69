import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ParqueDB } from '../src/db/ParqueDB.ts'
import { FsBackend } from '../src/storage/backends/FsBackend.ts'

/** Written on 2026-11-27 by the version before format 4: two runs and two segments, those of the first flush merged and gzip (format 3), the others Snappy (format 2). */
const written = fileURLToPath(new URL('format-3', import.meta.url))
let folder: string
let db: ParqueDB

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-format-3-'))
  await cp(written, folder, { recursive: true })
  db = new ParqueDB({ storage: new FsBackend(folder), compaction: { background: false } })
})

afterEach(async () => {
  await db.close()
  await rm(folder, { recursive: true, force: true })
})

async function answers(): Promise<unknown> {
  const films = db.collection('films')
  const history: unknown[] = []
  for await (const { id, op, after } of db.events({})) history.push([id, op, after])
  return {
    all: await films.find({}).toArray(),
    seven: await films.get('f0007'),
    sevenAsCreated: await films.get('f0007', { asOf: 600 }),
    nobody: await films.get('f0007x'),
    deleted: await films.get('f0009'),
    plays: await films.count({ tags: 't3' }),
    history,
    ok: (await db.verify()).ok,
  }
}

test('files of the formats 2 and 3 are read', async () => {
  expect(await answers()).toMatchObject({
    seven: { title: 'Seven', year: 1957, version: 2 },
    sevenAsCreated: { title: 'Film 7', version: 1 },
    nobody: undefined,
    deleted: undefined,
    plays: 60,
    ok: true,
  })
  expect(await db.collection('films').count({})).toBe(899)
  expect(await db.collection('films').get('g0100')).toMatchObject({ year: 1931 })
})

test('a transaction in them is known by its id', async () => {
  expect(await db.transaction(() => 'ran', { txId: 'tx-kept' })).toBeUndefined()
  expect(await db.transaction(() => 'ran', { txId: 'tx-new' })).toBe('ran')
})

test('they are merged into files of the newest format, which say the same', async () => {
  const before = await answers()
  await db.compact()
  expect((await db.stats()).namespaces['films']?.runs).toBe(1)
  expect(await answers()).toEqual(before)
  expect(await db.transaction(() => 'ran', { txId: 'tx-kept' })).toBeUndefined()
})
