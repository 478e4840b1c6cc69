import { lowerBound } from '../base/lower-bound.ts'
import { hashOf } from './BloomFilters.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import type { ByteCursor } from './ByteCursor.ts'
import { decodeDelta, encodeDelta } from './delta-binary.ts'
import { malformed } from './malformed.ts'

/** A row has an event id, and may have a transaction's. */
const idsPerRow = 2

/** Hashes of the ids in row groups, one row group after the other: each has those that were added since the one before it ended. */
export class IdHashesBuilder {
  readonly #hashes: number[] = []
  readonly #out = new ByteBuffer(1024)

  add(id: string): void {
    this.#hashes.push(idHashOf(id))
  }

  endGroup(): void {
    this.#append(Int32Array.from(this.#hashes).toSorted())
    this.#hashes.length = 0
  }

  /** Ends with the hashes that a row group has in another file. */
  copy(hashes: IdHashes, group: number): void {
    this.#append(hashes.hashesOf(group))
  }

  #append(sorted: Int32Array): void {
    this.#out.varint(sorted.length)
    encodeDelta(sorted, sorted.length, this.#out)
  }

  /** Of each row group the count of its hashes, then the hashes in ascending order, as DELTA_BINARY_PACKED. */
  write(out: ByteBuffer): void {
    out.append(this.#out.view())
  }
}

/** Tells in which row groups an id may be, and is so seldom wrong that the right one of hundreds is read alone: of a million ids one absent in 2,000 is not recognised. */
export class IdHashes {
  readonly #groups: readonly Int32Array[]

  private constructor(groups: readonly Int32Array[]) {
    this.#groups = groups
  }

  static read(cursor: ByteCursor, rowCounts: readonly number[]): IdHashes {
    const groups = rowCounts.map((rows) => {
      const count = cursor.varint()
      if (count > rows * idsPerRow) throw malformed('a row group has more ids than its rows can have')
      const hashes = new Int32Array(count)
      decodeDelta(cursor, hashes)
      return hashes
    })
    return new IdHashes(groups)
  }

  /** False only when the id was never added to the row group. */
  mayContain(group: number, id: string): boolean {
    return isIn(this.hashesOf(group), idHashOf(id))
  }

  /** The row groups to which the id may have been added, ascending. */
  groupsOf(id: string): number[] {
    const hash = idHashOf(id)
    return this.#groups.flatMap((hashes, group) => (isIn(hashes, hash) ? [group] : []))
  }

  hashesOf(group: number): Int32Array {
    return this.#groups[group] as Int32Array
  }
}

/** 31 bits, so that they fit an Int32Array in their own order. Part of the file format. */
function idHashOf(id: string): number {
  return hashOf(id).high >>> 1
}

function isIn(sorted: Int32Array, hash: number): boolean {
  return sorted[lowerBound(sorted, (other) => other < hash)] === hash
}
