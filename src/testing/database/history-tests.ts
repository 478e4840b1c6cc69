import { systemClock } from '../../base/clock.ts'
import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, collect, failureOf, lastSeq, moment, timeless } from './observe.ts'

interface Page {
  title: string
  body?: string
  tags?: string[]
}

export function historyTests(test: DatabaseTest, { expect }: TestTools): void {
  test('history tells every change with its actor, its patch and the entity before and after', async ({ db }) => {
    const pages = db.collection<Page>('pages')
    await pages.create({ $id: 'a', title: 'one' }, { actor: 'ada' })
    await pages.create({ $id: 'b', title: 'other' })
    await pages.update('a', { $set: { title: 'two' } }, { actor: 'bob', metadata: { reason: 'typo' } })
    await pages.delete('a', { txId: 't1' })
    await pages.restore('a')
    for (let round = 0; round < 2; round++) {
      const entries = await pages.history('a').toArray()
      expect(entries.map(({ seq, op, version, actor }) => [seq, op, version, actor])).toEqual([
        [1, 'CREATE', 1, 'ada'],
        [3, 'UPDATE', 2, 'bob'],
        [4, 'DELETE', 3, undefined],
        [5, 'UPDATE', 4, undefined],
      ])
      expect(entries.map(({ before, after }) => [before?.title, after?.title])).toEqual([
        [undefined, 'one'],
        ['one', 'two'],
        ['two', undefined],
        [undefined, 'two'],
      ])
      expect(entries[1]?.patch).toEqual({ set: { title: 'two' } })
      expect(entries[1]?.metadata).toEqual({ reason: 'typo' })
      expect(entries[2]?.txId).toBe('t1')
      expect(timeless(entries[1]?.after)).toEqual({ $id: 'pages/a', version: 2, createdBy: 'ada', updatedBy: 'bob', title: 'two' })
      await db.flush()
    }
    expect(await pages.history('never').toArray()).toEqual([])
  })

  test('history goes back or forth, between two points, page by page', async ({ db }) => {
    const pages = db.collection<Page>('pages')
    await pages.create({ $id: 'a', title: 't1' })
    for (let version = 2; version <= 350; version++) {
      await pages.update('a', { $set: { title: `t${version}` } })
      if (version === 100 || version === 230) await db.flush()
    }
    const versions = async (options: Parameters<typeof pages.history>[1]): Promise<number[]> => (await pages.history('a', options).toArray()).map(({ version }) => version)
    expect(await versions({ from: 99, to: 102 })).toEqual([99, 100, 101, 102])
    expect(await versions({ from: 348, reverse: true })).toEqual([350, 349, 348])
    expect(await versions({ limit: 3 })).toEqual([1, 2, 3])
    expect((await versions({})).length).toBe(350)
    for (const reverse of [false, true]) {
      const seen: [string | undefined, string | undefined][] = []
      let cursor: string | undefined
      do {
        const page = await pages.history('a', { reverse, limit: 120, ...(cursor !== undefined && { cursor }) }).page()
        seen.push(...page.items.map(({ before, after }): [string | undefined, string | undefined] => [before?.title, after?.title]))
        cursor = page.cursor
      } while (cursor !== undefined)
      const wanted = Array.from({ length: 350 }, (_, index) => [index === 0 ? undefined : `t${index}`, `t${index + 1}`])
      expect(seen).toEqual(reverse ? wanted.toReversed() : wanted)
    }
    const { cursor = '' } = await pages.history('a', { limit: 1 }).page()
    expect(await codeOf(() => pages.history('b', { cursor }))).toBe('INVALID_ARGUMENT')
  })

  test('history between times takes what happened then', async ({ db }) => {
    const pages = db.collection<Page>('pages')
    await pages.create({ $id: 'a', title: 'one' })
    await moment(systemClock.sleep)
    const second = await pages.update('a', { $set: { title: 'two' } })
    await moment(systemClock.sleep)
    await pages.update('a', { $set: { title: 'three' } })
    const titles = async (options: Parameters<typeof pages.history>[1]): Promise<unknown[]> => (await pages.history('a', options).toArray()).map(({ after }) => after?.title)
    expect(await titles({ from: second.updatedAt })).toEqual(['two', 'three'])
    expect(await titles({ to: second.updatedAt.toISOString() })).toEqual(['one', 'two'])
    expect(await titles({ from: second.updatedAt, to: second.updatedAt, reverse: true })).toEqual(['two'])
  })

  test('writes carry who, why and whence, by option or by as(), and are found by that', async ({ db }) => {
    const pages = db.collection<Page>('pages')
    await pages.create({ $id: 'a', title: 'one' }, { actor: 'ada', reason: 'import', correlationId: 'job-1' })
    const bob = db.as({ actor: 'bob', correlationId: 'job-2' })
    const event = (await collect(db.events()))[0]
    await bob.collection<Page>('pages').update('a', { $set: { title: 'two' } }, { causationId: event?.id ?? '' })
    await bob.transaction((tx) => tx.collection<Page>('pages').update('a', { $set: { title: 'three' } }))
    await db.as('eve').collection('pages').link('a', 'next', 'pages/b')
    expect((await collect(db.events())).map(({ actor, metadata }) => [actor, metadata])).toEqual([
      ['ada', { reason: 'import', correlationId: 'job-1' }],
      ['bob', { correlationId: 'job-2', causationId: event?.id ?? '' }],
      ['bob', { correlationId: 'job-2' }],
      ['eve', undefined],
    ])
    for (let round = 0; round < 2; round++) {
      const seqs = async (options: Parameters<typeof db.events>[0]): Promise<number[]> => (await collect(db.events(options))).map(({ seq }) => seq)
      expect([await seqs({ actor: 'bob' }), await seqs({ correlationId: 'job-1' }), await seqs({ causationId: event?.id ?? '' })]).toEqual([[2, 3], [1], [2]])
      const titles = async (options: Parameters<typeof pages.history>[1]): Promise<unknown[]> => (await pages.history('a', options).toArray()).map(({ after }) => after?.title)
      expect([await titles({ actor: 'bob' }), await titles({ op: 'CREATE' }), await titles({ actor: 'bob', reverse: true, limit: 1 })]).toEqual([['two', 'three'], ['one'], ['three']])
      await db.flush()
    }
    expect([(await pages.at('a', { version: 2 }))?.title, (await pages.at('a', 1))?.title, await pages.at('a', { asOf: 0 })]).toEqual(['two', 'one', undefined])
    expect([await codeOf(() => pages.at('nope', { version: 1 })), await codeOf(() => pages.at('a', { version: 99 }))]).toEqual(['NOT_FOUND', 'NOT_FOUND'])
    expect([await pages.at('nope', 1), await pages.get('nope')]).toEqual([undefined, undefined])
    expect(await codeOf(() => pages.create({ title: 'x' }, { reason: 'a', metadata: { reason: 'b' } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => db.as({ who: 'x' } as never))).toBe('INVALID_ARGUMENT')
  })

  test('diff lists where two points of an entity differ', async ({ db }) => {
    const pages = db.collection<Page & { meta?: object }>('pages')
    await pages.create({ $id: 'a', title: 'one', body: 'x', tags: ['a', 'b'] })
    await pages.update('a', { $set: { title: 'two', 'tags.1': 'c', meta: { 'a.b': 1 } }, $unset: { body: true } })
    await pages.delete('a')
    const changed = [
      { path: 'title', before: 'one', after: 'two' },
      { path: 'body', before: 'x' },
      { path: 'tags.1', before: 'b', after: 'c' },
      { path: 'meta', after: { 'a.b': 1 } },
    ]
    expect(await pages.diff('a', { version: 1 }, { version: 2 })).toEqual(changed)
    expect(await pages.diff('a', 1, 2)).toEqual(changed)
    expect(await pages.diff('a', { asOf: 1 }, { version: 1 })).toEqual([])
    expect(await pages.diff('a', 0, 1)).toEqual([
      { path: 'title', after: 'one' },
      { path: 'body', after: 'x' },
      { path: 'tags', after: ['a', 'b'] },
    ])
    expect((await pages.diff('a', 2)).map(({ path }) => path)).toEqual(['title', 'tags', 'meta'])
    expect((await failureOf(() => pages.diff('a', { version: 9 })))?.code).toBe('NOT_FOUND')
    expect(await codeOf(() => pages.diff('never', 1))).toBe('NOT_FOUND')
  })

  test('revert makes an entity what it was, as a new version', async ({ db }) => {
    const pages = db.collection<Page>('pages')
    await pages.create({ $id: 'a', title: 'one', tags: ['x'] })
    await pages.update('a', { $set: { title: 'two' }, $unset: { tags: true } })
    await pages.delete('a')
    expect(timeless(await pages.revert('a', { version: 1 }))).toEqual({ $id: 'pages/a', version: 4, title: 'one', tags: ['x'] })
    expect(timeless(await pages.revert('a', { asOf: 2 }))).toEqual({ $id: 'pages/a', version: 5, title: 'two' })
    expect(timeless(await pages.revert('a', { asOf: 2 }))).toEqual({ $id: 'pages/a', version: 5, title: 'two' })
    expect(await codeOf(() => pages.revert('a', { version: 3 }))).toBe('NOT_FOUND')
    expect(await codeOf(() => pages.revert('a', { asOf: 0 }))).toBe('NOT_FOUND')
    expect(await codeOf(() => pages.revert('a', { version: 1, expectedVersion: 4 }))).toBe('VERSION_CONFLICT')
    expect(await lastSeq(db)).toBe(5)
  })
}
