import { checkAborted } from '../base/abort.ts'
import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { crc32 } from '../base/crc32.ts'
import type { ByteSource } from './byte-source.ts'
import { ByteCursor } from './ByteCursor.ts'
import { leavesOf } from './columns.ts'
import type { Leaf } from './columns.ts'
import { inFile } from './decode-chunk.ts'
import type { GroupCache } from './GroupCache.ts'
import { GroupStatistics, statisticsSection } from './GroupStatistics.ts'
import { malformed } from './malformed.ts'
import { RowGroup } from './RowGroup.ts'
import { readFilters, readIndex } from './sparse-index.ts'
import type { Filters, RowGroupEntry, Section, SparseIndex } from './sparse-index.ts'
import { rowGroupsOfFooter } from './thrift-footer.ts'
import type { FileFacts } from './written-file.ts'

/** The first request of a scan, for those that stop early; each further one is twice as large. */
const firstRequestBytes = 128 * 1024
/** What one request of a long scan asks for: the time on the way no longer counts. */
const requestBytesMax = 1024 * 1024
/** Reads for keys that turned out absent, after which filters that are not in the index are worth their request. */
const wastedReadsMax = 4

const magic = utf8Encode('PAR1')

/** A row group for a merge, which takes it over as it stands or apart. */
export interface GroupOfFile {
  readonly group: RowGroup
  /** As `footerGroups` gives it. */
  readonly footer: Uint8Array
  /** As GroupStatistics keeps it; undefined where its file has none. */
  readonly statistics: Uint8Array | undefined
  /** Columns and metadata of its file: a file with the same can take it over. */
  readonly layout: string
  /** No key in it is above this one, which is the next row group's first, or the file's last. */
  readonly bound: readonly string[]
  readonly isLast: boolean
}

/** What `GroupOfFile.layout` is. */
export function layoutOf({ fields, metadata }: Pick<SparseIndex, 'fields' | 'metadata'>): string {
  return JSON.stringify([fields, metadata])
}

/** What a scan did, counted while it goes on. */
export interface ScanTrace {
  files: number
  /** Files that were not opened, as their keys lie outside. */
  prunedFiles: number
  rowGroups: number
  /** Row groups that statistics or keys ruled out. */
  prunedRowGroups: number
  cachedRowGroups: number
  /** A column of a row group is a page. */
  pages: number
  /** Of those, the ones that were decoded now: neither passed over nor decoded before. */
  decodedPages: number
  requests: number
  bytes: number
}

export interface GroupsOptions {
  readonly signal?: AbortSignal | undefined
  readonly trace?: ScanTrace | undefined
  /** Takes what the cache has and keeps what is read there. */
  readonly cache?: GroupCache | undefined
  /** Of one request; 1 MiB. */
  readonly bytesMax?: number | undefined
}

/** Adjacent row groups that are fetched together, or one that the cache has. */
interface GroupRequest {
  readonly start: number
  end: number
  readonly cached: RowGroup | undefined
}

/** A file's index, and its row groups on demand. */
export class TableReader {
  readonly index: SparseIndex
  readonly indexBytes: number
  readonly #source: ByteSource
  readonly #facts: FileFacts
  readonly #leaves: readonly Leaf[]
  #filters: Filters | undefined
  #statistics: GroupStatistics | undefined
  #wastedReads = 0

  private constructor(source: ByteSource, facts: FileFacts, index: SparseIndex) {
    this.#source = source
    this.#facts = facts
    this.index = index
    this.indexBytes = facts.index.end - facts.index.start
    this.#leaves = leavesOf(index.fields)
    this.#filters = index.filters
  }

  /** One request. CORRUPT_FILE when the index is not the one that `facts` describe. */
  static async open(source: ByteSource, facts: FileFacts, kind: SparseIndex['kind']): Promise<TableReader> {
    const bytes = await readSection(source, facts.index, 'index')
    const index = inFile({ path: source.path, offset: facts.index.start }, () => {
      const read = readIndex(bytes)
      if (read.kind !== kind) throw malformed(`it is a ${read.kind} where a ${kind} belongs`)
      for (const group of read.rowGroups) if (group.end > facts.index.start) throw malformed('a row group lies outside of the file')
      return read
    })
    return new TableReader(source, facts, index)
  }

  get leaves(): readonly Leaf[] {
    return this.#leaves
  }

  get rowGroups(): readonly RowGroupEntry[] {
    return this.index.rowGroups
  }

  /** The filters, as far as they are in memory. */
  get filters(): Filters | undefined {
    return this.#filters
  }

