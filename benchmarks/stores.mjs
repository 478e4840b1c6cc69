// Opens ParqueDB and its peers, and fills them.
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import Database from 'better-sqlite3'
import { ParqueDB } from '../dist/index.js'
import { FsBackend } from '../dist/node/index.js'

/** A database that is open; `meter` counts what is read from its folder from then on. */
export async function openOurs(folder, options = {}) {
  const meter = { requests: 0, bytes: 0 }
  const db = new ParqueDB({ storage: counting(new FsBackend(folder), meter), graceMs: 0, ...options })
  await db.stats()
  return { db, items: db.collection('items'), meter }
}

/** Reads only, beside whoever else has the folder open. */
export function openOursToRead(folder) {
  return openOurs(folder, { readOnly: true, followMs: 3_600_000 })
}

function counting(backend, meter) {
  const { read, readRange, stat, list } = Object.fromEntries(['read', 'readRange', 'stat', 'list'].map((name) => [name, backend[name].bind(backend)]))
  const counted = async (reading) => {
    const bytes = await reading
    meter.requests++
    meter.bytes += bytes?.length ?? 0
    return bytes
  }
  return Object.assign(backend, {
    read: (path) => counted(read(path)),
    readRange: (path, range) => counted(readRange(path, range)),
    stat: (path) => counted(stat(path)),
    list: (prefix, options) => counted(list(prefix, options)),
  })
}

/** The Parquet files of a compacted collection, for others to read. */
export function runFiles(folder) {
  const entities = join(folder, 'entities/items')
  return readdirSync(entities)
    .toSorted()
    .map((name) => join(entities, name))
}

export function openSqlite(path) {
  const db = new Database(path)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  return db
}

export function createSqlTable(db, { columns }) {
  db.exec(`CREATE TABLE items (id TEXT PRIMARY KEY, ${list(columns, (name, { sql }) => `"${name}" ${sql}`)}) WITHOUT ROWID`)
  return db.prepare(`INSERT INTO items VALUES (?, ${list(columns, () => '?')})`)
}

export function fillSqlite(db, dataset) {
  const insert = createSqlTable(db, dataset)
  db.transaction(() => {
    for (const document of dataset.documents) insert.run(sqliteValues(document))
  })()
}

/** SQLite has no booleans. */
export function sqliteValues(document) {
  const values = Object.values(document)
  for (let index = 0; index < values.length; index++) if (typeof values[index] === 'boolean') values[index] = values[index] ? 1 : 0
  return values
}

/** DuckDB with one thread, which is what one JavaScript program has too. */
export async function openDuck(path = ':memory:') {
  const instance = await DuckDBInstance.create(path, { threads: '1' })
  const connection = await instance.connect()
  const close = () => {
    connection.closeSync()
    instance.closeSync()
  }
  return { connection, close, rows: async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS() }
}

export function duckTable({ columns }) {
  return `CREATE TABLE items (id VARCHAR PRIMARY KEY, ${list(columns, (name, { duck }) => `"${name}" ${duck}`)})`
}

/** A view `items` of Parquet files, with the columns that the table has. */
export function duckView(files, { columns }) {
  const names = list(columns, (name, { duck }) => `"${name}"::${duck} AS "${name}"`)
  return `CREATE OR REPLACE VIEW items AS SELECT "$id" AS id, ${names} FROM read_parquet([${files.map((file) => `'${file}'`).join(', ')}])`
}

export function freshFolder(path) {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}

export function sizeOf(path) {
  const facts = statSync(path)
  return facts.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : facts.size
}

/** One document a line, in pieces: a string holds no gigabyte. */
export function writeLines(path, documents) {
  writeFileSync(path, '')
  for (let start = 0; start < documents.length; start += 10_000) {
    const lines = documents.slice(start, start + 10_000).map((document) => `${JSON.stringify(document)}\n`)
    appendFileSync(path, lines.join(''))
  }
}

function list(columns, each) {
  return Object.entries(columns)
    .map(([name, type]) => each(name, type))
    .join(', ')
}
