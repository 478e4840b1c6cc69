import { isParqueDBError, ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ParqueDB, Transaction } from '../../db/ParqueDB.ts'
import type { Entity } from '../../model/entity-document.ts'
import type { Filter } from '../../model/filter-types.ts'
import type { Document } from '../../model/values.ts'
import type { Dice } from './Dice.ts'
import { describeEntities, type Command, type Range } from './ReferenceDatabase.ts'

export const namespaces = ['a', 'b'] as const
const ids = ['1', '2', '3', 'x/y', 'é', '\u{1f680}']
/** Long enough that a frame spans sectors of the disk. */
const longTextLength = 3000

const weights = { create: 6, createMany: 1, replace: 2, update: 6, upsert: 5, increment: 4, delete: 3, restore: 2, revert: 2, updateMany: 2, deleteMany: 1, tally: 2, move: 5 } as const

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
    case 'replace':
      return { kind, ns, id, document }
    case 'createMany':
      return { kind, ns, ids: Array.from({ length: 1 + dice.below(4) }, (_, index) => `many-${serial}-${index}`), document }
    case 'update':
    case 'upsert':
      return { kind, ns, id, fields: { [dice.pick(['n', 'm'])]: serial }, ...(dice.chance(0.15) && { expectedVersion: 1 + dice.below(6) }) }
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
  if (command.kind !== 'transaction') return performOn(db, command, { name, txId })
  return transact(async (tx) => {
    for (const inner of command.commands) await performOn(tx, inner, { name }).catch(passOver)
    if (command.fails) throw new ParqueDBError('ABORTED', 'The transaction is to be rolled back.')
  })
}

async function performOn(db: Pick<ParqueDB, 'collection'>, command: Command, { name, txId }: Mark): Promise<string> {
  if (command.kind === 'transaction') throw new TypeError('Transactions have no others inside')
  const collection = db.collection(command.ns)
  const marked = { metadata: { write: name } }
  const options = { ...marked, ...(txId !== undefined && { txId }) }
  switch (command.kind) {
    case 'create':
      return describeEntity(await collection.create({ ...command.document, $id: command.id }, options))
    case 'createMany':
      await collection.createMany(command.ids.map(($id) => ({ ...command.document, $id })), options)
      return ''
    case 'replace':
      return describeEntity(await collection.replace(command.id, command.document, command.upsert === true ? { ...options, upsert: true } : options))
    case 'update':
    case 'upsert':
      return describeEntity(await collection[command.kind](command.id, { $set: command.fields }, command.expectedVersion === undefined ? options : { ...options, expectedVersion: command.expectedVersion }))
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

export function filterOf({ from, below }: Range): Filter {
  return { n: { $gte: from, $lt: below } }
}

function passOver(error: unknown): void {
  if (!isParqueDBError(error) || !['NOT_FOUND', 'ALREADY_EXISTS', 'VERSION_CONFLICT'].includes(error.code)) throw error
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
