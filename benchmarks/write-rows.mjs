// Writing: durable when it is acknowledged, for everybody but where the name says otherwise.
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { contest } from './contest.mjs'
import { createSqlTable, duckTable, freshFolder, openDuck, openOurs, openSqlite, sqliteValues } from './stores.mjs'

const inFlight = 100

export async function writeRows(report, { folder, dataset, sizes, rounds }) {
  const makers = makersIn(folder, dataset)
  await oneByOne(report, { makers, sizes, rounds })
  await manyInFlight(report, { makers, sizes, rounds })
  await inBulk(report, { makers, dataset, rounds })
}

async function oneByOne(report, { makers, sizes, rounds }) {
  const times = await contest({
    rounds,
    contestants: [
      makers.ours(sizes.singles, async ({ items }, documents) => {
        for (const document of documents) await items.create(document)
      }),
      makers.sqlite(sizes.singles, ({ insert }, documents) => {
        for (const document of documents) insert.run(sqliteValues(document))
      }),
      makers.duck(Math.ceil(sizes.singles / 10), async ({ connection, insert }, documents) => {
        for (const document of documents) await connection.run(insert, Object.values(document))
      }),
    ],
  })
  report.compare('durable create, one by one', times, { 'better-sqlite3': 1, DuckDB: 10 })
}

async function manyInFlight(report, { makers, sizes, rounds }) {
  const times = await contest({
    rounds,
    contestants: [
      makers.ours(sizes.concurrent, ({ items }, documents) => inParallel(documents, (document) => items.create(document))),
      makers.sqlite(Math.ceil(sizes.concurrent / 5), ({ insert }, documents) => inParallel(documents, async (document) => insert.run(sqliteValues(document)))),
      makers.level(Math.ceil(sizes.concurrent / 5), ({ level }, documents) => inParallel(documents, (document) => level.put(document.$id, document, { sync: true }))),
    ],
  })
  report.compare(`durable create, ${inFlight} in flight`, times, { 'better-sqlite3': 12, 'classic-level': 10 })
}

async function inBulk(report, { makers, dataset, rounds }) {
  const count = dataset.documents.length
  const times = await contest({
    rounds,
    contestants: [
      makers.ours(count, ({ items }, documents) => items.createMany(documents)),
      {
        ...makers.ours(count, async ({ db, items }, documents) => {
          await items.createMany(documents)
          await db.flush()
        }),
        name: 'flushed',
      },
      makers.sqlite(count, ({ db, insert }, documents) => {
        db.transaction(() => {
          for (const document of documents) insert.run(sqliteValues(document))
        })()
      }),
    ],
  })
  const label = `createMany ${count.toLocaleString('en')}`
  report.compare(`${label}, durable at the end, per document`, times, { 'better-sqlite3': 1.5 })
  report.compare(`${label}, all of it in Parquet, per document`, new Map([...times, ['ParqueDB', times.get('flushed')]]), { 'better-sqlite3': 0.7 })
}

/** Contestants that begin with an empty store and are checked for what is in it at the end. */
function makersIn(folder, dataset) {
  const maker = (name, { open, count, close }) => (units, write) => {
    const documents = dataset.documents.slice(0, units)
    return {
      name,
      count: documents.length,
      prepare: () => open(freshFolder(join(folder, name))),
      run: (store) => write(store, documents),
      cleanup: async (store) => {
        const found = await count(store)
        if (found !== documents.length) throw new Error(`${name} has ${found} documents of ${documents.length}`)
        await close(store)
      },
    }
  }
  return {
    ours: maker('ParqueDB', { open: (path) => openOurs(path), count: ({ items }) => items.count(), close: ({ db }) => db.close() }),
    sqlite: maker('better-sqlite3', {
      open: (path) => {
        const db = openSqlite(join(path, 'items.db'))
        return { db, insert: createSqlTable(db, dataset) }
      },
      count: ({ db }) => db.prepare('SELECT count(*) AS n FROM items').get().n,
      close: ({ db }) => db.close(),
    }),
    duck: maker('DuckDB', {
      open: async (path) => {
        const duck = await openDuck(join(path, 'items.duckdb'))
        await duck.connection.run(duckTable(dataset))
        return { ...duck, insert: `INSERT INTO items VALUES (${['id', ...Object.keys(dataset.columns)].map(() => '?').join(', ')})` }
      },
      count: async ({ rows }) => Number((await rows('SELECT count(*) AS n FROM items'))[0].n),
      close: ({ close }) => close(),
    }),
    level: maker('classic-level', {
      open: async (path) => {
        const level = new ClassicLevel(join(path, 'level'), { valueEncoding: 'json' })
        await level.open()
        return { level }
      },
      count: async ({ level }) => (await level.keys().all()).length,
      close: ({ level }) => level.close(),
    }),
  }
}

async function inParallel(documents, write) {
  const rest = documents.values()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (const document of rest) await write(document)
    }),
  )
}
