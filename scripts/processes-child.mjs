// A child of processes.mjs: says on stdout, a JSON line each, what it begins, what was acknowledged and what it sees. Ends when stdin does.
// Usage: node processes-child.mjs <library> <folder> <seed> write|share|follow
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const [library, folder, seedText, role] = process.argv.slice(2)
const { FsBackend, ParqueDB } = await import(pathToFileURL(library).href)

const say = (kind, facts = {}) => writeSync(1, `${JSON.stringify({ kind, ...facts })}\n`)
let seed = Number(seedText) >>> 0
const random = (below) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
const life = { isEnding: false }
process.stdin.on('end', () => (life.isEnding = true)).resume()
await { write, share, follow }[role]()

/** Opens, sometimes by force, writes for a while, closes, and again. What it was fenced out of it tries again, by the same txId, when it is in again. */
async function write() {
  const lostOps = []
  for (let term = 1; !life.isEnding; term++) {
    const takeOver = random(3) === 0
    const db = new ParqueDB({ storage: new FsBackend(folder, { takeOver }), flush: { eventsMax: 100 }, compaction: { fanIn: 2 }, graceMs: 2000 })
    try {
      await db.stats()
      say('open', { takeOver })
      for (const lost of lostOps.splice(0)) await operation(db, lost, lostOps)
      const queues = Array.from({ length: 3 }, (_, queue) => writeSome(db, { prefix: `${seedText}-${term}-${queue}`, count: 5 + random(25) }, lostOps))
      await Promise.all(queues)
    } catch (error) {
      if (!isOfAnotherWriter(error)) throw error
      say(error.code)
    } finally {
      say('closing')
      await db.close().catch((error) => {
        if (!isOfAnotherWriter(error)) throw error
      })
    }
    await sleep(random(20))
  }
}

/** Opens to share the folder and writes until the end, as the writer or through it. Nothing that happens to others may end it. */
async function share() {
  const db = new ParqueDB({ storage: new FsBackend(folder), share: true, flush: { eventsMax: 100 }, compaction: { fanIn: 2 }, graceMs: 2000 })
  await db.stats()
  say('open', { takeOver: false })
  const queue = async (number) => {
    for (let index = 0; !life.isEnding; index++) {
      const { role: place } = index % 5 === 0 ? await db.stats() : {}
      if (place !== undefined) say('place', { place })
      await operation(db, { op: `${seedText}-${number}-${index}`, events: 1 + random(3) }, [])
    }
  }
  await Promise.all([1, 2, 3].map(queue))
  say('closing')
  await db.close()
}

async function writeSome(db, { prefix, count }, lostOps) {
  for (let index = 0; index < count && !life.isEnding; index++) await operation(db, { op: `${prefix}-${index}`, events: 1 + random(3) }, lostOps)
}

/** One to three events under one txId: an increment that everybody contends for, and notes of its own. */
async function operation(db, { op, events }, lostOps) {
  say('begin', { op, events })
  const options = { metadata: { op } }
  try {
    if (events === 1) await db.collection('counters').update('all', { $inc: { n: 1 } }, { ...options, txId: op })
    else {
      await db.transaction(
        async (tx) => {
          await tx.collection('counters').update('all', { $inc: { n: 1 } }, options)
          for (let part = 1; part < events; part++) await tx.collection('notes').create({ op, part, text: 'x'.repeat(random(300)) }, options)
        },
        { txId: op, retries: 1000 },
      )
    }
    say('acknowledged', { op })
  } catch (error) {
    if (isOfAnotherWriter(error)) lostOps.push({ op, events })
    throw error
  }
}

function isOfAnotherWriter(error) {
  return error.code === 'WRITER_LOCKED' || error.code === 'WRITER_FENCED'
}

/** Reads on and on, and says each event that it sees once. */
async function follow() {
  const db = new ParqueDB({ storage: new FsBackend(folder), readOnly: true, followMs: 0 })
  let seq = 0
  let version = 0
  for (let isLast = false; !isLast; ) {
    isLast = life.isEnding
    const ops = []
    const firstSeq = seq + 1
    for await (const event of db.events({ fromSeq: firstSeq })) {
      seq += 1
      if (event.seq !== seq) say('broken', { problem: `follows event ${seq - 1} by event ${event.seq}` })
      ops.push(event.metadata?.op ?? 'first')
    }
    const counter = await db.collection('counters').get('all')
    if (counter.version < version || counter.n !== counter.version - 1) say('broken', { problem: `saw version ${version}, then ${counter.version} with n ${counter.n}` })
    version = counter.version
    say('saw', { firstSeq, ops, version })
    await sleep(2)
  }
  await db.close()
}
