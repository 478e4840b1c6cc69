import { compareStrings } from '../base/bytes.ts'
import { collectionOf, edgeSpace, isEdgeSpace, isMirrorSpace } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { checkAborted } from '../base/abort.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { RowGroupEntry } from '../parquet/sparse-index.ts'
import { entityEvents, filesToRead, holdsRange, overlayStates, scanRanges, segmentStates, type RangeScan } from './range-scan.ts'
import type { EntityCache } from './EntityCache.ts'
import { assertEventsKept, assertKept, isForgotten, startOf } from './horizon.ts'
import { newestInMemory, newestInRuns, newestOfMany, pastInSegments, runFilesFor, segmentsFor } from './lookup.ts'
import { filesOfRuns, horizonOf, type FileEntry, type Horizon, type Manifest, type RunEntry } from './manifest.ts'
import type { Overlay } from './Overlay.ts'
import type { Scratch } from './Scratch.ts'
import { rangesOf, strips, type BatchRange } from './strips.ts'
import type { TableFiles } from './TableFiles.ts'
import type { AsOf, EntityEventOptions, EventScanOptions, PresentView, ScanOptions, ScanSlice, View } from './view.ts'

/** Events of a segment that are put in seq order at once: what bounds memory when the log's history is read. */
const eventWindow = 20_000

export interface ViewParts {
  readonly manifest: Manifest
  readonly overlay: Overlay
  readonly files: TableFiles
  readonly cache: EntityCache
  /** Whether nothing was written or flushed since the view was taken, so that what it reads may be cached. */
  readonly isCurrent: (key: EntityKey) => boolean
  readonly scratch: (() => Scratch) | undefined
  readonly release: () => void
}

/** One manifest and the overlay up to one seq. See `View` for the contract. */
export class ReadView implements PresentView {
  readonly seq: number
  readonly ts: number
  readonly #parts: ViewParts
  #released = false

  constructor(parts: ViewParts) {
    this.seq = parts.overlay.lastSeq
    this.ts = parts.overlay.lastTs
    this.#parts = parts
  }

  async get(key: EntityKey, asOf?: AsOf): Promise<EntityState | undefined> {
    const known = this.inMemory(key, asOf)
    if (known !== 'in files') return known
    if (asOf === undefined) return this.#newestFlushed(key)
    if (!(await this.#isInOneSegment(key, asOf))) {
      const newest = await this.#newestFlushed(key)
      if (newest === undefined || isAtOrBefore(newest, asOf)) return newest
    }
    const past = await this.#past(key, asOf)
    if (past !== undefined) this.#parts.cache.put(pastKey(this.#parts.manifest, key, asOf), past)
    return past
  }

  inMemory(key: EntityKey, asOf?: AsOf): EntityState | undefined | 'in files' {
    const { manifest, overlay, files } = this.#parts
    if (asOf !== undefined) assertKept(manifest, key.ns, asOf)
    const inOverlay = overlay.state(key, { seq: this.seq, asOf })
    if (inOverlay !== undefined) return inOverlay
    const past = asOf && this.#cached(pastKey(manifest, key, asOf))
    if (past !== undefined) return past
    const newest = this.#cached(key) ?? this.#cache(key, newestInMemory(files, runFilesFor(manifest, key), key.id))
    return asOf === undefined || newest === undefined || newest === 'in files' || isAtOrBefore(newest, asOf) ? newest : 'in files'
  }

  /** Whether one segment alone can have the state at a point, so that the newest state, which may be too new, is not worth its request. */
  async #isInOneSegment(key: EntityKey, asOf: AsOf): Promise<boolean> {
    const { manifest, files } = this.#parts
    const [first, ...others] = segmentsFor(manifest, key, asOf)
    if (first === undefined || others.length > 0 || runFilesFor(manifest, key).every(({ maxSeq }) => asOf.seq !== undefined && maxSeq <= asOf.seq)) return false
    return startOf(manifest, key.ns, asOf).seq === 0 && (await files.segment(first)).mayContainKey(key)
  }

