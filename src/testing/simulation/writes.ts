import { isParqueDBError } from '../../base/ParqueDBError.ts'
import type { Node } from './Cluster.ts'
import type { Write } from './Oracle.ts'
import type { Command } from './ReferenceDatabase.ts'
import { isFileGone, isWorldly, type Simulation } from './simulation.ts'
import { perform, randomCommand } from './workload.ts'

/** Does a command, and says how it ended. Never rejects. */
export function write(simulation: Simulation, node: Node): Promise<void> {
  const { oracle, dice, cluster } = simulation
  const command = randomCommand(dice, { serial: oracle.writes.size + 1, knownSeq: node.seq })
  const isMany = command.kind === 'updateMany' || command.kind === 'deleteMany'
  // Which writers a guest's proposal may still reach is not known.
  const epoch = cluster.guests.includes(node) ? Number.POSITIVE_INFINITY : node.epoch
  return attempt(simulation, node, oracle.begin(command, { hasTxId: dice.chance(0.3) && !isMany, epoch, isStale: node !== cluster.owner }))
}

/** Does a write again under its txId: what had happened is told, not done again, as long as its events are kept. */
export async function retry(simulation: Simulation, node: Node): Promise<void> {
  const { cluster, underWay } = simulation
  if (underWay.retentions > 0) return
  underWay.retries += 1
  const stats = await cluster.within(node, node.db.stats()).catch(() => undefined)
  if (stats !== undefined) await retryKept(simulation, node, Math.max(0, ...Object.values(stats.horizons).map(({ seq }) => seq)))
  underWay.retries -= 1
}

async function retryKept(simulation: Simulation, node: Node, horizonSeq: number): Promise<void> {
  const { oracle, world, dice } = simulation
  const settled = [...oracle.writes.values()].filter(({ state, txId, seq, isAnswered }) => state === 'settled' && txId !== undefined && (seq === undefined ? !isAnswered : seq > horizonSeq))
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
}

async function attempt(simulation: Simulation, node: Node, given: Write): Promise<void> {
  const { world, oracle, cluster } = simulation
  world.note(`${node.name} ${given.name} ${JSON.stringify(given.command)}`)
  try {
    const told = await cluster.within(node, perform(node.db, given.command, given))
    world.note(`${given.name} is acknowledged: ${told}`)
    oracle.acknowledged(given, told)
    world.hit(situations[given.command.kind] ?? 'a write is acknowledged')
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
  if (isWorldly(error)) given.state = 'unknown'
  else if (isFileGone(error) && node !== simulation.cluster.owner) given.state = 'unknown'
  else if (isParqueDBError(error) && refusals.has(error.code) && error.details.path === undefined) oracle.refused(given, error.code)
  else simulation.failure ??= error
}

/** Writes of these codes have certainly not happened. */
const refusals = new Set(['NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'TRANSACTION_CONFLICT', 'HISTORY_UNAVAILABLE'])

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
  await maintain(simulation, node, { name: 'a checkpoint', work: () => node.db.checkpoint() })
}

/** Old events go to the archive; how many is anybody's guess. */
export async function retain(simulation: Simulation, node: Node): Promise<void> {
  const { dice, underWay } = simulation
  if (underWay.retries > 0) return
  underWay.retentions += 1
  const maxEvents = dice.below(12)
  await maintain(simulation, node, { name: 'retention', work: () => node.db.retain({ policy: { mode: 'archive', maxEvents } }) })
  underWay.retentions -= 1
}

async function maintain(simulation: Simulation, node: Node, { name, work }: { name: string; work: () => Promise<unknown> }): Promise<void> {
  const { world, cluster } = simulation
  try {
    await cluster.within(node, work())
    world.hit(`${name} on request`)
  } catch (error) {
    world.note(`${node.name}: ${name} fails: ${String(error)}`)
    if (isParqueDBError(error, 'WRITER_FENCED')) {
      node.isBroken = true
      world.hit(`${name} is fenced`)
    } else if (isParqueDBError(error, 'ABORTED')) world.hit(`${name} is cancelled`)
    else if (isParqueDBError(error, 'STORAGE_UNAVAILABLE')) world.hit(`${name} fails`)
    const isZombie = node !== cluster.owner
    // A guest lets the writer do it.
    if (isZombie && isParqueDBError(error, 'WRITER_LOCKED')) return
    // The new writer deletes what the former one still wants to merge.
    if (isWorldly(error) || (isZombie && isFileGone(error))) return
    simulation.failure ??= error
  }
}
