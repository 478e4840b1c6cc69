import { isParqueDBError } from '../../base/ParqueDBError.ts'
import type { Node } from './Cluster.ts'
import type { Write } from './Oracle.ts'
import type { Command } from './commands.ts'
import { readBack } from './reads.ts'
import { isFileGone, isWorldly, type Simulation } from './simulation.ts'
import { perform, randomCommand, randomKey } from './workload.ts'

/** Does a command, and says how it ended. Never rejects. */
export function write(simulation: Simulation, node: Node): Promise<void> {
  const { oracle, dice } = simulation
  return writeCommand(simulation, node, randomCommand(dice, { serial: oracle.writes.size + 1, knownSeq: node.seq }))
}

/** Does this command. Never rejects. */
export function writeCommand(simulation: Simulation, node: Node, command: Command): Promise<void> {
  const { oracle, dice, cluster } = simulation
  const isMany = command.kind === 'updateMany' || command.kind === 'deleteMany' || command.kind === 'erase'
  // Which writers a guest's proposal may still reach is not known.
  const epoch = cluster.guests.includes(node) ? Number.POSITIVE_INFINITY : node.epoch
  return attempt(simulation, node, oracle.begin(command, { hasTxId: dice.chance(0.3) && !isMany, epoch, isStale: node !== cluster.owner }))
}

/** Does a write again under its txId: what had happened is told, not done again, as long as its events are kept. */
export async function retry(simulation: Simulation, node: Node): Promise<void> {
  const { cluster, underWay } = simulation
  if (underWay.retentions > 0 || simulation.oracle.isErasing) return
  underWay.retries += 1
  const stats = await cluster.within(node, node.db.stats()).catch(() => undefined)
  if (stats !== undefined) await retryKept(simulation, node, Math.max(0, ...Object.values(stats.horizons).map(({ seq }) => seq)))
  underWay.retries -= 1
}

async function retryKept(simulation: Simulation, node: Node, horizonSeq: number): Promise<void> {
  const { oracle, world, dice } = simulation
  const settled = [...oracle.writes.values()].filter(({ state, txId, seq, isAnswered }) => state === 'settled' && txId !== undefined && (seq === undefined ? !isAnswered : seq > horizonSeq)).filter((each) => oracle.isKept(each))
  if (settled.length === 0) return
  const chosen = dice.pick(settled)
  if (chosen.seq !== undefined) world.hit('a write that had happened is tried again')
  chosen.state = 'under way'
  chosen.epoch = Math.max(chosen.epoch, node.epoch)
  return attempt(simulation, node, chosen)
}

/** Of commands whose acknowledgement is a coverage point. */
const situations: Readonly<Partial<Record<Command['kind'], string>>> = {
  updateMany: 'many are updated',
  deleteMany: 'many are deleted',
  revert: 'an entity is made what it was',
  restore: 'what was deleted is restored',
  tally: 'a transaction reads a whole collection',
  erase: 'an entity is erased',
}

async function attempt(simulation: Simulation, node: Node, given: Write): Promise<void> {
  const { world, oracle, cluster } = simulation
  world.note(`${node.name} ${given.name} ${JSON.stringify(given.command)}`)
  try {
    const told = await cluster.within(node, perform(node.db, given.command, given))
    world.note(`${given.name} is acknowledged: ${told}`)
    oracle.acknowledged(given, told, world.time.nowMs)
    world.hit(situations[given.command.kind] ?? 'a write is acknowledged')
    if ('linking' in given.command) world.hit(given.command.kind === 'edges' ? `edges are ${given.command.linking.kind}ed` : 'a document is written with its edges')
    if (cluster.guests.includes(node)) world.hit((await node.db.stats().catch(() => undefined))?.role === 'writer' ? 'a guest takes the role over' : 'a guest writes through the writer')
  } catch (error) {
    world.note(`${given.name} fails: ${String(error)}`)
    settleFailure(simulation, node, { given, error })
  }
}

function settleFailure(simulation: Simulation, node: Node, { given, error }: { given: Write; error: unknown }): void {
  const { world, oracle } = simulation
  if (isParqueDBError(error, 'WRITER_FENCED')) world.hit('a writer is fenced')
  if (isParqueDBError(error, 'WRITER_FENCED') || (isParqueDBError(error) && error.details.outcome === 'unknown')) node.isBroken = true
  if (isParqueDBError(error, 'TRANSACTION_CONFLICT')) world.hit('transactions conflict')
  if (isParqueDBError(error, 'REFERENCE_VIOLATION')) world.hit(given.command.kind.startsWith('delete') ? 'a delete is refused for what leads there' : 'an edge to what is not there is refused')
  if (isWorldly(error)) given.state = 'unknown'
  else if (isFileGone(error) && node !== simulation.cluster.owner) given.state = 'unknown'
  else if (isParqueDBError(error) && refusals.has(error.code) && error.details.path === undefined) oracle.refused(given, error.code)
  else simulation.failure ??= error
}

