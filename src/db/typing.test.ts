import { expectTypeOf, test } from 'vitest'
import type { NewDocument } from '../model/database-options.ts'
import type { Collection } from './Collection.ts'
import type { Entity } from '../model/entity-document.ts'
import type { Filter, Update } from '../model/filter-types.ts'
import type { Document, Value } from '../model/values.ts'

interface Post {
  title: string
  views: number
  tags?: string[]
  author?: { name: string }
  publishedAt?: Date
}

/** Compiled, never run. */
async function typed(posts: Collection<Post>, things: Collection): Promise<void> {
  const post = await posts.create({ title: 'x', views: 0 })
  await posts.create({ $id: 'a', title: 'x', views: 0, tags: ['a'] })
  // @ts-expect-error a field is missing
  await posts.create({ title: 'x' })
  // @ts-expect-error a field has another type
  await posts.create({ title: 1, views: 0 })
  // @ts-expect-error the database writes it
  await posts.create({ title: 'x', views: 0, version: 1 })
  expectTypeOf(post).toEqualTypeOf<Entity<Post>>()
  expectTypeOf(post.createdAt).toEqualTypeOf<Date>()
  expectTypeOf(post.tags).toEqualTypeOf<string[] | undefined>()
  expectTypeOf(await posts.get('a')).toEqualTypeOf<Entity<Post> | undefined>()

  posts.find({ views: { $gte: 1 }, tags: 'a', 'author.name': 'Ada', $or: [{ title: /x/ }, { $id: 'a' }] }, { sort: { views: -1, 'author.name': 1 }, project: ['title'] })
  // @ts-expect-error there is no such field
  posts.find({ viewz: 1 })
  // @ts-expect-error views is a number
  posts.find({ views: { $gte: '1' } })
  // @ts-expect-error there is no such operator
  posts.find({ views: { $gtt: 1 } })
  // @ts-expect-error there is no such option
  posts.find({}, { sorted: true })
  // @ts-expect-error sort takes 1 and -1
  posts.find({}, { sort: { views: 'desc' } })

  await posts.update('a', { $inc: { views: 1 }, $push: { tags: 'b' }, $set: { 'author.name': 'Eve' } }, { expectedVersion: 'absent' })
  // @ts-expect-error there is no such operator
  await posts.update('a', { $sett: { views: 1 } })
  // @ts-expect-error title is a string
  await posts.update('a', { $set: { title: 1 } })
  // @ts-expect-error an update is made of operators
  await posts.update('a', { title: 'x' })

  await posts.replace('a', post)
  await posts.replace('a', { title: 'x', views: 1 })
  // @ts-expect-error one of both
  await posts.revert('a', { version: 1, asOf: 2 })
  // @ts-expect-error one of both
  await posts.revert('a', {})

  const [projected] = await posts.find({}, { project: { title: 1 } }).toArray()
  expectTypeOf(projected?.title).toEqualTypeOf<string | undefined>()
  const thing = await things.create({ anything: [1, { goes: new Date(0) }] })
  expectTypeOf(thing.version).toEqualTypeOf<number>()
  expectTypeOf(thing.anything).toEqualTypeOf<Value | undefined>()
}

test('types are precise for what a collection holds and open where it holds anything', () => {
  expectTypeOf(typed).toBeFunction()
  expectTypeOf<NewDocument<Post>>().toExtend<{ $id?: string; title: string }>()
  expectTypeOf<{ title: string }>().toExtend<Filter<Post>>()
  expectTypeOf<{ $inc: { views: number } }>().toExtend<Update<Post>>()
  expectTypeOf<Document>().toExtend<NewDocument>()
})
