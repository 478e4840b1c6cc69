import type { EngineOptions } from '../storage/engine-options.ts'
import { Cluster, type Node } from './simulation/Cluster.ts'
import type { Dice } from './simulation/Dice.ts'
import { Oracle, Violation } from './simulation/Oracle.ts'
import { calm, SimulatedWorld } from './simulation/SimulatedWorld.ts'
import { compareEverything, historicalRead, listen, presentRead, readBack, slowRead } from './simulation/reads.ts'
import type { Simulation } from './simulation/simulation.ts'
import { firstCommand, namespaces } from './simulation/workload.ts'
import { archive, checkpoint, compact, drop, erase, flush, retry, write, writeCommand } from './simulation/writes.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Resolves when every promise that can settle has: in Node.js `setImmediate` of node:timers/promises. */
  readonly turn: () => Promise<void>
  /** Things that are done. Default 120. */
  readonly steps?: number
  /** Where the database is. Default: in a folder for odd seeds, in a bucket for even ones. */
  readonly home?: 'folder' | 'bucket'
}

export interface SimulationReport {
  readonly seed: number
  /** Of everything that happened, in order: the same for the same seed. */
  readonly traceHash: string
  /** How often each situation came about that the simulation is there to meet. */
  readonly coverage: Readonly<Record<string, number>>
  readonly events: number
  readonly writes: number
  readonly simulatedMs: number
  /** What the engine did that it must not, and the last that happened before; undefined when it kept its word. */
  readonly violation: { readonly message: string; readonly trace: readonly string[] } | undefined
}

/** What the worlds of many seeds must have met, lest the simulation pass by seeing nothing. */
export const coveragePoints: readonly string[] = [
  'opening replays the log',
  'a torn tail is cut off',
  'a power cut loses unsynced bytes',
  'a power cut tears a file at a sector',
  'a power cut loses a name',
  'a sync fails',
  'the disk is full',
  'an answer is lost',
  'an unknown outcome: it had happened',
  'an unknown outcome: it had not happened',
  'a write that had happened is tried again',
  'a process dies at work',
  'a process dies while it opens',
  'a second writer is locked out',
  'two writers open at once',
  'a writer is taken over from',
  'a writer is stopped at work and comes back',
  'a writer is fenced',
  'a flush',
  'a flush fails',
  'a flush is fenced',
  'a merge',
  'a merge fails',
  'a merge is fenced',
  'a merge is cancelled',
  'a checkpoint on request',
  'archiving on request',
  'dropping on request',
  'a past is read that a checkpoint is before',
  'a past behind the horizon is refused',
  'a past that was dropped is refused',
  'what a reader holds is dropped',
  'entities are read from the archive',
  'edges are read from the archive',
  'an entity is erased',
  'an erasure outlives the process that began it',
  'edges are linked',
  'edges are unlinked',
  'a document is written with its edges',
  'an edge to what is not there is refused',
  'an edge takes the place of another',
  'a delete takes others with it',
  'a delete removes edges',
  'a delete is refused for what leads there',
  'edges come back with what they lead to',
  'edges are read where they begin',
  'edges are read where they lead',
  'related entities are counted',
  'a way along edges is found',
  'edges are read where they begin, of the past',
  'edges are read where they lead, of the past',
  'related entities are counted, of the past',
  'a way along edges is found, of the past',
  'background work failed',
  'transactions conflict',
  'a reader races garbage collection',
  'a slow reader is told that its files are gone',
  'everything is read from one state',
  'a filter and a sort',
  'a count and the distinct values',
  'an event comes by subscription',
  'many are updated',
  'many are deleted',
  'an entity is made what it was',
  'what was deleted is restored',
  'a transaction reads a whole collection',
  'a guest opens',
  'a guest writes through the writer',
  'a guest takes the role over',
  'an answer to a guest is lost',
  'an unknown put is found to be done',
  'an unknown put is done again',
  'a late put is done',
  'a late put is refused',
  'an object of the log is deleted',
  'a listing has pages',
  'a bucket answers 409',
  'a bucket answers 429',
  'a bucket answers 503',
]

/** Steps between two readings of the log. */
const stepsPerReading = 8
const underWayMax = 4
const zombiesMax = 2
const followersMax = 2
const guestsMax = 2

const stepWeights = {
  write: 50,
  read: 14,
  history: 10,
  slowRead: 6,
  follow: 6,
  guest: 5,
  listen: 4,
  settle: 5,
  flush: 4,
  compact: 4,
  checkpoint: 3,
  archive: 3,
  drop: 2,
  erase: 3,
  retry: 3,
  reopen: 2,
  kill: 3,
  powerCut: 2,
  takeOver: 3,
  freeze: 2,
  race: 1,
  weather: 3,
  pause: 2,
} as const

