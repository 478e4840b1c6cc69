import { lowerBound } from '../base/lower-bound.ts'
import type { GroupOfFile } from '../parquet/TableReader.ts'

/** Rows that a merge hands on at once. */
const batchRows = 1024
/** What all inputs together read ahead. */
const readAheadBytes = 16 * 1024 * 1024
const requestBytesMax = 1024 * 1024

/** What the inputs of one merge may each ask for in one request: of two requests an input holds the bytes. */
export function mergeRequestBytes(inputCount: number): number {
  return Math.min(requestBytesMax, Math.floor(readAheadBytes / inputCount / 2))
}

/** A row group in its place among the rows. */
export interface GroupToMerge<Row, Source = GroupOfFile> {
  readonly source: Source
  /** Stands for its first row, and orders as that does. */
  readonly first: Row
  /** Orders as the last row that it can hold, or after it. */
  readonly bound: Row
  readonly rows: () => readonly Row[]
}

export type MergeStep<Row, Source = GroupOfFile> = { readonly kind: 'rows'; readonly rows: readonly Row[] } | { readonly kind: 'group'; readonly source: Source }

interface Input<Row, Source> {
  readonly groups: AsyncIterator<GroupToMerge<Row, Source>>
  /** Not taken apart yet; its first row is `head`. */
  group: GroupToMerge<Row, Source> | undefined
  rows: readonly Row[]
  at: number
  /** The next row; undefined at the end. */
  head: Row | undefined
}

/**
 * Merges row groups in order: what overlaps nothing of another input, and the consumer `takes`, is handed on whole, without being decoded; all else as
 * rows. Memory: of each input the rows of one row group, and two requests. Closes the inputs when the consumer stops early.
 */
export async function* mergeGroups<Row, Source = GroupOfFile>(inputs: readonly AsyncIterable<GroupToMerge<Row, Source>>[], rule: { compare: (left: Row, right: Row) => number; takes: (source: Source) => boolean }): AsyncGenerator<MergeStep<Row, Source>> {
  const all: Input<Row, Source>[] = inputs.map((groups) => ({ groups: groups[Symbol.asyncIterator](), group: undefined, rows: [], at: 0, head: undefined }))
  try {
    let out: Row[] = []
    for (const input of all) await advance(input)
    // By their next rows.
    const live = all.filter(hasMore).toSorted((left, right) => rule.compare(left.head as Row, right.head as Row))
    for (let [least] = live; least !== undefined; [least] = live) {
      const others = live[1]?.head
      const { group } = least
      if (group === undefined) {
        takeUpTo(least, { others, compare: rule.compare, out })
        await advance(least)
      } else {
        const isAlone = others === undefined || rule.compare(group.bound, others) < 0
        // Whether it takes it depends on what it was given before.
        if (isAlone && out.length > 0) {
          yield { kind: 'rows', rows: out }
          out = []
        }
        if (isAlone && rule.takes(group.source)) {
          yield { kind: 'group', source: group.source }
          await advance(least)
        } else takeApart(least, group)
      }
      live.shift()
      const { head } = least
      if (head !== undefined) live.splice(lowerBound(live, (other) => rule.compare(other.head as Row, head) < 0), 0, least)
      if (out.length >= batchRows) {
        yield { kind: 'rows', rows: out }
        out = []
      }
    }
    if (out.length > 0) yield { kind: 'rows', rows: out }
  } finally {
    for (const { groups } of all) await groups.return?.()
  }
}

/** Merges sources that are each in order into one. As `mergeGroups`. */
export async function* mergeSorted<Row>(inputs: readonly AsyncIterable<readonly Row[]>[], compare: (left: Row, right: Row) => number): AsyncGenerator<readonly Row[]> {
  for await (const step of mergeGroups<Row, undefined>(inputs.map(batchesToMerge), { compare, takes: () => false })) if (step.kind === 'rows') yield step.rows
}

async function* batchesToMerge<Row>(batches: AsyncIterable<readonly Row[]>): AsyncGenerator<GroupToMerge<Row, undefined>> {
  for await (const rows of batches) {
    const [first, bound] = [rows[0], rows.at(-1)]
    if (first !== undefined && bound !== undefined) yield { source: undefined, first, bound, rows: () => rows }
  }
}

/** Moves rows that come before every other input's; the first does. */
function takeUpTo<Row>(input: Input<Row, unknown>, to: { others: Row | undefined; compare: (left: Row, right: Row) => number; out: Row[] }): void {
  const { rows } = input
  do to.out.push(rows[input.at++] as Row)
  while (input.at < rows.length && (to.others === undefined || to.compare(rows[input.at] as Row, to.others) <= 0))
}

function hasMore(input: Input<unknown, unknown>): boolean {
  return input.head !== undefined
}

async function advance<Row, Source>(input: Input<Row, Source>): Promise<void> {
  if (input.at >= input.rows.length) {
    const next = await input.groups.next()
    input.rows = []
    input.at = 0
    input.group = next.done === true ? undefined : next.value
    input.head = input.group?.first
  } else input.head = input.rows[input.at]
}

function takeApart<Row, Source>(input: Input<Row, Source>, group: GroupToMerge<Row, Source>): void {
  input.rows = group.rows()
  input.group = undefined
  input.head = input.rows[0]
}
