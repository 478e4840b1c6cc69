import { isParqueDBError } from '../../base/ParqueDBError.ts'
import { edgeSpace, isEdgeSpace } from '../../model/edge.ts'
import type { Event } from '../../model/event.ts'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import type { Node } from './Cluster.ts'
import { Violation } from './Oracle.ts'
import { relationships, type Range } from './commands.ts'
import { describeEntities } from './ReferenceDatabase.ts'
import { collectionOf, type Moment } from './ReferenceGraph.ts'
import { isFileGone, isWorldly, type Simulation } from './simulation.ts'
import { describeEntity, describeRelated, filterOf, namespaces, randomKey, randomRange } from './workload.ts'

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
      for (const kind of bothWays) text += ` | ${describeRelated(await collection.related(key.id, 'knows', kind).toArray())}`
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
    oracle.observe({ reader, what: `${key.ns}/${key.id} and then everything`, found, afterWrites, expected: (seq) => [reference.entity(key, seq), ...bothWays.map((kind) => reference.related(nameOf(key), { predicate: 'knows', ...kind }, { seq })), ...namespaces.map((ns) => reference.listing(ns, seq))].join(' | ') })
  } catch (error) {
    simulation.failure ??= error
  }
}

/** From each of its ends. */
const bothWays = [{ direction: 'out' }, { direction: 'in' }] as const
/** So old may be what a follower knows when a read begins, and a millisecond more, as its clock counts whole ones. */
const followMsMax = 101

async function readPresent(simulation: Simulation, node: Node): Promise<void> {
  const { dice, oracle } = simulation
  const { reference } = oracle
  const afterWrites = knownWrites(simulation, node)
  const key = randomKey(dice)
  const { ns } = key
  const collection = node.db.collection(ns)
  const range = randomRange(dice, oracle.writes.size + 1, 60)
  const { owner } = simulation.cluster
  const look = async (what: string, read: () => Promise<string>, expected: (seq: number) => string): Promise<void> => {
    const found = await reading(simulation, node, read)
    // Between two writers what was acknowledged last may be missing.
    const isSettled = node === owner || owner === simulation.cluster.owner
    if (found !== undefined) oracle.observe({ reader: node, what, found, afterWrites: isSettled ? afterWrites : 0, expected })
  }
  const isReversed = dice.chance(0.5)
  switch (dice.below(9)) {
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
    case 4:
    case 5:
    case 6: {
      const { what, read, expected } = graphRead(simulation, node, {})
      return look(what, read, (seq) => expected({ seq }))
    }
    default:
      return look(`${ns}/${key.id}`, async () => describeEntity(await collection.get(key.id)), (seq) => reference.entity(key, seq))
  }
}

/** How many acknowledged writes a read that begins now has to show. Former writers know nothing of the newest one. */
function knownWrites({ oracle, cluster, world }: Simulation, node: Node): number {
  if (node === cluster.owner) return oracle.acknowledgedCount
  return cluster.owner !== undefined && cluster.followers.includes(node) ? oracle.acknowledgedBefore(world.time.nowMs - followMsMax) : 0
}

/** A question about edges, and what the answer is at a moment. */
function graphRead({ dice, oracle, world }: Simulation, { db }: Node, options: { asOf?: number | Date; includeArchived?: boolean }): { what: string; read: () => Promise<string>; expected: (at: Moment) => string } {
  const { reference } = oracle
  const key = randomKey(dice)
  const name = nameOf(key)
  const { direction } = dice.pick(bothWays)
  const { predicate, ends } = dice.pick(relationships)
  const collection = db.collection(key.ns)
  // An end that the relationship does not have has no edges, but those that are not declared.
  const known = direction === 'in' && ends?.to === key.ns ? ends.inverse : predicate
  const related = { direction, ...options }
  const hitAs = (point: string): void => world.hit(options.asOf === undefined ? point : `${point}, of the past`)
  switch (dice.below(4)) {
    case 0:
      hitAs('related entities are counted')
      return { what: `how many ${predicate} ${direction} of ${name}`, read: async () => String(await collection.countRelated(key.id, known, related)), expected: (at) => String(reference.graph.seen(name, { predicate, direction }, at).length) }
    case 1: {
      hitAs('a way along edges is found')
      const depth = 1 + dice.below(3)
      const read = async (): Promise<string> => (await db.traverse(name, { direction, min: 1 }, { depth, ...options }).toArray()).map(({ $id, $path }) => `${$id} ${$path.length - 1}`).toSorted().join()
      return { what: `${depth} steps ${direction} of ${name}`, read, expected: (at) => reference.graph.distances(name, { direction, depth }, at).map(([far, distance]) => `${far} ${distance}`).toSorted().join() }
    }
    case 2: {
      const other = nameOf(randomKey(dice))
      const read = async (): Promise<string> => String((await db.shortestPath(name, other, { direction, depth: 5, ...options }))?.length)
      const expected = (at: Moment): string => (name === other && reference.graph.isLive(name, at) ? '1' : String(reference.graph.distances(name, { direction, depth: 5 }, at).map(([far, distance]) => (far === other ? distance + 1 : undefined)).find((length) => length !== undefined)))
      return { what: `the way ${direction} from ${name} to ${other}`, read, expected }
    }
    default:
      hitAs(direction === 'out' ? 'edges are read where they begin' : 'edges are read where they lead')
      return { what: `${predicate} ${direction} of ${name}`, read: async () => describeRelated(await collection.related(key.id, known, related).toArray()), expected: (at) => reference.related(name, { predicate, direction }, at) }
  }
}

