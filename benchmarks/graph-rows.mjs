// The graph and the past of one entity, beside an adjacency table and a history table.
import { join } from 'node:path'
import { contest } from './contest.mjs'
import { freshFolder, openOurs, openOursToRead, openSqlite } from './stores.mjs'

const batch = 1000
const starts = 200
const walks = 20

export async function graphRows(report, { folder, sizes, rounds }) {
  // Ten edges a node.
  const nodes = sizes.edges / 10
  const pairs = Array.from({ length: sizes.edges }, (_, n) => [n % nodes, (n * 7919 + Math.floor(n / nodes) * 13 + 1) % nodes])
  await linking(report, { folder, nodes, pairs, rounds })
  await reading(report, { folder, nodes, pairs, rounds })
  await thePast(report, { folder, sizes, rounds })
  await thePastOfAll(report, { folder, sizes, rounds })
}

const name = (n) => `n${String(n).padStart(6, '0')}`

async function openOursWithNodes(path, nodes) {
  const store = await openOurs(freshFolder(path))
  await store.items.createMany(Array.from({ length: nodes }, (_, n) => ({ $id: name(n), n })))
  await store.db.flush()
  return store
}

function openPeer(path) {
  const peer = openSqlite(path)
  peer.exec('CREATE TABLE items (id TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID; CREATE TABLE edges (a TEXT, predicate TEXT, b TEXT, PRIMARY KEY (a, predicate, b)) WITHOUT ROWID; CREATE INDEX back ON edges (b, predicate, a)')
  return peer
}

function fillPeerNodes(peer, nodes) {
  const insert = peer.prepare('INSERT INTO items VALUES (?, ?)')
  peer.transaction(() => {
    for (let n = 0; n < nodes; n++) insert.run(name(n), n)
  })()
}

const edgesOf = (pairs) => pairs.map(([a, b]) => ({ from: name(a), predicate: 'next', to: `items/${name(b)}` }))

function fillPeer(peer, pairs) {
  const insert = peer.prepare("INSERT OR IGNORE INTO edges VALUES (?, 'next', ?)")
  const commit = peer.transaction((some) => some.forEach(([a, b]) => insert.run(name(a), name(b))))
  for (let at = 0; at < pairs.length; at += batch) commit(pairs.slice(at, at + batch))
}

async function linking(report, { folder, nodes, pairs, rounds }) {
  const edges = edgesOf(pairs)
  const documents = edges.map(({ predicate, to }, n) => ({ $id: name(n), predicate, to, n, isOdd: n % 2 === 1 }))
  let round = 0
  const path = () => freshFolder(join(folder, `linking-${round++}`))
  const times = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', prepare: () => openOursWithNodes(path(), nodes), run: ({ items }) => items.linkMany(edges), cleanup: ({ db }) => db.close() },
      { name: 'createMany of as many', prepare: () => openOursWithNodes(path(), nodes), run: ({ db }) => db.collection('made').createMany(documents), cleanup: ({ db }) => db.close() },
      { name: 'better-sqlite3', prepare: () => openPeer(join(path(), 'edges.db')), run: (peer) => fillPeer(peer, pairs), cleanup: (peer) => peer.close() },
    ],
  })
  report.compare(`link ${pairs.length} edges, durable every 1,000`, times, { 'createMany of as many': 0.33, 'better-sqlite3': null })
}

