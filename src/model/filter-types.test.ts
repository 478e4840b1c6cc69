import { expectTypeOf, test } from 'vitest'
import type { Filter, Projection, Sort, Update } from './filter-types.ts'

interface Post {
  title: string
  views: number
  tags: string[]
  author?: { name: string }
  at: Date
}

// Checked by tsc: `npm run types`. Each line of `wrong` must be an error.
const right: Filter<Post>[] = [
  {},
  { title: 'x', views: { $gte: 1 }, at: { $lt: new Date(0) } },
  { tags: 'a' },
  { tags: ['a', 'b'] },
  { tags: { $in: ['a', /^b/], $size: 2, $all: ['a'] } },
  { title: /^x/ },
  { title: { $not: /^x/ } },
  { title: null, 'author.name': 'n', 'tags.0': { $exists: true } },
  { $or: [{ views: 1 }, { $nor: [{ title: 'x' }] }], $id: 'posts/a', createdAt: { $gt: new Date(0) } },
  { author: { name: 'n' } },
]

const wrong: Filter<Post>[] = [
  // @ts-expect-error a number is not a title
  { title: 5 },
  // @ts-expect-error no such field
  { titel: 'x' },
  // @ts-expect-error no such operator
  { views: { $foo: 1 } },
  // @ts-expect-error a string is not a number of views
  { views: { $gt: '1' } },
]

const updates: Update<Post>[] = [
  { $set: { title: 'x', 'author.name': 'n' }, $inc: { views: 1, 'stats.count': 1n }, $unset: { author: '' } },
  { $push: { tags: 'a' }, $addToSet: { tags: { $each: ['a'] } }, $pull: { tags: { $in: ['a'] } }, $currentDate: { at: true } },
  // @ts-expect-error a string is not a number of views
  { $set: { views: '1' } },
  // @ts-expect-error no such operator
  { $foo: { views: 1 } },
]

const sorts: Sort<Post>[] = [{ views: -1, title: 1, 'author.name': 1, $id: 1 }, [['views', -1], ['updatedAt', 1]]]
const projections: Projection<Post>[] = [{ title: 1, $id: 0 }, ['title', 'author.name'], { body: 0 } as Projection<{ body: string }> as Projection<Post>]

test('filters, updates, sorts and projections are typed by the document', () => {
  expectTypeOf(right).toEqualTypeOf<Filter<Post>[]>()
  expectTypeOf(wrong).toEqualTypeOf<Filter<Post>[]>()
  expectTypeOf(updates).toEqualTypeOf<Update<Post>[]>()
  expectTypeOf(sorts).toEqualTypeOf<Sort<Post>[]>()
  expectTypeOf(projections).toEqualTypeOf<Projection<Post>[]>()
  expectTypeOf<Filter>().toExtend<Filter>()
  const open: Filter = { anything: 1, other: { $gt: 'x' }, 'a.b': null, $or: [{ x: 1 }] }
  const change: Update = { $set: { anything: [1, { a: 'x' }] }, $inc: { n: 1 } }
  expectTypeOf(open).toEqualTypeOf<Filter>()
  expectTypeOf(change).toEqualTypeOf<Update>()
})
