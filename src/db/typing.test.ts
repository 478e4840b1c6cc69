import { expectTypeOf, test } from 'vitest'
import type { Database, DatabaseCollection } from '../model/database.ts'
import type { NewDocument } from '../model/database-options.ts'
import type { collectionOperations, databaseOperations } from '../model/operations.ts'
import type { Collection } from './Collection.ts'
import type { ParqueDB } from './ParqueDB.ts'
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

type Shape = { kind: 'circle'; radius: number } | { kind: 'box'; width: bigint }

/** Compiled, never run. */
async function typedUnion(shapes: Collection<Shape>): Promise<void> {
  await shapes.create({ kind: 'circle', radius: 1 })
  // @ts-expect-error a circle has a radius
  await shapes.create({ kind: 'circle', width: 1n })
  const shape = await shapes.findOne({ kind: 'box', width: { $gt: 5 } })
  if (shape?.kind === 'box') expectTypeOf(shape.width).toEqualTypeOf<bigint>()
}

test('types are precise for what a collection holds and open where it holds anything', () => {
  expectTypeOf(typed).toBeFunction()
  expectTypeOf(typedUnion).toBeFunction()
  expectTypeOf<NewDocument<Post>>().toExtend<{ $id?: string; title: string }>()
  expectTypeOf<{ title: string }>().toExtend<Filter<Post>>()
  expectTypeOf<{ $inc: { views: number } }>().toExtend<Update<Post>>()
  expectTypeOf<Document>().toExtend<NewDocument>()
})

/** What a process alone can have: a projection is a function of its own, run at each event. */
type OnlyInProcess = 'project'

test('every public method of a database in a process is one of every home, but for those listed', () => {
  expectTypeOf<Exclude<keyof Collection, keyof DatabaseCollection>>().toEqualTypeOf<never>()
  expectTypeOf<Exclude<keyof ParqueDB, keyof Database>>().toEqualTypeOf<OnlyInProcess>()
})

type Words<Text> = Text extends `${infer First} ${infer Rest}` ? First | Words<Rest> : Text
type LastParameter<Method> = Method extends (...args: infer Args) => unknown ? (Required<Args> extends [...unknown[], infer Last] ? Last : never) : never
type NamesOf<Options> = Options extends object ? keyof Options : never
/** Names of options that a method has and its operation has not. A signal and a function go nowhere. */
type Unnamed<Home, Operations> = {
  [Name in keyof Operations & keyof Home]: Operations[Name] extends { readonly options: infer Names } ? Exclude<NamesOf<LastParameter<Home[Name]>>, Words<Names> | 'signal' | 'onProgress'> : never
}

test('every option of a method is one of its operation, but for those that stay where they are', () => {
  type OfCollections = Unnamed<DatabaseCollection, typeof collectionOperations>
  expectTypeOf<OfCollections[keyof OfCollections]>().toEqualTypeOf<never>()
  type OfDatabases = Unnamed<Database, typeof databaseOperations>
  expectTypeOf<Omit<OfDatabases, 'transaction' | 'subscribe'>[Exclude<keyof OfDatabases, 'transaction' | 'subscribe'>]>().toEqualTypeOf<never>()
  expectTypeOf<OfDatabases['transaction']>().toEqualTypeOf<'retries'>()
  expectTypeOf<OfDatabases['subscribe']>().toEqualTypeOf<'consumer'>()
})
