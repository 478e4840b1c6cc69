// One document: from memory, from a file, from a folder just opened, from the past.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import Datastore from '@seald-io/nedb'
import { contest, median } from './contest.mjs'
import { sameRows } from './datasets.mjs'
import { freshFolder, openOurs, openOursToRead, openSqlite } from './stores.mjs'

const hotIds = 500
const hotRepeats = 40
const coldIds = 200

export async function pointRows(report, base) {
  await hotGet(report, base)
  await coldGet(report, base)
  await openAndGet(report, base)
  await pastGet(report, base)
}

async function hotGet(report, { dataset, ours, sqlite, rounds }) {
  const ids = evenly(dataset, hotIds)
  const { db, items } = await openOursToRead(ours)
  const peer = openSqlite(sqlite)
  const select = peer.prepare('SELECT * FROM items WHERE id = ?')
  const repeat = async (get) => {
    const found = []
    for (let time = 0; time < hotRepeats; time++) for (const id of ids) found.push(await get(id))
    return found.slice(0, hotIds)
  }
  const each = { count: hotIds * hotRepeats, answer: (found) => sameRows(dataset, found) }
  const times = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', ...each, run: () => repeat((id) => items.get(id)) },
      { name: 'better-sqlite3', ...each, run: () => repeat((id) => select.get(id)) },
    ],
  })
  report.compare('get by id, hot', times, { 'better-sqlite3': 2 })
  peer.close()
  // All that it has is in the heap, so it has a contest of its own.
  const nedb = new Datastore({ inMemoryOnly: true })
  await nedb.insertAsync(dataset.documents.map(({ $id, ...fields }) => ({ _id: $id, ...fields })))
  dataset.letGo()
  const beside = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', ...each, run: () => repeat((id) => items.get(id)) },
      { name: 'nedb', ...each, run: () => repeat((id) => nedb.findOneAsync({ _id: id })), answer: (found) => sameRows(dataset, found.map(({ _id, ...fields }) => ({ id: _id, ...fields }))) },
    ],
  })
  report.compare('get by id, hot, beside a heap of all documents', beside, { nedb: null })
  await db.close()
}

/** The files' indexes are in memory, the documents are not. */
async function coldGet(report, { dataset, ours }) {
  const ids = evenly(dataset, coldIds)
  const { db, items, meter } = await openOurs(ours, { maxCachedEntities: 0 })
  for (const id of evenly(dataset, 20)) await items.get(`${id}x`)
  await items.getMany(evenly(dataset, 20))
  const costs = []
  for (const id of ids) costs.push(await costOf(meter, () => items.get(id)))
  report.amount('get by id from Parquet, requests at most', { ours: Math.max(...costs.map(({ requests }) => requests)), unit: 'requests', atMost: 1 })
  report.amount('get by id from Parquet, bytes at most', { ours: Math.max(...costs.map(({ bytes }) => bytes)) / 1024, unit: 'KB', atMost: 128 })
  report.amount('get by id from Parquet, CPU', { ours: costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / costs.length, unit: 'ms', atMost: 1.5 })
  const absent = []
  for (const id of ids) absent.push(await costOf(meter, () => items.get(`${id}x`)))
  report.amount('get an absent id, answered without a request', { ours: (100 * absent.filter(({ requests }) => requests === 0).length) / absent.length, unit: '%', atLeast: 99 })
  await db.close()
}

async function openAndGet(report, { dataset, ours, rounds, folder, sizes }) {
  const id = dataset.idAt(dataset.count >> 1)
  const opens = []
  for (let round = 0; round < rounds + 2; round++) {
    const startMs = performance.now()
    const { db, items, meter } = await openOursToRead(ours)
    const openRequests = meter.requests
    await items.get(id)
    opens.push({ ms: performance.now() - startMs, ...meter, getRequests: meter.requests - openRequests })
    await db.close()
  }
  const label = `open ${dataset.count.toLocaleString('en')} and first get`
  report.amount(`${label}, time`, { ours: median(opens.map(({ ms }) => ms)), unit: 'ms', atMost: 30 })
  report.amount(`${label}, bytes`, { ours: Math.max(...opens.map(({ bytes }) => bytes)) / 1024, unit: 'KB', atMost: 300 })
  report.amount(`${label}, requests in all`, { ours: Math.max(...opens.map(({ requests }) => requests)), unit: 'requests', atMost: 4 })

  const tailed = join(folder, 'tailed')
  freshFolder(tailed)
  const { db, items } = await openOurs(tailed, { flush: { eventsMax: Infinity, bytesMax: Infinity, ageMsMax: Infinity } })
  await items.createMany(dataset.documents.slice(0, sizes.tail))
  dataset.letGo()
  // Closing would flush: the writer stays open while others open the folder to read.
  const first = dataset.idAt(0)
  const times = []
  for (let round = 0; round < rounds + 2; round++) {
    globalThis.gc()
    const startMs = performance.now()
    const reader = await openOursToRead(tailed)
    await reader.items.get(first)
    times.push(performance.now() - startMs)
    const { open } = await reader.db.stats()
    if (open.replayedEvents !== sizes.tail) throw new Error(`${open.replayedEvents} events were replayed, not ${sizes.tail}`)
    await reader.db.close()
  }
  await db.close()
  report.amount('open, for each event in the unflushed tail', { ours: (median(times) * 1000) / sizes.tail, unit: 'us', atMost: 3 })
}

