import { concatBytes, utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { BloomFilterBuilder } from './BloomFilter.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import type { FieldSpec } from './columns.ts'
import { leavesOf } from './columns.ts'
import { encodeChunk } from './encode-chunk.ts'
import { writeFileMetadata, writeRowGroup } from './footer.ts'
import { GroupStatisticsBuilder, statisticsSection } from './GroupStatistics.ts'
import { LeafBuilder, type GatheredSize } from './LeafBuilder.ts'
import { SnappyCompressor } from './snappy.ts'
import { indexFormat, joinKey, writeIndex } from './sparse-index.ts'
import type { RowGroupEntry, Section } from './sparse-index.ts'
import { writeMovedRowGroup } from './thrift-footer.ts'
import type { WrittenFile } from './written-file.ts'

/** A point read fetches one row group, and 64 KB cost as long on the way as the request itself. */
export const defaultRowGroupBytes = 64 * 1024
/** Decoding a row group is the least work of a point read, so rows are bounded even when they are tiny. */
const rowGroupRowsMax = 10_000
/** Until a row group has been encoded, its values are taken to shrink to this. */
const firstRatio = 0.6
/** Filters up to this size stand in the index and are read with it; larger ones only once they are worth a request of their own. */
const inlineFilterBytesMax = 64 * 1024
const parquetMagic = utf8Encode('PAR1')

export interface TableOptions {
  readonly kind: 'run' | 'segment'
  readonly fields: readonly FieldSpec[]
  /** Physical columns that rows are ordered by. */
  readonly sortedBy: readonly number[]
  /** Of the sorted columns, the one whose values share beginnings. */
  readonly prefixColumn: number
  readonly rowGroupBytes: number
  readonly metadata: Readonly<Record<string, string>>
}

/** What a table needs to know about a row besides its values. */
export interface RowFacts {
  readonly key: readonly string[]
  readonly seq: number
  readonly ts: number
}

type GroupFacts = Omit<RowGroupEntry, 'start' | 'end' | 'directoryBytes' | 'directoryCrc32'>

/**
 * Gathers rows into row groups, each one page a column, and writes the file around them. Layout:
 * 'PAR1', row groups (a directory: each chunk's length and crc32; then the chunks), sections, index, Thrift footer.
 * Other readers find the chunks by the footer and never see directories, sections and index.
 */
export class TableWriter {
  /** Where a row's values go before `endRow`; a leaf without one has a null there. In the order of `leavesOf(fields)`. */
  readonly leaves: readonly LeafBuilder[]
  readonly #options: TableOptions
  readonly #compressor = new SnappyCompressor()
  readonly #parts: Uint8Array[] = [parquetMagic]
  readonly #groups: RowGroupEntry[] = []
  readonly #thriftGroups = new ByteBuffer(4096)
  readonly #keys = new BloomFilterBuilder()
  readonly #ids = new BloomFilterBuilder()
  readonly #statistics = new GroupStatisticsBuilder()
  #offset = parquetMagic.length
  #rowsWritten = 0
  readonly #gathered: GatheredSize = { bytes: 0 }
  #ratio = firstRatio
  /** What the index will say of the rows gathered. */
  #group: { -readonly [Fact in keyof GroupFacts]: GroupFacts[Fact] } | undefined
  #lastKey: readonly string[] = []
  /** Row groups that ended early because one was taken over behind them. */
  #cutShort = 0

  constructor(options: TableOptions) {
    this.#options = options
    this.leaves = leavesOf(options.fields).map((leaf) => new LeafBuilder(leaf, this.#gathered))
  }

  get rows(): number {
    return this.#rowsWritten + this.pendingRows
  }

  /** Bytes of the file so far, with an estimate of the rows that are not encoded yet. */
  get bytes(): number {
    return this.#offset + Math.ceil(this.#gathered.bytes * this.#ratio)
  }

  /** True when the rows gathered fill a row group: `flush` is due. */
  get isFull(): boolean {
    return this.#gathered.bytes * this.#ratio >= this.#options.rowGroupBytes || this.pendingRows >= rowGroupRowsMax
  }

  /** Rows gathered for the next row group. */
  get pendingRows(): number {
    return this.#group?.rows ?? 0
  }

  /** Ends a row whose values have been added to the leaves. */
  endRow({ key, seq, ts }: RowFacts): void {
    this.#addKey(key)
    const group = (this.#group ??= { firstKey: key, rows: 0, minSeq: seq, maxSeq: seq, minTs: ts, maxTs: ts, firstSeq: seq, firstTs: ts })
    group.rows += 1
    if (seq < group.minSeq) group.minSeq = seq
    if (seq > group.maxSeq) group.maxSeq = seq
    if (ts < group.minTs) group.minTs = ts
    if (ts > group.maxTs) group.maxTs = ts
  }

  #addKey(key: readonly string[]): void {
    if (key.length === this.#lastKey.length && key.every((part, index) => part === this.#lastKey[index])) return
    this.#keys.add(joinKey(key))
    this.#lastKey = key
  }

  /** An id by which a row may be looked up besides its key. */
  addId(id: string): void {
    this.#ids.add(id)
  }

  /** Encodes the rows gathered as one row group. */
  flush(): void {
    const group = this.#group
    if (group === undefined) return
    const { sortedBy, prefixColumn } = this.#options
    for (const leaf of this.leaves) leaf.fillTo(group.rows)
    const chunks = this.leaves.map((leaf, index) => encodeChunk(leaf, { isSorted: index === prefixColumn, compressor: this.#compressor }))
    const directory = new ByteBuffer(chunks.length * 8)
    for (const chunk of chunks) {
      directory.varint(chunk.bytes.length * 2 + (chunk.isCompressed ? 1 : 0))
      directory.uint32(crc32(chunk.bytes))
    }
    const start = this.#offset
    this.#write(directory.copy())
    const offsets = chunks.map((chunk) => {
      const offset = this.#offset
      this.#write(chunk.bytes)
      return offset
    })
    writeRowGroup({ rows: group.rows, sortedBy, leaves: this.leaves.map(({ leaf }) => leaf), chunks, offsets }, this.#thriftGroups)
    this.#groups.push({ ...group, start, end: this.#offset, directoryBytes: directory.length, directoryCrc32: crc32(directory.view()) })
    if (this.#options.kind === 'run') this.#statistics.add(chunks.map(({ statistics }) => statistics))
    this.#rowsWritten += group.rows
    this.#ratio = Math.min(2, Math.max(0.02, (this.#offset - start) / this.#gathered.bytes))
    this.#gathered.bytes = 0
    this.#group = undefined
    for (const leaf of this.leaves) leaf.clear()
  }

  /** Whether a row group of another file is worth taking over as it stands: it is large enough, and those cut short before one stay few. */
  takes({ start, end }: RowGroupEntry): boolean {
    const { rowGroupBytes } = this.#options
    const pendingBytes = this.bytes - this.#offset
    return (end - start) * 2 >= rowGroupBytes && (pendingBytes === 0 || pendingBytes * 4 >= rowGroupBytes || this.#cutShort * 4 <= this.#groups.length)
  }

  /**
   * Takes over a row group of another file with the same columns as it stands, behind what was gathered. `keys` and `ids` are those of its rows;
   * `footer` is what the other file's footer says of it.
   */
  copy(group: { readonly entry: RowGroupEntry; readonly bytes: Uint8Array; readonly footer: Uint8Array; readonly statistics: Uint8Array | undefined }, { keys, ids }: { keys: readonly (readonly string[])[]; ids: readonly string[] }): void {
    const { entry } = group
    if ((this.bytes - this.#offset) * 4 < this.#options.rowGroupBytes && this.#group !== undefined) this.#cutShort++
    this.flush()
    for (const key of keys) this.#addKey(key)
    for (const id of ids) this.#ids.add(id)
    const by = this.#offset - entry.start
    writeMovedRowGroup(group.footer, by, this.#thriftGroups)
    this.#groups.push({ ...entry, start: entry.start + by, end: entry.end + by })
    this.#statistics.copy(group.statistics)
    this.#rowsWritten += entry.rows
    this.#write(group.bytes)
  }

  /** Writes what stands after the row groups. `blocks` become sections that `TableReader.section` reads. */
  finish(blocks: { readonly [name: string]: Uint8Array } = {}): WrittenFile {
    this.flush()
    const sections: { [name: string]: Section } = {}
    for (const [name, bytes] of Object.entries(blocks)) sections[name] = this.#section(bytes)
    const statistics = this.#options.kind === 'run' ? this.#statistics.build() : undefined
    if (statistics !== undefined) sections[statisticsSection] = this.#section(statistics)
    const filters = new ByteBuffer(1024)
    this.#keys.write(filters)
    this.#ids.write(filters)
    const hasFilters = filters.length <= inlineFilterBytesMax
    if (!hasFilters) sections['filters'] = this.#section(filters.view())
    const index = new ByteBuffer(4096)
    const { kind, fields, metadata } = this.#options
    writeIndex({ format: indexFormat, kind, fields, metadata, sections, hasFilters, rowGroups: this.#groups, lastKey: this.#lastKey }, index)
    if (hasFilters) index.append(filters.view())
    const location = this.#section(index.view())
    const footer = this.#footer()
    this.#write(footer)
    const size = new ByteBuffer(8)
    size.uint32(footer.length)
    size.append(parquetMagic)
    this.#write(size.view())
    return { bytes: concatBytes(this.#parts), ...fileFacts(this.#groups, this.#lastKey), index: location, footerCrc32: crc32(footer) }
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
    const start = this.#offset
    this.#write(bytes)
    return { start, end: this.#offset, crc32: crc32(bytes) }
  }

  #write(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#offset += bytes.length
  }
}

function fileFacts(groups: readonly RowGroupEntry[], maxKey: readonly string[]): Omit<WrittenFile, 'bytes' | 'index' | 'footerCrc32'> {
  const [first] = groups
  if (first === undefined) return { rows: 0, minKey: [], maxKey: [], minSeq: 0, maxSeq: 0, minTs: 0, maxTs: 0 }
  let { minSeq, maxSeq, minTs, maxTs } = first
  let rows = 0
  for (const group of groups) {
    rows += group.rows
    minSeq = Math.min(minSeq, group.minSeq)
    maxSeq = Math.max(maxSeq, group.maxSeq)
    minTs = Math.min(minTs, group.minTs)
    maxTs = Math.max(maxTs, group.maxTs)
  }
  return { rows, minKey: first.firstKey, maxKey, minSeq, maxSeq, minTs, maxTs }
}
