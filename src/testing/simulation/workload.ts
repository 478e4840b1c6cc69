import { isParqueDBError, ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ParqueDB, Transaction } from '../../db/ParqueDB.ts'
import type { Entity } from '../../model/entity-document.ts'
import type { Related } from '../../model/graph-options.ts'
import type { Filter } from '../../model/filter-types.ts'
import type { Document } from '../../model/values.ts'
import type { SchemaInput } from '../../model/relations.ts'
import { namingsOf, relationships, type Command, type Linking, type Range } from './commands.ts'
import type { Dice } from './Dice.ts'
import { describeEntities } from './ReferenceDatabase.ts'

export const namespaces = ['a', 'b'] as const
const ids = ['1', '2', '3', 'x/y', 'é', '\u{1f680}']
/** Long enough that a frame spans sectors of the disk. */
const longTextLength = 3000

const weights = { create: 7, createMany: 1, replace: 2, update: 6, upsert: 5, increment: 3, delete: 5, restore: 3, revert: 2, updateMany: 2, deleteMany: 1, edges: 20, tally: 2, move: 4 } as const

/** The workload's relationships, as users declare them. */
export const schema: SchemaInput = schemaOf()


export function randomKey(dice: Dice): { ns: string; id: string } {
  return { ns: dice.pick(namespaces), id: dice.pick(ids) }
}

/** Of the values that writes so far may have left in `n`. */
export function randomRange(dice: Dice, serial: number, widthMax: number): { from: number; below: number } {
  const from = dice.below(serial)
  return { from, below: from + 1 + dice.below(widthMax) }
}

/** `serial` is in every value, so that no two writes write the same; `knownSeq` is a past that the writer knows of. */
export function randomCommand(dice: Dice, { serial, knownSeq }: { serial: number; knownSeq: number }): Command {
  const { ns, id } = randomKey(dice)
  const document = { n: serial, ...(dice.chance(0.2) && { text: `${serial}`.padEnd(dice.below(longTextLength), '.') }) }
  const kind = dice.weighed(weights)
  switch (kind) {
    case 'create':
      return { kind, ns, id, document, ...(dice.chance(0.3) && { linking: { ...randomLinking(dice, ns, serial), kind: 'link' as const } }) }
    case 'replace':
      return { kind, ns, id, document }
    case 'edges':
      return { kind, ns, near: id, linking: randomLinking(dice, ns, serial) }
    case 'createMany':
      return { kind, ns, ids: Array.from({ length: 1 + dice.below(4) }, (_, index) => `many-${serial}-${index}`), document, ...(dice.chance(0.3) && { linking: { ...randomLinking(dice, ns, serial), kind: 'link' as const } }) }
    case 'update':
    case 'upsert':
      return { kind, ns, id, fields: { [dice.pick(['n', 'm'])]: serial }, ...(dice.chance(0.15) && { expectedVersion: 1 + dice.below(6) }), ...(dice.chance(0.3) && { linking: randomLinking(dice, ns, serial) }) }
    case 'increment':
      return { kind, ns, id, by: serial }
    case 'delete':
    case 'restore':
      return { kind, ns, id }
    case 'revert':
      return { kind, ns, id, to: dice.below(knownSeq + 1) }
    case 'updateMany':
      return { kind, ns, range: randomRange(dice, serial, 60), fields: { m: serial } }
    case 'deleteMany':
      return { kind, ns, range: randomRange(dice, serial, 8) }
    case 'tally':
      return { kind, ns, into: { ns: dice.pick(namespaces), id: 'sum' }, serial }
    case 'move':
      return { kind, ns, from: id, to: ids[(ids.indexOf(id) + 1) % ids.length] ?? '', by: serial }
  }
}

/** Every entity of a collection, so that there is something to change. */
export function firstCommand(ns: string): Command {
  return { kind: 'createMany', ns, ids, document: { n: 0 } }
}

/** One edge, or two where there may be several. */
function randomLinking(dice: Dice, ns: string, serial: number): Linking {
  // Half of them by those that say what a delete does.
  const namings = namingsOf(ns)
  const telling = namings.filter(({ relationship: { onDelete } }) => onDelete !== undefined)
  const { name, relationship, direction } = dice.pick(dice.chance(0.5) ? telling : namings)
  const { ends, isOne, isOneBack } = relationship
  const farNs = direction === 'out' ? ends?.to : ends?.from
  const isSingle = (direction === 'out' ? isOne : isOneBack) === true || dice.chance(0.6)
  const to = Array.from({ length: isSingle ? 1 : 2 }, () => `${farNs ?? dice.pick(namespaces)}/${dice.pick(ids)}`)
  return { kind: dice.chance(0.75) ? 'link' : 'unlink', name, to: [...new Set(to)], ...(dice.chance(0.4) && { data: { d: serial } }) }
}

function schemaOf(): SchemaInput {
  const declared: Record<string, Record<string, SchemaInput[string][string]>> = {}
  for (const { predicate, ends, isOne, isOneBack, onDelete, refusesDangling } of relationships) {
    if (ends === undefined) continue
    const { from, to, inverse } = ends
    declared[from] = { ...declared[from], [predicate]: { rel: `-> ${to}.${inverse}${isOne === true ? '' : '[]'}`, ...(onDelete !== undefined && { onDelete }), ...(refusesDangling === true && { dangling: 'refuse' as const }) } }
    if (isOneBack === true) declared[to] = { ...declared[to], [inverse]: `<- ${from}.${predicate}` }
  }
  return declared
}

