import { checkAborted } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { ulidSource } from '../base/ids.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom } from '../base/random.ts'
import type { EntityKey } from '../model/entity.ts'
import type { CheckpointInfo } from '../model/database-options.ts'
import type { StoredEvent } from '../model/event.ts'
import type { CommitRequest, CommitResult, Engine, EngineStats } from '../storage/engine.ts'
import { propose } from '../storage/proposal.ts'
import { outcomeOf } from '../storage/repeated.ts'
import { withView, type View } from '../storage/view.ts'
import type { ReadCounts } from './edge-files.ts'
import type { EdgePartition, Freshness } from './EdgePartition.ts'
import { valueOf, type AskedMethod, type PartitionRpc, type WriteCall } from './partition-rpc.ts'

/** How often a proposal is decided anew because others were faster, and the upper bound of the wait before each: 1, 2, 4, … ms. */
const attemptsMax = 200
const backoffMsMax = 32
/** Proposals whose fate is not known before the caller is told so. */
const unknownMax = 5
/** How often a Worker asks for new commits while somebody listens. */
const pollMs = 250

export interface EdgeEngineParts {
  readonly partition: EdgePartition
  /** How new views are to be. */
  readonly freshness: () => Freshness
  /** Told how far each call has got. */
  readonly onSeq: (seq: number) => void
  readonly readOnly: boolean
  /** CROSS_PARTITION for what another partition has. */
  readonly check: (keys: readonly EntityKey[]) => void
}

/** The engine of one partition as a Worker has it: views are put together here, whatever changes something is asked of the object. */
export class EdgeEngine implements Engine {
  readonly clock = systemClock
  readonly ids = ulidSource(systemClock, systemRandom)
  readonly flush: Engine['flush'] = (options) => this.#ask('flush', options)
  readonly compact: Engine['compact'] = (options) => this.#ask('compact', options)
  readonly retain: Engine['retain'] = (options) => this.#ask('retain', options)
  readonly erase: Engine['erase'] = (options) => this.#ask('erase', options)
  readonly verify: Engine['verify'] = (options) => this.#ask('verify', options)
  readonly #parts: EdgeEngineParts

  constructor(parts: EdgeEngineParts) {
    this.#parts = parts
  }

  async view(options?: { includeArchived?: boolean }): Promise<View> {
    const view = await this.#parts.partition.view(this.#parts.freshness(), options)
    this.#parts.onSeq(view.seq)
    return view
  }

  readonly viewNow = (): undefined => undefined

  /** A write that the object decides. */
  async write(call: WriteCall): Promise<unknown> {
    const { value, seq } = await valueOf(this.#writer().write(call))
    this.#parts.onSeq(seq)
    return value
  }

  /** As a guest: decides on what the isolate knows and proposes that; see docs/adr/0007-guests-propose.md. */
  async commit(request: CommitRequest): Promise<CommitResult> {
    this.#writer()
    this.#parts.check(request.keys)
    const sent: string[][] = []
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      checkAborted(sent.length === 0 ? request.signal : undefined)
      const result = await this.#attempt(request, { sent, isFresh: attempt > 0 })
      if (result !== undefined) {
        this.#parts.onSeq(result.seq)
        return result
      }
      if (attempt > 0) await this.clock.sleep(Math.min(2 ** attempt, backoffMsMax))
    }
    throw new ParqueDBError('TRANSACTION_CONFLICT', `Others changed what the write rests on ${attemptsMax} times before it could be committed; nothing of it was written. Try again.`, { details: { attempts: attemptsMax } })
  }

  /** undefined: to be tried again. What was decided on an old state counts only when it is committed: a refusal, or nothing to write, is looked at again on a new one. */
  async #attempt(request: CommitRequest, { sent, isFresh }: { sent: string[][]; isFresh: boolean }): Promise<CommitResult | undefined> {
    const edge = this.#parts.partition
    const { partition } = edge
    if (isFresh || request.txId !== undefined || request.eventIds !== undefined) {
      await edge.catchUp()
      const known = await outcomeOf(partition, request, sent)
      if (known !== undefined) return known
    }
    try {
      const { message, eventIds } = await propose(partition, request, { ids: this.ids, nowMs: this.clock.nowMs() })
      if (eventIds.length === 0) return isFresh ? { events: [], states: [], seq: partition.overlay.lastSeq, repeated: false } : undefined
      sent.push(eventIds)
      const { value } = await valueOf(edge.rpc.propose(message, partition.overlay.lastSeq))
      await edge.take(value.tail)
      if (value.isDone) return await outcomeOf(partition, request, sent)
      sent.pop()
      return undefined
    } catch (error) {
      // What is not known is looked for in the log; of two proposals of one commit the second conflicts.
      const isUnknown = isParqueDBError(error, 'STORAGE_UNAVAILABLE') && error.details['outcome'] === 'unknown' && sent.length < unknownMax
      if (isFresh && !isUnknown) throw error
      return undefined
    }
  }

  /** Asks again and again, until it is stopped. */
  onCommit(listener: (events: readonly StoredEvent[]) => void): () => void {
    const stopped = new AbortController()
    void this.#poll(listener, stopped.signal)
    return () => stopped.abort()
  }

  async checkpoint(): Promise<CheckpointInfo> {
    const { seq, at } = await this.#ask('checkpoint')
    // It comes as JSON.
    return { seq, at: new Date(at) }
  }

  async stats(): Promise<EngineStats & { reads: ReadCounts }> {
    return { ...(await this.#ask('stats')), readOnly: this.#parts.readOnly, reads: this.#parts.partition.files.counts() }
  }

  async close(): Promise<void> {}

  #writer(): PartitionRpc {
    if (!this.#parts.readOnly) return this.#parts.partition.rpc
    throw new ParqueDBError('READ_ONLY', 'This handle was made with readOnly: true. Make one without to write.')
  }

  async #ask<Method extends AskedMethod>(method: Method, { signal, ...options }: { signal?: AbortSignal } = {}): Promise<Awaited<ReturnType<Engine[Method]>>> {
    checkAborted(signal)
    const { partition } = this.#parts
    const isRead = method === 'stats' || method === 'verify'
    const { value, seq } = await valueOf((isRead ? partition.rpc : this.#writer()).ask(method, options))
    // Whoever had files written reads them: what was erased by this handle is not read by it from those that had it.
    if (!isRead) await partition.catchUp()
    this.#parts.onSeq(seq)
    return value as Awaited<ReturnType<Engine[Method]>>
  }

  async #poll(listener: (events: readonly StoredEvent[]) => void, signal: AbortSignal): Promise<void> {
    let seq: number | undefined
    while (!signal.aborted) {
      // Whoever reads meets a failure itself; the next round asks again.
      seq = await this.#tellNewer(listener, seq).catch(() => seq)
      await systemClock.sleep(pollMs, signal).catch(() => undefined)
    }
  }

  /** Tells of the events after `seq`; undefined: of the newest one. Gives the newest seq. */
  async #tellNewer(listener: (events: readonly StoredEvent[]) => void, seq: number | undefined): Promise<number> {
    return withView({ view: () => this.#parts.partition.view('strong') }, async (view) => {
      const events: StoredEvent[] = []
      for await (const event of view.events({ fromSeq: Math.max(1, seq === undefined ? view.seq : seq + 1), onlyKept: true })) events.push(event)
      if (events.length > 0) listener(events)
      return view.seq
    })
  }
}
