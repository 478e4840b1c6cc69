import { crc32 } from '../base/crc32.ts'
import { ByteCursor } from './ByteCursor.ts'
import type { Column } from './Column.ts'
import type { Codec } from './codecs.ts'
import type { Leaf } from './columns.ts'
import { decodeChunk, inFile } from './decode-chunk.ts'
import { malformed } from './malformed.ts'
import type { RowGroupEntry } from './sparse-index.ts'

interface ChunkPlace {
  readonly start: number
  readonly end: number
  readonly crc32: number
  readonly isCompressed: boolean
}

/** The bytes of one row group. Columns are checked and decoded when they are asked for, once. */
export class RowGroup {
  readonly entry: RowGroupEntry
  readonly codec: Codec
  readonly #path: string
  readonly #leaves: readonly Leaf[]
  readonly #bytes: Uint8Array
  readonly #places: readonly ChunkPlace[]
  readonly #columns: (Column | undefined)[]

  /** `bytes` are those from `entry.start` to `entry.end`. */
  constructor(entry: RowGroupEntry, bytes: Uint8Array, file: { path: string; leaves: readonly Leaf[]; codec: Codec }) {
    this.entry = entry
    this.codec = file.codec
    this.#path = file.path
    this.#leaves = file.leaves
    this.#bytes = bytes
    this.#places = inFile({ path: file.path, offset: entry.start }, () => readDirectory(bytes, entry, file.leaves.length))
    this.#columns = new Array<Column | undefined>(file.leaves.length)
  }

  get rowCount(): number {
    return this.entry.rows
  }

  /** Called with the bytes of memory that each column takes that is decoded from now on. */
  onDecode: ((bytes: number) => void) | undefined

  /** Memory that it takes. */
  get bytes(): number {
    return this.#columns.reduce((sum, column) => sum + (column?.bytes ?? 0), this.#bytes.length)
  }

  /** Columns that have been decoded: a page each, and its dictionary. */
  get decodedCount(): number {
    return this.#columns.reduce((sum, column) => sum + (column === undefined ? 0 : 1), 0)
  }

  /** The physical column at this place in `leavesOf`. */
  column(index: number): Column {
    const present = this.#columns[index]
    if (present !== undefined) return present
    const column = this.#decode(index)
    this.#columns[index] = column
    this.onDecode?.(column.bytes)
    return column
  }

  /** All of it, when every chunk has its checksum. */
  checkedBytes(): Uint8Array {
    inFile({ path: this.#path, offset: this.entry.start }, () => {
      for (const { start, end, crc32: expected } of this.#places) if (crc32(this.#bytes.subarray(start, end)) !== expected) throw malformed('a column chunk does not have the checksum that its directory says')
    })
    return this.#bytes
  }

  #decode(index: number): Column {
    const leaf = this.#leaves[index] as Leaf
    const place = this.#places[index] as ChunkPlace
    const bytes = this.#bytes.subarray(place.start, place.end)
    const where = { path: this.#path, offset: this.entry.start + place.start, column: leaf.path.join('.') }
    return inFile(where, () => decodeChunk({ leaf, rowCount: this.entry.rows, bytes, crc32: place.crc32, codec: place.isCompressed ? this.codec : undefined }))
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
