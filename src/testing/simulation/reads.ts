import { isParqueDBError } from '../../base/ParqueDBError.ts'
import type { Event } from '../../model/event.ts'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import type { Node } from './Cluster.ts'
import { Violation } from './Oracle.ts'
import { describeEntities, type Range } from './ReferenceDatabase.ts'
import { isFileGone, isWorldly, type Simulation } from './simulation.ts'
import { describeEntity, filterOf, namespaces, randomKey, randomRange } from './workload.ts'

/** Reads the present, after what the process is reading already. Which state it was is judged when the log has been read back. */
export function presentRead(simulation: Simulation, node: Node): Promise<void> {
  const read = node.lastRead.then(() => readPresent(simulation, node))
  node.lastRead = read.catch((error: unknown) => {
    simulation.failure ??= error
  })
  return node.lastRead
}

/** Reads an entity and then everything, as a backup does, from one state, with time in between in which files come and go. */
export async function slowRead(simulation: Simulation, node: Node): Promise<void> {
  const { dice, oracle, cluster, world } = simulation
  const { reference } = oracle
  const afterWrites = node === cluster.owner ? oracle.acknowledgedCount : 0
  const reader = { name: node.name, seq: node.seq }
  const key = randomKey(dice)
  const read = (): Promise<string> =>
    node.db.transaction(async (tx) => {
      const collection = tx.collection(key.ns)
      let text = describeEntity(await collection.get(key.id))
      for (const ns of namespaces) {
        await world.time.wait(dice.below(3000), node.process)
        text += ` | ${describeEntity(...(await tx.collection(ns).find().toArray()))}`
      }
      return text
    })
  try {
    const found = await reading(simulation, node, read)
    if (found === undefined) return
    world.hit('everything is read from one state')
    oracle.observe({ reader, what: `${key.ns}/${key.id} and then everything`, found, afterWrites, expected: (seq) => [reference.entity(key, seq), ...namespaces.map((ns) => reference.listing(ns, seq))].join(' | ') })
  } catch (error) {
    simulation.failure ??= error
  }
}

async function readPresent(simulation: Simulation, node: Node): Promise<void> {
  const { dice, oracle, cluster } = simulation
  const { reference } = oracle
  const afterWrites = node === cluster.owner ? oracle.acknowledgedCount : 0
  const key = randomKey(dice)
  const { ns } = key
  const collection = node.db.collection(ns)
  const range = randomRange(dice, oracle.writes.size + 1, 60)
  const look = async (what: string, read: () => Promise<string>, expected: (seq: number) => string): Promise<void> => {
    const found = await reading(simulation, node, read)
    if (found !== undefined) oracle.observe({ reader: node, what, found, afterWrites, expected })
  }
  const isReversed = dice.chance(0.5)
  switch (dice.below(6)) {
    case 0:
    case 1:
      return look(`all of ${ns}`, async () => describeEntity(...(await collection.find().toArray())), (seq) => reference.listing(ns, seq))
    case 2:
      simulation.world.hit('a filter and a sort')
      return look(`${ns} by n, from ${range.from} to ${range.below}`, async () => describeEntity(...(await collection.find(filterOf(range), { sort: { n: isReversed ? -1 : 1 }, limit: 5 }).toArray())), (seq) => {
        const order = isReversed ? -1 : 1
        return describeEntities(reference.matching(ns, seq, range).toSorted((left, right) => order * (Number(left.document.n) - Number(right.document.n))).slice(0, 5))
      })
    case 3:
      simulation.world.hit('a count and the distinct values')
      return look(`how many of ${ns}, and which m, from ${range.from} to ${range.below}`, () => countAndDistinct(node.db, ns, range), (seq) => {
        const matching = reference.matching(ns, seq, range)
        const values = new Set(matching.flatMap(({ document: { m } }) => (m === undefined ? [] : Number(m))))
        return `${matching.length} ${[...values].toSorted((left, right) => left - right).join()}`
      })
    default:
      return look(`${ns}/${key.id}`, async () => describeEntity(await collection.get(key.id)), (seq) => reference.entity(key, seq))
  }
}

/** From one state, so that the two fit each other. */
function countAndDistinct(db: ParqueDB, ns: string, range: Range): Promise<string> {
  return db.transaction(async (tx) => {
    const collection = tx.collection(ns)
    return `${await collection.count(filterOf(range))} ${(await collection.distinct('m', filterOf(range))).map(Number).toSorted((left, right) => left - right).join()}`
  })
}

/** Listens for a while, from the event after the last one that anybody listened to. Whoever follows may not have come that far. */
export async function listen(simulation: Simulation, node: Node): Promise<void> {
  const { world, oracle, dice, consumer } = simulation
  if (consumer.isListening) return
  consumer.isListening = true
  const abort = new AbortController()
  void world.time.wait(dice.below(20_000)).then(() => abort.abort())
  const firstSeq = consumer.seq + 1
  const read = async (): Promise<void> => {
    for await (const event of node.db.subscribe({ fromSeq: firstSeq, signal: abort.signal })) {
      if (event.seq !== consumer.seq + 1) throw new Violation(`${node.name} gives event ${event.seq} after event ${consumer.seq} by subscription`)
      consumer.seq = event.seq
      world.hit('an event comes by subscription')
      oracle.heard(node.name, event)
    }
  }
  try {
    await reading(simulation, node, read)
  } catch (error) {
    // Who has fallen behind the horizon begins again after it.
    if (isParqueDBError(error, 'HISTORY_UNAVAILABLE')) consumer.seq = Math.max(consumer.seq, Number(error.details.horizonSeq))
    else if (!isParqueDBError(error, 'INVALID_ARGUMENT') || consumer.seq !== firstSeq - 1) simulation.failure ??= error
  } finally {
    consumer.isListening = false
  }
}

