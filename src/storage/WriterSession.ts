import { ulidSource } from '../base/ids.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { toHex, utf8Encode } from '../base/bytes.ts'
import { sha256 } from '../base/sha256.ts'
import { notFound } from '../model/decide.ts'
import type { EntityKey } from '../model/entity.ts'
import type { EraseOptions, EraseReport } from '../model/database-options.ts'
import type { AppendLog } from './append-log.ts'
import { copiesBefore } from './copies.ts'
import { DataFiles } from './DataFiles.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { EpochFence } from './EpochFence.ts'
import { prepareFormat } from './format.ts'
import { epochPath, headOf, publishHead, readHead, takeEpoch, takenMark } from './head.ts'
import { Maintenance } from './Maintenance.ts'
import { openManifest } from './manifest.ts'
import { metered, type Meter } from './metered.ts'
import { openLog } from './FileLog.ts'
import { Partition } from './Partition.ts'
import { assertConditions } from './probe.ts'
import { Publisher, type PublisherParts } from './Publisher.ts'
import { addReplayed, assertNoManifest, knownParts, logPrefix, replay } from './replay.ts'
import { resolving } from './resolving.ts'
import type { StorageBackend, WriterLock } from './storage-backend.ts'
import { FilesHead } from './FilesHead.ts'
import { Writer } from './Writer.ts'

/** An unflushed part larger than this is flushed when the database is closed, so that opening it again is quick. */
const closeFlushEventsMax = 1000
const closeFlushBytesMax = 1024 * 1024

export interface OpenFacts {
  readonly meter: Meter
  readonly replayedEvents: number
  readonly tornBytes: number
}

/** A process's time as the writer of a partition: from taking the role over to giving it back. */
export class WriterSession {
  readonly kind = 'writer'
  readonly partition: Partition
  readonly epoch: number
  readonly opened: OpenFacts
  readonly lock: WriterLock | undefined
  readonly maintenance: Maintenance
  readonly onCommit: Partition['onCommit'] = (listener) => this.partition.onCommit(listener)
  readonly commit: Writer['commit'] = (request) => this.#writer.commit(request)
  readonly flush: Maintenance['flush'] = () => this.maintenance.flush()
  readonly compact: Maintenance['compact'] = (options) => this.maintenance.compact(options)
  readonly #parts: SessionParts
  readonly publisher: Publisher
  readonly #writer: Writer

