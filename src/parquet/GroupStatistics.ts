import { utf8Decode } from '../base/bytes.ts'
import type { FieldPath } from '../model/path.ts'
import type { Value } from '../model/values.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import type { Leaf, ScalarKind } from './columns.ts'
import { malformed } from './malformed.ts'
import type { ColumnStatistics } from './statistics.ts'

/** What a column of a row group holds, lists by their elements. */
export interface ColumnBounds {
  /** Of the column; 'absent' where no row has the field, and all other bounds are missing. */
  readonly kind: ScalarKind | 'absent'
  readonly isList: boolean
  /** Whether a row has no value there. */
  readonly hasNulls: boolean
  /** Nothing is outside of these, though they need not occur; undefined where they are not known. */
  readonly least?: Value | undefined
  readonly greatest?: Value | undefined
}

/** True when a row group surely holds no row that is wanted; `boundsOf` gives undefined for a path of which nothing is known. */
export type GroupFilter = (boundsOf: (path: FieldPath) => ColumnBounds | undefined) => boolean

/** The section of a run that holds them. */
export const statisticsSection = 'statistics'
/** Bytes of a text's bound: longer ones are left out, as the block must stay small beside its file. */
const boundBytesMax = 24

/** Bounds of all columns, a block for each row group. */
export class GroupStatisticsBuilder {
  readonly #out = new ByteBuffer(4096)
  #isWhole = true

  /** The columns of the next row group. */
  add(statistics: readonly ColumnStatistics[]): void {
    const block = new ByteBuffer(1024)
    for (const { nullCount, least, greatest } of statistics) {
      block.varint(nullCount)
      const isKept = least !== undefined && greatest !== undefined && least.length <= boundBytesMax && greatest.length <= boundBytesMax
      for (const bound of isKept ? [least, greatest] : []) {
        block.varint(bound.length + 1)
        block.append(bound)
      }
      if (!isKept) block.varint(0)
    }
    this.copy(block.view())
  }

  /** The block of a row group that another file had; undefined where that file had none, so that there is none here. */
  copy(block: Uint8Array | undefined): void {
    if (block === undefined) {
      this.#isWhole = false
      return
    }
    this.#out.varint(block.length)
    this.#out.append(block)
  }

  build(): Uint8Array | undefined {
    return this.#isWhole ? this.#out.copy() : undefined
  }
}

interface Bounds {
  readonly nullCount: number
  readonly least: Value | undefined
  readonly greatest: Value | undefined
}

/** The bounds of a run's columns by row group, parsed when they are asked for. */
export class GroupStatistics {
  readonly blocks: readonly Uint8Array[]
  readonly #columns = new Map<number, readonly Bounds[]>()

  constructor(bytes: Uint8Array, groupCount: number) {
    const cursor = new ByteCursor(bytes)
    this.blocks = Array.from({ length: groupCount }, () => cursor.take(cursor.varint()))
  }

  bounds(at: { column: number; leaf: Leaf; group: number }): Bounds {
    let columns = this.#columns.get(at.column)
    if (columns === undefined) {
      columns = this.blocks.map((block) => boundsIn(block, at))
      this.#columns.set(at.column, columns)
    }
    const bounds = columns[at.group]
    if (bounds === undefined) throw malformed('the statistics have fewer row groups than the file')
    return bounds
  }
}

function boundsIn(block: Uint8Array, { column, leaf }: { column: number; leaf: Leaf }): Bounds {
  const cursor = new ByteCursor(block)
  for (let before = 0; before < column; before++) {
    cursor.varint()
    const length = cursor.varint()
    if (length === 0) continue
    cursor.take(length - 1)
    cursor.take(cursor.varint() - 1)
  }
  const nullCount = cursor.varint()
  const length = cursor.varint()
  if (length === 0) return { nullCount, least: undefined, greatest: undefined }
  return { nullCount, least: valueOf(leaf.kind, cursor.take(length - 1)), greatest: valueOf(leaf.kind, cursor.take(cursor.varint() - 1)) }
}

/** The inverse of statisticsOf. */
function valueOf(kind: ScalarKind, bytes: Uint8Array): Value {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (kind) {
    case 'string':
      return utf8Decode(bytes)
    case 'bytes':
      return bytes
    case 'int':
      return Number(view.getBigInt64(0, true))
    case 'date':
      return new Date(Number(view.getBigInt64(0, true)))
    case 'bigint':
      return view.getBigInt64(0, true)
    case 'double':
      return view.getFloat64(0, true)
    case 'boolean':
      return bytes[0] === 1
  }
}