async function reading(report, { folder, nodes, pairs, rounds }) {
  const path = join(folder, 'reading')
  const store = await openOursWithNodes(path, nodes)
  await store.items.linkMany(edgesOf(pairs))
  await store.db.compact()
  await store.db.close()
  const peer = openPeer(join(path, 'edges.db'))
  fillPeerNodes(peer, nodes)
  fillPeer(peer, pairs)
  const from = Array.from({ length: starts }, (_, n) => name((n * 97) % nodes))

  const { db, items, meter } = await openOursToRead(path)
  const cold = { ...meter }
  await items.related(from[0], 'next').toArray()
  report.amount('1 hop, the first read after opening', { ours: (meter.bytes - cold.bytes) / 1024, unit: 'KB' })
  report.amount('1 hop, the first read after opening, requests', { ours: meter.requests - cold.requests, unit: 'requests' })
  const later = { ...meter }
  await db.traverse(`items/${from[1]}`, { relationship: 'next', min: 1 }, { depth: 3 }).toArray()
  report.amount('3 hops after that', { ours: (meter.bytes - later.bytes) / 1024, unit: 'KB' })
  report.amount('3 hops after that, requests', { ours: meter.requests - later.requests, unit: 'requests' })

  const each = async (list, read) => {
    const found = []
    for (const one of list) found.push(await read(one))
    return found
  }
  // Both give entities: their ids and their field.
  const answer = (found) => found.map((rows) => rows.map(({ $id, id, n }) => `${id ?? $id.slice('items/'.length)} ${n}`).toSorted())
  const oneHop = peer.prepare("SELECT items.id, items.n FROM edges JOIN items ON items.id = b WHERE a = ? AND predicate = 'next'")
  const back = peer.prepare("SELECT items.id, items.n FROM edges JOIN items ON items.id = a WHERE b = ? AND predicate = 'next'")
  const threeHops = peer.prepare(
    "WITH RECURSIVE reach(id, far) AS (SELECT ?, 0 UNION SELECT b, far + 1 FROM reach JOIN edges ON a = id AND predicate = 'next' WHERE far < 3) SELECT id, n FROM items WHERE id IN (SELECT id FROM reach WHERE far > 0) AND id <> ?",
  )
  const row = async (title, list, [ours, theirs, atLeast]) => {
    const some = { count: list.length, answer }
    report.compare(title, await contest({ rounds, contestants: [{ name: 'ParqueDB', ...some, run: () => each(list, ours) }, { name: 'better-sqlite3', ...some, run: () => each(list, theirs) }] }), { 'better-sqlite3': atLeast })
  }
  await row('1 hop out, hot', from, [(id) => items.related(id, 'next').toArray(), (id) => oneHop.all(id), 0.33])
  await row('1 hop in, hot', from, [(id) => items.related(id, 'next', { direction: 'in' }).toArray(), (id) => back.all(id), 0.33])
  await row('3 hops out, hot', from.slice(0, walks), [(id) => db.traverse(`items/${id}`, { relationship: 'next', min: 1 }, { depth: 3 }).toArray(), (id) => threeHops.all(id, id), 1])
  peer.close()
  await db.close()
}

async function thePast(report, { folder, sizes, rounds }) {
  const path = freshFolder(join(folder, 'versions'))
  const writer = await openOurs(path)
  const peer = openSqlite(join(path, 'versions.db'))
  peer.exec('CREATE TABLE versions (id TEXT, version INTEGER, n INTEGER, PRIMARY KEY (id, version)) WITHOUT ROWID')
  const insert = peer.prepare("INSERT INTO versions VALUES ('one', ?, ?)")
  peer.transaction(() => {
    for (let version = 1; version <= sizes.versions; version++) insert.run(version, version)
  })()
  await writer.items.create({ $id: 'one', n: 1 })
  for (let from = 2; from <= sizes.versions; from += batch) {
    await Promise.all(Array.from({ length: Math.min(batch, sizes.versions - from + 1) }, (_, n) => writer.items.update('one', { $set: { n: from + n } })))
  }
  await writer.db.compact()
  await writer.db.close()

  const { db, items, meter } = await openOursToRead(path)
  const seqs = Array.from({ length: starts }, (_, n) => 1 + ((n * 7919) % (sizes.versions - 1)))
  await items.get('one', { asOf: seqs[0] })
  const costs = []
  for (const asOf of seqs.slice(1, 50)) {
    const before = { ...meter }
    await items.get('one', { asOf })
    costs.push({ requests: meter.requests - before.requests, bytes: meter.bytes - before.bytes })
  }
  report.amount(`get as of a seq, of ${sizes.versions} versions, requests at most`, { ours: Math.max(...costs.map(({ requests }) => requests)), unit: 'requests', atMost: 1 })
  report.amount(`get as of a seq, of ${sizes.versions} versions, at most`, { ours: Math.max(...costs.map(({ bytes }) => bytes)) / 1024, unit: 'KB', atMost: 128 })
  const select = peer.prepare("SELECT n FROM versions WHERE id = 'one' AND version <= ? ORDER BY version DESC LIMIT 1").pluck()
  const all = async (get) => {
    const found = []
    for (const seq of seqs) found.push(await get(seq))
    return found
  }
  const each = { count: seqs.length, answer: (found) => found }
  const times = await contest({
    rounds,
    contestants: [
      { name: 'ParqueDB', ...each, run: () => all(async (asOf) => (await items.get('one', { asOf })).n) },
      { name: 'better-sqlite3', ...each, run: () => all((version) => select.get(version)) },
    ],
  })
  report.compare(`get as of a seq, of ${sizes.versions} versions, hot`, times, { 'better-sqlite3': null })
  peer.close()
  await db.close()
}