/** Writes of these codes have certainly not happened. */
const refusals = new Set(['NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'TRANSACTION_CONFLICT', 'HISTORY_UNAVAILABLE', 'REFERENCE_VIOLATION'])

export async function flush(simulation: Simulation, node: Node): Promise<void> {
  await maintain(simulation, node, { name: 'a flush', work: () => node.db.flush() })
}

/** Half of them are given up at some moment. */
export async function compact(simulation: Simulation, node: Node): Promise<void> {
  const { world, dice } = simulation
  const abort = new AbortController()
  if (dice.chance(0.5)) void world.time.wait(dice.below(60)).then(() => abort.abort())
  await maintain(simulation, node, { name: 'a merge', work: () => node.db.compact({ signal: abort.signal }) })
}

/** The states of now are kept: what is read of later moments starts there. */
export async function checkpoint(simulation: Simulation, node: Node): Promise<void> {
  const made = await maintain(simulation, node, { name: 'a checkpoint', work: () => node.db.checkpoint() })
  if (made !== undefined && made.seq > 0) simulation.checkpointSeqs.push(made.seq)
}

/** Old events go to the archive; how many is anybody's guess. */
export async function archive(simulation: Simulation, node: Node): Promise<void> {
  const { dice, underWay } = simulation
  if (underWay.retries > 0) return
  underWay.retentions += 1
  const limit = dice.chance(0.7) ? { maxEvents: dice.below(12) } : { maxAge: dice.below(60_000) }
  const report = await maintain(simulation, node, { name: 'archiving', work: () => node.db.retain({ policy: { mode: 'archive', ...limit } }) })
  for (const [space, { horizonSeq }] of Object.entries(report?.namespaces ?? {})) simulation.archivedTo.set(space, horizonSeq)
  underWay.retentions -= 1
}

/** Old events are dropped, while readers go on. */
export async function drop(simulation: Simulation, beside: (node: Node) => void): Promise<void> {
  const { dice, oracle, world } = simulation
  const node = await quietWriter(simulation)
  if (node === undefined) return
  beside(node)
  await world.time.wait(dice.below(20))
  const isRead = node.underWay.size > 0
  const before = oracle.droppedTo('')
  oracle.dropping()
  const limit = dice.chance(0.7) ? { maxEvents: dice.below(30) } : { maxAge: dice.below(120_000) }
  const report = await maintain(simulation, node, { name: 'dropping', work: () => node.db.retain({ policy: { mode: 'drop', ...limit } }) })
  if (report === undefined) return
  oracle.dropped(report, before)
  if (report.events > 0 && isRead && node.underWay.size > 0) world.hit('what a reader holds is dropped')
}

/** Erases an entity or two, while readers go on and new entities are made; half of the time the process dies of it. */
export async function erase(simulation: Simulation, beside: (node: Node) => void): Promise<void> {
  const { dice, oracle, world, cluster, erasure } = simulation
  const node = await quietWriter(simulation)
  if (node === undefined) return
  const names = new Set(Array.from({ length: 1 + dice.below(2) }, () => Object.values(randomKey(dice)).join('/')))
  const { doneAtMs } = erasure
  erasure.doneAtMs = undefined
  const erasing = writeCommand(simulation, node, { kind: 'erase', names: [...names] })
  beside(node)
  const makes = writeCommand(simulation, node, { kind: 'createMany', ns: 'b', ids: [`beside-${oracle.writes.size}`], document: { n: oracle.writes.size } })
  const isDoomed = dice.chance(0.5)
  if (isDoomed) {
    await Promise.race([erasing, world.time.wait(dice.below(120))])
    cluster.kill(node)
  }
  await Promise.all([erasing, makes])
  const of = [...oracle.writes.values()].findLast(({ command }) => command.kind === 'erase')
  if (of?.state === 'refused') erasure.doneAtMs = doneAtMs
  else if (of?.state === 'acknowledged') erasure.doneAtMs = world.time.nowMs
  else erasure.interrupted = of
}

/**
 * The writer, when all that was begun has ended and been read back: of what is erased or dropped nobody could tell any more what it was. undefined where that cannot be had.
 */
async function quietWriter(simulation: Simulation): Promise<Node | undefined> {
  const { cluster, oracle } = simulation
  for (const node of cluster.all) await cluster.drain(node)
  const node = cluster.owner
  if (node === undefined || !(await readBack(simulation)) || node !== cluster.owner || oracle.isUncertain(node.epoch)) return undefined
  return node
}

/** What the work gives; undefined when it fails. */
async function maintain<T>(simulation: Simulation, node: Node, { name, work }: { name: string; work: () => Promise<T> }): Promise<T | undefined> {
  const { world, cluster } = simulation
  try {
    const done = await cluster.within(node, work())
    world.hit(`${name} on request`)
    return done
  } catch (error) {
    world.note(`${node.name}: ${name} fails: ${String(error)}`)
    if (isParqueDBError(error, 'WRITER_FENCED')) {
      node.isBroken = true
      world.hit(`${name} is fenced`)
    } else if (isParqueDBError(error, 'ABORTED')) world.hit(`${name} is cancelled`)
    else if (isParqueDBError(error, 'STORAGE_UNAVAILABLE')) world.hit(`${name} fails`)
    const isZombie = node !== cluster.owner
    // A guest lets the writer do it.
    if (isZombie && isParqueDBError(error, 'WRITER_LOCKED')) return undefined
    // The new writer deletes what the former one still wants to merge.
    if (!isWorldly(error) && !(isZombie && isFileGone(error))) simulation.failure ??= error
    return undefined
  }
}