async function pastGet(report, { dataset, ours, folder, rounds }) {
  const path = freshFolder(join(folder, 'past'))
  cpSync(ours, path, { recursive: true })
  const ids = evenly(dataset, coldIds)
  const field = Object.keys(dataset.columns).at(-1)
  const writer = await openOurs(path)
  const { seq } = await writer.db.stats().then(({ lastSeq }) => ({ seq: lastSeq }))
  for (const id of ids) await writer.items.update(id, { $set: { [field]: 0 } })
  await writer.db.compact()
  await writer.db.close()

  const { db, items, meter } = await openOurs(path, { maxCachedEntities: 0 })
  await items.getMany(ids.slice(0, 20))
  await items.getMany(ids.slice(0, 20), { asOf: seq })
  const latest = []
  const past = []
  for (const id of ids) {
    latest.push(await costOf(meter, () => items.get(id)))
    past.push(await costOf(meter, () => items.get(id, { asOf: seq })))
  }
  const average = (costs, name) => costs.reduce((sum, cost) => sum + cost[name], 0) / costs.length
  report.compareAmount('get as of a seq, from Parquet', { ours: average(past, 'bytes') / 1024, unit: 'KB' }, { 'latest get': { amount: average(latest, 'bytes') / 1024, atMost: 1.5 } })
  report.amount('get as of a seq, requests more than a latest get, at most', { ours: Math.max(...past.map(({ requests }, index) => requests - latest[index].requests)), unit: 'requests', atMost: 1 })
  await db.close()
  await pastGetHot(report, { path, dataset, ids, seq, rounds })
}

async function pastGetHot(report, { path, dataset, ids, seq, rounds }) {
  const { db, items } = await openOursToRead(path)

  const peer = openSqlite(':memory:')
  const columns = Object.entries(dataset.columns).map(([name, { sql }]) => `"${name}" ${sql}`)
  peer.exec(`CREATE TABLE items (id TEXT, version INTEGER, ${columns.join(', ')}, PRIMARY KEY (id, version)) WITHOUT ROWID`)
  const insert = peer.prepare(`INSERT INTO items VALUES (?, ?, ${Object.keys(dataset.columns).map(() => '?').join(', ')})`)
  const changed = new Set(ids)
  peer.transaction(() => {
    for (const { $id, ...fields } of dataset.documents) {
      const values = Object.values(fields).map((value) => (typeof value === 'boolean' ? Number(value) : value))
      insert.run($id, 1, ...values)
      if (changed.has($id)) insert.run($id, 2, ...values.slice(0, -1), 0)
    }
  })()
  dataset.letGo()
  const select = peer.prepare('SELECT * FROM items WHERE id = ? AND version <= ? ORDER BY version DESC LIMIT 1')
  const each = { count: ids.length, answer: (found) => sameRows(dataset, found) }
  const all = async (get) => {
    const found = []
    for (const id of ids) found.push(await get(id))
    return found
  }
  const times = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', ...each, run: () => all((id) => items.get(id, { asOf: seq })) },
      { name: 'better-sqlite3', ...each, run: () => all((id) => select.get(id, 1)) },
    ],
  })
  report.compare('get as of a seq, hot', times, { 'better-sqlite3': 5 })
  peer.close()
  await db.close()
}

async function costOf(meter, work) {
  const before = { ...meter }
  const cpu = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { requests: meter.requests - before.requests, bytes: meter.bytes - before.bytes, cpuMs: (user + system) / 1000 }
}

function evenly(dataset, count) {
  return Array.from({ length: count }, (_, index) => dataset.idAt(Math.floor((index + 0.5) * (dataset.count / count))))
}
