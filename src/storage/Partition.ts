import type { Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { isEdgeSpace, parseEdgeKey } from '../model/edge.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { EntityCache } from './EntityCache.ts'
import { isForgotten, withArchive } from './horizon.ts'
import { runFilesFor } from './lookup.ts'
import { KeyMap } from './KeyMap.ts'
import { emptyManifest, filesOfRuns, type Manifest } from './manifest.ts'
import { Overlay } from './Overlay.ts'
import { ReadView } from './ReadView.ts'
import type { Scratch } from './Scratch.ts'
import type { StorageBackend } from './storage-backend.ts'
import { TableFiles } from './TableFiles.ts'
import { withView } from './view.ts'

export type CommitListener = (events: readonly StoredEvent[]) => void

/**
 * What one process knows of a partition: the current manifest and the overlay of what came after it, both durable.
 * A writer or a follower moves it forward; views are taken from it and stay as they were.
 */
export class Partition {
  readonly files: TableFiles
  readonly cache: EntityCache
  /** Makes room for one query; a writer has it. */
  scratch: (() => Scratch) | undefined
  /** Entities that are being erased: nothing is written to them until that is done. */
  readonly erasing = new KeyMap<true>()
  #manifest: Manifest = emptyManifest
  #overlay = new Overlay(emptyManifest)
  /** How many open views read each manifest, by its id. */
  readonly #pins = new Map<number, number>()
  readonly #listeners = new Set<CommitListener>()

  constructor(backend: StorageBackend, options: { maxCachedEntities: number; maxCachedColumnBytes: number; cacheTtlMs: number; indexBytesMax: number; clock: Clock }) {
    this.files = new TableFiles(backend, options)
    this.cache = new EntityCache(options)
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  get overlay(): Overlay {
    return this.#overlay
  }

  /** Moves to another manifest, and the overlay to where that ends: it begins anew where the manifest has more than was known, or less than was known to be flushed. */
  install(manifest: Manifest): void {
    const { flushedSeq, lastSeq } = this.#overlay
    const isAnew = manifest.flushedSeq > lastSeq || manifest.flushedSeq < flushedSeq
    // Edges of what was erased have no event that says so.
    if (isAnew || manifest.erasedCount !== this.#manifest.erasedCount) this.cache.clear()
    if (isAnew) this.#overlay = new Overlay(manifest)
    else if (manifest.flushedSeq > flushedSeq) this.#overlay = this.#overlay.after(manifest)
    this.#manifest = manifest
  }

  /** Makes durable events visible to later views. */
  apply(event: StoredEvent, from: { bytes: number; state?: EntityState | undefined }): EntityState {
    const state = this.#overlay.add(event, from)
    this.cache.refresh(event, state)
    return state
  }

  /** E2: neither an entity that is being erased nor an edge of it may be written, as far as this process knows: TRANSACTION_CONFLICT. */
  refuseErased(keys: readonly EntityKey[]): void {
    for (const key of keys) {
      const ends = isEdgeSpace(key.ns) ? parseEdgeKey(key) : { from: key, to: key }
      for (const end of [ends.from, ends.to]) {
        const $id = formatEntityId(end)
        if (this.#isErasing(end)) throw new ParqueDBError('TRANSACTION_CONFLICT', `${$id} is being erased; try again once that is done.`, { details: { $id } })
      }
    }
  }

  /** Whoever has not the writer role knows of it from the log and the manifest. */
  #isErasing(key: EntityKey): boolean {
    return this.erasing.has(key) || this.#overlay.newest(key)?.event.op === 'ERASE' || this.#manifest.erasing.some(({ ns, id }) => ns === key.ns && id === key.id)
  }

  publish(events: readonly StoredEvent[]): void {
    for (const listener of this.#listeners) listener(events)
  }

  onCommit(listener: CommitListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether somebody listens. */
  get isHeard(): boolean {
    return this.#listeners.size > 0
  }

  view(options: { includeArchived?: boolean } = {}): ReadView {
    const manifest = this.#manifest
    const overlay = this.#overlay
    this.#pins.set(manifest.id, (this.#pins.get(manifest.id) ?? 0) + 1)
    return new ReadView({
      manifest: options.includeArchived === true ? withArchive(manifest) : manifest,
      overlay,
      files: this.files,
      cache: this.cache,
      isCurrent: (key) => this.#manifest === manifest && this.#overlay.newest(key) === undefined,
      scratch: this.scratch,
      release: () => this.#unpin(manifest.id),
    })
  }

  /** The newest durable state as far as memory tells it: 'in files' when a data file has to be read for it. */
  inMemory(key: EntityKey): EntityState | undefined | 'in files' {
    const state = this.#overlay.state(key, { seq: this.#overlay.lastSeq })
    if (state !== undefined) return state
    if (runFilesFor(this.#manifest, key).length === 0) return undefined
    const cached = this.cache.get(key)
    return cached === undefined || isForgotten(this.#manifest, key.ns, cached) ? 'in files' : cached
  }

  /** The newest durable states, in the order of the keys. */
  newestOfMany(keys: readonly EntityKey[]): Promise<(EntityState | undefined)[]> {
    return withView(this, (view) => view.getMany(keys))
  }

  /** seq of a namespace's newest event; 0 when it has none. */
  namespaceSeq(ns: string): number {
    const inOverlay = this.#overlay.namespaceSeq(ns)
    if (inOverlay > 0) return inOverlay
    let newest = 0
    for (const run of filesOfRuns(this.#manifest, ns)) for (const file of run.files) newest = Math.max(newest, file.maxSeq)
    return newest
  }

  /** The oldest manifest that a view still reads; the current one when there is no view. */
  oldestPinnedManifest(): number {
    return Math.min(this.#manifest.id, ...this.#pins.keys())
  }

  #unpin(manifestId: number): void {
    const left = (this.#pins.get(manifestId) ?? 0) - 1
    if (left > 0) this.#pins.set(manifestId, left)
    else this.#pins.delete(manifestId)
  }
}