/** How a command is marked: `name` stands in the metadata of every event of it. */
interface Mark {
  readonly name: string
  readonly txId?: string | undefined
}

/** Does a command through the public API. */
export async function perform(db: ParqueDB, command: Command, { name, txId }: Mark): Promise<string> {
  const transact = async (work: (tx: Transaction) => Promise<void>): Promise<string> => {
    await (txId === undefined ? db.transaction(work, { retries: 0 }) : db.transaction(work, { retries: 0, txId }))
    return ''
  }
  if (command.kind === 'move') return transact((tx) => move(tx, command, name))
  if (command.kind === 'tally') return transact((tx) => tally(tx, command, name))
  if (command.kind === 'erase') {
    await db.erase(command.names, { reason: name })
    return ''
  }
  if (command.kind !== 'transaction') return performOn(db, command, { name, txId })
  return transact(async (tx) => {
    for (const inner of command.commands) await performOn(tx, inner, { name }).catch(passOver)
    if (command.fails) throw new ParqueDBError('ABORTED', 'The transaction is to be rolled back.')
  })
}

async function performOn(db: Pick<ParqueDB, 'collection'>, command: Command, { name, txId }: Mark): Promise<string> {
  if (command.kind === 'transaction' || command.kind === 'erase') throw new TypeError(`There is no ${command.kind} in a transaction`)
  const collection = db.collection(command.ns)
  const marked = { metadata: { write: name } }
  const options = { ...marked, ...(txId !== undefined && { txId }) }
  switch (command.kind) {
    case 'create':
      return describeEntity(await collection.create({ ...command.document, $id: command.id, ...(command.linking !== undefined && { $link: linksOf(command.linking) }) }, options))
    case 'createMany':
      await collection.createMany(command.ids.map(($id, index) => ({ ...command.document, $id, ...(index === 0 && command.linking !== undefined && { $link: linksOf(command.linking) }) })), options)
      return ''
    case 'replace':
      return describeEntity(await collection.replace(command.id, command.document, command.upsert === true ? { ...options, upsert: true } : options))
    case 'update':
    case 'upsert':
      return describeEntity(await collection[command.kind](command.id, { $set: command.fields, ...(command.linking !== undefined && { [`$${command.linking.kind}`]: linksOf(command.linking) }) }, command.expectedVersion === undefined ? options : { ...options, expectedVersion: command.expectedVersion }))
    case 'edges': {
      const { kind, name: relationship, to, data } = command.linking
      const { changedCount } = kind === 'link' ? await collection.link(command.near, relationship, to, data, options) : await collection.unlink(command.near, relationship, to, options)
      return String(changedCount)
    }
    case 'increment':
      return describeEntity(await collection.update(command.id, { $inc: { n: command.by } }, options))
    case 'delete':
      return String(await collection.delete(command.id, options))
    case 'restore':
      return describeEntity(await collection.restore(command.id, options))
    case 'revert':
      return describeEntity(await collection.revert(command.id, { asOf: command.to, includeArchived: true, ...options }))
    case 'updateMany':
      return String((await collection.updateMany(filterOf(command.range), { $set: command.fields }, marked)).modifiedCount)
    case 'deleteMany':
      return String((await collection.deleteMany(filterOf(command.range), marked)).deletedCount)
    case 'move':
    case 'tally':
      throw new TypeError(`${command.kind} is a transaction of its own`)
  }
}

function linksOf({ kind, name, to, data }: Linking): Record<string, (string | { to: string; data: Document })[]> {
  return { [name]: kind === 'unlink' || data === undefined ? [...to] : to.map((one) => ({ to: one, data })) }
}

export function filterOf({ from, below }: Range): Filter {
  return { n: { $gte: from, $lt: below } }
}

function passOver(error: unknown): void {
  if (!isParqueDBError(error) || !['NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT', 'REFERENCE_VIOLATION'].includes(error.code)) throw error
}

async function move(tx: Transaction, { ns, from, to, by }: Extract<Command, { kind: 'move' }>, name: string): Promise<void> {
  const metadata = { write: name }
  const collection = tx.collection(ns)
  const source = await collection.get(from)
  if (source === undefined || (await collection.get(to)) === undefined) return
  await collection.update(from, { $inc: { n: -by } }, { metadata })
  await collection.update(to, { $inc: { n: by }, $set: { saw: source.n ?? 0 } }, { metadata })
}

async function tally(tx: Transaction, { ns, into, serial }: Extract<Command, { kind: 'tally' }>, name: string): Promise<void> {
  let sum = 0
  for await (const { n } of tx.collection(ns).find()) sum += Number(n ?? 0)
  await tx.collection(into.ns).upsert(into.id, { $set: { sum, m: serial } }, { metadata: { write: name } })
}

/** In the form that the reference gives. */
export function describeEntity(...entities: (Entity | undefined)[]): string {
  return describeEntities(
    entities.flatMap((entity) => {
      if (entity === undefined) return []
      const { $id, version, createdAt: _createdAt, updatedAt: _updatedAt, ...document } = entity as Entity & Document
      return [{ id: $id.slice($id.indexOf('/') + 1), version, document }]
    }),
  )
}

/** In the form that the reference gives. */
export function describeRelated(related: readonly Related[]): string {
  return related.map(({ $edge, ...entity }) => `${entity.$id.slice(0, entity.$id.indexOf('/'))}: ${describeEntity(entity)} by ${JSON.stringify($edge.data)}`).join('; ')
}