function nameOf({ ns, id }: { ns: string; id: string }): string {
  return `${ns}/${id}`
}

function keyOf(name: string): { ns: string; id: string } {
  const ns = collectionOf(name)
  return { ns, id: name.slice(ns.length + 1) }
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
      if (event.seq <= consumer.seq) throw new Violation(`${node.name} gives event ${event.seq} after event ${consumer.seq} by subscription`)
      oracle.heard(node.name, event, consumer.seq)
      consumer.seq = event.seq
      world.hit('an event comes by subscription')
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

/** Reads a past that this process knows of, which has one answer. While something is being erased, that is so only of what came after. */
export async function historicalRead(simulation: Simulation, node: Node): Promise<void> {
  const { dice, oracle, world } = simulation
  const { reference } = oracle
  const firstSeq = firstCertainSeq(simulation, node)
  if (node.seq < firstSeq) return
  const seq = firstSeq + dice.below(node.seq - firstSeq + 1)
  const key = randomKey(dice)
  const collection = node.db.collection(key.ns)
  const options = { asOf: seq, includeArchived: dice.chance(0.5) }
  const { includeArchived } = options
  const past: Moment = { seq, knownAt: Number.POSITIVE_INFINITY }
  if (simulation.checkpointSeqs.some((checkpoint) => checkpoint > 0 && checkpoint <= seq)) world.hit('a past is read that a checkpoint is before')
  switch (dice.below(8)) {
    case 0:
      return comparePast(simulation, node, { what: `${key.ns} as of ${seq}`, read: async () => describeEntity(...(await collection.find({}, options).toArray())), expected: reference.listing(key.ns, past), options, space: key.ns })
    case 1:
      return comparePast(simulation, node, { what: `${key.ns}/${key.id} as of ${seq}`, read: async () => describeEntity(await collection.get(key.id, options)), expected: reference.entity(key, past), options, space: key.ns })
    case 2:
      // Until it is done with, an erased entity's history is told.
      return firstSeq === 0 ? compareHistory(simulation, node, { key, seq }) : undefined
    case 3:
    case 4:
    case 5:
    case 6: {
      const { what, read, expected } = graphRead(simulation, node, options)
      return comparePast(simulation, node, { what: `${what} as of ${seq}`, read, expected: expected(past), options, space: edgeSpace(key.ns, 'out') })
    }
    default: {
      // Only a time before the newest event's is past for ever.
      const ms = reference.timeOf(seq)
      const last = lastSeqAt(reference, ms)
      if (seq === 0 || ms >= reference.timeOf(node.seq)) return
      return comparePast(simulation, node, { what: `${key.ns} at ${ms}`, read: async () => describeEntity(...(await collection.find({}, { asOf: new Date(ms), includeArchived }).toArray())), expected: reference.listing(key.ns, { ...past, seq: last }), options: { asOf: last, includeArchived }, space: key.ns })
    }
  }
}

/** Who has not heard of an erasure still tells of what is erased. */
function firstCertainSeq({ oracle, cluster, world, erasure: { doneAtMs } }: Simulation, node: Node): number {
  if (oracle.isErasing) return Number.POSITIVE_INFINITY
  const isDone = doneAtMs !== undefined && (node === cluster.owner || (!cluster.zombies.includes(node) && doneAtMs < world.time.nowMs - followMsMax))
  return isDone ? 0 : oracle.reference.erasedSeq
}

/** The newest part of a history is there, as far back as retention may have dropped what was before. */
async function compareHistory(simulation: Simulation, node: Node, { key, seq }: { key: { ns: string; id: string }; seq: number }): Promise<void> {
  const { oracle } = simulation
  const droppedTo = oracle.droppedTo(key.ns)
  if (seq <= droppedTo) return
  const expected = oracle.reference.history(key, seq)
  const found = await reading(simulation, node, () => readHistory(node.db, key, seq))
  if (found === undefined) return
  const keptCount = expected.split('\n').filter((line) => Number.parseInt(line) > droppedTo).length
  const isNewestPart = expected.endsWith(found) && (found === '' ? 0 : found.split('\n').length) >= keptCount
  oracle.compare(`the history of ${nameOf(key)} to ${seq}, read by ${node.name},`, isNewestPart ? expected : found, expected)
}

/** Takes in what the log of the writer has gained; whether that could be had. */
export async function readBack(simulation: Simulation): Promise<boolean> {
  const { oracle, cluster, world, erasure } = simulation
  const node = cluster.owner
  if (node === undefined) return false
  const ended = oracle.ended()
  const events = await reading(simulation, node, () => collect(node.db, oracle.lastSeq + 1))
  if (events === undefined) return false
  oracle.ingest(events, { epoch: node.epoch, ended })
  node.seq = oracle.lastSeq
  const stats = await reading(simulation, node, () => node.db.stats())
  if (stats !== undefined) cluster.noteWork(stats)
  if (erasure.interrupted?.seq !== undefined) {
    world.hit('an erasure outlives the process that began it')
    erasure.interrupted = undefined
  }
  return true
}

/** At the end: everything, through a writer and a follower that have just opened. */
export async function compareEverything(simulation: Simulation): Promise<void> {
  const { oracle, cluster } = simulation
  const { reference } = oracle
  await readBack(simulation)
  const nodes = [...(cluster.owner === undefined ? [] : [cluster.owner]), ...cluster.followers]
  for (const node of nodes) {
    const { db } = node
    oracle.compareLog(await cluster.within(node, collect(db, undefined)))
    for (const ns of namespaces) oracle.compare(`all of ${ns} at the end`, describeEntity(...(await cluster.within(node, db.collection(ns).find().toArray()))), reference.listing(ns, oracle.lastSeq))
    for (const name of reference.names) await compareHistory(simulation, node, { key: keyOf(name), seq: oracle.lastSeq })
    for (const [name, kind] of reference.graph.ends) {
      const read = async (): Promise<string> => describeRelated(await db.collection(keyOf(name).ns).related(keyOf(name).id, kind.predicate, { direction: kind.direction }).toArray())
      oracle.compare(`${kind.predicate} ${kind.direction} of ${name} at the end`, await cluster.within(node, read()), reference.related(name, kind, { seq: oracle.lastSeq }))
    }
    const { problems } = await cluster.within(node, db.verify({ deep: true }))
    oracle.compare('what verify finds', JSON.stringify(problems), '[]')
  }
  for (const node of nodes) await cluster.close(node)
}

/** As compareRead, of a past that may be behind the horizon: then it is refused, and only what is archived may be asked for. */
async function comparePast(simulation: Simulation, node: Node, { options, space, ...compared }: Compared & { options: { asOf: number; includeArchived: boolean }; space: string }): Promise<void> {
  const { world, oracle } = simulation
  const { asOf, includeArchived } = options
  try {
    await compareRead(simulation, node, compared)
    if (includeArchived && asOf < (simulation.archivedTo.get(space) ?? 0)) world.hit(isEdgeSpace(space) ? 'edges are read from the archive' : 'entities are read from the archive')
  } catch (error) {
    if (!isParqueDBError(error, 'HISTORY_UNAVAILABLE')) throw error
    const { ns, horizonSeq } = error.details
    if (asOf >= Number(horizonSeq)) throw error
    if (includeArchived && Number(horizonSeq) > oracle.droppedTo(String(ns))) throw error
    world.hit(includeArchived ? 'a past that was dropped is refused' : 'a past behind the horizon is refused')
  }
}

async function compareRead(simulation: Simulation, node: Node, { what, read, expected }: Compared): Promise<void> {
  const found = await reading(simulation, node, read)
  if (found !== undefined) simulation.oracle.compare(`${what}, read by ${node.name},`, found, expected)
}

interface Compared {
  readonly what: string
  readonly read: () => Promise<string>
  readonly expected: string
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
  // The graph's reads tell of its edges.
  return entries.filter(({ op }) => !op.startsWith('REL_')).map(({ seq: at, op, version, after }) => `${at} ${op} ${after === undefined ? describeEntities([{ id: key.id, version, document: undefined }]) : describeEntity(after)}`).join('\n')
}

/** From the first one that is kept where no other is named. */
async function collect(db: ParqueDB, fromSeq: number | undefined): Promise<Event[]> {
  const events: Event[] = []
  for await (const event of db.events({ ...(fromSeq !== undefined && { fromSeq }), includeArchived: true })) events.push(event)
  return events
}

function lastSeqAt(reference: { lastSeq: number; timeOf(seq: number): number }, ms: number): number {
  let last = 0
  for (let seq = 1; seq <= reference.lastSeq && reference.timeOf(seq) <= ms; seq++) last = seq
  return last
}