/** Reads a past that this process knows of, which has one answer. */
export async function historicalRead(simulation: Simulation, node: Node): Promise<void> {
  const { dice, oracle } = simulation
  const { reference } = oracle
  const seq = dice.below(node.seq + 1)
  const key = randomKey(dice)
  const collection = node.db.collection(key.ns)
  const options = { asOf: seq, includeArchived: dice.chance(0.5) }
  const { includeArchived } = options
  switch (dice.below(4)) {
    case 0:
      return comparePast(simulation, node, { what: `${key.ns} as of ${seq}`, read: async () => describeEntity(...(await collection.find({}, options).toArray())), expected: reference.listing(key.ns, seq), includeArchived })
    case 1:
      return comparePast(simulation, node, { what: `${key.ns}/${key.id} as of ${seq}`, read: async () => describeEntity(await collection.get(key.id, options)), expected: reference.entity(key, seq), includeArchived })
    case 2:
      return compareRead(simulation, node, { what: `the history of ${key.ns}/${key.id} to ${seq}`, read: () => readHistory(node.db, key, seq), expected: reference.history(key, seq) })
    default: {
      // Only a time before the newest event's is past for ever.
      const ms = reference.timeOf(seq)
      if (seq === 0 || ms >= reference.timeOf(node.seq)) return
      const last = lastSeqAt(reference, ms)
      return comparePast(simulation, node, { what: `${key.ns} at ${ms}`, read: async () => describeEntity(...(await collection.find({}, { asOf: new Date(ms), includeArchived }).toArray())), expected: reference.listing(key.ns, last), includeArchived })
    }
  }
}

/** Takes in what the log of the writer has gained. */
export async function readBack(simulation: Simulation): Promise<void> {
  const { oracle, cluster } = simulation
  const node = cluster.owner
  if (node === undefined) return
  const ended = oracle.ended()
  const events = await reading(simulation, node, () => collect(node.db, oracle.lastSeq + 1))
  if (events === undefined) return
  oracle.ingest(events, { epoch: node.epoch, ended })
  node.seq = oracle.lastSeq
  const stats = await reading(simulation, node, () => node.db.stats())
  if (stats !== undefined) cluster.noteWork(stats)
}

/** At the end: everything, through a writer and a follower that have just opened. */
export async function compareEverything(simulation: Simulation): Promise<void> {
  const { oracle, cluster } = simulation
  const { reference } = oracle
  await readBack(simulation)
  const nodes = [...(cluster.owner === undefined ? [] : [cluster.owner]), ...cluster.followers]
  for (const node of nodes) {
    const { db } = node
    const events = await cluster.within(node, collect(db, 1))
    oracle.compareLog(events)
    for (const ns of namespaces) oracle.compare(`all of ${ns} at the end`, describeEntity(...(await cluster.within(node, db.collection(ns).find().toArray()))), reference.listing(ns, oracle.lastSeq))
    for (const target of new Set(events.map((event) => event.target))) {
      const key = { ns: target.slice(0, target.indexOf(':')), id: target.slice(target.indexOf(':') + 1) }
      oracle.compare(`the history of ${target}`, await cluster.within(node, readHistory(db, key, oracle.lastSeq)), reference.history(key, oracle.lastSeq))
    }
    const { problems } = await cluster.within(node, db.verify({ deep: true }))
    oracle.compare('what verify finds', JSON.stringify(problems), '[]')
  }
  for (const node of nodes) await cluster.close(node)
}

/** As compareRead, of a past that may be behind the horizon: then it is refused, and only what is archived may be asked for. */
async function comparePast(simulation: Simulation, node: Node, { includeArchived, ...compared }: { what: string; read: () => Promise<string>; expected: string; includeArchived: boolean }): Promise<void> {
  try {
    await compareRead(simulation, node, compared)
  } catch (error) {
    if (includeArchived || !isParqueDBError(error, 'HISTORY_UNAVAILABLE')) throw error
    simulation.world.hit('a past behind the horizon is refused')
  }
}

async function compareRead(simulation: Simulation, node: Node, { what, read, expected }: { what: string; read: () => Promise<string>; expected: string }): Promise<void> {
  const found = await reading(simulation, node, read)
  if (found !== undefined) simulation.oracle.compare(`${what}, read by ${node.name},`, found, expected)
}

/** undefined when the world kept it from an answer. */
async function reading<T>({ cluster, world }: Simulation, node: Node, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await cluster.within(node, read())
  } catch (error) {
    world.note(`${node.name} cannot read: ${String(error)}`)
    const isOutrun = node !== cluster.owner && isFileGone(error)
    if (isOutrun) world.hit('a slow reader is told that its files are gone')
    if (isOutrun || isWorldly(error)) return undefined
    throw error
  }
}

async function readHistory(db: ParqueDB, key: { ns: string; id: string }, seq: number): Promise<string> {
  if (seq === 0) return ''
  const entries = await db.collection(key.ns).history(key.id, { to: seq, includeArchived: true }).toArray()
  return entries.map(({ seq: at, op, version, after }) => `${at} ${op} ${after === undefined ? describeEntities([{ id: key.id, version, document: undefined }]) : describeEntity(after)}`).join('\n')
}

async function collect(db: ParqueDB, fromSeq: number): Promise<Event[]> {
  const events: Event[] = []
  for await (const event of db.events({ fromSeq, includeArchived: true })) events.push(event)
  return events
}

function lastSeqAt(reference: { lastSeq: number; timeOf(seq: number): number }, ms: number): number {
  let last = 0
  for (let seq = 1; seq <= reference.lastSeq && reference.timeOf(seq) <= ms; seq++) last = seq
  return last
}