  /** The filters, from a request of their own where the index does not have them. */
  async loadFilters(): Promise<Filters> {
    if (this.#filters !== undefined) return this.#filters
    const section = this.index.sections['filters']
    if (section === undefined) throw new ParqueDBError('CORRUPT_FILE', `${this.#source.path} has no filters.`, { details: { path: this.#source.path } })
    const bytes = await readSection(this.#source, section, 'filters')
    this.#filters = inFile({ path: this.#source.path, offset: section.start }, () => readFilters(new ByteCursor(bytes)))
    return this.#filters
  }

  /** Says that a row group was read for a key that it does not have; loads the filters when that has happened often. */
  async noteWastedRead(): Promise<void> {
    this.#wastedReads += 1
    if (this.#filters === undefined && this.#wastedReads >= wastedReadsMax) await this.loadFilters()
  }

  /** A block that the writer was given. */
  async section(name: string): Promise<Uint8Array | undefined> {
    const section = this.index.sections[name]
    return section === undefined ? undefined : await readSection(this.#source, section, name)
  }

  /** What columns hold, row group by row group: read once; undefined for a file that does not tell. */
  async statistics(): Promise<GroupStatistics | undefined> {
    if (this.#statistics !== undefined) return this.#statistics
    const bytes = await this.section(statisticsSection)
    if (bytes === undefined) return undefined
    const where = { path: this.#source.path, offset: this.index.sections[statisticsSection]?.start ?? 0 }
    return (this.#statistics = inFile(where, () => new GroupStatistics(bytes, this.rowGroups.length)))
  }

  /** What the footer for other readers says of each row group, as `writeRowGroup` wrote it. One request. */
  async footerGroups(): Promise<Uint8Array[]> {
    const { path, sizeBytes } = this.#source
    const start = this.#facts.index.end
    const end = Math.max(start, sizeBytes - 4 - magic.length)
    const bytes = await readSection(this.#source, { start, end, crc32: this.#facts.footerCrc32 }, 'footer')
    return inFile({ path, offset: start }, () => rowGroupsOfFooter(bytes))
  }

  /** All row groups in order, for a merge; requests of at most `bytesMax`, of which two are held. */
  async *groupsToMerge(options: { signal?: AbortSignal | undefined; bytesMax: number }): AsyncGenerator<GroupOfFile> {
    const footers = await this.footerGroups()
    const layout = layoutOf(this.index)
    const statistics = await this.statistics()
    let at = 0
    for await (const group of this.groups(this.rowGroups.map((_, index) => index), options)) {
      const footer = footers[at++]
      const next = this.rowGroups[at]
      if (footer === undefined) throw new ParqueDBError('CORRUPT_FILE', `${this.#source.path} has fewer row groups in its footer than in its index.`, { details: { path: this.#source.path } })
      yield { group, footer, statistics: statistics?.blocks[at - 1], layout, bound: next?.firstKey ?? this.index.lastKey, isLast: next === undefined }
    }
  }

  /** One row group, in one request at most. */
  async rowGroup(index: number, cache?: GroupCache): Promise<RowGroup> {
    const cached = cache?.get(this.#nameOf(index))
    if (cached !== undefined) return cached
    const [group] = await this.#readAdjacent({ start: index, end: index + 1 }, { cache })
    return group as RowGroup
  }

  /** Row groups in the order given, which ascends. Adjacent ones share requests; the next request is under way while one is worked on. */
  async *groups(indexes: readonly number[], options: GroupsOptions = {}): AsyncGenerator<RowGroup> {
    const requests = this.#requests(indexes, options)
    let next = this.#ahead(requests[0], options)
    for (let at = 0; at < requests.length; at++) {
      checkAborted(options.signal)
      const current = next
      next = this.#ahead(requests[at + 1], options)
      for (const group of (await current) ?? []) {
        checkAborted(options.signal)
        const decodedBefore = group.decodedCount
        try {
          yield group
        } finally {
          if (options.trace !== undefined) {
            options.trace.pages += this.#leaves.length
            options.trace.decodedPages += group.decodedCount - decodedBefore
          }
        }
      }
    }
  }

  /**
   * Reads and checks every byte of the file, also those that only other readers use, handing each row group to `check` when all its columns have been
   * decoded. CORRUPT_FILE at the first that is wrong.
   */
  async verify(check: (group: RowGroup) => void, signal?: AbortSignal): Promise<void> {
    await this.#verifyFrame()
    for (const [name, section] of Object.entries(this.index.sections)) await readSection(this.#source, section, name)
    let rows = 0
    for await (const group of this.groups(this.rowGroups.map((_, index) => index), { signal })) {
      for (let column = 0; column < this.#leaves.length; column++) group.column(column)
      inFile({ path: this.#source.path, offset: group.entry.start }, () => check(group))
      rows += group.rowCount
    }
    inFile({ path: this.#source.path, offset: this.#facts.index.start }, () => {
      if (rows !== this.#facts.rows) throw malformed(`it has ${rows} rows where ${this.#facts.rows} belong`)
    })
  }

  /** The magic bytes at both ends, and the footer of other readers. */
  async #verifyFrame(): Promise<void> {
    const { path, sizeBytes } = this.#source
    const { index, footerCrc32 } = this.#facts
    const start = await this.#source.readRange({ start: 0, end: magic.length })
    const end = new ByteCursor(await this.#source.readRange({ start: index.end, end: sizeBytes }))
    inFile({ path, offset: index.end }, () => {
      const footer = end.take(Math.max(0, sizeBytes - index.end - 4 - magic.length))
      const isRight = compareBytes(start, magic) === 0 && crc32(footer) === footerCrc32 && end.uint32() === footer.length && compareBytes(end.take(magic.length), magic) === 0
      if (!isRight) throw malformed('its footer or its magic bytes are not those that were written')
    })
  }

  /** Starts reading. Its failure is seen by whoever awaits it; when nobody does, as the scan stopped early, nobody needs it. */
  #ahead(request: GroupRequest | undefined, options: GroupsOptions): Promise<RowGroup[]> | undefined {
    if (request === undefined) return undefined
    const { trace } = options
    if (trace !== undefined && request.cached !== undefined) trace.cachedRowGroups += 1
    if (request.cached !== undefined) return Promise.resolve([request.cached])
    const reading = this.#readAdjacent(request, options)
    reading.catch(() => undefined)
    return reading
  }

  #requests(indexes: readonly number[], { cache, bytesMax = requestBytesMax }: GroupsOptions): GroupRequest[] {
    const requests: GroupRequest[] = []
    let most = Math.min(firstRequestBytes, bytesMax)
    for (const index of indexes) {
      const cached = cache?.get(this.#nameOf(index))
      const last = requests[requests.length - 1]
      const entry = this.index.rowGroups[index] as RowGroupEntry
      if (cached === undefined && last?.cached === undefined && last?.end === index && entry.end - (this.index.rowGroups[last.start] as RowGroupEntry).start <= most) {
        last.end = index + 1
      } else {
        if (last !== undefined) most = Math.min(most * 2, bytesMax)
        requests.push({ start: index, end: index + 1, cached })
      }
    }
    return requests
  }

  async #readAdjacent({ start, end }: { start: number; end: number }, { cache, trace }: GroupsOptions): Promise<RowGroup[]> {
    const entries = this.index.rowGroups.slice(start, end)
    const from = (entries[0] as RowGroupEntry).start
    const to = (entries[entries.length - 1] as RowGroupEntry).end
    const bytes = await this.#source.readRange({ start: from, end: to })
    if (trace !== undefined) {
      trace.requests += 1
      trace.bytes += to - from
    }
    const file = { path: this.#source.path, leaves: this.#leaves, codec: this.index.codec ?? ('snappy' as const) }
    return entries.map((entry, index) => {
      const part = bytes.subarray(entry.start - from, entry.end - from)
      // What is kept must not keep the bytes of its neighbours.
      const group = new RowGroup(entry, cache === undefined || entries.length === 1 ? part : part.slice(), file)
      cache?.put(this.#nameOf(start + index), group)
      return group
    })
  }

  #nameOf(index: number): string {
    return `${this.#source.path}#${index}`
  }
}

async function readSection(source: ByteSource, section: Section, name: string): Promise<Uint8Array> {
  if (section.start < 0 || section.end < section.start || section.end > source.sizeBytes) {
    throw new ParqueDBError('CORRUPT_FILE', `${source.path} has ${source.sizeBytes} bytes, and its ${name} would end at ${section.end}. Restore the file from a backup.`, {
      details: { path: source.path, offset: section.start },
    })
  }
  const bytes = await source.readRange({ start: section.start, end: section.end })
  inFile({ path: source.path, offset: section.start }, () => {
    if (crc32(bytes) !== section.crc32) throw malformed(`its ${name} does not have the checksum that it should`)
  })
  return bytes
}

/** What is wanted of each row group that some range reaches into; both ascend. */
export function rangesByGroup<Range>(ranges: readonly Range[], groupsWithin: (range: Range) => readonly number[]): Map<number, Range[]> {
  const wanted = new Map<number, Range[]>()
  for (const range of ranges) {
    for (const index of groupsWithin(range)) {
      const inGroup = wanted.get(index)
      if (inGroup === undefined) wanted.set(index, [range])
      else inGroup.push(range)
    }
  }
  return wanted
}
