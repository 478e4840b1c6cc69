import type { Database } from '../../model/database.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseFixture, DatabaseTest } from './fixture.ts'
import { codeOf, collect, failureOf } from './observe.ts'

/** What a home does not have, and why. */
const lacks = (fixture: DatabaseFixture, what: keyof NonNullable<DatabaseFixture['without']>): boolean => fixture.without?.[what] !== undefined

/** Three changes of one page, an edge of it, and another page that is never changed: eight events. */
async function fill(db: Database): Promise<void> {
  const pages = db.collection('pages')
  await pages.create({ $id: 'still', title: 'still' })
  await pages.create({ $id: 'a', title: 'one' })
  await pages.link('a', 'next', 'pages/still', { since: 1 })
  await pages.update('a', { $set: { title: 'two' } })
  await db.flush()
  await pages.unlink('a', 'next', 'pages/still')
  await pages.update('a', { $set: { title: 'three' } })
  await pages.create({ $id: 'b', title: 'late' })
  await pages.update('a', { $set: { title: 'four' } })
}

/** What a point in the past looks like, by every kind of read. */
async function picture(db: Database, asOf: number, includeArchived = false): Promise<unknown[]> {
  const pages = db.collection<{ title: string }>('pages')
  const options = { asOf, includeArchived }
  return [
    (await pages.get('a', options))?.title,
    (await pages.find({}, options).toArray()).map(({ $id, version, title }) => [$id, version, title]),
    await pages.count({}, options),
    (await pages.related<{ title: string }>('a', 'next', options).toArray()).map(({ title, $edge }) => [title, $edge.data]),
    (await db.traverse('pages/a', 'next', options).toArray()).map(({ $id }) => $id),
    await pages.countRelated('still', 'next', { ...options, direction: 'in' }),
    (await db.shortestPath('pages/a', 'pages/still', options))?.map(({ $id }) => $id),
  ]
}

