import { compareBytes, compareStrings, utf8Encode } from '../base/bytes.ts'
import { listAt } from '../base/list-at.ts'
import { lowerBound } from '../base/lower-bound.ts'
import { rowsBetween } from './Column.ts'
import { textBytesAt } from './column-values.ts'
import { compareKeys, lastGroupFrom } from './sparse-index.ts'
import { Stretch } from './Stretch.ts'
import type { GroupsOptions, TableReader } from './TableReader.ts'

/** Bounds of ids, by UTF-8 bytes. */
export interface IdRange {
  /** Only ids >= this. */
  readonly fromId?: string | undefined
  /** Only ids > this. */
  readonly afterId?: string | undefined
  /** Only ids < this. */
  readonly beforeId?: string | undefined
}

/** Keys that begin with the parts of `prefix`, whose next part, the id, is within the bounds. Bounds need a prefix of all parts but the id. */
export interface KeyRange extends IdRange {
  readonly prefix: readonly string[]
}

/** The range of one key. */
export function rangeOfKey(prefix: readonly string[], id: string): KeyRange {
  return { prefix, fromId: id, beforeId: `${id}\0` }
}

/** Row groups that a range reaches into, ascending, by the index alone. */
export function groupsWithin({ rowGroups, index }: TableReader, range: KeyRange): number[] {
  const { prefix, beforeId } = range
  const from = startOf(range)
  if (compareKeys(from, index.lastKey) > 0) return []
  // In a segment an earlier row group may end with the key that this one begins with.
  const start = Math.max(0, lastGroupFrom(rowGroups, from, { isBelow: index.kind === 'segment' }))
  const groups: number[] = []
  const end = beforeId === undefined ? undefined : [...prefix, beforeId]
  for (let at = start; at < rowGroups.length; at++) {
    const firstKey = rowGroups[at]?.firstKey ?? []
    if (end === undefined ? compareKeys(firstKey.slice(0, prefix.length), prefix) > 0 : compareKeys(firstKey, end) >= 0) break
    groups.push(at)
  }
  return groups
}

/** Rows of a stretch within a range: from `start` on, below `end`. */
export function rowsWithin(stretch: Stretch, range: KeyRange): { start: number; end: number } {
  const { prefix, beforeId } = range
  const start = prefix.length === 0 && range.fromId === undefined && range.afterId === undefined ? 0 : firstRow(stretch, startOf(range))
  if (beforeId !== undefined) return { start, end: firstRow(stretch, [...prefix, beforeId]) }
  const last = prefix.at(-1)
  // No text stands between another one and the same with a NUL at its end.
  return { start, end: last === undefined ? stretch.rowCount : firstRow(stretch, [...prefix.slice(0, -1), `${last}\0`]) }
}

/** What several ranges, which ascend and do not overlap, have of each row group, in order: each is read once, adjacent ones share requests. */
export async function* rowsInRanges(table: TableReader, ranges: readonly KeyRange[], options: GroupsOptions): AsyncGenerator<{ stretch: Stretch; rows: Int32Array }> {
  const wanted = new Map<number, KeyRange[]>()
  for (const range of ranges) for (const index of groupsWithin(table, range)) listAt(wanted, index).push(range)
  const indexes = [...wanted.keys()].filter((index) => options.wants?.(index) !== false)
  let at = 0
  for await (const group of table.groups(indexes, { ...options, wants: undefined })) {
    const stretch = new Stretch([group])
    const parts = (wanted.get(indexes[at++] ?? -1) ?? []).map((range) => rowsWithin(stretch, range))
    const rows = parts.length === 1 ? rowsBetween(parts[0]?.start ?? 0, parts[0]?.end ?? 0) : Int32Array.from(parts.flatMap(({ start, end }) => [...rowsBetween(start, end)]))
    if (rows.length > 0) yield { stretch, rows }
  }
}

/** The least key that a range can hold. */
function startOf({ prefix, fromId, afterId }: KeyRange): readonly string[] {
  const after = afterId === undefined ? undefined : `${afterId}\0`
  const id = fromId === undefined || (after !== undefined && compareStrings(after, fromId) > 0) ? after : fromId
  return id === undefined ? prefix : [...prefix, id]
}

/** The first row whose key is at least `key`. Only keys of the row group that may hold it are looked at. */
function firstRow({ groups, starts }: Stretch, key: readonly string[]): number {
  const at = groups.findLastIndex(({ entry }) => compareKeys(entry.firstKey, key) < 0)
  const group = groups[at]
  if (group === undefined) return 0
  const columns = key.map((part, index) => ({ column: group.column(index), part: utf8Encode(part) }))
  const order = (row: number): number => columns.reduce((found, { column, part }) => found || compareBytes(textBytesAt(column, row) ?? part, part), 0)
  return (starts[at] as number) + lowerBound({ length: group.rowCount }, (_, row) => order(row) < 0)
}
