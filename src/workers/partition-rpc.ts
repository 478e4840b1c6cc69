import { type ErrorCode, messageOf, ParqueDBError } from '../base/ParqueDBError.ts'
import type { Tail } from '../storage/EventSourcedBackend.ts'
import type { DatabaseCollection } from '../model/database.ts'
import type { Call } from '../model/intercepted.ts'

/** Writes that the object decides, one commit each, and where among its arguments each has its options. What else writes is decided in the Worker, and proposed. */
export const decidedByObject: ReadonlyMap<string, number> = new Map<keyof DatabaseCollection, number>([['create', 1], ['update', 2], ['replace', 2], ['upsert', 2], ['delete', 1], ['findOneAndUpdate', 2]])

/** One of those writes. */
export interface WriteCall extends Call {
  readonly tenant?: string | undefined
}

/** What comes back of a call: errors as data, for a code does not survive the way by itself. */
export type Reply<T> = { readonly value: T; readonly seq: number } | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly details: Readonly<Record<string, unknown>> } }

export type AskedMethod = 'flush' | 'compact' | 'retain' | 'erase' | 'checkpoint' | 'stats' | 'verify'

/** What the object that writes a partition can be asked for. `seq`: the newest durable event at the end of the call. */
export interface PartitionRpc {
  write(call: WriteCall): Promise<Reply<unknown>>
  propose(message: Uint8Array, afterSeq: number): Promise<Reply<{ isDone: boolean; tail: Tail }>>
  tail(afterSeq: number): Promise<Reply<Tail>>
  /** A method of the engine that is about the partition as a whole. A signal stays with the caller. */
  ask(method: AskedMethod, options: object): Promise<Reply<unknown>>
}

/** In the Worker: the value, or the error thrown again. A call that did not come through is STORAGE_UNAVAILABLE: what it did is not known. */
export async function valueOf<T>(calling: Promise<Reply<T>>): Promise<{ value: T; seq: number }> {
  const reply = await calling.catch((cause: unknown) => {
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `The Durable Object did not answer: ${messageOf(cause)}. Whether a write was done is not known: do it again under its txId.`, { details: { outcome: 'unknown', retryable: true }, cause })
  })
  if ('error' in reply) throw ParqueDBError.fromJSON(reply.error)
  return reply
}