/**
 * Runs the real engine in a world that is made from a seed: a folder whose unsynced bytes and names a power cut takes, syncs that fail, a disk
 * that fills, lost answers; or a bucket whose requests are lost, done late or twice, or refused for now; processes that die at any moment or
 * stop and come back, clocks that disagree. What it does is compared with a map.
 */
export async function simulate({ seed, turn, steps = 120, home = seed % 2 === 0 ? 'bucket' : 'folder' }: SimulationOptions): Promise<SimulationReport> {
  const world = new SimulatedWorld({ seed, turn, home })
  const { dice } = world
  const oracle = new Oracle((point) => world.hit(point))
  const cluster = new Cluster({ world, oracle, options: randomOptions(dice), isShared: home === 'folder' && dice.chance(0.6) })
  const simulation: Simulation = { world, oracle, cluster, dice, consumer: { seq: 0, isListening: false }, underWay: { retentions: 0, retries: 0 }, erasure: { doneAtMs: 0, interrupted: undefined }, checkpointSeqs: [], archivedTo: new Map(), failure: undefined }
  const startMs = world.time.nowMs
  let violation: SimulationReport['violation']
  try {
    await world.time.run(live(simulation, steps))
  } catch (error) {
    violation = { message: error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error), trace: world.lastLines }
  }
  return {
    seed,
    traceHash: world.traceHash,
    coverage: Object.fromEntries(world.coverage),
    events: oracle.lastSeq,
    writes: oracle.writes.size,
    simulatedMs: Math.round(world.time.nowMs - startMs),
    violation,
  }
}

/** Small limits, so that everything happens often. */
function randomOptions(dice: Dice): EngineOptions {
  return {
    autoSnapshotThreshold: dice.pick([1, 2, 5, 100]),
    maxCachedEntities: dice.pick([0, 2, 1000]),
    flush: { eventsMax: dice.pick([4, 10, 30]), ageMsMax: dice.pick([1000, 600_000]) },
    compaction: { background: dice.chance(0.7), fanIn: dice.pick([2, 3]), ...(dice.chance(0.2) && { codec: dice.pick(['snappy', 'gzip'] as const) }) },
    rowGroupBytes: dice.pick([50, 1000, 65_536, 65_536]),
    graceMs: dice.pick([0, 1000, 60_000]),
    followMs: dice.pick([0, 100]),
  }
}

async function live(simulation: Simulation, steps: number): Promise<void> {
  const { cluster, dice, oracle, world } = simulation
  const first = await cluster.openOwner({ takeOver: false, mayDie: true })
  for (const ns of namespaces) if (dice.chance(0.8)) begin(first, writeCommand(simulation, first, firstCommand(ns)))
  for (let index = 1; index <= steps; index++) {
    const kind = dice.weighed(stepWeights)
    world.note(`step ${index}: ${kind}`)
    await step(simulation, kind)
    throwFailure(simulation)
    const { owner } = cluster
    // A guest may have the role by the time that another one opens.
    if (owner === undefined && !(cluster.guests.length > 0 && dice.chance(0.5))) await cluster.openOwner({ takeOver: dice.chance(0.5), mayDie: true })
    else if (owner?.isBroken === true) await reopen(simulation, owner)
    for (const guest of cluster.guests) if (guest.isBroken) await retire(simulation, guest)
    if (index % stepsPerReading === 0) await readBack(simulation)
  }
  world.weather = calm
  for (const node of cluster.all) await retire(simulation, node)
  await cluster.openOwner({ takeOver: true, mayDie: false })
  // What a former writer began to erase is finished beside the rest.
  await world.time.wait(120_000)
  await cluster.openFollower()
  await compareEverything(simulation)
  throwFailure(simulation)
  oracle.finish()
}

