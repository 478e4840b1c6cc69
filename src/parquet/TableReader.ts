import { checkAborted } from '../base/abort.ts'
import { compareBytes, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { crc32 } from '../base/crc32.ts'
import { Arena } from './Arena.ts'
import type { ByteSource } from './byte-source.ts'
import { ByteCursor } from './ByteCursor.ts'
import { leavesOf, type Leaf } from './columns.ts'
import { inFile } from './decode-chunk.ts'
import type { GroupCache } from './GroupCache.ts'
import { GroupStatistics, statisticsSection } from './GroupStatistics.ts'
import { malformed } from './malformed.ts'
import { RowGroup, type GroupFile } from './RowGroup.ts'
import { readFilters, readIndex, type Filters, type RowGroupEntry, type Section, type SparseIndex } from './sparse-index.ts'
import { Stretch } from './Stretch.ts'
import { rowGroupsOfFooter } from './thrift-footer.ts'
import type { FileFacts } from './written-file.ts'

/** Row groups of the first request of a scan, for those that stop early; each further one asks for twice as many. */
const firstGroups = 2
/** Row groups that a long scan asks for at once, and whose columns are joined: some 1 MB, for which the time on the way no longer counts. */
const stretchGroups = 16
/** Of one request, where row groups are larger than usual. */
const requestBytesMax = 2 * 1024 * 1024
/** Reads for keys that turned out absent, after which filters that are not in the index are worth their request. */
const wastedReadsMax = 4

/** One chunk of a few bytes is kept decoded for so many row groups: 13 bytes a row of one of them, where filters count 6 a row of each. */
const rowGroupsPerTinyChunk = 4

const magic = utf8Encode('PAR1')

/** A row group for a merge, which takes it over as it stands or apart. */
export interface GroupOfFile {
  readonly group: RowGroup
  /** As `footerGroups` gives it. */
  readonly footer: Uint8Array
  /** As GroupStatistics keeps it; undefined where its file has none. */
  readonly statistics: Uint8Array | undefined
  /** Those of its file, where it is the row group `place`. */
  readonly filters: Filters
  readonly place: number
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
  /** Events of files that states of the past were folded from. */
  eventsFolded: number
  /** Where a scan began: the states at this seq stand whole in files. What came after it is folded from events, or is in memory. */
  startSeq: number
}

export interface GroupsOptions {
  readonly signal?: AbortSignal | undefined
  readonly trace?: ScanTrace | undefined
  /** Takes what the cache has and keeps what is read there. */
  readonly cache?: GroupCache | undefined
  /** Of one request of several row groups; 2 MiB. */
  readonly bytesMax?: number | undefined
  /** Between two row groups of one request, of those who want a few of many and all of them: so many bytes are rather read than asked around. */
  readonly bridgeBytes?: number | undefined
  /** Cut at the same places whoever asks, so that joined columns serve everybody; a reader that begins in the middle begins with less. */
  readonly isJoined?: boolean
  /** Whether a row group is to be read, asked shortly before that. */
  readonly wants?: ((index: number) => boolean) | undefined
}

/** Row groups that are read together; `isWhole` when they are all those that may ever be. */
interface Piece {
  readonly indexes: readonly number[]
  readonly isWhole: boolean
}

/** A file's index, and its row groups on demand. */
export class TableReader {
  readonly path: string
  /** Where its row groups may be kept. */
  readonly cache: GroupCache | undefined
  readonly index: SparseIndex
  readonly #source: ByteSource
  readonly #facts: FileFacts
  readonly #file: GroupFile
  readonly #names: string[] = []
  #filters: Filters | undefined
  #statistics: GroupStatistics | undefined
  #wastedReads = 0

  private constructor(source: ByteSource, facts: FileFacts, { index, cache }: { index: SparseIndex; cache: GroupCache | undefined }) {
    this.path = source.path
    this.cache = cache
    this.#source = source
    this.#facts = facts
    this.index = index
    this.#file = { path: source.path, leaves: leavesOf(index.fields), arena: cache?.arena ?? new Arena(), codec: index.codec ?? 'snappy', tinyChunks: new Map(), tinyChunksMax: index.rowGroups.length / rowGroupsPerTinyChunk }
    this.#filters = index.filters
  }

  /** One request. CORRUPT_FILE when the index is not the one that `facts` describe. `cache`: where its row groups may be kept. */
  static async open(source: ByteSource, facts: FileFacts, { kind, cache }: { kind: SparseIndex['kind']; cache: GroupCache | undefined }): Promise<TableReader> {
    const bytes = await readSection(source, facts.index, 'index')
    const index = inFile({ path: source.path, offset: facts.index.start }, () => {
      const read = readIndex(bytes)
      if (read.kind !== kind) throw malformed(`it is a ${read.kind} where a ${kind} belongs`)
      for (const group of read.rowGroups) if (group.end > facts.index.start) throw malformed('a row group lies outside of the file')
      return read
    })
    return new TableReader(source, facts, { index, cache })
  }

  get leaves(): readonly Leaf[] {
    return this.#file.leaves
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
    if (section === undefined) throw new ParqueDBError('CORRUPT_FILE', `${this.path} has no filters.`, { details: { path: this.path } })
    const bytes = await readSection(this.#source, section, 'filters')
    this.#filters = inFile({ path: this.path, offset: section.start }, () => readFilters(new ByteCursor(bytes), this.index))
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
    const where = { path: this.path, offset: this.index.sections[statisticsSection]?.start ?? 0 }
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
    const filters = await this.loadFilters()
    const layout = layoutOf(this.index)
    const statistics = await this.statistics()
    let place = -1
    for await (const group of this.groups(this.rowGroups.map((_, index) => index), options)) {
      const footer = footers[++place]
      const next = this.rowGroups[place + 1]
      if (footer === undefined) throw new ParqueDBError('CORRUPT_FILE', `${this.path} has fewer row groups in its footer than in its index.`, { details: { path: this.path } })
      yield { group, footer, statistics: statistics?.blocks[place], filters, place, layout, bound: next?.firstKey ?? this.index.lastKey, isLast: next === undefined }
    }
  }

  /** One row group, in one request at most. */
  async rowGroup(index: number, cache?: GroupCache): Promise<RowGroup> {
    const [group] = await this.#read([index], { cache })
    return group as RowGroup
  }

  /** A row group that is in memory. */
  rowGroupNow(index: number): RowGroup | undefined {
    return this.cache?.get(this.#nameOf(index)) as RowGroup | undefined
  }

  /** Row groups in the order given, which ascends. Adjacent ones share requests; the next request is under way while one is worked on. */
  async *groups(indexes: readonly number[], options: GroupsOptions = {}): AsyncGenerator<RowGroup> {
    for await (const { groups } of this.stretches(indexes, options)) {
      for (const group of groups) {
        checkAborted(options.signal)
        yield group
      }
    }
  }

  /** As `groups`, many at a time. The first stretch is small, for those that stop early. */
  async *stretches(indexes: readonly number[], options: GroupsOptions): AsyncGenerator<Stretch> {
    const { trace, signal } = options
    const pieces = this.#pieces(indexes, options)
    let next = this.#ahead(pieces, options)
    while (next !== undefined) {
      checkAborted(signal)
      const stretch = await next
      next = this.#ahead(pieces, options)
      const decoded = (): number => stretch.groups.reduce((sum, group) => sum + group.decodedCount, 0)
      const decodedBefore = decoded()
      try {
        yield stretch
      } finally {
        if (trace !== undefined) {
          trace.pages += this.leaves.length * stretch.groups.length
          trace.decodedPages += decoded() - decodedBefore
        }
      }
    }
  }

  /**
   * Reads and checks every byte of the file, also those that only other readers use, handing each row group to `check` when all its columns have been
   * decoded. CORRUPT_FILE at the first that is wrong.
   */
  async verify(check: (group: RowGroup, index: number) => void, signal?: AbortSignal): Promise<void> {
    await this.#verifyFrame()
    for (const [name, section] of Object.entries(this.index.sections)) await readSection(this.#source, section, name)
    let rows = 0
    let index = 0
    for await (const group of this.groups(this.rowGroups.map((_, at) => at), { signal })) {
      for (let column = 0; column < this.leaves.length; column++) group.column(column)
      inFile({ path: this.path, offset: group.entry.start }, () => check(group, index++))
      rows += group.rowCount
    }
    inFile({ path: this.path, offset: this.#facts.index.start }, () => {
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
  #ahead(pieces: Generator<Piece>, options: GroupsOptions): Promise<Stretch> | undefined {
    const piece = pieces.next()
    if (piece.done === true) return undefined
    const { indexes, isWhole } = piece.value
    const reading = this.#read(indexes, options).then((groups) => new Stretch(groups, { isWhole }))
    reading.catch(() => undefined)
    return reading
  }

  *#pieces(indexes: readonly number[], { bytesMax = requestBytesMax, bridgeBytes, isJoined = false, wants, trace }: GroupsOptions): Generator<Piece> {
    let most = bridgeBytes === undefined ? firstGroups : stretchGroups
    for (let at = 0; at < indexes.length; most = Math.min(most * 2, stretchGroups)) {
      const { start, end } = isJoined ? stretchOf(indexes[at] as number) : { start: 0, end: Number.POSITIVE_INFINITY }
      const piece: number[] = []
      let bytes = 0
      for (; at < indexes.length && (indexes[at] as number) < end && piece.length < most; at++) {
        const index = indexes[at] as number
        const entry = this.rowGroups[index] as RowGroupEntry
        if (piece.length > 0 && bytes + entry.end - entry.start > bytesMax) break
        if (wants?.(index) !== false) {
          piece.push(index)
          bytes += entry.end - entry.start
        } else if (trace !== undefined) trace.prunedRowGroups += 1
      }
      if (piece.length > 0) yield { indexes: piece, isWhole: isJoined && piece.length === Math.min(end, this.rowGroups.length) - start }
    }
  }

  /** Those that the cache does not have come in a request for each row of neighbours, all at once. */
  async #read(indexes: readonly number[], options: GroupsOptions): Promise<RowGroup[]> {
    const { cache, trace, bridgeBytes = 0 } = options
    const groups: RowGroup[] = []
    const requests: number[][] = []
    let end = Number.NEGATIVE_INFINITY
    for (const index of indexes) {
      const cached = cache?.get(this.#nameOf(index)) as RowGroup | undefined
      const entry = this.rowGroups[index] as RowGroupEntry
      if (cached !== undefined) groups.push(cached)
      else if (entry.start - end <= bridgeBytes) requests.at(-1)?.push(index)
      else requests.push([index])
      if (cached === undefined) end = entry.end
    }
    if (trace !== undefined) trace.cachedRowGroups += groups.length
    if (requests.length === 0) return groups
    const read = await Promise.all(requests.map((request) => this.#readAtOnce(request, options)))
    return [...groups, ...read.flat()].toSorted((left, right) => left.entry.start - right.entry.start)
  }

  async #readAtOnce(indexes: readonly number[], { cache, trace }: GroupsOptions): Promise<RowGroup[]> {
    const entries = indexes.map((index) => this.rowGroups[index] as RowGroupEntry)
    const from = (entries[0] as RowGroupEntry).start
    const to = (entries[entries.length - 1] as RowGroupEntry).end
    const bytes = await this.#source.readRange({ start: from, end: to })
    if (trace !== undefined) {
      trace.requests += 1
      trace.bytes += to - from
    }
    return entries.map((entry, at) => {
      const part = bytes.subarray(entry.start - from, entry.end - from)
      // What is kept must not keep the bytes of its neighbours.
      const group = new RowGroup(entry, cache === undefined || entries.length === 1 ? part : part.slice(), this.#file)
      cache?.put(this.#nameOf(indexes[at] as number), group)
      return group
    })
  }

  #nameOf(index: number): string {
    return (this.#names[index] ??= `${this.path}#${index}`)
  }
}

/** The row groups that are read together with this one; the first ones of a file in small stretches, as a scan begins with them. */
function stretchOf(index: number): { start: number; end: number } {
  const length = index < stretchGroups ? Math.max(firstGroups, 2 ** Math.floor(Math.log2(Math.max(1, index)))) : stretchGroups
  const start = index - (index % length)
  return { start, end: start + length }
}

async function readSection(source: ByteSource, section: Section, name: string): Promise<Uint8Array> {
  if (section.start < 0 || section.end < section.start || section.end > source.sizeBytes) {
    throw new ParqueDBError('CORRUPT_FILE', `${source.path} has ${source.sizeBytes} bytes, and its ${name} would end at ${section.end}. Restore the file from a backup.`, { details: { path: source.path, offset: section.start } })
  }
  const bytes = await source.readRange({ start: section.start, end: section.end })
  inFile({ path: source.path, offset: section.start }, () => {
    if (crc32(bytes) !== section.crc32) throw malformed(`its ${name} does not have the checksum that it should`)
  })
  return bytes
}