  #past(key: EntityKey, asOf: AsOf): Promise<EntityState | undefined> {
    const { manifest, files } = this.#parts
    const start = startOf(manifest, key.ns, asOf)
    const segments = segmentsFor(manifest, key, asOf).filter((file) => file.maxSeq > start.seq)
    return pastInSegments(files, segments, { key, asOf, base: () => newestInRuns(files, runFilesFor(start, key), key.id) })
  }

  async getMany(keys: readonly EntityKey[], asOf?: AsOf): Promise<(EntityState | undefined)[]> {
    // Of the past each entity is a segment's stretch of its own.
    if (asOf !== undefined || keys.length === 1) return Promise.all(keys.map((key) => this.get(key, asOf)))
    const { manifest, overlay, files } = this.#parts
    const states = keys.map((key) => {
      const found = overlay.state(key, { seq: this.seq }) ?? newestInMemory(files, runFilesFor(manifest, key), key.id)
      // What a row group keeps is not put into the cache of entities: many would push out those that are asked for one by one.
      return found === 'in files' ? (this.#cached(key) ?? found) : found
    })
    const missing = keys.filter((_, index) => states[index] === 'in files')
    const found = new Map<string, Map<string, EntityState>>()
    for (const ns of new Set(missing.map((key) => key.ns))) found.set(ns, await newestOfMany(files, manifest, { ns, ids: missing.flatMap((key) => (key.ns === ns ? [key.id] : [])) }))
    return keys.map(({ ns, id }, index) => (states[index] === 'in files' ? found.get(ns)?.get(id) : (states[index] as EntityState | undefined)))
  }

  scan(ns: string, options: ScanOptions = {}): AsyncIterable<readonly ScanSlice[]> {
    const { manifest } = this.#parts
    const past = options.asOf === undefined || this.#isPresent(options.asOf) ? undefined : options.asOf
    if (past !== undefined) assertKept(manifest, ns, past)
    const { start, segments } = filesToRead(manifest, ns, past)
    const { trace, signal } = options
    if (trace !== undefined) {
      trace.startSeq = start.seq
      trace.files += segments.length
    }
    const runs = filesOfRuns(start, ns)
    const within = this.#within(ns, [options], { past, signal, trace })
    return strips([
      ...runs.map((run) => this.#runRanges(run, { runs, options })),
      ...[...segments.map((file) => segmentStates(file, within)), overlayStates(within), [options.over ?? []]].map(rangesOf),
    ])
  }

  scanRanges(ns: string, bounds: readonly IdRange[], { asOf, signal }: Pick<ScanOptions, 'asOf' | 'signal'> = {}): ReturnType<View['scanRanges']> {
    const past = asOf === undefined || this.#isPresent(asOf) ? undefined : asOf
    if (past !== undefined) assertKept(this.#parts.manifest, ns, past)
    return scanRanges(this.#within(ns, bounds, { past, signal }))
  }

  async *events(options: EventScanOptions = {}): AsyncIterable<StoredEvent> {
    const { manifest, overlay } = this.#parts
    const wanted = eventPredicate(options)
    const from = Math.max(options.fromSeq ?? 1, 1)
    const to = Math.min(options.toSeq ?? this.seq, this.seq)
    if (options.onlyKept !== true) assertEventsKept(manifest, options)
    const files = manifest.segments.filter((file) => file.maxSeq >= from && file.minSeq <= to && overlapsTime(file, options))
    yield* this.#segmentEvents(files, { from, to: Math.min(to, manifest.flushedSeq), options, wanted })
    for (const event of overlay.events({ from, to })) {
      checkAborted(options.signal)
      if (wanted(event)) yield event
    }
  }

  entityEvents(key: EntityKey, options: EntityEventOptions = {}): AsyncIterable<StoredEvent> {
    return entityEvents({ ...this.#parts, key }, { ...options, fromSeq: options.fromSeq ?? 1, toSeq: Math.min(options.toSeq ?? this.seq, this.seq) })
  }

  namespaces(): string[] {
    const { manifest, overlay } = this.#parts
    return [...new Set([...Object.keys(manifest.runs), ...overlay.namespaces()])].filter((ns) => !isEdgeSpace(ns)).toSorted(compareStrings)
  }

  horizon(ns: string): Horizon | undefined {
    return horizonOf(this.#parts.manifest, ns)
  }

  scratch(): Scratch | undefined {
    return this.#parts.scratch?.()
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#parts.release()
  }

  async #newestFlushed(key: EntityKey): Promise<EntityState | undefined> {
    const { manifest, files } = this.#parts
    const cached = this.#cached(key)
    if (cached !== undefined) return cached
    return this.#cache(key, await newestInRuns(files, runFilesFor(manifest, key), key.id))
  }

  #cache<Found extends EntityState | 'in files' | undefined>(key: EntityKey, found: Found): Found {
    const { cache, isCurrent } = this.#parts
    if (typeof found === 'object' && isCurrent(key)) cache.put(key, found)
    return found
  }

  /** A cached state is the newest one, which a view from before it was made must not see. */
  #cached(key: EntityKey): EntityState | undefined {
    const { cache, manifest } = this.#parts
    const cached = cache.get(key)
    return cached !== undefined && cached.seq <= this.seq && !isForgotten(manifest, key.ns, cached) ? cached : undefined
  }

  /** True when the newest state is the state at `asOf`, for every entity. */
  #isPresent(asOf: AsOf): boolean {
    return (asOf.seq === undefined || asOf.seq >= this.seq) && (asOf.ts === undefined || asOf.ts >= this.ts)
  }

  readonly #before = (event: StoredEvent): Promise<EntityState | undefined> => this.#past(event, { seq: event.seq - 1 })

  #within(ns: string, bounds: readonly IdRange[], at: Pick<RangeScan, 'past' | 'signal' | 'trace'>): RangeScan {
    const { manifest, overlay, files } = this.#parts
    return { manifest, overlay, files, past: at.past, signal: at.signal, trace: at.trace, seq: this.seq, ns, ranges: bounds, before: this.#before }
  }

  async *#runRanges(run: RunEntry, { runs, options }: { runs: readonly RunEntry[]; options: ScanOptions }): AsyncGenerator<readonly BatchRange[]> {
    const { files } = this.#parts
    const { trace, prune } = options
    for (const file of run.files) {
      if (trace !== undefined) trace.files += 1
      if (!holdsRange(file, options)) {
        if (trace !== undefined) trace.prunedFiles += 1
        continue
      }
      const reader = await files.run(file)
      // What is passed over still hides older rows of others, so a row group is read wherever one of another run could be older.
      const hides = runs.flatMap((other) => (other === run ? [] : other.files.filter((one) => overlaps(one, file)).map(({ minSeq }) => minSeq)))
      const rulesOut = prune === undefined ? undefined : await reader.rulesOut(prune)
      const wants = rulesOut && ((entry: RowGroupEntry, index: number): boolean => !rulesOut(index) || hides.some((minSeq) => minSeq <= entry.maxSeq))
      yield* reader.batches({ ...options, wants })
    }
  }

  /** Events of segments in seq order, window by window: a file itself is ordered by entity. Archived ones overlap those that they were split from. */
  async *#segmentEvents(files: readonly FileEntry[], at: { from: number; to: number; options: EventScanOptions; wanted: (event: StoredEvent) => boolean }): AsyncGenerator<StoredEvent> {
    const { ns, fromTs, toTs, signal } = at.options
    let left = files
    for (let start = at.from; start <= at.to; ) {
      left = left.filter((file) => file.maxSeq >= start)
      start = Math.max(start, Math.min(...left.map((file) => file.minSeq)))
      const end = Math.min(start + eventWindow - 1, at.to, ...left.map((file) => (file.minSeq > start ? file.minSeq - 1 : file.maxSeq)))
      const window: StoredEvent[] = []
      for (const file of left.filter(({ minSeq }) => minSeq <= end)) {
        const reader = await this.#parts.files.segment(file)
        const spaces = ns === undefined ? [{}] : [{ ns }, { ns: edgeSpace(ns, 'out') }]
        for await (const events of reader.scanRanges(spaces, { fromSeq: start, toSeq: end, fromTs, toTs, signal })) window.push(...events.filter(at.wanted))
      }
      yield* window.toSorted((one, other) => one.seq - other.seq)
      start = end + 1
    }
  }
}

