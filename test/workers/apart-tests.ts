import type { Database } from '../../src/model/database.ts'
import type { SchemaInput } from '../../src/model/relations.ts'
import { codeOf } from '../../src/testing/database/observe.ts'
import type { TestTools } from '../../src/testing/test-tools.ts'

/** What holds where each collection is a partition of its own. */
export function apartTests({ test, expect }: TestTools, open: (schema?: SchemaInput) => Database): void {
  test('with a partition for each collection a pipeline looks up in its own alone, and says so', async () => {
    const posts = open().collection('posts')
    await posts.create({ $id: 'p', of: 'posts/p' })
    const by = { localField: 'of', foreignField: '$id', as: 'x' }
    const found = await posts.aggregate([{ $lookup: { from: 'posts', ...by } }, { $project: { x: '$x.$id' } }]).toArray()
    expect(found).toEqual([{ $id: 'posts/p', x: ['posts/p'] }])
    for (const $lookup of [{ from: 'users', ...by }, { relationship: 'author', as: 'x' }]) {
      expect(await codeOf(() => posts.aggregate([{ $facet: { a: [{ $lookup }] } }]))).toBe('CROSS_PARTITION')
    }
  })

  test('with a partition for each collection a relationship stays within it, and what leads elsewhere is refused before it is written', async () => {
    const db = open()
    const posts = db.collection('posts')
    await posts.createMany([{ $id: 'a' }, { $id: 'b' }])
    await db.collection('users').create({ $id: 'u' })
    expect(await codeOf(() => posts.link('a', 'author', 'users/u'))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => posts.linkMany([{ from: 'a', predicate: 'author', to: 'users/u' }]))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => posts.update('a', { $link: { author: 'users/u' } }))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => posts.create({ $id: 'c', $link: { author: 'users/u' } }))).toBe('CROSS_PARTITION')
    expect(await codeOf(() => open({ posts: { author: '-> users.posts' } }).collection('posts').create({ $id: 'c', $link: { author: 'u' } }))).toBe('CROSS_PARTITION')
    expect((await posts.get('a'))?.version).toBe(1)
    expect(await posts.exists('c')).toBe(false)
    await posts.link('a', 'next', 'posts/b')
    expect((await posts.find({}, { populate: 'next' }).toArray()).map((post) => (post as { next?: { $id: string }[] }).next?.map(({ $id }) => $id))).toEqual([['posts/b'], []])
  })

  test('with a partition for each collection what is about all of them names one, or is refused', async () => {
    const db = open()
    await db.collection('posts').create({ $id: 'a' })
    await db.collection('users').create({ $id: 'u' })
    const targets: string[] = []
    for await (const { target } of db.events({ ns: 'users' })) targets.push(target)
    expect(targets).toEqual(['users:u'])
    const refused = [() => db.collections(), () => db.events().next(), () => db.subscribe(), () => db.stats(), () => db.traverse('posts/a', { relationship: 'next' }).toArray()]
    for (const call of refused) expect(await codeOf(call)).toBe('CROSS_PARTITION')
  })
}
