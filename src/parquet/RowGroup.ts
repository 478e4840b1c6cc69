import { compareBytes } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import type { EntityState } from '../model/entity.ts'
import { approximateBytes } from '../model/values.ts'
import { Arena } from './Arena.ts'
import { ByteCursor } from './ByteCursor.ts'
import type { Column } from './Column.ts'
import type { Codec } from './codecs.ts'
import type { Leaf } from './columns.ts'
import { decodeChunk, inFile, type ChunkBytes } from './decode-chunk.ts'
import { decodeRows, scalarsAt, type RowsOfColumn } from './decode-rows.ts'
import type { GroupCache, Kept } from './GroupCache.ts'
import { malformed } from './malformed.ts'
import type { RowGroupEntry, Section } from './sparse-index.ts'

/** Where in the row group a chunk stands. */
interface ChunkPlace extends Section {
  readonly isCompressed: boolean
}

/** What row groups of one file have in common. */
export interface GroupFile {
  readonly path: string
  readonly leaves: readonly Leaf[]
  /** Shared by the row groups of a cache: for what is decoded and not kept. */
  readonly arena: Arena
  readonly codec: Codec
  /** By column and checksum: most row groups have the same few bytes where a column has no value, or one. */
  readonly tinyChunks: Map<number, TinyChunk>
  /** No more of those: they take less memory than the index and the filters that whoever keeps the file open counts. */
  readonly tinyChunksMax: number
}

/** A chunk of a few bytes, and what it is decoded to. */
export interface TinyChunk {
  readonly bytes: Uint8Array
  readonly column: Column
}

const tinyBytesMax = 64

/** A state's own fields, about. */
const stateBytes = 200

/** The bytes of one row group. Columns are checked and decoded when they are asked for. */
export class RowGroup implements Kept {
  readonly entry: RowGroupEntry
  readonly file: GroupFile
  readonly #bytes: Uint8Array
  readonly #places: readonly ChunkPlace[]
  readonly #columns: (Column | undefined)[]
  /** Columns of the stretch that it begins. */
  readonly joined: (Column | undefined)[] = []
  readonly #states = new Map<number, EntityState>()
  readonly #ranges = new Map<string, { readonly beforeId: string; readonly states: readonly EntityState[] }>()
  bytes: number
  /** 1 for each chunk whose checksum was found right: these bytes do not change. */
  readonly #checked: Uint8Array
  /** 1 for each column that went by in the arena. */
  readonly #passed: Uint8Array
  #lastKey: readonly string[] | undefined
  #passCount = 0
  #decodedCount = 0
  keptBy: GroupCache | undefined
  movedAt = 0

  /** `bytes` are those from `entry.start` to `entry.end`. */
  constructor(entry: RowGroupEntry, bytes: Uint8Array, file: GroupFile) {
    this.entry = entry
    this.file = file
    this.#bytes = bytes
    this.bytes = bytes.length
    this.#places = inFile({ path: file.path, offset: entry.start }, () => readDirectory(bytes, entry, file.leaves.length))
    this.#columns = new Array<Column | undefined>(file.leaves.length)
    this.#checked = new Uint8Array(file.leaves.length)
    this.#passed = new Uint8Array(file.leaves.length)
  }

  get rowCount(): number {
    return this.entry.rows
  }

  /** How often a column of it was decoded: a page each, and its dictionary. */
  get decodedCount(): number {
    return this.#decodedCount
  }

  /** The physical column at this place in `leavesOf`, decoded once. */
  column(index: number): Column {
    const present = this.#columns[index]
    if (present !== undefined) return present
    const column = this.#tinyColumn(index) ?? this.#decode(index, new Arena())
    this.#columns[index] = column
    this.grow(column.bytes)
    return column
  }