/** Entities that have ten versions each, and all of them as they were in the middle, with a checkpoint there and without one. */
async function thePastOfAll(report, { folder, sizes, rounds }) {
  const count = sizes.edges
  const middle = count * 5
  const peerPath = freshFolder(join(folder, 'history'))
  const peer = openSqlite(join(peerPath, 'history.db'))
  peer.exec('CREATE TABLE history (id TEXT, seq INTEGER, n INTEGER, parity INTEGER, PRIMARY KEY (id, seq)) WITHOUT ROWID')
  const insert = peer.prepare('INSERT INTO history VALUES (?, ?, ?, ?)')
  peer.transaction(() => {
    for (let round = 0; round < 10; round++) for (let n = 0; n < count; n++) insert.run(name(n), 1 + round * count + n, round, n % 100)
  })()
  const select = peer.prepare('SELECT id, n FROM (SELECT id, n, parity, max(seq) FROM history WHERE seq <= ? GROUP BY id) WHERE parity = 7')
  for (const isMarked of [false, true]) {
    const path = freshFolder(join(folder, isMarked ? 'marked' : 'unmarked'))
    const writer = await openOurs(path)
    await writer.items.createMany(Array.from({ length: count }, (_, n) => ({ $id: name(n), n: 0, parity: n % 100 })))
    for (let round = 1; round < 10; round++) {
      await writer.items.updateMany({}, { $set: { n: round } })
      if (round === 4 && isMarked) await writer.db.checkpoint()
    }
    await writer.db.compact()
    await writer.db.close()
    const store = await openOursToRead(path)
    const title = `find as of the middle of ${count * 10} events of ${count} entities, ${isMarked ? 'with' : 'without'} a checkpoint`
    const { eventsFolded, bytes, requests } = await store.items.explain({ parity: 7 }, { asOf: middle })
    report.amount(`${title}, events folded`, { ours: eventsFolded, unit: 'events', ...(isMarked && { atMost: 0 }) })
    report.amount(`${title}, read`, { ours: bytes / 1024, unit: 'KB' })
    report.amount(`${title}, requests`, { ours: requests, unit: 'requests' })
    const answer = (found) => found.map(({ $id, id, n }) => `${id ?? $id.slice('items/'.length)} ${n}`).toSorted()
    const times = await contest({
      rounds,
      contestants: [
        { name: 'ParqueDB', answer, run: () => store.items.find({ parity: 7 }, { asOf: middle }).toArray() },
        { name: 'better-sqlite3', answer, run: () => select.all(middle) },
      ],
    })
    report.compare(title, times, { 'better-sqlite3': null })
    await store.db.close()
  }
  peer.close()
}
