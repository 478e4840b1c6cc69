import { assert } from '../base/assert.ts'
import { utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { exhaust } from '../base/exhaust.ts'
import { BloomFiltersBuilder } from './BloomFilters.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import { compressorOf, type Codec, type Compressor } from './codecs.ts'
import { leavesOf, type FieldSpec } from './columns.ts'
import { encodeChunk, type ColumnToEncode, type EncodedChunk } from './encode-chunk.ts'
import { FileBuffer } from './FileBuffer.ts'
import { writeFileMetadata, writeRowGroup } from './footer.ts'
import { GroupStatisticsBuilder, statisticsSection } from './GroupStatistics.ts'
import { LeafBuilder } from './LeafBuilder.ts'
import type { RowToCopy } from './RowSource.ts'
import { IdHashes, IdHashesBuilder } from './IdHashes.ts'
import { indexFormat, joinKey, writeIndex, type RowGroupEntry, type Section } from './sparse-index.ts'
import { layoutOf, type GroupOfFile } from './TableReader.ts'
import { writeMovedRowGroup } from './thrift-footer.ts'
import { rowFacts, type WrittenFile } from './written-file.ts'

/** A point read fetches one row group, and 64 KB cost as long on the way as the request itself. */
export const defaultRowGroupBytes = 64 * 1024
/** Decoding a row group is the least work of a point read, so rows are bounded even when they are tiny. */
const rowGroupRowsMax = 10_000
/** Until a row group has been encoded, its values are taken to shrink to this. */
const firstRatio = 0.6
/** Filters up to this size stand in the index and are read with it; larger ones only once they are worth a request of their own. */
const inlineFilterBytesMax = 64 * 1024
const parquetMagic = utf8Encode('PAR1')

export interface FileOptions {
  /** What a row group should take in the file; 64 KB. */
  readonly rowGroupBytes?: number | undefined
  /** Default snappy. */
  readonly codec?: Codec | undefined
  /** Key-value metadata of the file: the version of the fold that made its states, for one. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

interface TableOptions extends FileOptions {
  readonly kind: 'run' | 'segment'
  readonly fields: readonly FieldSpec[]
  /** Physical columns that rows are ordered by. */
  readonly sortedBy: readonly number[]
  /** Of the sorted columns, the one whose values share beginnings. */
  readonly prefixColumn: number
}

type GroupFacts = Omit<RowGroupEntry, 'start' | 'end' | 'directoryBytes' | 'directoryCrc32'>

/**
 * Gathers rows into row groups, each one page a column, and writes the file around them. Layout:
 * 'PAR1', row groups (a directory: each chunk's length and crc32; then the chunks), sections, index, Thrift footer.
 * Other readers find the chunks by the footer and never see directories, sections and index.
 */
export abstract class TableWriter {
  /** Where a row's values go before `endRow`; a leaf without one has a null there. In the order of `leavesOf(fields)`. */
  protected readonly leaves: readonly LeafBuilder[]
  readonly #options: Required<{ readonly [Name in keyof TableOptions]: Exclude<TableOptions[Name], undefined> }>
  protected readonly layout: string
  readonly #compressor: Compressor
  readonly #file = new FileBuffer()
  readonly #groups: RowGroupEntry[] = []
  readonly #thriftGroups = new ByteBuffer(4096)
  /** Of a row group's keys, each once, and of the ids by which its rows may be looked up besides them. */
  protected readonly filters = { keys: new BloomFiltersBuilder(), ids: new IdHashesBuilder() }
  readonly #statistics = new GroupStatisticsBuilder()
  #rowsWritten = 0
  readonly #gathered = { bytes: 0 }
  #ratio = firstRatio
  /** What the index will say of the rows gathered. */
  #group: { -readonly [Fact in keyof GroupFacts]: GroupFacts[Fact] } | undefined
  #lastKey: readonly string[] = []
  #lastName: string | undefined
  /** Row groups that ended early because one was taken over behind them. */
  #cutShort = 0

  protected constructor(options: TableOptions) {
    const { rowGroupBytes = defaultRowGroupBytes, codec = 'snappy', metadata = {} } = options
    this.#options = { ...options, rowGroupBytes, codec, metadata }
    this.layout = layoutOf(this.#options)
    this.#file.append(parquetMagic)
    this.#compressor = compressorOf(codec)
    this.leaves = leavesOf(options.fields).map((leaf) => new LeafBuilder(leaf, this.#gathered))
  }

  /** Rows added. */
  get rows(): number {
    return this.#rowsWritten + this.pendingRows
  }

  /** Size of the file so far: exact for what is encoded, an estimate for the rows that are not. */
  get bytes(): number {
    return this.#file.length + Math.ceil(this.#gathered.bytes * this.#ratio)
  }

  /** Whether the rows gathered fill a row group: `encode` is due. Where it is not called, the next row does `flush`. */
  get isFull(): boolean {
    return this.#gathered.bytes * this.#ratio >= this.#options.rowGroupBytes || this.pendingRows >= rowGroupRowsMax
  }

  /** Rows gathered for the next row group. */
  protected get pendingRows(): number {
    return this.#group?.rows ?? 0
  }

  /** Ends a row whose values have been added to the leaves. */
  protected endRow({ key, seq, ts }: { key: readonly string[]; seq: number; ts: number }): void {
    const name = joinKey(key)
    if (name !== this.#lastName) this.filters.keys.add(name)
    this.#lastName = name
    this.#lastKey = key
    const group = (this.#group ??= { firstKey: key, rows: 0, minSeq: seq, maxSeq: seq, minTs: ts, maxTs: ts, firstSeq: seq, firstTs: ts })
    group.rows += 1
    if (seq < group.minSeq) group.minSeq = seq
    if (seq > group.maxSeq) group.maxSeq = seq
    if (ts < group.minTs) group.minTs = ts
    if (ts > group.maxTs) group.maxTs = ts
  }

  /** Puts what rows of other files have into the leaves, a column after the other; `endRow` is due for each. */
  protected copyToLeaves(rows: readonly RowToCopy[]): void {
    const first = this.pendingRows
    this.leaves.forEach((leaf, index) => {
      for (let at = 0; at < rows.length; at++) {
        const { source, row, columns } = rows[at] as RowToCopy
        const column = columns === undefined ? index : (columns[index] as number)
        if (column >= 0) leaf.copy(source.column(column), row, first + at)
      }
    })
  }

  /** Called when the next row begins a row group. */
  protected beginRowGroup(): void {}

  /** Encodes the rows gathered as one row group. */
  protected flush(): void {
    exhaust(this.encode())
  }

  /** As `flush`, in steps of a column at most, so that others may have their turn between two. */
  *encode(): Generator<void> {
    const group = this.#group
    if (group === undefined) return
    const chunks: EncodedChunk[] = []
    for (const [index, leaf] of this.leaves.entries()) {
      leaf.fillTo(group.rows)
      chunks.push(yield* this.#encode(leaf, index))
      yield
    }
    const start = this.#file.length
    this.#writeGroup(group, chunks)
    yield
    this.filters.keys.endGroup()
    this.filters.ids.endGroup()
    this.#ratio = Math.min(2, Math.max(0.02, (this.#file.length - start) / this.#gathered.bytes))
    this.#gathered.bytes = 0
    this.#group = undefined
    this.#lastName = undefined
    for (const leaf of this.leaves) leaf.clear()
    this.beginRowGroup()
  }

  #encode(column: ColumnToEncode, index: number): Generator<void, EncodedChunk> {
    return encodeChunk(column, { isSorted: index === this.#options.prefixColumn, compressor: this.#compressor })
  }

  #writeGroup(group: GroupFacts, chunks: readonly EncodedChunk[]): void {
    const { sortedBy, codec } = this.#options
    const directory = new ByteBuffer(chunks.length * 8)
    for (const chunk of chunks) {
      directory.varint(chunk.bytes.length * 2 + (chunk.isCompressed ? 1 : 0))
      directory.uint32(crc32(chunk.bytes))
    }
    const start = this.#file.length
    this.#file.append(directory.view())
    const offsets = chunks.map((chunk) => {
      const offset = this.#file.length
      this.#file.append(chunk.bytes)
      return offset
    })
    writeRowGroup({ rows: group.rows, sortedBy, leaves: this.leaves.map(({ leaf }) => leaf), chunks, offsets, codec }, this.#thriftGroups)
    this.#groups.push({ ...group, start, end: this.#file.length, directoryBytes: directory.length, directoryCrc32: crc32(directory.view()) })
    if (this.#options.kind === 'run') this.#statistics.add(chunks.map(({ statistics }) => statistics))
    this.#rowsWritten += group.rows
  }

  /** Whether another file's row group has the same columns, in the same format. */
  fits({ layout, filters }: GroupOfFile): boolean {
    return filters.ids instanceof IdHashes && layout === this.layout
  }

  /** Whether a row group of another file can, and should, be taken over as it stands: it fits and is large enough, and those cut short before one stay few. */
  takes(source: GroupOfFile): boolean {
    const { start, end, rows } = source.group.entry
    const { rowGroupBytes } = this.#options
    const pendingBytes = this.bytes - this.#file.length
    const isLarge = (end - start) * 2 >= rowGroupBytes || rows * 2 >= rowGroupRowsMax
    return this.fits(source) && isLarge && (pendingBytes === 0 || pendingBytes * 4 >= rowGroupBytes || this.#cutShort * 4 <= this.#groups.length)
  }

  /**
   * Takes over a row group of another file with the same columns, behind what was gathered: as it stands, unless this file has another codec. `lastKey` is its
   * last key.
   */
  protected *takeOver({ group, footer, statistics, filters, place }: GroupOfFile, lastKey: readonly string[]): Generator<void> {
    const { entry } = group
    assert(filters.ids instanceof IdHashes, 'P3: a row group that is taken over brings its filters')
    if ((this.bytes - this.#file.length) * 4 < this.#options.rowGroupBytes && this.#group !== undefined) this.#cutShort++
    yield* this.encode()
    this.#lastKey = lastKey
    this.filters.keys.copy(filters.keys, place)
    this.filters.ids.copy(filters.ids, place)
    if (group.file.codec !== this.#options.codec) {
      const chunks: EncodedChunk[] = []
      for (const index of this.leaves.keys()) chunks.push(yield* this.#encode(group.column(index), index))
      this.#writeGroup(entry, chunks)
      return
    }
    const by = this.#file.length - entry.start
    writeMovedRowGroup(footer, by, this.#thriftGroups)
    this.#groups.push({ ...entry, start: entry.start + by, end: entry.end + by })
    this.#statistics.copy(statistics)
    this.#rowsWritten += entry.rows
    this.#file.append(group.checkedBytes())
  }

  /** The whole file. Nothing may be added afterwards. */
  finish(): WrittenFile {
    return exhaust(this.finishing())
  }

  /** As `finish`, in steps. `blocks` become sections that `TableReader.section` reads. */
  *finishing(blocks: { readonly [name: string]: Uint8Array } = {}): Generator<void, WrittenFile> {
    yield* this.encode()
    const sections: { [name: string]: Section } = {}
    for (const [name, bytes] of Object.entries(blocks)) sections[name] = this.#section(bytes)
    const statistics = this.#options.kind === 'run' ? this.#statistics.build() : undefined
    if (statistics !== undefined) sections[statisticsSection] = this.#section(statistics)
    const filters = new ByteBuffer(1024)
    this.filters.keys.write(filters)
    this.filters.ids.write(filters)
    const hasFilters = filters.length <= inlineFilterBytesMax
    if (!hasFilters) sections['filters'] = this.#section(filters.view())
    const index = new ByteBuffer(4096)
    const { kind, fields, metadata, codec } = this.#options
    writeIndex({ format: indexFormat, kind, fields, metadata, ...(codec === 'gzip' && { codec }), sections, hasFilters, rowGroups: this.#groups, lastKey: this.#lastKey }, index)
    if (hasFilters) index.append(filters.view())
    const location = this.#section(index.view())
    yield
    const footer = this.#footer()
    this.#file.append(footer)
    const size = new ByteBuffer(8)
    size.uint32(footer.length)
    size.append(parquetMagic)
    this.#file.append(size.view())
    return { bytes: yield* this.#file.whole(), ...rowFacts(this.#groups, this.#lastKey), index: location, footerCrc32: crc32(footer) }
  }

  #footer(): Uint8Array {
    const { fields, metadata } = this.#options
    return writeFileMetadata({
      fields,
      leafCount: this.leaves.length,
      rows: this.#rowsWritten,
      rowGroupCount: this.#groups.length,
      rowGroups: this.#thriftGroups.view(),
      keyValues: [['parquedb.format', String(indexFormat)], ...Object.entries(metadata)],
    })
  }

  #section(bytes: Uint8Array): Section {
    const start = this.#file.length
    this.#file.append(bytes)
    return { start, end: this.#file.length, crc32: crc32(bytes) }
  }
}