  /** As `column`, but what is not known yet is decoded into the arena, unless that was so before and there is room to keep it. */
  passingColumn(index: number): Column {
    const known = this.#columns[index] ?? this.#tinyColumn(index)
    if (known !== undefined) return known
    if (this.#passed[index] === 1 && this.keptBy?.admits(this.#bytes.length) === true) return this.column(index)
    this.#passed[index] = 1
    return this.#decode(index, this.file.arena)
  }

  /** Some of its rows, which ascend, in each column, to make documents of; void after the arena's next reset. Columns of a row group that rows are made of again are kept, as far as there is room. */
  columnsForRows(rows: Int32Array): (index: number) => RowsOfColumn {
    this.file.arena.reset()
    this.#passCount += 1
    if (this.#passCount > 1 && this.keptBy?.admits(this.#bytes.length) === true) return (index) => ({ column: this.column(index), rows })
    const last: { index: number; found: RowsOfColumn | undefined } = { index: -1, found: undefined }
    return (index) => {
      // A group looks at its first column, and then that column's own field does.
      if (last.found !== undefined && last.index === index) return last.found
      const column = this.#columns[index] ?? this.#tinyColumn(index)
      last.index = index
      return (last.found = column === undefined ? this.#opened(index, (chunk) => decodeRows(chunk, rows, this.file.arena)) : { column, rows })
    }
  }

  /** What its last row has in the columns of its key, decoded by itself. */
  lastKey(columns: readonly number[]): readonly string[] {
    if (this.#lastKey !== undefined) return this.#lastKey
    const at = this.columnsForRows(Int32Array.of(this.rowCount - 1))
    return (this.#lastKey = columns.map((column) => scalarsAt(at(column))[0] as string))
  }

  /** What was kept of these rows; undefined when that is not all of them. */
  keptStates(rows: Int32Array): EntityState[] | undefined {
    const states = Array.from(rows, (row) => this.#states.get(row))
    return states.includes(undefined) ? undefined : (states as EntityState[])
  }

  /** Keeps the states of a few rows, which take less memory than the columns that they are made of. They are shared from now on. */
  keepStates(rows: Int32Array, states: readonly EntityState[]): void {
    const bytes = states.reduce((sum, { document }) => sum + stateBytes + approximateBytes(document), 0)
    if (this.keptBy?.admits(bytes) !== true) return
    states.forEach((state, index) => this.#states.set(rows[index] as number, state))
    this.grow(bytes)
  }

  /** What was kept of the states from an id up to, and without, another one. */
  statesWithin(fromId: string, beforeId: string): readonly EntityState[] | undefined {
    const known = this.#ranges.get(fromId)
    return known?.beforeId === beforeId ? known.states : undefined
  }

  /** Keeps all states within a range, as an entity and its edges are asked for again and again. */
  keepStatesWithin({ fromId, beforeId, states }: { fromId: string; beforeId: string; states: readonly EntityState[] }): void {
    const bytes = stateBytes + fromId.length + states.length * 8
    if (this.#ranges.has(fromId) || this.keptBy?.admits(bytes) !== true) return
    this.#ranges.set(fromId, { beforeId, states })
    this.grow(bytes)
  }

  /** More of it is kept. */
  grow(bytes: number): void {
    this.bytes += bytes
    this.keptBy?.grow(bytes)
  }

  /** All of it, when every chunk has its checksum. */
  checkedBytes(): Uint8Array {
    inFile({ path: this.file.path, offset: this.entry.start }, () => this.#places.forEach((_, index) => this.#check(index)))
    return this.#bytes
  }

  #decode(index: number, memory: Arena): Column {
    return this.#opened(index, (chunk) => decodeChunk(chunk, memory))
  }

  /** A column that other row groups have with the same bytes, decoded once for all of them; undefined for one that is not tiny. */
  #tinyColumn(index: number): Column | undefined {
    const { start, end, crc32: checksum } = this.#places[index] as ChunkPlace
    if (end - start > tinyBytesMax) return undefined
    const { tinyChunks, tinyChunksMax, leaves } = this.file
    // Columns of several kinds may have the same bytes.
    const name = checksum * leaves.length + index
    const known = tinyChunks.get(name)
    if (known !== undefined) return known.column.rowCount === this.rowCount && compareBytes(known.bytes, this.#bytes.subarray(start, end)) === 0 ? known.column : undefined
    if (tinyChunks.size >= tinyChunksMax) return undefined
    const column = this.#decode(index, new Arena())
    tinyChunks.set(name, { bytes: this.#bytes.slice(start, end), column })
    return column
  }

  #opened<Decoded>(index: number, decode: (chunk: ChunkBytes) => Decoded): Decoded {
    this.#decodedCount += 1
    const leaf = this.file.leaves[index] as Leaf
    const place = this.#places[index] as ChunkPlace
    const bytes = this.#bytes.subarray(place.start, place.end)
    const where = { path: this.file.path, offset: this.entry.start + place.start, column: leaf.path.join('.') }
    return inFile(where, () => {
      this.#check(index)
      return decode({ leaf, rowCount: this.entry.rows, bytes, codec: place.isCompressed ? this.file.codec : undefined })
    })
  }

  #check(index: number): void {
    if (this.#checked[index] === 1) return
    const { start, end, crc32: expected } = this.#places[index] as ChunkPlace
    if (crc32(this.#bytes.subarray(start, end)) !== expected) throw malformed('a column chunk does not have the checksum that its directory says')
    this.#checked[index] = 1
  }
}

/** The directory at the start of a row group: for each chunk a varint of length * 2 + (1 when compressed), and its crc32. */
function readDirectory(bytes: Uint8Array, entry: RowGroupEntry, chunkCount: number): ChunkPlace[] {
  const directory = new ByteCursor(bytes).take(entry.directoryBytes)
  if (crc32(directory) !== entry.directoryCrc32) throw malformed('the directory of a row group does not have its checksum')
  const cursor = new ByteCursor(directory)
  const places: ChunkPlace[] = []
  let start = entry.directoryBytes
  for (let index = 0; index < chunkCount; index++) {
    const size = cursor.varint()
    const end = start + Math.floor(size / 2)
    places.push({ start, end, isCompressed: size % 2 === 1, crc32: cursor.uint32() })
    start = end
  }
  if (start !== bytes.length || cursor.at !== directory.length) throw malformed('the directory of a row group does not fit it')
  return places
}
