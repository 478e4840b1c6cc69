// What the files cost: to write, to merge, to keep; and the memory that takes.
import { execFileSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { contest, median } from './contest.mjs'
import { freshFolder, openOurs, runFiles, sizeOf } from './stores.mjs'

const unflushed = { flush: { eventsMax: Infinity, bytesMax: Infinity, ageMsMax: Infinity } }

export async function fileRows(report, base) {
  await flushAndCompact(report, base)
  await bytesPerDocument(report, base)
  memory(report, base)
}

/** Ours writes more than the peers: every document twice, as an event and as a state, with version, times and seq. */
async function flushAndCompact(report, { dataset, folder, scattered, duck, rounds }) {
  const documents = dataset.documents.slice(0, 100_000)
  dataset.letGo()
  const path = join(folder, 'rewritten')
  const interleaved = freshFolder(join(folder, 'interleaved'))
  await interleave(interleaved, documents)
  const copyOf = (source) => () => {
    freshFolder(path)
    cpSync(source, path, { recursive: true })
    return openOurs(path, { compaction: { background: false } })
  }
  const duckPath = join(folder, 'copy.parquet')
  const hyparquetPath = join(folder, 'hyparquet.parquet')
  const compacted = async ({ db }) => {
    const stats = await db.stats()
    await db.close()
    if (stats.namespaces.items.runs !== 1) throw new Error(`${stats.namespaces.items.runs} runs after compaction`)
  }
  const longest = { flush: [], compaction: [] }
  const blocked = async (name, work) => {
    const delays = monitorEventLoopDelay({ resolution: 1 })
    delays.enable()
    await work()
    delays.disable()
    longest[name].push({ p99: delays.percentile(99) / 1e6, max: delays.max / 1e6 })
  }
  const times = await contest({
    rounds,
    contestants: [
      {
        name: 'flush',
        count: documents.length,
        prepare: async () => {
          freshFolder(path)
          const store = await openOurs(path, unflushed)
          await store.items.createMany(documents)
          return store
        },
        run: ({ db }) => blocked('flush', () => db.flush()),
        cleanup: compacted,
      },
      {
        name: 'compaction',
        count: dataset.count,
        prepare: copyOf(scattered),
        run: ({ db }) => blocked('compaction', () => db.compact()),
        cleanup: compacted,
      },
      { name: 'compaction of runs that interleave', count: documents.length, prepare: copyOf(interleaved), run: ({ db }) => db.compact(), cleanup: compacted },
      { name: 'hyparquet-writer', count: documents.length, run: () => writeFileSync(hyparquetPath, new Uint8Array(parquetWriteBuffer({ columnData: columnsOf(dataset, documents) }))) },
      { name: 'DuckDB COPY', count: dataset.count, run: () => duck.connection.run(`COPY (SELECT * FROM items ORDER BY id) TO '${duckPath}' (FORMAT parquet, COMPRESSION snappy)`) },
    ],
  })
  const targets = { 'hyparquet-writer': 3, 'DuckDB COPY': 0.4 }
  for (const name of ['flush', 'compaction']) report.compare(`${dataset.name}: ${name}, per row`, new Map([...times, ['ParqueDB', times.get(name)]]), targets)
  const merged = 'compaction of runs that interleave'
  report.compare(`${dataset.name}: ${merged}, per row`, new Map([['ParqueDB', times.get(merged)], ['hyparquet-writer', times.get('hyparquet-writer')]]), { 'hyparquet-writer': null })
  for (const [name, each] of Object.entries(longest)) {
    report.amount(`${dataset.name}: ${name}, the event loop waits, 99%`, { ours: median(each.map(({ p99 }) => p99)), unit: 'ms', atMost: 20 })
    report.amount(`${dataset.name}: ${name}, the event loop waits, at most`, { ours: median(each.map(({ max }) => max)), unit: 'ms', atMost: 20 })
  }
}

/** Eight runs, each with every eighth of the documents: no row group can be taken over as it stands. */
async function interleave(path, documents) {
  const runs = 8
  const { db, items } = await openOurs(path, { ...unflushed, compaction: { background: false } })
  for (let run = 0; run < runs; run++) {
    await items.createMany(documents.filter((_, index) => index % runs === run))
    await db.flush()
  }
  await db.close()
}

function columnsOf({ columns }, documents) {
  return [
    { name: 'id', data: documents.map(({ $id }) => $id), type: 'STRING' },
    ...Object.entries(columns).map(([name, { parquet }]) => ({ name, data: documents.map((document) => document[name]), type: parquet })),
  ]
}

async function bytesPerDocument(report, { dataset, ours, sqlite, duck, folder }) {
  const count = dataset.count
  const copy = join(folder, 'copy.parquet')
  await duck.connection.run(`COPY (SELECT * FROM items ORDER BY id) TO '${copy}' (FORMAT parquet, COMPRESSION snappy)`)
  const states = runFiles(ours).reduce((sum, path) => sum + sizeOf(path), 0) / count
  report.compareAmount(
    `${dataset.name}: bytes a document, states`,
    { ours: states, unit: 'bytes' },
    { 'better-sqlite3': { amount: sizeOf(sqlite) / count, atMost: 0.4 }, "DuckDB's Parquet, snappy": { amount: sizeOf(copy) / count, atMost: 1.05 } },
  )
  report.amount(`${dataset.name}: bytes a document, history`, { ours: sizeOf(join(ours, 'events')) / count, unit: 'bytes' })
}

/** Peak memory of a process of its own, above what Node.js itself takes. */
function memory(report, { dataset, scattered, folder }) {
  const path = freshFolder(join(folder, 'measured'))
  cpSync(scattered, path, { recursive: true })
  const child = fileURLToPath(new URL('memory-child.mjs', import.meta.url))
  const peakMb = (...args) => Number(execFileSync(process.execPath, [child, ...args], { encoding: 'utf8' })) / 1024
    report.amount(`${dataset.name}: memory to open, scan and compact ${dataset.count.toLocaleString('en')}`, { ours: peakMb(path) - peakMb(), unit: 'MB', atMost: 256 })
}
