import { ParqueDBError } from '../base/ParqueDBError.ts'
import { epochPath, newestEpoch } from './head.ts'
import type { StorageBackend } from './storage-backend.ts'

/**
 * The fence of the writer that took `epoch`. A check is two looks at single files; a listing of all epochs only when
 * the writer's own epoch file was replaced since the last one. See docs/adr/0002-head-per-epoch.md.
 */
export class EpochFence {
  readonly epoch: number
  readonly #backend: StorageBackend
  readonly #paths: { readonly own: string; readonly next: string }
  /** An etag that the own epoch file had before a listing that showed no newer epoch: then it was put before that file was ever deleted. */
  #provenEtag: string | undefined

  constructor(backend: StorageBackend, epoch: number) {
    this.epoch = epoch
    this.#backend = backend
    this.#paths = { own: epochPath(epoch), next: epochPath(epoch + 1) }
  }

  /**
   * F1: throws WRITER_FENCED unless this epoch was still the newest at some moment after the call. Checks may overlap
   * each other and the publishing of a head.
   */
  async check(): Promise<void> {
    // In this order: epochs are dense and are deleted from the oldest on, so where the next one was deleted the own one was before it,
    // and whoever makes it again gives it another etag.
    const next = await this.#backend.stat(this.#paths.next)
    const own = await this.#backend.stat(this.#paths.own)
    if (next === undefined && own !== undefined && own.etag === this.#provenEtag) return
    this.assertNewest(await newestEpoch(this.#backend))
    // What was seen before the listing, not after it: this writer may stall here, be taken over, and then replace the file itself.
    this.#provenEtag = own?.etag
  }

  /** Throws WRITER_FENCED when `newest`, of a listing that began after this epoch was taken, is another epoch. */
  assertNewest(newest: number): void {
    if (newest === this.epoch) return
    const gone = `The database is no more where it was opened: its folder, or its objects, were moved or deleted, ${this.#paths.own} with them. Close it, and open it where it is now.`
    throw new ParqueDBError('WRITER_FENCED', newest === 0 ? gone : `Another writer took over this database (epoch ${newest}; this one had ${this.epoch}). Whether the writes that were under way are in it is for the new writer to say: open the database again and read them.`, { details: { epoch: this.epoch, newest } })
  }
}
