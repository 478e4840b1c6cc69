import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, collect, failureOf, lastSeq, timeless } from './observe.ts'

interface Related {
  readonly $id: string
  readonly $edge: { readonly data: object; readonly linkedBy?: string }
}

function shown(entities: readonly Related[]): [string, object][] {
  return entities.map(({ $id, $edge }) => [$id, $edge.data])
}

export function linkTests(test: DatabaseTest, { expect }: TestTools): void {
  test('an edge is one, with data that is replaced, and is read from both ends before and after a flush', async ({ db, reopen }) => {
    const posts = db.collection('posts')
    await db.collection('users').createMany([{ $id: 'ada' }, { $id: 'a\0b/c' }])
    await posts.createMany([{ $id: 'p1' }, { $id: 'p2' }])
    expect(await posts.link('p1', 'author', ['users/ada', 'users/a\0b/c'], { since: 1 }, { actor: 'eve' })).toEqual({ changedCount: 2 })
    expect(await posts.link('p1', 'author', 'users/ada')).toEqual({ changedCount: 0 })
    expect(await posts.link('p1', 'author', { to: 'users/ada', data: { since: 2 } })).toEqual({ changedCount: 1 })
    expect(await posts.link('p2', 'author', 'users/ada')).toEqual({ changedCount: 1 })
    expect(await posts.unlink('p2', 'author', 'users/nobody')).toEqual({ changedCount: 0 })
    expect((await posts.get('p1'))?.version).toBe(1)
    const looks = async (at: typeof db): Promise<void> => {
      const authors = await at.collection('posts').related('p1', 'author').toArray()
      expect(shown(authors)).toEqual([
        ['users/a\0b/c', { since: 1 }],
        ['users/ada', { since: 2 }],
      ])
      expect(authors[0]?.$edge.linkedBy).toBe('eve')
      expect(shown(await at.collection('users').related('ada', 'author', { direction: 'in' }).toArray())).toEqual([
        ['posts/p1', { since: 2 }],
        ['posts/p2', {}],
      ])
      expect(await at.collection('users').countRelated('ada', 'author', { direction: 'in' })).toBe(2)
      expect(await at.collection('users').countRelated('ada', 'author')).toBe(0)
    }
    await looks(db)
    await db.flush()
    await looks(db)
    await db.compact()
    await looks(db)
    expect((await db.verify({ deep: true })).problems).toEqual([])
    await looks(await reopen())
  })

  test('a pipeline looks up what edges lead to, from either end, in order, with a filter and a limit, now and then', async ({ reopen }) => {
    const at = await reopen({ schema: { posts: { author: '-> users.posts' } } })
    const [posts, users] = [at.collection('posts'), at.collection('users')]
    await users.createMany([{ $id: 'ada', age: 36 }, { $id: 'bob', age: 20 }, { $id: 'eve', age: 50 }])
    await posts.createMany([{ $id: 'p1', n: 1 }, { $id: 'p2', n: 2 }, { $id: 'p3', n: 3 }])
    await posts.link('p1', 'author', 'users/ada', { since: 1 })
    await posts.link('p2', 'author', 'users/ada')
    await posts.link('p2', 'likes', ['users/ada', 'users/bob', 'users/eve'])
    const before = await lastSeq(at)
    const seen = async (of: typeof posts, lookup: object, more: object = {}): Promise<unknown[]> =>
      (await of.aggregate<{ found: Related[] }>([{ $lookup: { ...lookup, as: 'found' } }], more).toArray()).map(({ found }) => found.map(({ $id }) => $id.slice($id.indexOf('/') + 1)))
    for (let round = 0; round < 2; round++) {
      const [first] = await posts.aggregate<{ writers: Related[] }>([{ $match: { n: 1 } }, { $lookup: { relationship: 'author', as: 'writers' } }]).toArray()
      expect(shown(first?.writers ?? [])).toEqual([['users/ada', { since: 1 }]])
      expect(await seen(posts, { relationship: 'author' })).toEqual([['ada'], ['ada'], []])
      expect(await seen(users, { relationship: 'posts' })).toEqual([['p1', 'p2'], [], []])
      expect(await seen(users, { relationship: 'likes', direction: 'in' })).toEqual([['p2'], ['p2'], ['p2']])
      expect(await seen(posts, { relationship: 'likes', sort: { age: -1 }, limit: 2 })).toEqual([[], ['eve', 'ada'], []])
      expect(await seen(posts, { relationship: 'likes', filter: { age: { $lt: 40 } } })).toEqual([[], ['ada', 'bob'], []])
      await at.flush()
    }
    const liked = [{ $lookup: { relationship: 'likes', as: 'likes' } }, { $unwind: '$likes' }, { $group: { _id: '$likes.$id', posts: { $sum: 1 } } }, { $sort: { _id: 1 } }]
    expect(await posts.aggregate(liked).toArray()).toEqual([{ _id: 'users/ada', posts: 1 }, { _id: 'users/bob', posts: 1 }, { _id: 'users/eve', posts: 1 }])
    await users.delete('ada')
    expect(await seen(posts, { relationship: 'author' })).toEqual([[], [], []])
    expect(await seen(posts, { relationship: 'author' }, { asOf: before })).toEqual([['ada'], ['ada'], []])
    for (const wrong of [{ relationship: 'author' }, { relationship: '', as: 'x' }, { relationship: 'author', as: 'x', limit: 0 }, { relationship: 'author', as: 'x', direction: 'up' }, { relationship: 'author', as: 'x', from: 'users' }]) {
      expect(await codeOf(() => posts.aggregate([{ $lookup: wrong }]))).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(() => posts.aggregate([{ $lookup: { relationship: 'author', as: 'x', filter: { a: { $nope: 1 } } } }]))).toBe('INVALID_FILTER')
    expect(await codeOf(() => posts.aggregate([{ $group: { _id: '$n' } }, { $lookup: { relationship: 'author', as: 'x' } }]))).toBe('INVALID_ARGUMENT')
  })

  test("edges are made and removed with a document's own change, all of it or nothing", async ({ db }) => {
    const posts = db.collection('posts')
    await db.collection('tags').createMany([{ $id: 'x' }, { $id: 'y' }])
    await posts.create({ $id: 'p1', n: 1, $link: { tags: ['tags/x', { to: 'tags/y', data: { w: 1 } }] } })
    const before = await lastSeq(db)
    expect(timeless(await posts.update('p1', { $set: { n: 2 }, $unlink: { tags: 'tags/x' }, $link: { tags: { to: 'tags/y', data: { w: 2 } } } }))).toEqual({ $id: 'posts/p1', version: 2, n: 2 })
    expect(shown(await posts.related('p1', 'tags').toArray())).toEqual([['tags/y', { w: 2 }]])
    expect(new Set((await collect(db.events({ fromSeq: before + 1 }))).map(({ op, ts }) => `${op} ${ts}`)).size).toBe(3)
    expect(await codeOf(() => posts.update('p1', { $link: { tags: 'tags/x' } }, { expectedVersion: 1 }))).toBe('VERSION_CONFLICT')
    expect(await codeOf(() => posts.update('p9', { $link: { tags: 'tags/x' } }))).toBe('NOT_FOUND')
    expect(await codeOf(() => posts.link('p9', 'tags', 'tags/x'))).toBe('NOT_FOUND')
    expect(timeless(await posts.update('p1', { $link: { tags: 'tags/x' } }))).toEqual({ $id: 'posts/p1', version: 2, n: 2 })
    expect(timeless(await posts.upsert('p2', { $set: { n: 3 }, $link: { tags: 'tags/x' } }))).toEqual({ $id: 'posts/p2', version: 1, n: 3 })
    expect(await posts.updateMany({}, { $link: { tags: 'tags/x' }, $unlink: { tags: 'tags/y' } })).toEqual({ matchedCount: 2, modifiedCount: 1 })
    expect((await posts.findOneAndUpdate({ n: 3 }, { $unlink: { tags: 'tags/x' } }))?.$id).toBe('posts/p2')
    expect((await db.collection('tags').related('x', 'tags', { direction: 'in' }).toArray()).map(({ $id }) => $id)).toEqual(['posts/p1'])
  })

  test('edges cannot be written wrongly', async ({ db }) => {
    const posts = db.collection('posts')
    await posts.create({ $id: 'p1' })
    const seq = await lastSeq(db)
    for (const [name, to] of [['', 'users/a'], ['a.b', 'users/a'], ['$x', 'users/a'], ['__proto__', 'users/a'], ['author', 'ada'], ['author', '/a'], ['author', 7]] as [string, string][]) {
      expect(await codeOf(() => posts.link('p1', name, to))).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(() => posts.link('p1', 'author', 'users/a', { $x: 1 }))).toBe('VALIDATION_FAILED')
    expect(await codeOf(() => posts.update('p1', { $link: 'author' as never }))).toBe('INVALID_UPDATE')
    expect(await codeOf(() => posts.link('p1', 'author', { to: 'users/a', weight: 1 } as never))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => posts.related('p1', 'author', { depth: 1 } as never))).toBe('INVALID_ARGUMENT')
    expect(await lastSeq(db)).toBe(seq)
  })

  test('what is related is filtered, sorted and paged, of a node with thousands of edges', async ({ db }) => {
    const items = db.collection<{ n: number }>('items')
    const hub = db.collection('hubs')
    await hub.create({ $id: 'h' })
    await items.createMany(Array.from({ length: 2500 }, (_, n) => ({ $id: `i${String(n).padStart(4, '0')}`, n })))
    const edges = Array.from({ length: 2500 }, (_, n) => ({ from: 'h', predicate: 'has', to: `items/i${String(n).padStart(4, '0')}`, data: { n } }))
    expect(await hub.linkMany(edges)).toEqual({ edgeCount: 2500, changedCount: 2500 })
    expect(await hub.linkMany(edges.slice(0, 10))).toEqual({ edgeCount: 10, changedCount: 0 })
    await db.flush()
    await items.delete('i0001')
    expect(await hub.countRelated('h', 'has')).toBe(2499)
    expect(await hub.countRelated('h', 'has', { filter: { n: { $gte: 2400 } } })).toBe(100)
    const seen: number[] = []
    let cursor: string | undefined
    do {
      const page = await hub.related<{ n: number }>('h', 'has', { limit: 400, ...(cursor !== undefined && { cursor }) }).page()
      seen.push(...page.items.map(({ n }) => n))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(seen).toEqual([0, ...Array.from({ length: 2498 }, (_, n) => n + 2)])
    const sorted = await hub.related<{ n: number }>('h', 'has', { sort: { n: -1 }, limit: 2 }).page()
    expect(sorted.items.map(({ n, $edge }) => [n, $edge.data])).toEqual([
      [2499, { n: 2499 }],
      [2498, { n: 2498 }],
    ])
    const { cursor: next = '' } = sorted
    expect((await hub.related<{ n: number }>('h', 'has', { sort: { n: -1 }, limit: 2, cursor: next }).toArray()).map(({ n }) => n)).toEqual([2497, 2496])
    expect(await codeOf(() => hub.related('h', 'had', { cursor: next }))).toBe('INVALID_ARGUMENT')
  })

  test('edges of deleted entities are hidden, and come back with them', async ({ db }) => {
    const posts = db.collection('posts')
    const users = db.collection('users')
    await posts.create({ $id: 'p1', $link: { author: 'users/ada' } })
    expect(await posts.countRelated('p1', 'author')).toBe(0)
    await users.create({ $id: 'ada' })
    expect(await posts.countRelated('p1', 'author')).toBe(1)
    await users.delete('ada')
    expect([await posts.countRelated('p1', 'author'), await users.countRelated('ada', 'author', { direction: 'in' })]).toEqual([0, 0])
    await users.restore('ada')
    await posts.delete('p1')
    expect([await posts.countRelated('p1', 'author'), await users.countRelated('ada', 'author', { direction: 'in' })]).toEqual([0, 0])
    await posts.restore('p1')
    expect([await posts.countRelated('p1', 'author'), await users.countRelated('ada', 'author', { direction: 'in' })]).toEqual([1, 1])
  })

  test('populate brings along what is related, nested, with limits, in one pass', async ({ reopen }) => {
    const db = await reopen({ schema: { posts: { author: '-> users.posts', tags: '-> tags[]' }, users: { posts: '<- posts.author[]' } } })
    await db.collection('users').createMany([{ $id: 'ada', name: 'Ada' }, { $id: 'bob', name: 'Bob' }])
    await db.collection('tags').createMany([{ $id: 'x' }, { $id: 'y' }, { $id: 'z' }])
    const posts = db.collection('posts')
    await posts.create({ $id: 'p1', $link: { author: 'ada', tags: ['x', 'y', 'z'] } })
    await posts.create({ $id: 'p2', $link: { author: 'users/ada' } })
    await posts.create({ $id: 'p3' })
    const found = (await posts.find({}, { populate: { author: true, tags: { sort: { $id: -1 }, limit: 2 } } }).toArray()) as unknown as { author?: { name: string }; tags: { $id: string }[] }[]
    expect(found.map(({ author, tags }) => [author?.name, tags.map(({ $id }) => $id)])).toEqual([
      ['Ada', ['tags/z', 'tags/y']],
      ['Ada', []],
      [undefined, []],
    ])
    const ada = (await db.collection('users').get('ada', { populate: { posts: { populate: ['tags', 'author'] } } })) as unknown as { posts: { $id: string; tags: object[]; author: { name: string } }[] }
    expect(ada.posts.map(({ $id, tags, author }) => [$id, tags.length, author.name])).toEqual([
      ['posts/p1', 3, 'Ada'],
      ['posts/p2', 0, 'Ada'],
    ])
    expect(await codeOf(() => posts.get('p1', { populate: { author: { depth: 2 } as never } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => posts.count({}, { populate: 'author' } as never))).toBe('INVALID_ARGUMENT')
  })

  test('a relationship to one entity is replaced, from whichever end it is linked', async ({ reopen }) => {
    const db = await reopen({ schema: { posts: { author: '-> users.posts' }, users: { posts: '<- posts.author[]' } } })
    await db.collection('users').createMany([{ $id: 'ada' }, { $id: 'bob' }])
    const posts = db.collection('posts')
    await posts.create({ $id: 'p1', $link: { author: 'ada' } })
    expect(await posts.link('p1', 'author', 'bob')).toEqual({ changedCount: 2 })
    expect((await posts.related('p1', 'author').toArray()).map(({ $id }) => $id)).toEqual(['users/bob'])
    await db.collection('users').link('ada', 'posts', 'p1')
    expect((await posts.related('p1', 'author').toArray()).map(({ $id }) => $id)).toEqual(['users/ada'])
    expect(await db.collection('users').countRelated('bob', 'posts')).toBe(0)
    // Those who are made take it over, too; and who is made again under an id that has one.
    await db.collection('users').createMany([{ $id: 'eve' }, { $id: 'fay', $link: { posts: 'p1' } }])
    expect((await posts.related('p1', 'author').toArray()).map(({ $id }) => $id)).toEqual(['users/fay'])
    await db.collection('users').createMany([{ $id: 'fay', $link: { posts: 'p1' } }, { $id: 'eve', $link: { posts: 'p1' } }], { onConflict: 'skip' })
    expect((await posts.related('p1', 'author').toArray()).map(({ $id }) => $id)).toEqual(['users/fay'])
    for (const again of [() => posts.create({ $id: 'p1', $link: { author: 'bob' } }), () => posts.createMany([{ $id: 'p1', $link: { author: 'ada' } }], { returnIds: true })]) {
      await posts.delete('p1')
      await again()
    }
    expect((await posts.related('p1', 'author').toArray()).map(({ $id }) => $id)).toEqual(['users/ada'])
    expect(await db.collection('users').countRelated('fay', 'posts')).toBe(0)
    expect(await codeOf(() => posts.link('p1', 'author', ['ada', 'bob']))).toBe('VALIDATION_FAILED')
    expect(await codeOf(() => posts.link('p1', 'author', 'tags/x'))).toBe('INVALID_ARGUMENT')
  })

  test('of two that one call links to the end of one edge the later has it, as of two calls', async ({ reopen }) => {
    const db = await reopen({ schema: { seats: { holder: '-> people.seat' }, people: { seat: '<- seats.holder' } } })
    const [seats, people] = [db.collection('seats'), db.collection('people')]
    const holders = async (): Promise<string[][]> => Promise.all(['s1', 's2'].map(async (seat) => (await seats.related(seat, 'holder').toArray()).map(({ $id }) => $id)))
    await seats.createMany([{ $id: 's1' }, { $id: 's2' }])
    await people.createMany([{ $id: 'ada', $link: { seat: 's1' } }, { $id: 'bob', $link: { seat: 's1' } }, { $id: 'eve', $link: { seat: 's2' } }])
    expect(await holders()).toEqual([['people/bob'], ['people/eve']])
    expect(await people.countRelated('ada', 'seat')).toBe(0)
    await people.linkMany([{ from: 'ada', predicate: 'seat', to: 'seats/s2' }, { from: 'ada', predicate: 'seat', to: 'seats/s1' }, { from: 'eve', predicate: 'seat', to: 'seats/s1' }])
    expect(await holders()).toEqual([['people/eve'], []])
    await db.transaction(async (tx) => {
      await tx.collection('people').createMany([{ $id: 'fay', $link: { seat: 's2' } }, { $id: 'guy', $link: { seat: 's2' } }])
      await tx.collection('people').link('fay', 'seat', 's1')
    })
    expect(await holders()).toEqual([['people/fay'], ['people/guy']])
    // No order of these is told.
    expect((await failureOf(() => people.updateMany({ $id: { $in: ['people/ada', 'people/bob'] } }, { $link: { seat: 's1' } })))?.details).toEqual({ $id: 'seats/s1', path: 'holder' })
    expect(await people.updateMany({ $id: 'people/ada' }, { $link: { seat: 's1' } })).toEqual({ matchedCount: 1, modifiedCount: 1 })
    expect(await holders()).toEqual([['people/ada'], ['people/guy']])
  })

  test('deleting what others lead to restricts, cascades or unlinks as the schema says', async ({ reopen }) => {
    const schema = {
      posts: { author: { rel: '-> users', onDelete: 'restrict' } },
      comments: { post: { rel: '-> posts', onDelete: 'cascade', dangling: 'refuse' } },
      likes: { of: { rel: '-> comments[]', onDelete: 'unlink' } },
    } as const
    const db = await reopen({ schema })
    const [users, posts, comments, likes] = ['users', 'posts', 'comments', 'likes'].map((name) => db.collection(name)) as [ReturnType<typeof db.collection>, ReturnType<typeof db.collection>, ReturnType<typeof db.collection>, ReturnType<typeof db.collection>]
    await users.create({ $id: 'ada' })
    await posts.create({ $id: 'p1', $link: { author: 'ada' } })
    await comments.createMany([{ $id: 'c1', $link: { post: 'p1' } }, { $id: 'c2', $link: { post: 'p1' } }])
    await likes.create({ $id: 'l1', $link: { of: ['c1', 'c2'] } })
    expect(await codeOf(() => comments.link('c1', 'post', 'p9'))).toBe('REFERENCE_VIOLATION')
    expect((await failureOf(() => users.delete('ada')))?.details).toEqual({ $id: 'users/ada', from: 'posts/p1', predicate: 'author' })
    const before = await lastSeq(db)
    expect(await posts.deleteMany({})).toEqual({ deletedCount: 1 })
    expect(new Set((await collect(db.events({ fromSeq: before + 1 }))).map(({ ts }) => ts)).size).toBe(1)
    expect([await posts.count(), await comments.count(), await likes.count()]).toEqual([0, 0, 1])
    await comments.restore('c1')
    expect(await likes.countRelated('l1', 'of')).toBe(0)
    expect(await users.delete('ada')).toBe(true)
    const small = await reopen({ schema, limits: { cascadeEntitiesMax: 2 } })
    await small.collection('posts').create({ $id: 'p2' })
    await small.collection('comments').createMany([{ $link: { post: 'p2' } }, { $link: { post: 'p2' } }, { $link: { post: 'p2' } }])
    expect((await failureOf(() => small.collection('posts').delete('p2')))?.details['limit']).toBe('cascadeEntitiesMax')
    expect(await small.collection('posts').count()).toBe(1)
  })

  test('deleting many, of which others hang, leaves what does not match any more when its turn comes', async ({ reopen }) => {
    const db = await reopen({ schema: { comments: { post: { rel: '-> posts', onDelete: 'cascade' } } } })
    const posts = db.collection<{ n: number }>('posts')
    const ids = Array.from({ length: 20 }, (_, index) => `p${index}`)
    await posts.createMany(ids.map(($id) => ({ $id, n: 1 })))
    const deleting = posts.deleteMany({ n: 1 })
    const updating = await Promise.allSettled(ids.map((id) => posts.update(id, { $set: { n: 2 } })))
    const { deletedCount } = await deleting
    const left = (await posts.find().toArray()).map(({ $id, n }) => [$id, n])
    expect(left).toEqual(ids.filter((_, index) => updating[index]?.status === 'fulfilled').toSorted().map((id) => [`posts/${id}`, 2]))
    expect(deletedCount).toBe(ids.length - left.length)
  })

  test('a transaction sees its own edges, and commits them with the rest or not at all', async ({ db }) => {
    const people = db.collection('people')
    await people.createMany([{ $id: 'a' }, { $id: 'b' }])
    await db.transaction(async (tx) => {
      await tx.collection('people').create({ $id: 'c', $link: { knows: 'people/a' } })
      await tx.collection('people').link('a', 'knows', 'people/c')
      expect((await tx.collection('people').related('c', 'knows', { direction: 'in' }).toArray()).map(({ $id }) => $id)).toEqual(['people/a'])
      expect(await people.countRelated('a', 'knows')).toBe(0)
    })
    expect((await people.related('a', 'knows').toArray()).map(({ $id }) => $id)).toEqual(['people/c'])
    const rolledBack = db.transaction(async (tx) => {
      await tx.collection('people').unlink('a', 'knows', 'people/c')
      await tx.collection('people').get('nobody', { asOf: -1 })
    })
    expect(await codeOf(() => rolledBack)).toBe('INVALID_ARGUMENT')
    expect(await people.countRelated('a', 'knows')).toBe(1)
  })

  test('the graph is read as it was, from both ends, whatever was flushed since', async ({ db }) => {
    const nodes = db.collection('nodes')
    await nodes.createMany([{ $id: 'a' }, { $id: 'b' }, { $id: 'c' }])
    await nodes.link('a', 'next', 'nodes/b', { round: 1 })
    const first = await lastSeq(db)
    await db.flush()
    await nodes.link('a', 'next', ['nodes/c', { to: 'nodes/b', data: { round: 2 } }])
    const second = await lastSeq(db)
    await db.flush()
    await nodes.unlink('a', 'next', 'nodes/b')
    await nodes.link('c', 'next', 'nodes/b')
    for (let round = 0; round < 3; round++) {
      expect(shown(await nodes.related('a', 'next', { asOf: first }).toArray())).toEqual([['nodes/b', { round: 1 }]])
      expect(shown(await nodes.related('a', 'next', { asOf: second }).toArray())).toEqual([
        ['nodes/b', { round: 2 }],
        ['nodes/c', {}],
      ])
      expect(shown(await nodes.related('b', 'next', { direction: 'in', asOf: first }).toArray())).toEqual([['nodes/a', { round: 1 }]])
      expect(shown(await nodes.related('b', 'next', { direction: 'in' }).toArray())).toEqual([['nodes/c', {}]])
      expect(await nodes.countRelated('a', 'next', { asOf: 3 })).toBe(0)
      if (round === 0) await db.flush()
      else await db.compact()
    }
  })

  test('traversal goes by levels, over cycles, and finds shortest paths', async ({ db }) => {
    const nodes = db.collection('n')
    await nodes.createMany(['a', 'b', 'c', 'd', 'e', 'f', 'x'].map(($id) => ({ $id, name: $id })))
    const edges = ['a b', 'a c', 'b d', 'c d', 'd a', 'd e', 'e f'].map((pair) => pair.split(' ') as [string, string])
    await nodes.linkMany(edges.map(([from, to]) => ({ from, predicate: 'next', to: `n/${to}` })))
    await nodes.link('f', 'other', 'n/x')
    for (let round = 0; round < 2; round++) {
      const reached = async (...given: Parameters<typeof db.traverse>): Promise<string[]> => (await db.traverse(...given).toArray()).map(({ $path }) => $path.map((id) => id.slice(2)).join(''))
      expect(await reached('n/a', 'next')).toEqual(['ab', 'ac'])
      expect(await reached('n/a', { relationship: 'next', min: 1 })).toEqual(['ab', 'ac', 'abd', 'abde', 'abdef'])
      expect(await reached('n/a', { relationship: 'next', min: 1 }, { visited: 'path' })).toEqual(['ab', 'ac', 'abd', 'acd', 'abde', 'acde', 'abdef', 'acdef'])
      expect(await reached('n/a', { relationship: 'next', min: 2, max: 3 })).toEqual(['abd', 'abde'])
      expect(await reached('n/a', ['next', 'next', { direction: 'in' }])).toEqual(['abdb', 'abdc'])
      expect(await reached(['n/e', 'n/zero'], [{ min: 1 }], { filter: { $id: 'n/x' } })).toEqual(['efx'])
      expect(await reached('n/a', { relationship: 'next', min: 1, filter: { name: { $ne: 'd' } } })).toEqual(['ab', 'ac'])
      expect(await reached('n/a', { relationship: 'next', min: 1 }, { depth: 3, limit: 3 })).toEqual(['ab', 'ac', 'abd'])
      expect(await reached('n/a', { relationship: 'next', min: 1 }, { asOf: 7 })).toEqual([])
      const path = async (...given: Parameters<typeof db.shortestPath>): Promise<string | undefined> => (await db.shortestPath(...given))?.map(({ $id }) => $id.slice(2)).join('')
      expect(await path('n/a', 'n/f')).toBe('abdef')
      expect(await path('n/f', 'n/a')).toBe(undefined)
      expect(await path('n/f', 'n/b', { direction: 'both', relationship: 'next' })).toBe('fedb')
      expect(await path('n/f', 'n/a', { direction: 'in' })).toBe('fedba')
      expect(await path('n/a', 'n/f', { depth: 3 })).toBe(undefined)
      expect(await path('n/a', 'n/a')).toBe('a')
      await db.flush()
    }
    expect(await codeOf(() => db.traverse('a', 'next').toArray())).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => db.traverse('n/a', { relationship: 'next', most: 2 } as never).toArray())).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => db.traverse('n/a', 'next', { depth: 0 }).toArray())).toBe('INVALID_ARGUMENT')
  })

  test('edges are events of the entity where they begin', async ({ db }) => {
    const posts = db.collection('posts')
    await posts.create({ $id: 'p1' })
    await posts.link('p1', 'author', 'users/ada', { role: 'lead' }, { actor: 'eve' })
    await posts.unlink('p1', 'author', 'users/ada')
    for (let round = 0; round < 2; round++) {
      const events = await collect(db.events({ ns: 'posts', op: ['REL_CREATE', 'REL_DELETE'] }))
      expect(events.map(({ seq, op, target, predicate, to, data, version, actor }) => [seq, op, target, predicate, to, data, version, actor])).toEqual([
        [2, 'REL_CREATE', 'posts:p1', 'author', 'users/ada', { role: 'lead' }, 1, 'eve'],
        [3, 'REL_DELETE', 'posts:p1', 'author', 'users/ada', undefined, 2, undefined],
      ])
      const entries = await posts.history('p1').toArray()
      expect(entries.map(({ seq, op, version, predicate, to, data, actor, after }) => [seq, op, version, predicate, to, data, actor, after?.$id])).toEqual([
        [1, 'CREATE', 1, undefined, undefined, undefined, undefined, 'posts/p1'],
        [2, 'REL_CREATE', 1, 'author', 'users/ada', { role: 'lead' }, 'eve', undefined],
        [3, 'REL_DELETE', 1, 'author', 'users/ada', undefined, undefined, undefined],
      ])
      expect((await posts.history('p1', { op: 'REL_DELETE' }).toArray()).map(({ seq }) => seq)).toEqual([3])
      const page = await posts.history('p1', { reverse: true, limit: 2 }).page()
      expect(page.items.map(({ seq }) => seq)).toEqual([3, 2])
      expect((await posts.history('p1', { reverse: true, cursor: page.cursor ?? '' }).page()).items.map(({ seq }) => seq)).toEqual([1])
      // Of the far end they are no events.
      expect(await db.collection('users').history('ada').toArray()).toEqual([])
      expect((await collect(db.events())).map(({ seq }) => seq)).toEqual([1, 2, 3])
      expect(await collect(db.events({ ns: 'users' }))).toEqual([])
      expect((await db.collections()).map(({ name }) => name)).toEqual(['posts'])
      await db.flush()
    }
  })
}