export function timeTests(test: DatabaseTest, { expect }: TestTools): void {
  for (const mode of ['drop', 'archive'] as const) {
    test(`retention that is to ${mode} keeps every answer from its horizon on, and names the horizon before it`, async ({ db, reopen }) => {
      await fill(db)
      const before = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seq) => picture(db, seq)))
      const policy = { mode, maxEvents: 2 }
      const planned = await db.retain({ policy, dryRun: true })
      expect(await picture(db, 3)).toEqual(before[2])
      const done = await db.retain({ policy })
      expect([done, done.events > 0]).toEqual([planned, true])
      const again = await reopen()
      for (const seq of [6, 7, 8]) expect(await picture(again, seq)).toEqual(before[seq - 1])
      const pages = again.collection('pages')
      const early = await failureOf(() => pages.get('a', { asOf: 4 }))
      // Of four changes of 'a' and two others the newest two are kept: 7 and 8.
      expect([early?.code, early?.details['horizonSeq']]).toEqual(['HISTORY_UNAVAILABLE', 6])
      for (const read of [
        () => pages.find({}, { asOf: 4 }),
        () => pages.count({}, { asOf: 4 }),
        () => pages.related('a', 'next', { asOf: 4 }),
        () => pages.history('a', { from: 4 }),
        () => pages.diff('a', { version: 1 }),
        () => pages.revert('a', { asOf: 4 }),
        () => again.events({ fromSeq: 1 }),
        () => again.subscribe({ fromSeq: 1 }),
      ]) expect(await codeOf(read)).toBe('HISTORY_UNAVAILABLE')
      expect((await pages.history('a').toArray()).map(({ seq }) => seq)).toEqual([8])
      expect((await pages.get('still'))?.['title']).toBe('still')
      const archived = mode === 'archive'
      if (archived) expect(await Promise.all([1, 2, 3, 4].map((seq) => picture(again, seq, true)))).toEqual(before.slice(0, 4))
      else expect(await codeOf(() => pages.get('a', { asOf: 4, includeArchived: true }))).toBe('HISTORY_UNAVAILABLE')
      if (archived) {
        expect((await pages.history('a', { includeArchived: true }).toArray()).filter(({ op }) => !op.startsWith('REL_')).map(({ version, after }) => [version, after?.['title']])).toEqual([[1, 'one'], [2, 'two'], [3, 'three'], [4, 'four']])
        expect((await collect(again.events({ includeArchived: true }))).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
        expect(await pages.diff('a', { version: 1 }, { version: 2 }, { includeArchived: true })).toEqual([{ path: 'title', before: 'one', after: 'two' }])
        expect((await pages.at('a', 2, { includeArchived: true }))?.['title']).toBe('one')
        expect((await pages.revert('a', { version: 1, includeArchived: true }))['title']).toBe('one')
      }
      // What a deleted entity was last may be behind the horizon.
      await pages.delete('still')
      await pages.update('a', { $set: { title: 'last' } })
      // Whoever has seen the newest event has yet to see the files that are written after it.
      expect((await pages.get('a'))?.['title']).toBe('last')
      await again.retain({ policy: { mode, maxEvents: 1 } })
      expect(await codeOf(() => pages.restore('still'))).toBe(archived ? 'HISTORY_UNAVAILABLE' : 'NOT_FOUND')
      if (archived) expect((await pages.restore('still', { includeArchived: true }))['title']).toBe('still')
      expect((await again.verify({ deep: true })).problems).toEqual([])
    })
  }

  test('an erased entity is gone from the present, the past, the archive and the graph, and its id begins anew', async ({ db, reopen }) => {
    await fill(db)
    await db.collection('pages').link('b', 'next', 'pages/a')
    await db.retain({ policy: { mode: 'archive', maxEvents: 3 } })
    await db.checkpoint()
    const report = await db.erase('pages/a', { reason: 'asked for', actor: 'ada' })
    expect(report.rewrittenFiles > 0).toBe(true)
    const again = await reopen()
    const pages = again.collection<{ title: string }>('pages')
    expect(await pages.get('a', { includeDeleted: true })).toBe(undefined)
    expect(await pages.history('a', { includeArchived: true }).toArray()).toEqual([])
    expect((await pages.find({}, { asOf: 4, includeArchived: true }).toArray()).map(({ $id }) => $id)).toEqual(['pages/still'])
    expect(await pages.related('b', 'next').toArray()).toEqual([])
    expect(await codeOf(() => pages.restore('a'))).toBe('NOT_FOUND')
    const marks = await collect(again.events({ op: 'ERASE' }))
    expect(marks.map(({ target, actor, metadata }) => [target, actor, metadata?.['reason'], typeof metadata?.['erased']])).toEqual([['pages:', 'ada', 'asked for', 'string']])
    expect((await pages.create({ $id: 'a', title: 'anew' })).version).toBe(1)
    expect(await codeOf(() => again.erase('pages/never'))).toBe('NOT_FOUND')
    expect((await again.verify({ deep: true })).problems).toEqual([])
  })

  test('a checkpoint is a point in the past that is answered as every other', async ({ db, reopen }) => {
    await fill(db)
    const before = await picture(db, 8)
    const { seq, at } = await db.checkpoint()
    expect([seq, at instanceof Date]).toEqual([8, true])
    await db.collection('pages').updateMany({}, { $set: { title: 'later' } })
    await db.collection('pages').delete('b')
    await db.compact()
    const again = await reopen()
    expect(await picture(again, 8)).toEqual(before)
    expect((await again.collection('pages').find({ title: 'late' }, { asOf: at }).toArray()).map(({ $id }) => $id)).toEqual(['pages/b'])
    expect(await again.collection('pages').count({})).toBe(2)
  })

  test('a subscription brings only the kinds of events that are wanted', async ({ db }) => {
    await fill(db)
    const seen: [number, string][] = []
    for await (const { seq, op } of db.subscribe({ fromSeq: 1, ns: 'pages', ops: ['REL_CREATE', 'REL_DELETE', 'DELETE'] })) {
      seen.push([seq, op])
      if (seq === 5) await db.collection('pages').delete('b')
      if (op === 'DELETE') break
    }
    expect(seen).toEqual([[3, 'REL_CREATE'], [5, 'REL_DELETE'], [9, 'DELETE']])
    expect(await codeOf(() => db.subscribe({ ops: 'NOTHING' as never }))).toBe('INVALID_ARGUMENT')
  })

  test('a named consumer goes on where it was', async (fixture) => {
    const { db, reopen } = fixture
    await fill(db)
    const first = (): ReturnType<Database['subscribe']> => db.subscribe({ consumer: 'mail', fromSeq: 1, ns: 'pages' })
    if (lacks(fixture, 'consumers')) return expect(await codeOf(first)).toBe('INVALID_ARGUMENT')
    const reading = first()
    for (let seq = 1; seq <= 8; seq++) expect((await reading.next()).value.seq).toBe(seq)
    // Asking for the next one says that all before it are dealt with; it comes when there is one.
    const ninth = reading.next()
    await db.collection('pages').create({ $id: 'c' })
    expect((await ninth).value.target).toBe('pages:c')
    await reading.return()
    const next = (await reopen()).subscribe({ consumer: 'mail', fromSeq: 1, ns: 'pages' })
    expect((await next.next()).value.target).toBe('pages:c')
    await next.return()
  })
}
