import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB } from '../src/db/ParqueDB.ts'
import { FsBackend } from '../src/storage/backends/FsBackend.ts'
import { MemoryBackend } from '../src/storage/backends/MemoryBackend.ts'
import { withEventSourcing } from '../src/storage/EventSourcedBackend.ts'

const moviesPath = 'node_modules/vega-datasets/data/movies.json'
let folder: string
let db: ParqueDB
let instance: DuckDBInstance

type Film = Record<string, unknown>

async function sql(query: string): Promise<unknown[]> {
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(query)).getRowObjectsJson()
  } finally {
    connection.closeSync()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-duckdb-'))
  db = new ParqueDB({ storage: new FsBackend(folder) })
  const films = JSON.parse(await readFile(moviesPath, 'utf8')) as Film[]
  const movies = db.collection<Film>('movies')
  // Flushed in three parts and changed in between, so that there is something to merge.
  for (let part = 0; part < 3; part++) {
    await movies.createMany(films.slice(part * 1100, (part + 1) * 1100))
    await movies.updateMany({ Director: 'Steven Spielberg' }, { $inc: { seen: 1 } })
    await db.flush()
  }
  await db.compact()
  instance = await DuckDBInstance.create(':memory:')
}, 60_000)

afterAll(async () => {
  instance.closeSync()
  await db.close()
  await rm(folder, { recursive: true, force: true })
})

describe('DuckDB on the compacted run of films', () => {
  const run = (): string => `read_parquet('${folder}/entities/movies/*.parquet')`
  const newest = async (): Promise<string> => {
    // Merged inputs stay for their grace; the newest file is the merged run.
    const [file] = (await sql(`select filename from read_parquet('${folder}/entities/movies/*.parquet', filename = true) order by filename desc limit 1`)) as { filename: string }[]
    return `read_parquet('${file?.filename}')`
  }

  test('counts the films', async () => {
    expect(await sql(`select count(*)::int as n from ${await newest()}`)).toEqual([{ n: 3201 }])
    expect(await db.collection('movies').count()).toBe(3201)
    expect(await sql(`select count(distinct "$id")::int as n from ${run()}`)).toEqual([{ n: 3201 }])
  })

  test('sees typed columns with the names that the documents have', async () => {
    const columns = (await sql(`describe select * from ${await newest()}`)) as { column_name: string; column_type: string }[]
    const types = Object.fromEntries(columns.map((column) => [column.column_name, column.column_type]))
    expect(types).toMatchObject({ $id: 'VARCHAR', $version: expect.stringMatching(/INT/) as unknown, 'IMDB Rating': 'DOUBLE', 'IMDB Votes': 'BIGINT', Director: 'VARCHAR', 'Running Time min': 'BIGINT', seen: 'BIGINT' })
  })

  test('agrees on sums and on a filter', async () => {
    let votes = 0
    let rating = 0
    for await (const film of db.collection<Film>('movies').find()) {
      votes += typeof film['IMDB Votes'] === 'number' ? film['IMDB Votes'] : 0
      rating += typeof film['IMDB Rating'] === 'number' ? film['IMDB Rating'] : 0
    }
    const [sums] = (await sql(`select sum("IMDB Votes")::bigint::varchar as votes, round(sum("IMDB Rating"), 3)::varchar as rating from ${await newest()}`)) as { votes: string; rating: string }[]
    expect(Number(sums?.votes)).toBe(votes)
    expect(Number(sums?.rating)).toBeCloseTo(rating, 3)
    const good = await db.collection<Film>('movies').find({ 'IMDB Rating': { $gte: 8.5 }, 'Major Genre': 'Drama' }, { sort: { $id: 1 } }).toArray()
    const theirs = (await sql(`select "Title" as title from ${await newest()} where "IMDB Rating" >= 8.5 and "Major Genre" = 'Drama' order by "$id"`)) as { title: string }[]
    expect(theirs.map(({ title }) => title)).toEqual(good.map((film) => film['Title']))
    expect(good.length).toBeGreaterThan(5)
  })

  test('agrees on what was changed', async () => {
    const [theirs] = (await sql(`select count(*)::int as films, sum(seen)::int as seen from ${await newest()} where "Director" = 'Steven Spielberg'`)) as { films: number; seen: number }[]
    const ours = await db.collection<Film>('movies').find({ Director: 'Steven Spielberg' }).toArray()
    expect(theirs).toEqual({ films: ours.length, seen: ours.reduce((sum, film) => sum + Number(film['seen']), 0) })
  })

  test('reads the history too', async () => {
    const [events] = (await sql(`select count(*)::int as n, max(seq)::int as last from read_parquet('${folder}/events/*.parquet')`)) as { n: number; last: number }[]
    expect(events?.last).toBe((await db.stats()).lastSeq)
  })
})

describe('a plain store and a wrapped one', () => {
  test('give the same database', async () => {
    for (const storage of [new MemoryBackend(), withEventSourcing(new MemoryBackend(), { autoSnapshotThreshold: 100, maxCachedEntities: 1000 })]) {
      const small = new ParqueDB({ storage })
      await small.collection('n').create({ $id: 'a', v: 1 })
      await small.flush()
      expect(await small.collection('n').get('a')).toMatchObject({ $id: 'n/a', version: 1, v: 1 })
      await small.close()
    }
  })
})
