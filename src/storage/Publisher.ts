import { assert } from '../base/assert.ts'
import { toHex } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { ResolvedOptions } from './engine-options.ts'
import type { EpochFence } from './EpochFence.ts'
import { epochPath, headOf, publishHead, type Head } from './head.ts'
import { dataFiles, spanOf, writeManifest, type DroppedFile, type FileEntry, type Manifest } from './manifest.ts'
import type { Partition } from './Partition.ts'
import type { FilesHead } from './FilesHead.ts'
import type { StorageBackend } from './storage-backend.ts'

/** What the holder of the writer role works with. */
export interface WriterRole {
  readonly partition: Partition
  readonly backend: StorageBackend
  /** Where the epochs and the log are. */
  readonly logBackend: StorageBackend
  readonly fence: EpochFence
  readonly options: ResolvedOptions
}

export interface PublisherParts extends WriterRole {
  readonly head: Head
  /** Of the epoch file, which `head` is in. */
  readonly etag: string
  readonly atFiles: FilesHead | undefined
}

/** What becomes of a manifest; files that it names no more are dropped by the publisher. */
export type ManifestChange = (manifest: Manifest) => Omit<Manifest, 'id'>

/** Replaces the manifest: one change at a time, each durable and not fenced before it is seen. */
export class Publisher {
  readonly #parts: PublisherParts
  #head: Head
  /** Of the epoch file; undefined when it is not known which head is there. */
  #etag: string | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: PublisherParts) {
    this.#parts = parts
    this.#head = parts.head
    this.#etag = parts.etag
  }

  get head(): Head {
    return this.#head
  }

  /**
   * Publishes what `change` makes of the current manifest, with the next id. Afterwards the files that it dropped
   * may be deleted once their grace has passed, and the log up to its flushedSeq.
   */
  publish(change: ManifestChange): Promise<void> {
    const publishing = this.#last.then(() => this.#publish(change))
    // The next change waits for this one to end, well or not; who asked for this one learns how it ended.
    this.#last = publishing.catch(() => undefined)
    return publishing
  }

  /** Records that this writer has ended, and how far the log is durable, so that damage to its end is told from an append that never was. */
  seal(): Promise<void> {
    const sealing = this.#last.then(async () => {
      this.#head = { ...this.#head, durableSeq: this.#parts.partition.overlay.lastSeq, isClosed: true }
      await this.#replaceHead(this.#head)
    })
    this.#last = sealing.catch(() => undefined)
    return sealing
  }

  async #publish(change: ManifestChange): Promise<void> {
    const { partition, backend, fence, options: { random, clock }, atFiles } = this.#parts
    const before = partition.manifest
    const after = change(before)
    const dropped = garbageOf({ before, after }, clock.nowMs())
    // What was erased may be in any file that is garbage already: none has a grace any more.
    const isErasure = after.erasedCount > before.erasedCount
    const manifest: Manifest = { ...after, id: before.id + 1, dropped, ...(isErasure && { oldestId: before.id + 1, dropped: dropped.map((file) => ({ ...file, atMs: 0 })) }) }
    assert(manifest.flushedSeq >= before.flushedSeq, 'I6: flushedSeq never decreases')
    assert(manifest.flushedSeq <= partition.overlay.lastSeq, 'I5: nothing is flushed before it is in the log')
    assert(manifest.segments.every((file, index) => index === 0 || spanOf(file).from === spanOf(manifest.segments[index - 1] as FileEntry).to + 1), 'D1: segments are contiguous and disjoint')
    const address = await writeManifest(backend, manifest, toHex(random.bytes(8)))
    await fence.check()
    const { flushedSeq } = manifest
    const [last] = partition.overlay.events({ from: flushedSeq, to: flushedSeq })
    const head = headOf(manifest, { epoch: fence.epoch, manifest: address, durableSeq: partition.overlay.lastSeq, lastEventId: last?.eventId ?? this.#head.lastEventId })
    this.#head = atFiles === undefined ? head : await this.#share(head, atFiles)
    await this.#replaceHead(this.#head)
    await fence.check()
    partition.install(manifest)
  }

  /** The intent is in the log's store before anything is where others read. Should this end between the two, opening finds what was published. */
  async #share(head: Head, atFiles: FilesHead): Promise<Head> {
    await this.#replaceHead({ ...this.#head, intent: head.manifest?.path })
    return { ...head, atFiles: await atFiles.publish(head) }
  }

  /** Puts the head. Only this writer replaces this file, so one that has another etag than it should is a former head, of unknown outcome. */
  async #replaceHead(head: Head): Promise<void> {
    const { logBackend, fence } = this.#parts
    try {
      const etag = this.#etag ?? (await logBackend.stat(epochPath(head.epoch)))?.etag ?? ''
      this.#etag = undefined
      this.#etag = (await publishHead(logBackend, head, etag)).etag
    } catch (cause) {
      await fence.check()
      throw new ParqueDBError('STORAGE_UNAVAILABLE', 'The new list of files could not be published; the former one stays in force and nothing is lost. Mend the cause and flush again.', { cause })
    }
  }
}

/** What was garbage already, and files that the manifest before names, and the one after it does not. */
function garbageOf({ before, after }: { before: Manifest; after: Omit<Manifest, 'id'> }, atMs: number): DroppedFile[] {
  const named = new Set([...dataFiles(after)].map(({ file }) => file.path))
  assert(!after.dropped.some(({ path }) => named.has(path)), 'O4: a name that was dropped stays dropped')
  return [...after.dropped, ...[...dataFiles(before)].flatMap(({ file: { path, sizeBytes } }) => (named.has(path) ? [] : [{ path, sizeBytes, atMs, manifestId: before.id + 1 }]))]
}
