// Questions that no index answers. Cold: the store is open, its data is not in it (the system's file cache has it, for everybody). Hot: asked before.
import { readFileSync } from 'node:fs'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { contest } from './contest.mjs'
import { digest, sameGroups, sameRows } from './datasets.mjs'
import { duckView, openDuck, openOursToRead, openSqlite, runFiles } from './stores.mjs'

export async function queryRows(report, base) {
  const { dataset } = base
  const find = async ({ items }, { filter }) => items.find(filter).toArray()
  const select = ({ where }) => `SELECT * FROM items WHERE ${where}`
  for (const [label, question] of [['find =', dataset.equal], ['find range', dataset.range]]) {
    await ask(report, base, { label, ours: (db) => find(db, question), sql: select(question), answer: (rows) => sameRows(dataset, rows), cold: { files: 1, sqlite: 1.5 }, hot: { table: 4, sqlite: 12 } })
  }
  const onePercent = dataset.onePercent
  await ask(report, base, { label: 'find 1% to documents', ours: (db) => find(db, onePercent), sql: select(onePercent), answer: (rows) => sameRows(dataset, rows), cold: { files: 1 }, hot: {} })
  const { sortBy, group } = dataset
  await ask(report, base, {
    label: 'sort + limit 10',
    ours: ({ items }) => items.find({}, { sort: { [sortBy]: -1 }, limit: 10 }).toArray(),
    sql: `SELECT * FROM items ORDER BY "${sortBy}" DESC, id LIMIT 10`,
    answer: (rows) => sameRows(dataset, rows),
    cold: { sqlite: 4, files: 1 },
    hot: { table: 3 },
  })
  await ask(report, base, {
    label: 'group + sum',
    ours: (db) => sumByGroup(db, group),
    sql: `SELECT "${group.by}" AS key, sum("${group.sum}") AS total FROM items GROUP BY 1`,
    answer: (result) => sameGroups(result.map(({ key, total }) => [key, Number(total)])),
    cold: { files: 0.8, sqlite: 6 },
    hot: { table: 2 },
  })
  await fullScan(report, base)
}

async function sumByGroup({ items }, { by, sum }) {
  const groups = await items.aggregate([{ $group: { _id: `$${by}`, total: { $sum: `$${sum}` } } }]).toArray()
  return groups.map(({ _id, total }) => ({ key: _id, total }))
}

/** Asks everybody, cold and then hot. `cold` and `hot` name the least ratio to each peer: DuckDB on our files, DuckDB on its own table, SQLite. */
async function ask(report, base, { label, ours, sql, answer, cold, hot }) {
  const { dataset, rounds } = base
  const title = `${dataset.name}: ${label}`
  const closeOurs = ({ db }) => db.close()
  const peers = { files: 'DuckDB on our files', table: 'DuckDB on its table', sqlite: 'better-sqlite3' }
  const targets = (least) => Object.fromEntries(Object.entries(least).map(([peer, ratio]) => [peers[peer], ratio]))
  const coldTimes = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', prepare: () => openOursToRead(base.ours), run: ours, answer, cleanup: closeOurs },
      ...(cold.files === undefined ? [] : [{ name: peers.files, prepare: () => openFiles(base), run: ({ rows }) => rows(sql), answer, cleanup: ({ close }) => close() }]),
      ...(cold.sqlite === undefined ? [] : [{ name: peers.sqlite, prepare: () => openSqlite(base.sqlite), run: (db) => db.prepare(sql).all(), answer, cleanup: (db) => db.close() }]),
    ],
  })
  report.compare(`${title}, cold`, coldTimes, targets(cold))
  if (Object.keys(hot).length === 0) return
  const kept = await openOursToRead(base.ours)
  const sqlite = openSqlite(base.sqlite)
  const hotTimes = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', run: () => ours(kept), answer },
      { name: peers.table, run: () => base.duck.rows(sql), answer },
      ...(hot.sqlite === undefined ? [] : [{ name: peers.sqlite, run: () => sqlite.prepare(sql).all(), answer }]),
    ],
  })
  report.compare(`${title}, hot`, hotTimes, targets(hot))
  sqlite.close()
  await kept.db.close()
}

async function openFiles({ ours, dataset }) {
  const duck = await openDuck()
  // Its own cache of file contents would make the second query no cold one.
  await duck.connection.run('SET enable_external_file_cache = false')
  await duck.connection.run(duckView(runFiles(ours), dataset))
  return duck
}

async function fullScan(report, { dataset, ours, sqlite, lines, rounds }) {
  const files = runFiles(ours)
  const answer = (rows) => digest(dataset, rows)
  const unprefixed = (rows) => rows.map(({ $id, ...fields }) => ({ id: $id, ...fields }))
  const times = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', prepare: () => openOursToRead(ours), run: ({ items }) => items.find().toArray(), answer, cleanup: ({ db }) => db.close() },
      { name: 'hyparquet', run: () => readObjects(files, ['$id', ...Object.keys(dataset.columns)]), answer: (rows) => answer(unprefixed(rows)) },
      { name: 'better-sqlite3', prepare: () => openSqlite(sqlite), run: (db) => db.prepare('SELECT * FROM items ORDER BY id').all(), answer, cleanup: (db) => db.close() },
      { name: 'JSON.parse of lines', run: () => parseLines(lines), answer: (rows) => answer(unprefixed(rows)) },
    ],
  })
  report.compare(`${dataset.name}: full scan to documents`, times, { hyparquet: 3, 'better-sqlite3': 3, 'JSON.parse of lines': 1 })
}

async function readObjects(files, columns) {
  const parts = []
  for (const path of files) parts.push(await parquetReadObjects({ file: await asyncBufferFromFile(path), columns }))
  return parts.flat()
}

function parseLines(path) {
  const bytes = readFileSync(path)
  const documents = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start)
    documents.push(JSON.parse(bytes.toString('utf8', start, end)))
    start = end + 1
  }
  return documents
}