  private constructor(parts: SessionParts) {
    const { partition, backend, fence: { epoch }, options } = parts
    this.partition = partition
    this.epoch = epoch
    this.opened = parts.opened
    this.lock = parts.lock
    this.#parts = parts
    this.publisher = new Publisher(parts)
    const files = new DataFiles({ backend, tables: partition.files, epoch, rowGroupBytes: options.rowGroupBytes })
    partition.scratch = () => files.scratch()
    this.maintenance = new Maintenance({ ...parts, files, publisher: this.publisher, writer: () => this.#writer })
    this.#writer = new Writer({ ...parts, ids: ulidSource(options.clock, options.random), maintenance: this.maintenance })
  }

  /**
   * Takes the writer role over: WRITER_LOCKED when another process has it. What the log holds after the last flush is
   * copied into a log of the new epoch before the new head names that, so that nothing rests on bytes which a former
   * writer may never have got to the disk (docs/adr/0003-takeover-copies-the-tail.md).
   */
  static async open(store: StorageBackend, options: ResolvedOptions): Promise<WriterSession> {
    const backend = resolving(store, options)
    const logBackend = options.log === undefined ? backend : resolving(options.log, options)
    const lock = await logBackend.lockWriter?.({ share: options.share })
    let log: AppendLog | undefined
    try {
      await prepareFormat(backend, new Set([store, options.log ?? store]), options.random)
      const filesHead = options.headWithFiles && logBackend !== backend ? await FilesHead.attach({ backend, logBackend, clock: options.clock }) : undefined
      // Before this writer's own epoch may hide that another one is gone.
      await knownParts(logBackend, 0)
      // Not through `resolving`: the marks of all writers are alike.
      const { epoch, etag: markEtag } = await takeEpoch(options.log ?? store)
      if (logBackend.openLog === undefined) await assertConditions(options.log ?? store, { path: epochPath(epoch), bytes: takenMark })
      const measured = metered(backend)
      const measuredLog = logBackend === backend ? measured : metered(logBackend)
      const fence = new EpochFence(logBackend, epoch)
      const { head, newestEpoch } = await readHead(measuredLog.backend)
      // It may have stalled between the listing and the creation, and taken an epoch that was taken and deleted meanwhile.
      fence.assertNewest(newestEpoch)
      if (head === undefined) await assertNoManifest(measured.backend)
      const replayed = head === undefined ? undefined : await orFenced(replay(measuredLog.backend, head, { afterSeq: head.flushedSeq }), fence)
      const tail = replayed?.frames ?? []
      const current = head === undefined ? undefined : filesHead?.newest(head, tail) ?? head
      const manifest = await orFenced(openManifest(measured.backend, current?.manifest), fence)
      const partition = new Partition(backend, options)
      partition.install(manifest)
      const frames = tail.filter(({ frame }) => frame.firstSeq > manifest.flushedSeq)
      addReplayed(frames, partition)
      const { overlay } = partition
      log = await openLog(logBackend, { prefix: logPrefix, epoch })
      await log.append(frames.map(({ frame }) => ({ ...frame, epoch })))
      const nextHead = headOf(manifest, { epoch, manifest: current?.manifest, durableSeq: overlay.lastSeq, atFiles: filesHead?.mark, lastEventId: current?.lastEventId })
      const { etag } = await publishHead(logBackend, nextHead, markEtag)
      await fence.check()
      const opened = { meter: { ...measured.meter }, replayedEvents: overlay.eventCount, tornBytes: replayed?.tornBytes ?? 0 }
      const session = new WriterSession({ partition, backend, logBackend, log, fence, options, lock, head: nextHead, etag, atFiles: filesHead, opened })
      const toErase = [...overlay.events({ from: 1, to: overlay.lastSeq })].filter(({ op, id }) => op === 'ERASE' && id !== '')
      for (const key of [...manifest.erasing, ...toErase]) partition.erasing.set(key, true)
      session.maintenance.opened()
      return session
    } catch (error) {
      await log?.close()
      await lock?.release()
      throw error
    }
  }

  get counts(): { commits: number; events: number; syncs: number; flushes: number; compactions: number; lastError: string | undefined } {
    return { ...this.#writer.counts, ...this.maintenance.counts }
  }

  /** Marks the entities as erased, at once and for all readers, and then takes them out of the files. NOT_FOUND when one never was. */
  async erase({ keys, reason, actor, signal }: EraseOptions & { readonly keys: readonly EntityKey[] }): Promise<EraseReport> {
    const { seq } = await this.commit({
      keys,
      signal,
      decide: (context) =>
        keys.map(({ ns, id }) => {
          if (context.state({ ns, id }) === undefined) throw notFound(undefined, { ns, id })
          return { op: 'ERASE', ns, id, actor, metadata: { erased: toHex(sha256(utf8Encode(`${ns}/${id}`))), ...(reason !== undefined && { reason }) } }
        }),
    })
    const copies = (await copiesBefore(this.#parts.backend, seq)).map(({ place, lastSeq, atMs }) => ({ place, lastSeq, at: new Date(atMs) }))
    return { seq, ...(await this.maintenance.finishErasing(signal)), copies }
  }

  /** Nothing to do: a writer's partition is always the newest. */
  async refresh(): Promise<void> {}

  readonly isFresh = true

  /** Finishes what was begun and gives the role back. A writer that failed only gives it back. */
  async close(): Promise<void> {
    try {
      await this.#writer.drain()
      await this.maintenance.stop()
      const { overlay } = this.partition
      if (this.#writer.failure === undefined) {
        if (overlay.eventCount > closeFlushEventsMax || overlay.bytes > closeFlushBytesMax) await this.maintenance.flush()
        await this.maintenance.collectGarbage()
        await this.publisher.seal()
      }
    } finally {
      this.#writer.fail(new ParqueDBError('CLOSED', 'The database is closed.'))
      await this.#parts.log.close()
      await this.lock?.release()
    }
  }

}

/** What seems damaged or gone may have been deleted by a writer that has taken over meanwhile: then WRITER_FENCED is what to say. */
async function orFenced<T>(reading: Promise<T>, fence: EpochFence): Promise<T> {
  try {
    return await reading
  } catch (error) {
    await fence.check()
    throw error
  }
}

interface SessionParts extends PublisherParts {
  readonly log: AppendLog
  readonly lock: WriterLock | undefined
  readonly opened: OpenFacts
}
