import { isParqueDBError, type ParqueDBError } from '../base/ParqueDBError.ts'
import type { RowGroup } from './RowGroup.ts'
import type { RowGroupEntry } from './sparse-index.ts'
import type { TableReader } from './TableReader.ts'

/** Rows that cannot be read any more, as the file's index tells of them. */
export interface LostRows extends Pick<RowGroupEntry, 'rows' | 'firstKey' | 'minSeq' | 'maxSeq'> {
  /** The first key after them that is not theirs; the file's last key when they are its last. */
  readonly untilKey: readonly string[]
  readonly error: ParqueDBError
}

/** The rows of every row group that is sound; `onLost` hears of each other one. */
export async function* salvageGroups<Row>(table: TableReader, rowsOf: (group: RowGroup) => Row[], onLost: (lost: LostRows) => void): AsyncGenerator<Row[]> {
  const { rowGroups, index } = table
  for (const [at, { rows, firstKey, minSeq, maxSeq }] of rowGroups.entries()) {
    let sound: Row[] = []
    try {
      sound = rowsOf(await table.rowGroup(at))
    } catch (error) {
      if (!isParqueDBError(error, 'CORRUPT_FILE') && !isParqueDBError(error, 'NOT_FOUND')) throw error
      onLost({ rows, firstKey, untilKey: rowGroups[at + 1]?.firstKey ?? index.lastKey, minSeq, maxSeq, error })
    }
    if (sound.length > 0) yield sound
  }
}
