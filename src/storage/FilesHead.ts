import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { encodeHead, epochPath, parseHead, readHead, type Head, type FilesMark } from './head.ts'
import type { ReplayedFrame } from './replay.ts'
import { undefinedWhenAbsent } from './request-rules.ts'
import type { StorageBackend } from './storage-backend.ts'

/** R2 takes one write a second to a key. */
const putIntervalMs = 1000

interface Stores {
  /** Where the files are. */
  readonly backend: StorageBackend
  /** Where the log is, and the head that its writer goes by. */
  readonly logBackend: StorageBackend
  readonly clock: Clock
}

/**
 * The head that stands with the files of a partition whose log is elsewhere (in a Durable Object): one object, replaced by
 * compare-and-swap. It decides what is flushed; the log's own head follows it. See docs/adr/0010-a-head-with-the-files.md.
 */
export class FilesHead {
  readonly #stores: Stores
  #mark: FilesMark
  /** As it stands there; undefined until the first is published. */
  #head: Head | undefined
  #putAtMs = Number.NEGATIVE_INFINITY

  private constructor(stores: Stores, at: { mark: FilesMark; head: Head | undefined }) {
    this.#stores = stores
    this.#mark = at.mark
    this.#head = at.head
  }

  /**
   * Reads it, and compares it with what the log's newest head says. A log without a head takes over what the files have. CORRUPT_FILE when the files
   * were put back to an older state than the log has seen.
   */
  static async attach(stores: Stores): Promise<FilesHead> {
    const { backend, logBackend } = stores
    const own = (await readHead(logBackend)).head
    if (own?.atFiles === undefined) {
      const { head, newestEpoch } = await readHead(backend)
      const mark: FilesMark = { epoch: newestEpoch + 1, etag: undefined }
      // Its epoch is kept, so that this log's are newer, and no name of a file comes twice.
      if (head !== undefined) await logBackend.put(epochPath(head.epoch), encodeHead({ ...head, logStart: head.flushedSeq + 1, durableSeq: head.flushedSeq, atFiles: mark }), { ifAbsent: true })
      return new FilesHead(stores, { mark, head })
    }
    const path = epochPath(own.atFiles.epoch)
    const bytes = await backend.read(path).catch(undefinedWhenAbsent)
    const head = bytes === undefined ? undefined : parseHead(bytes, own.atFiles.epoch)
    if (own.atFiles.etag !== undefined && (head === undefined || head.manifestId < own.manifestId || head.flushedSeq < own.flushedSeq)) {
      const found = head === undefined ? 'is gone' : `names manifest ${head.manifestId} up to event ${head.flushedSeq}`
      throw new ParqueDBError('CORRUPT_FILE', `The log knows that manifest ${own.manifestId}, up to event ${own.flushedSeq}, was published; ${path} ${found}. The files were put back to an older state: restore the newer one. Nothing is written until then.`, { details: { path, offset: 0, knownSeq: own.flushedSeq, foundSeq: head?.flushedSeq ?? 0 } })
    }
    const isKnown = head?.manifest?.path === own.manifest?.path && own.atFiles.etag !== undefined
    const etag = isKnown ? own.atFiles.etag : (await backend.stat(path))?.etag
    return new FilesHead(stores, { mark: { epoch: own.atFiles.epoch, etag }, head: head ?? (own.manifest === undefined ? undefined : own) })
  }

  get mark(): FilesMark {
    return this.#mark
  }

  /**
   * What is in force: this head where it is newer than the log's `own` one. It must be of the same history then, and is if the log's `frames` have the event that
   * it ends with; CORRUPT_FILE.
   */
  newest(own: Head, frames: readonly ReplayedFrame[]): Head {
    if (this.#head === undefined || this.#head.manifestId === own.manifestId) return own
    const { manifest, manifestId, flushedSeq, lastEventId } = this.#head
    const last = flushedSeq === own.flushedSeq ? own.lastEventId : frames.flatMap(({ events }) => events).find(({ seq }) => seq === flushedSeq)?.eventId
    if (last === lastEventId) return { ...own, manifest, manifestId, flushedSeq, lastEventId }
    throw new ParqueDBError('CORRUPT_FILE', `The files hold events up to ${flushedSeq} that this log does not have: the log was put back to an older state, or is another database's. Nothing is written. To go on from what the files have, delete the log; what it has and the files have not is lost then.`, { details: { path: epochPath(this.#mark.epoch), offset: 0, flushedSeq } })
  }

  /** Puts it where it stands as this writer knows it. WRITER_FENCED when somebody else has replaced it: opening anew finds out what holds. */
  async publish(next: Head): Promise<FilesMark> {
    const { backend, clock } = this.#stores
    assert(next.flushedSeq >= (this.#head?.flushedSeq ?? 0), 'D4: the log never says that more is flushed than the head with the files')
    await clock.sleep(Math.max(0, this.#putAtMs + putIntervalMs - clock.nowMs()))
    this.#putAtMs = clock.nowMs()
    const { epoch, etag: known } = this.#mark
    const head: Head = { ...next, epoch, durableSeq: next.flushedSeq, atFiles: undefined, intent: undefined }
    // The store decides an unknown outcome by reading back, so what is refused here was replaced by somebody else.
    const { etag } = await backend.put(epochPath(epoch), encodeHead(head), known === undefined ? { ifAbsent: true } : { ifMatch: known }).catch((cause: unknown) => {
      throw isParqueDBError(cause, 'PRECONDITION_FAILED') ? replaced(epochPath(epoch), cause) : cause
    })
    if ((await backend.stat(epochPath(epoch + 1))) !== undefined) throw replaced(epochPath(epoch + 1))
    this.#head = head
    this.#mark = { epoch, etag }
    return this.#mark
  }
}

function replaced(path: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('WRITER_FENCED', `Another writer replaced ${path}. What is acknowledged is in the log; open the database again to go on.`, { details: { path }, cause })
}