async function step(simulation: Simulation, kind: keyof typeof stepWeights): Promise<void> {
  const { cluster, dice, world } = simulation
  const odds = dice.throw()
  const others = odds < 0.15 ? cluster.zombies : odds < 0.4 ? cluster.guests : []
  const writer = others.length > 0 ? dice.pick(others) : (cluster.owner ?? cluster.guests[0])
  if (writer === undefined) return
  const reader = (): Node => dice.pick([writer, ...cluster.zombies, ...cluster.followers, ...cluster.guests])
  switch (kind) {
    case 'write':
      begin(writer, write(simulation, writer))
      if (writer.underWay.size >= underWayMax || dice.chance(0.4)) await cluster.drain(writer)
      return
    case 'read':
      return presentRead(simulation, reader())
    case 'slowRead': {
      const node = dice.chance(0.2) ? writer : reader()
      return begin(node, slowRead(simulation, node))
    }
    case 'history':
      return historicalRead(simulation, reader())
    case 'listen': {
      const node = reader()
      return begin(node, listen(simulation, node))
    }
    case 'guest':
      if (world.home === 'bucket') return presentRead(simulation, reader())
      return cluster.guests.length < guestsMax ? cluster.openGuest() : presentRead(simulation, dice.pick(cluster.guests))
    case 'follow':
      if (cluster.followers.length < followersMax) return cluster.openFollower()
      return presentRead(simulation, dice.pick(cluster.followers))
    case 'settle':
      return cluster.drain(writer)
    case 'flush':
      return begin(writer, flush(simulation, writer))
    case 'compact':
      return begin(writer, compact(simulation, writer))
    case 'checkpoint':
      return begin(writer, checkpoint(simulation, writer))
    case 'archive':
      return begin(writer, archive(simulation, writer))
    case 'drop':
      return drop(simulation, (node) => readBeside(simulation, node))
    case 'erase':
      return erase(simulation, (node) => readBeside(simulation, node))
    case 'retry':
      // A former writer knows nothing of what the newest one was told.
      return writer === cluster.owner ? retry(simulation, writer) : undefined
    case 'reopen':
      return reopen(simulation, writer)
    case 'pause':
      return world.time.wait(dice.below(90_000))
    case 'weather':
      world.weather = dice.chance(0.4) ? calm : { before: dice.pick([0, 0.02]), after: dice.pick([0, 0.02]), sync: dice.pick([0, 0.05]), full: dice.pick([0, 0.1]) }
      return
    case 'kill':
    case 'powerCut':
    case 'takeOver':
    case 'freeze':
    case 'race':
      return disturb(simulation, writer, kind)
  }
}

async function disturb(simulation: Simulation, writer: Node, kind: 'kill' | 'powerCut' | 'takeOver' | 'freeze' | 'race'): Promise<void> {
  const { cluster, dice, oracle, world } = simulation
  if (dice.chance(0.7)) bustle(simulation, writer)
  await world.time.wait(dice.below(8))
  switch (kind) {
    case 'kill':
      if (writer.underWay.size > 0) world.hit('a process dies at work')
      return cluster.kill(writer)
    case 'powerCut':
      cluster.cutPower()
      simulation.consumer.seq = Math.min(simulation.consumer.seq, oracle.lastSeq)
      return oracle.forgetUnsynced()
    case 'takeOver':
    case 'freeze':
      // The stopped one finds out when it wakes.
      if (kind === 'freeze') writer.process.frozenUntilMs = world.time.nowMs + dice.below(60_000)
      if (kind === 'freeze' && writer.underWay.size > 0) world.hit('a writer is stopped at work and comes back')
      await cluster.openOwner({ takeOver: dice.chance(0.8), mayDie: true })
      break
    case 'race':
      await cluster.race()
      break
  }
  world.hit('a writer is taken over from')
  for (const zombie of cluster.zombies.slice(0, -zombiesMax)) await retire(simulation, zombie)
}

async function retire({ cluster }: Simulation, node: Node): Promise<void> {
  await cluster.drain(node)
  await cluster.close(node)
}

/** Writes and reads that go on while something happens. */
function bustle(simulation: Simulation, writer: Node): void {
  const { cluster, dice, world } = simulation
  const inARow = async (count: number, work: () => Promise<void>): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await world.time.wait(dice.below(6))
      await work()
    }
  }
  begin(writer, inARow(dice.below(5), () => write(simulation, writer)))
  for (const guest of cluster.guests) begin(guest, inARow(dice.below(4), () => write(simulation, guest)))
  for (const follower of cluster.followers) begin(follower, inARow(dice.below(8), () => presentRead(simulation, follower)))
}

/** Reads, of whoever is there, that go on while something is taken away. */
function readBeside(simulation: Simulation, writer: Node): void {
  const { cluster, dice } = simulation
  begin(writer, slowRead(simulation, writer))
  for (const node of [...cluster.followers, ...cluster.guests]) begin(node, dice.chance(0.5) ? slowRead(simulation, node) : presentRead(simulation, node))
}

async function reopen({ cluster, dice }: Simulation, node: Node): Promise<void> {
  if (dice.chance(0.7)) await cluster.drain(node)
  await cluster.close(node)
  if (cluster.owner === undefined) await cluster.openOwner({ takeOver: dice.chance(0.3), mayDie: true })
}

function begin(node: Node, work: Promise<void>): void {
  node.underWay.add(work)
  void work.then(() => node.underWay.delete(work))
}

function throwFailure({ failure }: Simulation): void {
  if (failure !== undefined) throw failure instanceof Error ? failure : new Error('Something that is no Error was thrown', { cause: failure })
}
