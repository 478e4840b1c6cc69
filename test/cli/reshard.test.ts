import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import type { HistoryEntry } from '../../src/model/database-options.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { partitionsOf, shardOf } from '../../src/storage/partitions.ts'
import { CliProcess } from './cli-process.ts'

let cli: CliProcess
beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

const open = (place: string, partition: string): ParqueDB => new ParqueDB({ storage: new FsBackend(cli.path(`${place}/${partition}`)) })

interface Contents {
  readonly entities: Map<string, object>
  /** Of each entity, without what is of the log alone. */
  readonly histories: Map<string, unknown[]>
}

async function contentsOf(place: string, count: number): Promise<Contents> {
  const contents: Contents = { entities: new Map(), histories: new Map() }
  for (const [index, partition] of partitionsOf('clicks', count).entries()) {
    const db = open(place, partition)
    const clicks = db.collection('clicks')
    for await (const { $id, ...fields } of clicks.find({}, { includeDeleted: true })) {
      expect(shardOf($id.slice('clicks/'.length), count)).toBe(index)
      contents.entities.set($id, fields)
      const told = (entry: HistoryEntry): unknown => ({ ...entry, seq: 0 })
      contents.histories.set($id, (await clicks.history($id).toArray()).map(told))
    }
    expect((await db.verify({ deep: true })).problems).toEqual([])
    await db.close()
  }
  return contents
}

test('a collection gets shards, and other ones, with all of its entities and their histories, as often as one likes', async () => {
  const place = 'shop'
  const db = open(place, 'clicks')
  const clicks = db.collection<{ n: number }>('clicks')
  await clicks.createMany(Array.from({ length: 120 }, (_, n) => ({ $id: `c${n}`, n })), { txId: 'import' })
  for (let n = 0; n < 120; n += 3) await clicks.update(`c${n}`, { $inc: { n: 1 } }, { actor: 'ada', txId: `u${n}` })
  await db.flush()
  for (let n = 0; n < 120; n += 5) await clicks.delete(`c${n}`, { reason: 'spam' })
  await clicks.restore('c5')
  await db.close()
  const before = await contentsOf(place, 1)
  expect(before.entities.size).toBe(120)
  for (const [from, to] of [[1, 4], [4, 3], [3, 1]] as const) {
    if (to === 1) await rm(cli.path(`${place}/clicks`), { recursive: true })
    const { code, stdout, stderr } = await cli.run(['reshard', 'clicks', '--from', String(from), '--to', String(to), '--db', place])
    expect([code, stderr]).toEqual([0, expect.any(String)])
    expect(JSON.parse(stdout)).toEqual({ events: 185, bridges: 0, entities: 97, partitions: partitionsOf('clicks', to) })
    expect(await contentsOf(place, to)).toEqual(before)
  }
})

test('two writes of one txId in two shards are both there when the shards are one', async () => {
  const place = 'same-txid'
  for (const [index, partition] of partitionsOf('clicks', 2).entries()) {
    const db = open(place, partition)
    let n = 0
    while (shardOf(`c${n}`, 2) !== index) n++
    await db.collection('clicks').create({ $id: `c${n}`, n }, { txId: 'the same' })
    await db.close()
  }
  expect((await cli.run(['reshard', 'clicks', '--from', '2', '--to', '1', '--db', place])).code).toBe(0)
  expect((await contentsOf(place, 1)).entities.size).toBe(2)
})

test('what retention has removed is a state to begin with', async () => {
  const place = 'horizon'
  const db = open(place, 'clicks')
  const clicks = db.collection<{ n: number }>('clicks')
  await clicks.createMany(Array.from({ length: 20 }, (_, n) => ({ $id: `c${n}`, n })))
  await clicks.updateMany({}, { $inc: { n: 100 } })
  await db.retain({ policy: { maxEvents: 0, mode: 'drop' } })
  await clicks.update('c7', { $set: { n: 7 } })
  await db.close()
  const { code, stdout } = await cli.run(['reshard', 'clicks', '--from', '1', '--to', '2', '--db', place])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ events: 1, bridges: 20, entities: 20 })
  const { entities, histories } = await contentsOf(place, 2)
  expect(entities.get('clicks/c8')).toMatchObject({ n: 108 })
  expect(histories.get('clicks/c7')?.length).toBe(2)
})

test('nothing is overwritten, and what is not there is named', async () => {
  const run = async (from: number, to: number): Promise<number | null> => (await cli.run(['reshard', 'clicks', '--from', String(from), '--to', String(to), '--db', 'shop'])).code
  expect(await run(1, 3)).toBe(4)
  expect(await run(5, 2)).toBe(3)
  expect(await run(2, 2)).toBe(2)
  expect(await run(1, 17)).toBe(2)
})
