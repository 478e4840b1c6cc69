// The child of crash.mjs: writes without end until it is killed, and says on stdout what it begins and what was acknowledged.
// Usage: node crash-writer.mjs <library> <folder> <seed>
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [library, folder, seedText] = process.argv.slice(2)
const { FsBackend, ParqueDB } = await import(pathToFileURL(library).href)

const say = (kind, facts = {}) => writeSync(1, `${JSON.stringify({ kind, ...facts })}\n`)
let seed = Number(seedText) >>> 0
const random = (below) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

const db = new ParqueDB({ storage: new FsBackend(folder), flush: { eventsMax: 150 }, compaction: { fanIn: 2 }, graceMs: 0 })
const accounts = db.collection('accounts')
const notes = db.collection('notes')
const known = []
let count = 0

/** Says that an operation begins, how many events it is, and that it was acknowledged; one that was refused wrote nothing. */
async function operation(events, work) {
  const op = `${seedText}-${++count}`
  say('begin', { op, events })
  try {
    await work(op)
    say('acknowledged', { op })
  } catch (error) {
    if (!['NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'TRANSACTION_CONFLICT'].includes(error.code)) throw error
    say('refused', { op })
  }
}

const someKnown = () => known[random(known.length)]
const kinds = [
  () => operation(1, async (op) => known.push((await accounts.create({ op, balance: random(100) }, { metadata: { op } })).$id)),
  () => operation(12, (op) => notes.createMany(Array.from({ length: 12 }, (_, index) => ({ op, index, text: 'x'.repeat(random(200)) })), { metadata: { op } })),
  () => {
    const id = someKnown()
    return id === undefined ? undefined : operation(1, (op) => accounts.update(id, { $inc: { balance: 1 }, $set: { op } }, { metadata: { op } }))
  },
  () => {
    if (known.length === 0) return undefined
    const [id] = known.splice(random(known.length), 1)
    return operation(1, async (op) => {
      // A delete of what is gone writes nothing: that is a refusal to whoever counts events.
      if (!(await accounts.delete(id, { metadata: { op } }))) throw Object.assign(new Error(), { code: 'NOT_FOUND' })
    })
  },
  () => {
    const id = someKnown()
    return id === undefined ? undefined : operation(3, (op) => transfer(op, id))
  },
]

/** A transaction over two collections that creates, updates, and updates what it created. */
function transfer(op, id) {
  const options = { metadata: { op } }
  return db.transaction(async (tx) => {
    const note = await tx.collection('notes').create({ op, part: 1 }, options)
    await tx.collection('accounts').update(id, { $inc: { balance: -1 }, $set: { op } }, options)
    await tx.collection('notes').update(note.$id, { $set: { part: 2 } }, options)
  })
}

async function maintain() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 20 + random(60)))
    say('flush')
    await db.flush()
    say('rest')
    if (random(3) === 0) {
      say('compact')
      await db.compact()
      say('rest')
    }
  }
}

async function write() {
  for (;;) await kinds[random(kinds.length)]()
}

await db.stats()
say('open')
await Promise.all([maintain(), ...Array.from({ length: 6 }, write)])
