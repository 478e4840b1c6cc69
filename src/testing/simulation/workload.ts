import type { ParqueDB, Transaction } from '../../db/ParqueDB.ts'
import type { Entity } from '../../model/entity-document.ts'
import type { Document } from '../../model/values.ts'
import type { Dice } from './Dice.ts'
import { describeEntities, type Command } from './ReferenceDatabase.ts'

export const namespaces = ['a', 'b'] as const
const ids = ['1', '2', '3', 'x/y', 'é', '\u{1f680}']
/** Long enough that a frame spans sectors of the disk. */
const longTextLength = 3000

const weights = { create: 6, createMany: 1, replace: 2, update: 6, upsert: 5, increment: 4, delete: 3, restore: 2, move: 5 } as const

export function randomKey(dice: Dice): { ns: string; id: string } {
  return { ns: dice.pick(namespaces), id: dice.pick(ids) }
}

/** `serial` is in every value, so that no two writes write the same. */
export function randomCommand(dice: Dice, serial: number): Command {
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
    case 'move':
      return { kind, ns, from: id, to: ids[(ids.indexOf(id) + 1) % ids.length] ?? '', by: serial }
  }
}

/** Does a command through the public API; `name` stands in the metadata of every event of it. */
export async function perform(db: ParqueDB, command: Command, write: { name: string; txId: string | undefined }): Promise<string> {
  const collection = db.collection(command.ns)
  const options = { metadata: { write: write.name }, ...(write.txId !== undefined && { txId: write.txId }) }
  switch (command.kind) {
    case 'create':
      return describeEntity(await collection.create({ ...command.document, $id: command.id }, options))
    case 'createMany':
      await collection.createMany(command.ids.map(($id) => ({ ...command.document, $id })), options)
      return ''
    case 'replace':
      return describeEntity(await collection.replace(command.id, command.document, options))
    case 'update':
    case 'upsert':
      return describeEntity(await collection[command.kind](command.id, { $set: command.fields }, command.expectedVersion === undefined ? options : { ...options, expectedVersion: command.expectedVersion }))
    case 'increment':
      return describeEntity(await collection.update(command.id, { $inc: { n: command.by } }, options))
    case 'delete':
      return String(await collection.delete(command.id, options))
    case 'restore':
      return describeEntity(await collection.restore(command.id, options))
    case 'move':
      await move(db, command, write)
      return ''
  }
}

async function move(db: ParqueDB, { ns, from, to, by }: Extract<Command, { kind: 'move' }>, write: { name: string; txId: string | undefined }): Promise<void> {
  const metadata = { write: write.name }
  const work = async (tx: Transaction): Promise<void> => {
    const collection = tx.collection(ns)
    const source = await collection.get(from)
    if (source === undefined || (await collection.get(to)) === undefined) return
    await collection.update(from, { $inc: { n: -by } }, { metadata })
    await collection.update(to, { $inc: { n: by }, $set: { saw: source.n ?? 0 } }, { metadata })
  }
  await (write.txId === undefined ? db.transaction(work, { retries: 0 }) : db.transaction(work, { retries: 0, txId: write.txId }))
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