/** Under what the cache keeps a state of the past: no namespace holds ':'. What a manifest tells of the past is the same for ever. */
function pastKey({ id: manifestId }: Manifest, { ns, id }: EntityKey, { seq, ts }: AsOf): EntityKey {
  return { ns: `${ns}:${manifestId}:${seq ?? ''}:${ts ?? ''}`, id }
}

/** A state's updatedAt is the ts of the event that made it. */
function isAtOrBefore(state: EntityState, asOf: AsOf): boolean {
  return (asOf.seq === undefined || state.seq <= asOf.seq) && (asOf.ts === undefined || state.updatedAt <= asOf.ts)
}

function overlaps(left: FileEntry, right: FileEntry): boolean {
  return compareStrings(left.minKey[0] ?? '', right.maxKey[0] ?? '') <= 0 && compareStrings(left.maxKey[0] ?? '', right.minKey[0] ?? '') >= 0
}

function overlapsTime(file: FileEntry, options: EventScanOptions): boolean {
  return (options.fromTs === undefined || file.maxTs >= options.fromTs) && (options.toTs === undefined || file.minTs <= options.toTs)
}

function eventPredicate(options: EventScanOptions): (event: StoredEvent) => boolean {
  const { ns, ops, actor, correlationId, causationId, fromTs, toTs } = options
  return (event) =>
    !isMirrorSpace(event.ns) &&
    (ns === undefined || collectionOf(event.ns) === ns) &&
    (ops === undefined || ops.includes(event.op)) &&
    (actor === undefined || event.actor === actor) &&
    (correlationId === undefined || event.metadata?.['correlationId'] === correlationId) &&
    (causationId === undefined || event.metadata?.['causationId'] === causationId) &&
    (fromTs === undefined || event.ts >= fromTs) &&
    (toTs === undefined || event.ts <= toTs)
}
