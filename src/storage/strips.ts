import { compareBytes, compareStrings } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { firstAtOrAbove, type ByteArrays } from '../parquet/byte-arrays.ts'
import { rowsBetween } from '../parquet/Column.ts'
import { StateBatch } from './StateBatch.ts'
import type { RowBatch, ScanSlice } from './view.ts'

/** Rows `start` to `end` of a batch. */
export interface BatchRange {
  readonly batch: RowBatch
  readonly start: number
  readonly end: number
}

/** A position in an ordered source of batches. */
export interface Source<T> {
  readonly iterator: AsyncIterator<readonly T[]>
  batch: readonly T[]
  at: number
}

/** A range, from where it has not been handed on yet. */
interface Pending {
  readonly source: Source<BatchRange>
  readonly range: BatchRange
  readonly start: number
  readonly end: number
}

/**
 * Merges sources that are each ordered by id, without repeats inside one, strip by strip: the slices of one strip hold all rows of a stretch of
 * ids, and the next strip's ids come after it. A row whose id another slice has with a greater seq is left out. No documents are made, and where only one
 * source has rows nothing is compared. Memory: one batch a source.
 */
export async function* strips(inputs: readonly AsyncIterable<readonly BatchRange[]>[]): AsyncGenerator<readonly ScanSlice[]> {
  const sources = inputs.map(sourceOf)
  /** How far each source's first range has been handed on. */
  const done = new Map<Source<BatchRange>, number>()
  try {
    let live = await advanceAll(sources)
    while (live.length > 0) {
      const heads = live.map((source) => headOf(source, done.get(source)))
      const parts = cut(heads)
      yield heads.length === 1 ? parts.map(sliceOf) : newestOf(parts)
      for (const { source, range, end } of parts) {
        if (end < range.end) {
          done.set(source, end)
          continue
        }
        source.at += 1
        done.delete(source)
      }
      live = live.some((source) => source.at >= source.batch.length) ? await advanceAll(live) : live
    }
  } finally {
    for (const { iterator } of sources) await iterator.return?.()
  }
}

/** What `make` gives of each row, in the order of ids. */
export function inOrder<Item>(selections: readonly ScanSlice[], make: (slice: ScanSlice) => readonly Item[]): readonly Item[] {
  const [only] = selections
  if (only !== undefined && selections.length === 1) return make(only)
  const items = selections.flatMap((slice) => make(slice).map((item, index) => ({ id: slice.batch.id(slice.rows[index] as number), item })))
  return items.toSorted((left, right) => compareStrings(left.id, right.id)).map(({ item }) => item)
}

/** Batches of states, each in the order of ids, as a source. */
export async function* rangesOf(batches: AsyncIterable<readonly EntityState[]> | Iterable<readonly EntityState[]>): AsyncGenerator<readonly BatchRange[]> {
  for await (const states of batches) if (states.length > 0) yield [{ batch: new StateBatch(states), start: 0, end: states.length }]
}

/** Merges sources of states that are each ordered by id, without repeats inside one: of several with one id the one with the greatest seq is left. */
export function mergeStates(inputs: readonly (AsyncIterable<readonly EntityState[]> | Iterable<readonly EntityState[]>)[]): AsyncGenerator<readonly EntityState[]> {
  return statesInOrder(strips(inputs.map(rangesOf)))
}

/** All states of a scan, in the order of ids. */
export async function* statesInOrder(scan: AsyncIterable<readonly ScanSlice[]>): AsyncGenerator<readonly EntityState[]> {
  for await (const strip of scan) yield inOrder(strip, ({ batch, rows }) => batch.states(rows))
}

export function sourceOf<T>(batches: AsyncIterable<readonly T[]>): Source<T> {
  return { iterator: batches[Symbol.asyncIterator](), batch: [], at: 0 }
}

/** Fetches the next batch of every source that has used up its own; gives those that have rows. */
export async function advanceAll<T>(sources: readonly Source<T>[]): Promise<Source<T>[]> {
  await Promise.all(sources.map(async (source) => {
    while (source.at >= source.batch.length) {
      const next = await source.iterator.next()
      if (next.done === true) return
      source.batch = next.value
      source.at = 0
    }
  }))
  return sources.filter((source) => source.at < source.batch.length)
}

function headOf(source: Source<BatchRange>, start: number | undefined): Pending {
  const range = source.batch[source.at] as BatchRange
  return { source, range, start: start ?? range.start, end: range.end }
}

/** What of each range is at most the least of their last ids; those that have rows there. */
function cut(heads: readonly Pending[]): readonly Pending[] {
  if (heads.length === 1) return heads
  const bound = heads.map(({ range }) => idAt(range.batch.ids, range.end - 1)).reduce((least, id) => (compareBytes(id, least) < 0 ? id : least))
  // No id stands between an id and the same with a NUL at its end.
  const above = new Uint8Array(bound.length + 1)
  above.set(bound)
  return heads.map((head) => ({ ...head, end: Math.min(head.end, firstAtOrAbove(head.range.batch.ids, above)) })).filter(({ start, end }) => start < end)
}

function sliceOf({ range, start, end }: Pending): ScanSlice {
  return { batch: range.batch, rows: rowsBetween(start, end) }
}

function newestOf(parts: readonly Pending[]): readonly ScanSlice[] {
  if (parts.length === 1) return parts.map(sliceOf)
  const shadowed = parts.map(({ range }) => new Uint8Array(range.batch.rowCount))
  for (let left = 0; left < parts.length; left++) {
    for (let right = left + 1; right < parts.length; right++) markShadowed([parts[left] as Pending, parts[right] as Pending], [shadowed[left] as Uint8Array, shadowed[right] as Uint8Array])
  }
  return parts.map((part, index) => ({ batch: part.range.batch, rows: rowsBetween(part.start, part.end).filter((row) => shadowed[index]?.[row] === 0) })).filter(({ rows }) => rows.length > 0)
}

/** Marks, of each id that both have, the older row. */
function markShadowed([left, right]: readonly [Pending, Pending], [leftMarks, rightMarks]: readonly [Uint8Array, Uint8Array]): void {
  const { ids: leftIds, seqs: leftSeqs } = left.range.batch
  const { ids: rightIds, seqs: rightSeqs } = right.range.batch
  let one = left.start
  let other = right.start
  while (one < left.end && other < right.end) {
    const order = compareAt(leftIds, one, { arrays: rightIds, index: other })
    if (order < 0) one += 1
    else if (order > 0) other += 1
    else if ((leftSeqs[one] as number) < (rightSeqs[other] as number)) leftMarks[one++] = 1
    else rightMarks[other++] = 1
  }
}

function compareAt({ blob, offsets }: ByteArrays, index: number, right: { arrays: ByteArrays; index: number }): number {
  let at = offsets[index] as number
  const end = offsets[index + 1] as number
  const other = right.arrays
  let to = other.offsets[right.index] as number
  const otherEnd = other.offsets[right.index + 1] as number
  while (at < end && to < otherEnd) {
    const difference = (blob[at++] as number) - (other.blob[to++] as number)
    if (difference !== 0) return difference
  }
  return end - at - (otherEnd - to)
}

function idAt({ blob, offsets }: ByteArrays, index: number): Uint8Array {
  return blob.subarray(offsets[index], offsets[index + 1])
}
