import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryBackend, ParqueDB } from 'parquedb'
import { FsBackend } from 'parquedb/node'
import { withEventSourcing } from 'parquedb/storage'
import { hostileEvents } from './events.ts'
import { hostileRequests, oddIds, oddNames, requestFixture } from './requests.ts'
import type { Tally } from './Tally.ts'

/** Each call on a database in memory; a refused one leaves it as it was, and none reaches the prototype of everything. */
export async function tryRequests(tally: Tally): Promise<void> {
  const db = new ParqueDB({ storage: new MemoryBackend() })
  const users = db.collection('users')
  await users.createMany(requestFixture)
  for (const { name, call, refusal, ...rest } of hostileRequests) {
    const before = (await db.stats()).lastSeq
    const expected = refusal === undefined ? (rest.gives === undefined ? 'typed' : { gives: rest.gives }) : { refusal }
    const outcome = await tally.judge(name, expected, () => call(db))
    if (outcome?.kind === 'refused') tally.same(`${name}: events after it`, (await db.stats()).lastSeq, before)
    tally.same(`${name}: the prototype of everything`, Object.keys(Object.prototype), [])
  }
  tally.same('verify', (await db.verify({ deep: true })).problems, [])
  await db.close()
}

/** Each event past the collections; all of them are refused. */
export async function tryEvents(tally: Tally): Promise<void> {
  const engine = withEventSourcing(new MemoryBackend())
  await engine.appendEvent({ op: 'CREATE', target: 'n:a', after: { a: 1 } })
  for (const { name, event, refusal } of hostileEvents) {
    await tally.judge(name, { refusal }, () => engine.appendEvent(event as never))
    tally.same(`${name}: events after it`, (await engine.stats()).lastSeq, 1)
  }
  await engine.close()
}

/** Collections and ids of every odd name in one folder: each keeps its own document through the files, and nothing is made beside the folder. */
export async function tryNames(tally: Tally): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'parquedb-corpus-'))
  const folder = join(parent, 'db')
  try {
    let db = new ParqueDB({ storage: new FsBackend(folder) })
    for (const name of oddNames) {
      await tally.judge(`the collection ${JSON.stringify(name.slice(0, 30))}`, { gives: `${name}/x` }, async () => (await db.collection(name).create({ $id: 'x', name })).$id)
    }
    for (const id of [...oddNames, ...oddIds]) {
      await tally.judge(`the id ${JSON.stringify(id.slice(0, 30))}`, { gives: `users/${id}` }, async () => (await db.collection('users').create({ $id: `users/${id}`, id })).$id)
    }
    for (const stage of ['in the log', 'in files', 'merged']) {
      if (stage === 'merged') await db.compact()
      if (stage === 'in files') {
        await db.flush()
        await db.close()
        db = new ParqueDB({ storage: new FsBackend(folder) })
      }
      for (const name of oddNames) tally.same(`the collection ${name}, ${stage}`, (await db.collection(name).get('x'))?.['name'], name)
      for (const id of [...oddNames, ...oddIds]) tally.same(`the id ${id}, ${stage}`, (await db.collection('users').get(`users/${id}`))?.['id'], id)
    }
    tally.same('the collections', (await db.collections()).map(({ name }) => name).toSorted(), [...oddNames, 'users'].toSorted())
    await db.close()
    tally.same('beside the folder', await readdir(parent), ['db'])
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}
