// Fills the stores once and goes through the rows.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { flights, generated } from './datasets.mjs'
import { fileRows } from './file-rows.mjs'
import { graphRows } from './graph-rows.mjs'
import { pointRows } from './point-rows.mjs'
import { queryRows } from './query-rows.mjs'
import { Report } from './Report.mjs'
import { duckTable, duckView, fillSqlite, freshFolder, openDuck, openOurs, openSqlite, runFiles, writeLines } from './stores.mjs'
import { writeRows } from './write-rows.mjs'

/** `sizes` in documents, `parts` of write, point, query, file, graph. */
export async function measure({ folder, json, parts, rounds, sizes }) {
  const report = new Report({ json })
  if (parts.includes('write')) await writeRows(report, { folder, dataset: generated(sizes.written), sizes, rounds })
  if (parts.includes('graph')) await graphRows(report, { folder: join(folder, 'graph'), sizes, rounds })
  for (const dataset of parts.some((part) => part !== 'write' && part !== 'graph') ? [generated(sizes.read), flights(sizes.flights)] : []) {
    const base = { ...(await fill(join(folder, dataset.name), dataset)), rounds, sizes }
    if (parts.includes('point') && dataset.name === 'documents') await pointRows(report, base)
    if (parts.includes('query')) await queryRows(report, base)
    if (parts.includes('file')) await fileRows(report, base)
    base.duck.close()
  }
  return report
}

/** The same documents everywhere: `ours` compacted into one run, `scattered` as the flushes left it. */
async function fill(folder, dataset) {
  const [ours, scattered, sqlite, lines] = ['ours', 'scattered', 'items.db', 'items.jsonl'].map((name) => join(folder, name))
  freshFolder(folder)
  const store = await openOurs(scattered, { flush: { eventsMax: Math.min(20_000, Math.ceil(dataset.documents.length / 8)) }, compaction: { background: false } })
  await store.items.createMany(dataset.documents)
  await store.db.flush()
  await store.db.close()
  cpSync(scattered, ours, { recursive: true })
  const { db } = await openOurs(ours)
  await db.compact()
  await db.close()

  const peer = openSqlite(sqlite)
  fillSqlite(peer, dataset)
  peer.exec('VACUUM')
  peer.pragma('wal_checkpoint(TRUNCATE)')
  peer.close()
  writeLines(lines, dataset.documents)

  const duck = await openDuck(join(folder, 'items.duckdb'))
  await duck.connection.run(duckTable(dataset))
  await duck.connection.run(duckView(runFiles(ours), dataset).replace('VIEW items', 'VIEW files'))
  await duck.connection.run('INSERT INTO items SELECT * FROM files')
  dataset.letGo()
  return { folder, dataset, ours, scattered, sqlite, lines, duck }
}
