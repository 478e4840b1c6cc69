import type { TestTools } from '../test-tools.ts'
import type { DatabaseTest } from './fixture.ts'
import { codeOf, collect, failureOf, moment, timeless } from './observe.ts'
import { systemClock } from '../../base/clock.ts'

interface Film {
  title: string
  year?: number
  genres?: string[]
  rating?: number | null
}

const films: (Film & { $id: string })[] = [
  { $id: 'alien', title: 'Alien', year: 1979, genres: ['horror', 'space'], rating: 8.5 },
  { $id: 'big', title: 'Big', year: 1988, genres: ['comedy'], rating: 7.3 },
  { $id: 'clue', title: 'Clue', year: 1985, genres: ['comedy', 'crime'], rating: null },
  { $id: 'dune', title: 'Dune', year: 1984, genres: ['space'] },
  { $id: 'fargo', title: 'Fargo', year: 1996, genres: ['crime', 'comedy'], rating: 8.1 },
]

const ids = (found: readonly { $id?: string }[]): string[] => found.map(({ $id = '' }) => $id.slice('films/'.length))

export function queryTests(test: DatabaseTest, { expect }: TestTools): void {
  test('filters find what they say', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    expect(ids(await all.find({ year: { $gte: 1985 } }).toArray())).toEqual(['big', 'clue', 'fargo'])
    expect(ids(await all.find({ genres: 'space' }).toArray())).toEqual(['alien', 'dune'])
    expect(ids(await all.find({ rating: null }).toArray())).toEqual(['clue', 'dune'])
    expect(ids(await all.find({ $or: [{ title: /^A/ }, { genres: { $all: ['crime', 'comedy'] } }] }).toArray())).toEqual(['alien', 'clue', 'fargo'])
    expect(ids(await all.find({ $id: { $in: ['big', 'films/dune', 'none'] } }).toArray())).toEqual(['big', 'dune'])
    expect(ids(await all.find({ $id: { $gt: 'big', $lt: 'films/fargo' } }).toArray())).toEqual(['clue', 'dune'])
    expect(ids(await all.find({ $id: { $startsWith: 'f' } }).toArray())).toEqual(['fargo'])
    expect(ids(await all.find({ version: 1, createdAt: { $gt: new Date(0) } }).toArray()).length).toBe(5)
  })

  test('without a sort, results come in the order of the bytes of their ids', async ({ db }) => {
    const things = db.collection('things')
    const names = ['b', 'a', '\u{1f680}', 'ab', 'ä', '\uffee', 'B', 'a/b']
    await things.createMany(names.map(($id) => ({ $id })))
    await db.flush()
    await things.create({ $id: 'aa' })
    const found = (await things.find().toArray()).map(({ $id }) => $id.slice('things/'.length))
    expect(found).toEqual(['B', 'a', 'a/b', 'aa', 'ab', 'b', 'ä', '\uffee', '\u{1f680}'])
  })

  test('sort, skip and limit choose a window', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    expect(ids(await all.find({}, { sort: { year: -1 } }).toArray())).toEqual(['fargo', 'big', 'clue', 'dune', 'alien'])
    expect(ids(await all.find({}, { sort: { year: -1 }, skip: 1, limit: 2 }).toArray())).toEqual(['big', 'clue'])
    expect(ids(await all.find({}, { sort: { rating: 1, title: -1 } }).toArray())).toEqual(['dune', 'clue', 'big', 'fargo', 'alien'])
    expect(ids(await all.find({}, { sort: { $id: -1 }, limit: 2 }).toArray())).toEqual(['fargo', 'dune'])
    expect(ids(await all.find({}, { skip: 3 }).toArray())).toEqual(['dune', 'fargo'])
    expect(ids(await all.find({}, { skip: 9, sort: [['title', 1]] }).toArray())).toEqual([])
    expect(ids(await all.find({ genres: 'comedy' }, { sort: { updatedAt: 1, title: 1 } }).toArray())).toEqual(['big', 'clue', 'fargo'])
  })

  test('a projection brings what it names, and the entity stays whole in the database', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    expect(await all.findOne({ $id: 'big' }, { project: { title: 1 } })).toEqual({ $id: 'films/big', title: 'Big' })
    expect(await all.findOne({ $id: 'big' }, { project: { title: 1, version: 1, $id: 0 } })).toEqual({ version: 1, title: 'Big' })
    expect(timeless(await all.findOne({ $id: 'big' }, { project: { genres: 0, rating: 0 } }))).toEqual({ $id: 'films/big', version: 1, title: 'Big', year: 1988 })
    expect((await all.get('big'))?.rating).toBe(7.3)
  })

  test('findOne, count, exists, distinct and getMany answer', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    expect((await all.findOne({ genres: 'crime' }, { sort: { year: -1 } }))?.title).toBe('Fargo')
    expect(await all.findOne({ title: 'none' })).toBe(undefined)
    expect(await all.count()).toBe(5)
    expect(await all.count({ genres: 'comedy' })).toBe(3)
    expect(await all.exists('big')).toBe(true)
    expect(await all.exists('none')).toBe(false)
    expect(await all.exists({ year: 1979 })).toBe(true)
    expect(await all.exists({ year: 1 })).toBe(false)
    expect(await all.distinct('genres')).toEqual(['comedy', 'crime', 'horror', 'space'])
    expect(await all.distinct('rating')).toEqual([null, 7.3, 8.1, 8.5])
    expect(await all.distinct('genres', { year: { $lt: 1985 } })).toEqual(['horror', 'space'])
    expect((await all.getMany(['fargo', 'none', 'films/big', 'fargo'])).map((film) => film?.title)).toEqual(['Fargo', undefined, 'Big', 'Fargo'])
    expect(await all.getMany([])).toEqual([])
  })

  test('a pipeline groups, looks up and reads the past, whole and as one page', async ({ db, reopen }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    await db.collection('words').createMany([{ $id: 'w1', of: 'crime' }, { $id: 'w2', of: 'space' }])
    const byGenre = [{ $match: { year: { $lt: 1990 } } }, { $unwind: '$genres' }, { $group: { _id: '$genres', films: { $sum: 1 }, best: { $max: '$rating' } } }, { $sort: { films: -1, _id: 1 } }, { $limit: 2 }]
    const wanted = [{ _id: 'comedy', films: 2, best: 7.3 }, { _id: 'space', films: 2, best: 8.5 }]
    expect(await all.aggregate(byGenre).toArray()).toEqual(wanted)
    expect(await collect(all.aggregate(byGenre))).toEqual(wanted)
    expect(await all.aggregate(byGenre).page()).toEqual({ items: wanted })
    const looked = [{ $match: { title: /^[CF]/ } }, { $lookup: { from: 'words', localField: 'genres', foreignField: 'of', as: 'words' } }, { $project: { $id: 0, title: 1, words: '$words.$id' } }]
    expect(await all.aggregate(looked).toArray()).toEqual([{ title: 'Clue', words: ['words/w1'] }, { title: 'Fargo', words: ['words/w1'] }])
    await all.delete('alien')
    await db.flush()
    const again = (await reopen()).collection<Film>('films')
    expect(await again.aggregate(byGenre, { asOf: 5 }).toArray()).toEqual(wanted)
    expect(await again.aggregate<{ n: number }>([{ $count: 'n' }]).toArray()).toEqual([{ n: 4 }])
    expect(await codeOf(() => again.aggregate([{ $nope: 1 }]))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => again.aggregate([{ $match: { year: { $nope: 1 } } }]))).toBe('INVALID_FILTER')
    expect(await codeOf(() => again.aggregate([], { limit: 1 } as object))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => again.aggregate([], { asOf: 99 }))).toBe('INVALID_ARGUMENT')
  })

  test('what a pipeline computes can be carried: past int64 it is a number, and what is no value is refused', async ({ db }) => {
    const things = db.collection('things')
    const v = 2n ** 63n - 1n
    await things.createMany([{ $id: 'a', v }, { $id: 'b', v, d: new Date(5), t: '\u{1f600}' }])
    expect(await things.aggregate([{ $group: { _id: null, sum: { $sum: '$v' } } }]).toArray()).toEqual([{ _id: null, sum: 2 ** 64 }])
    const made = { sum: { $add: ['$v', 1n] }, less: { $subtract: [-2n, '$v'] }, product: { $multiply: ['$v', 2n] }, abs: { $abs: { $subtract: [{ $multiply: ['$v', -1n] }, 1n] } }, exact: { $add: ['$v', -1n] } }
    expect(await things.aggregate([{ $match: { $id: 'a' } }, { $project: { $id: 0, ...made } }]).toArray()).toEqual([{ sum: 2 ** 63, less: -(2 ** 63), product: 2 ** 64, abs: 2 ** 63, exact: v - 1n }])
    for (const refused of [{ $split: ['$t', ''] }, { $add: ['$d', 8.64e15 + 1] }, { $subtract: [1000, '$d'] }, { $add: ['$d', '$d'] }, { $mod: ['$v', 0n] }]) {
      const failure = await failureOf(() => things.aggregate([{ $match: { $id: 'b' } }, { $addFields: { refused } }]).toArray())
      expect([failure?.code, failure?.details]).toEqual(['INVALID_ARGUMENT', { option: 'pipeline', stage: `$addFields ${Object.keys(refused)[0]}`, path: 'refused' }])
    }
  })

  test('a page of a pipeline has all of its results, or is refused', async ({ db }) => {
    const numbers = db.collection('numbers')
    await numbers.createMany(Array.from({ length: 1001 }, (_, n) => ({ n })))
    expect((await numbers.aggregate([{ $limit: 1000 }]).page()).items.length).toBe(1000)
    expect((await failureOf(() => numbers.aggregate([]).page()))?.code).toBe('LIMIT_EXCEEDED')
    expect((await numbers.aggregate([]).toArray()).length).toBe(1001)
  })

  test('pages follow one another, while others write', async ({ db }) => {
    const numbers = db.collection<{ n: number }>('numbers')
    await numbers.createMany(Array.from({ length: 25 }, (_, index) => ({ $id: `n${String(index).padStart(2, '0')}`, n: index % 5 })))
    const seen: string[] = []
    let cursor: string | undefined
    let pageCount = 0
    do {
      const page = await numbers.find({}, { sort: { n: -1 }, limit: 7, ...(cursor !== undefined && { cursor }) }).page()
      seen.push(...page.items.map(({ n, $id }) => `${n}${$id.slice(-2)}`))
      cursor = page.cursor
      pageCount += 1
      // In front of where the reader is, and behind.
      await numbers.create({ $id: `front${pageCount}`, n: 99 })
    } while (cursor !== undefined)
    expect(pageCount).toBe(4)
    const wanted = Array.from({ length: 25 }, (_, index) => `${4 - Math.floor(index / 5)}${String((index % 5) * 5 + 4 - Math.floor(index / 5)).padStart(2, '0')}`)
    expect(seen).toEqual(wanted)
  })

  test('a page in the order of ids goes on after its last one, and knows when it is the last', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    const first = await all.find({}, { limit: 2 }).page()
    expect(ids(first.items)).toEqual(['alien', 'big'])
    await all.delete('big')
    const second = await all.find({}, { limit: 3, cursor: first.cursor ?? '' }).page()
    expect(ids(second.items)).toEqual(['clue', 'dune', 'fargo'])
    expect(second.cursor).toBe(undefined)
    const skipping = await all.find({}, { skip: 1, limit: 1 }).page()
    expect(ids((await all.find({}, { skip: 1, limit: 1, cursor: skipping.cursor ?? '' }).page()).items)).toEqual(['dune'])
    expect(ids(await all.find({ $id: { $in: ['dune', 'fargo'] } }, { limit: 5 }).toArray())).toEqual(['dune', 'fargo'])
  })

  test('a cursor of another query, or a damaged one, is refused', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    const { cursor = '' } = await all.find({ year: { $gt: 0 } }, { limit: 1 }).page()
    expect(await codeOf(() => all.find({ year: { $gt: 1 } }, { limit: 1, cursor }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => all.find({ year: { $gt: 0 } }, { limit: 1, cursor, sort: { year: 1 } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => db.collection('other').find({ year: { $gt: 0 } }, { limit: 1, cursor }))).toBe('INVALID_ARGUMENT')
    for (const damaged of ['', 'x', cursor.slice(1), `${cursor}A`, cursor.slice(0, -4), 'é', cursor.replace(/.$/, '*')]) {
      expect(await codeOf(() => all.find({ year: { $gt: 0 } }, { cursor: damaged }))).toBe('INVALID_ARGUMENT')
    }
  })

  test('a cursor of entities is a loop, which may be left at any time', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    const found = all.find({}, { sort: { title: 1 } })
    const titles: string[] = []
    for await (const film of found) {
      titles.push(film.title)
      if (titles.length === 2) break
    }
    expect(titles).toEqual(['Alien', 'Big'])
    expect((await found.toArray()).length).toBe(5)
  })

  test('a running query does not see what is written after its first result', async ({ db }) => {
    const numbers = db.collection<{ n: number }>('numbers')
    await numbers.createMany(Array.from({ length: 3000 }, (_, index) => ({ $id: `n${String(index).padStart(4, '0')}`, n: index })))
    let count = 0
    for await (const { n } of numbers.find()) {
      if (count === 0) {
        await numbers.updateMany({}, { $set: { n: -1 } })
        await numbers.create({ $id: 'z', n: -2 })
        await db.flush()
        await db.compact()
      }
      expect(n).toBe(count)
      count += 1
    }
    expect(count).toBe(3000)
    expect(await numbers.count({ n: -1 })).toBe(3000)
  })

  test('the past is read by seq, by Date and by ISO string', async ({ db, reopen }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films.slice(0, 2))
    await moment(systemClock.sleep)
    await all.update('alien', { $set: { title: 'Aliens' } })
    await all.create({ $id: 'new', title: 'New' })
    const middle = await all.get('new')
    await moment(systemClock.sleep)
    await all.delete('big')
    const titles = async (asOf: Date | string | number): Promise<string[]> => (await all.find({}, { asOf }).toArray()).map(({ title }) => title)
    const at = middle?.createdAt ?? new Date(0)
    for (let round = 0; round < 2; round++) {
      expect(await titles(0)).toEqual([])
      expect(await titles(1)).toEqual(['Alien'])
      expect(await titles(2)).toEqual(['Alien', 'Big'])
      expect(await titles(3)).toEqual(['Aliens', 'Big'])
      expect(await titles(at)).toEqual(['Aliens', 'Big', 'New'])
      expect(await titles(at.toISOString())).toEqual(['Aliens', 'Big', 'New'])
      expect(await titles(5)).toEqual(['Aliens', 'New'])
      expect(await titles(new Date(8_000_000_000_000))).toEqual(['Aliens', 'New'])
      expect((await all.get('alien', { asOf: 1 }))?.title).toBe('Alien')
      expect(await all.get('alien', { asOf: new Date(0) })).toBe(undefined)
      expect((await all.get('big', { asOf: at }))?.version).toBe(1)
      expect(await all.count({}, { asOf: '1970-01-01' })).toBe(0)
      expect(await all.distinct('title', {}, { asOf: 2 })).toEqual(['Alien', 'Big'])
      await db.flush()
    }
    const again = (await reopen()).collection<Film>('films')
    expect((await again.find({}, { asOf: 3 }).toArray()).map(({ title }) => title)).toEqual(['Aliens', 'Big'])
  })

  test('includeDeleted brings tombstones', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films.slice(0, 2))
    await all.delete('big')
    const found = await all.find({}, { includeDeleted: true }).toArray()
    expect(found.map(({ deletedAt }) => deletedAt === undefined)).toEqual([true, false])
    expect(await all.count({ deletedAt: { $exists: true } }, { includeDeleted: true })).toBe(1)
  })

  test('explain tells how a query is answered', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    const told = async (...query: Parameters<typeof all.explain>): Promise<unknown[]> => {
      const { plan, rowsScanned, rowsMatched, rowsReturned } = await all.explain(...query)
      return [plan, rowsScanned, rowsMatched, rowsReturned]
    }
    expect(await told({ $id: { $in: ['big', 'none'] } })).toEqual(['ids', 1, 1, 1])
    expect(await told({ $id: { $gte: 'clue' }, year: 1984 })).toEqual(['range', 3, 1, 1])
    expect(await told({}, { sort: { year: 1 }, limit: 2 })).toEqual(['scan', 5, 5, 2])
    expect(await told({}, { sort: { year: 1 } })).toEqual(['scan', 5, 5, 5])
  })

  test('a distinct past its limit is LIMIT_EXCEEDED and says so, a sort goes on', async ({ reopen }) => {
    const all = (await reopen({ limits: { sortDocumentsMax: 2, distinctValuesMax: 3 } })).collection('films')
    await all.createMany(films.map((film) => ({ ...film })))
    const whole = films.map(({ $id, year }) => ({ $id: `films/${$id}`, year })).toSorted((left, right) => (left.year ?? 0) - (right.year ?? 0) || (left.$id < right.$id ? -1 : 1))
    const sorted = async (options: object): Promise<unknown> => (await all.find({}, { sort: { year: 1 }, ...options }).toArray()).map(({ $id }) => $id)
    expect(await sorted({})).toEqual(whole.map(({ $id }) => $id))
    expect(await sorted({ limit: 4 })).toEqual(whole.slice(0, 4).map(({ $id }) => $id))
    expect(await sorted({ skip: 1, limit: 3 })).toEqual(whole.slice(1, 4).map(({ $id }) => $id))
    expect((await failureOf(() => all.distinct('title')))?.details).toEqual({ limit: 'distinctValuesMax', most: 3, path: 'title' })
    expect((await collect(all.find())).length).toBe(5)
  })

  test('an aborted signal ends a query with ABORTED', async ({ db }) => {
    const all = db.collection<Film>('films')
    await all.createMany(films)
    const aborted = AbortSignal.abort()
    expect(await codeOf(() => all.find({}, { signal: aborted }).toArray())).toBe('ABORTED')
    expect(await codeOf(() => all.count({}, { signal: aborted }))).toBe('ABORTED')
    expect(await codeOf(() => all.find({ $id: 'big' }, { signal: aborted }).toArray())).toBe('ABORTED')
    expect(await codeOf(() => all.updateMany({}, { $set: { year: 1 } }, { signal: aborted }))).toBe('ABORTED')
    expect(await all.count({ year: 1 })).toBe(0)
  })
}
