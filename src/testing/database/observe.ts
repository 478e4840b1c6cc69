import { isParqueDBError } from '../../base/ParqueDBError.ts'
import type { Database } from '../../model/database.ts'

/** The code that a call fails with, whether it throws, rejects, or gives a cursor that fails; 'no error' when it does neither. */
export async function codeOf(call: () => unknown): Promise<string> {
  return (await failureOf(call))?.code ?? 'no error'
}

export async function failureOf(call: () => unknown): Promise<{ code: string; message: string; details: Readonly<Record<string, unknown>> } | undefined> {
  try {
    // What is read only when it is asked for may fail only then.
    const result = await call()
    if (typeof result === 'object' && result !== null && 'toArray' in result) await (result as { toArray(): Promise<unknown> }).toArray()
    if (typeof result === 'object' && result !== null && 'next' in result) await (result as { next(): Promise<unknown> }).next()
    return undefined
  } catch (error) {
    if (isParqueDBError(error)) return error
    throw error
  }
}

/** The entity without what differs from run to run: its times. */
export function timeless(entity: object | undefined): object | undefined {
  if (entity === undefined) return undefined
  const { createdAt: _createdAt, updatedAt: _updatedAt, ...rest } = entity as Record<string, unknown>
  return rest
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The newest position of the log: it stays when a call changes nothing. */
export async function lastSeq(db: Database): Promise<number> {
  return (await db.stats()).lastSeq
}

/** A moment that is later than every event before it, and earlier than every one after it. */
export async function moment(sleep: (ms: number) => Promise<void>): Promise<void> {
  await sleep(5)
}
